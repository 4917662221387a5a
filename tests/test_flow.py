"""`Flow`: what a user holds of one family or several; its file; and the old `kernels.plan`."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqgap
from bits import bits
from seqgap import Flow, kernels
from seqgap.bench.model.case import Case, Dtype
from seqgap.kernels import affine_coupling, ar_process, diffusion, linear_ar, maf, realnvp, rq_spline
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels.normal import standard_normal

TWO_THREADS = pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
ORDER = np.array([3, 0, 4, 1, 2])
MODULES = ["maf", "realnvp", "rq_spline"]


def example(dtype: Any = "float64", permutation: Any = ORDER) -> Flow:
    """Parameters of several families."""
    return Flow(
        maf.random_params(5, 1, layers=2, depth=2, width=8, dtype=dtype),
        realnvp.random_params(5, 2, width=8, dtype=dtype),
        rq_spline.random_params(5, 3, coupling=False, width=8, dtype=dtype),
        affine_coupling.random_params(5, 4, dtype=dtype),
        permutation=permutation,
    )


OF_FOUR = affine_coupling.Params(*[np.zeros(2)] * 4)


def same_bits(first: Any, second: Any) -> bool:
    return all(bits(a) == bits(b) for a, b in zip(first, second, strict=True))


@pytest.mark.dims(19)
def test_it_gives_the_bits_of_the_public_functions(flow: Case, dtype: Dtype, dim: int) -> None:
    z, params = flow.operation("forward").inputs(dim, 40, dtype, 2).args
    held = Flow(params, dim=dim)
    for verb in ("forward", "inverse"):
        expected = flow.kernel(verb)(z, params)
        assert same_bits(getattr(held, verb)(z), expected)
        out = np.full_like(z, np.nan)
        result = getattr(held, verb)(z, out=out)
        assert result[0] is out
        assert same_bits(result, expected)
        assert same_bits(getattr(held, verb)(z[:1]), [array[:1] for array in expected])
    assert held.log_prob(z).tobytes() == flow.kernel("log_prob")(z, params).tobytes()
    drawn = flow.operation("sample").inputs(dim, 33, dtype, 2)
    assert (
        held.sample(33, drawn.args[2]).tobytes()
        == flow.kernel("sample")(*drawn.args, **drawn.kwargs).tobytes()
    )


def test_it_is_its_parameters_one_after_another() -> None:
    flow, z = example(), standard_normal(9, 5, 4)
    x = np.empty_like(z)
    x[:, flow.permutation] = z
    total = np.zeros(9)
    for params, module in zip(flow.params, (maf, realnvp, rq_spline, affine_coupling), strict=True):
        x, added = module.forward(x, params)  # type: ignore[attr-defined]
        total += added
    result, log_det = flow.forward(z)
    assert result.tobytes() == x.tobytes()
    np.testing.assert_allclose(log_det, total, atol=1e-14)
    back, log_det_back = flow.inverse(result)
    np.testing.assert_allclose(back, z, atol=1e-12)
    expected = log_det_back - 0.5 * (back**2).sum(axis=1) - 2.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(flow.log_prob(result), expected, atol=1e-12)


@pytest.mark.float32_is_slow
def test_samples_and_strategies(dtype: Dtype) -> None:
    flow = example(dtype)
    z = standard_normal(7000, 5, 11, dtype=dtype)
    x, _ = flow.forward(z)
    assert x.dtype == flow.dtype == dtype
    assert flow.sample(7000, 11).tobytes() == x.tobytes()
    assert flow.sample(10, 11, first_row=50).tobytes() == x[50:60].tobytes()
    for strategy in ("naive", "jacobi"):
        assert flow.forward(z[:70], strategy=strategy)[0].tobytes() == x[:70].tobytes()


@TWO_THREADS
def test_bits_depend_neither_on_threads_nor_on_chunks() -> None:
    flow, z = example(), standard_normal(40_000, 5, 11)  # three chunks
    for verb in (flow.forward, flow.inverse):
        whole = verb(z)
        assert same_bits(whole, verb(z, threads=2))
        parts = [verb(z[lo : lo + 7001]) for lo in range(0, 40_000, 7001)]
        assert same_bits(whole, [np.concatenate(pieces) for pieces in zip(*parts, strict=True)])
    assert flow.log_prob(z, threads=2).tobytes() == flow.log_prob(z).tobytes()
    assert flow.sample(40_000, 1, threads=2).tobytes() == flow.sample(40_000, 1).tobytes()


def test_arrays_are_copied_and_may_be_read_only() -> None:
    params = maf.random_params(5, 1, width=8)
    flow, before = Flow(params), maf.sample(9, params, 1)
    for array in params:
        if isinstance(array, np.ndarray):
            array[...] = 0
    assert flow.sample(9, 1).tobytes() == before.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        flow.params[0].bias_out[...] = 0
    assert Flow(*flow.params).sample(9, 1).tobytes() == before.tobytes()


def test_a_flow_is_equal_to_itself_alone(tmp_path: Path) -> None:
    flow = example()
    flow.save(tmp_path / "flow")
    loaded = Flow.load(tmp_path / "flow")
    assert flow == flow  # the comparison is what is tested
    assert flow != loaded
    assert flow not in [loaded]
    assert len({flow, loaded, flow}) == 2


def test_its_permutation_is_a_read_only_copy() -> None:
    order, z = np.array([2, 0, 3, 1]), np.array([[1.0, 2.0, 3.0, 4.0]])
    flow = Flow(linear_ar.random_params(4, 1), permutation=order)
    flow.forward(z)
    order[:] = [0, 1, 2, 3]
    np.testing.assert_allclose(flow.inverse(flow.forward(z)[0])[0], z, atol=1e-14)
    assert flow.permutation is not None
    assert flow.permutation.tolist() == [2, 0, 3, 1]
    with pytest.raises(ValueError, match="read-only"):
        flow.permutation[:] = order


def test_out_may_be_the_input_and_nothing_else_that_overlaps() -> None:
    for flow in (example(), example(permutation=None), Flow(realnvp.random_params(5, 1, width=8))):
        z = standard_normal(6, 5, 4)
        x, log_det = flow.forward(z)
        again = z.copy()
        assert same_bits(flow.forward(again, out=again), (x, log_det))
        memory = np.zeros((7, 5))
        with pytest.raises(ValueError, match="out: expected no overlap with z"):
            flow.forward(memory[:6], out=memory[1:])
        with pytest.raises(ValueError, match="out: expected no overlap with z"):
            flow.forward(memory[:6], out=np.frombuffer(memory.data).reshape(7, 5)[1:])
        with pytest.raises(TypeError, match="out: expected dtype float64"):
            flow.forward(z, out=np.zeros((6, 5), np.float32))


def test_families_that_leave_the_dimension_open_take_it() -> None:
    process, coupling = ar_process.random_params(9, 1), affine_coupling.random_params(9, 1)
    assert Flow(coupling).dim == 8
    assert Flow(coupling, dim=9).dim == Flow(process, maf.random_params(9, 1, width=8)).dim == 9
    assert Flow(process, dim=7).sample(3, 1).shape == (3, 7)
    with pytest.raises(ValueError, match="dim: expected one, since no Params fix it"):
        Flow(process)


def test_copies_and_pickles_are_the_same_flow() -> None:
    flow = example()
    for other in (pickle.loads(pickle.dumps(flow)), copy.deepcopy(flow)):
        assert other.sample(5, 1).tobytes() == flow.sample(5, 1).tobytes()
    assert pickle.loads(pickle.dumps(maf.sample)) == maf.sample


@pytest.mark.parametrize("name", ["flow.npz", "flow", "a.b"])
def test_a_file_gives_the_same_flow(tmp_path: Path, dtype: Dtype, name: str) -> None:
    flow, path = example(dtype), tmp_path / name
    flow.save(path)
    loaded = Flow.load(str(path))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert loaded.sample(20, 1).tobytes() == flow.sample(20, 1).tobytes()
    assert loaded.log_prob(np.ones((3, 5))).tobytes() == flow.log_prob(np.ones((3, 5))).tobytes()
    with np.load(path, allow_pickle=False) as file:
        assert all(file[key].dtype != object for key in file.files)


@pytest.mark.dims(6)
def test_every_family_has_a_file(tmp_path: Path, flow: Case, dim: int) -> None:
    held = Flow(flow.kernel("random_params")(dim, 1), dim=dim)
    held.save(tmp_path / "flow.npz")
    assert Flow.load(tmp_path / "flow.npz").sample(5, 1).tobytes() == held.sample(5, 1).tobytes()


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    flow, path = example(), tmp_path / "flow.npz"
    flow.save(path)
    whole = path.read_bytes()
    with np.load(path) as file:
        fields = {name: file[name] for name in file.files}
    wrong: list[dict[str, Any]] = [
        {"a": np.zeros(3)},
        {**fields, "format": np.array("seqgap flow 2")},
        {**fields, "more": np.zeros(1)},
        {**fields, "permutation": np.array([0, 0, 1, 2, 3])},
        {**fields, "0.weight_in": np.zeros((2, 8, 4))},
        {**fields, "0.activation": np.array("mish")},
        *(
            {**fields, "families": np.array(["maf", "realnvp", s])}
            for s in ("nosuch", "diffusion", "_core.jit", "os")
        ),
        {name: value for name, value in fields.items() if name != "1.masks"},
        {**fields, "0.order": np.array([object()])},
    ]
    for stored in wrong:
        np.savez(path, **stored)
        with pytest.raises(ValueError, match=r"path: expected a file of Flow\.save, got '.*flow\.npz'"):
            Flow.load(path)
    for data in (b"", b"text", whole[: len(whole) // 2], whole[:-30]):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="path: expected a file"):
            Flow.load(path)
    with pytest.raises(FileNotFoundError):
        Flow.load(tmp_path / "none.npz")


def test_wrong_arguments_are_named() -> None:
    flow, params = example(), maf.random_params(5, 1, width=8)
    for verb in (flow.forward, flow.inverse, flow.log_prob):
        with pytest.raises(ValueError, match=r"^[zx] has 6 columns, the flow is for D = 5$"):
            verb(np.zeros((4, 6)))
    for held in (flow, Flow(params)):
        with pytest.raises(ValueError, match=r"^strategy: expected one of"):
            held.forward(np.zeros((4, 5)), strategy="fast")
        with pytest.raises(ValueError, match=r"^threads: expected"):
            held.sample(3, 1, threads=0)
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((), {}, ValueError, "params: expected at least 1"),
        (
            (params, None),
            {},
            TypeError,
            r"params\[1\]: expected Params of a family of flows, got NoneType",
        ),
        (((("maf", params),),), {}, TypeError, r"params\[0\]: .* got tuple; pass each by itself"),
        ((params, diffusion.Schedule([0.1])), {}, TypeError, r"params\[1\]: expected Params of a family"),
        ((params, maf.random_params(4, 1)), {}, ValueError, r"got 5 \(params.0.\) and 4 \(params.1.\)"),
        ((params, maf.random_params(5, 1, dtype="float32")), {}, ValueError, "params: expected one dtype"),
        ((params,), {"dim": 4}, ValueError, r"expected one dim, got 4 \(dim\) and 5 \(par"),
        (
            (params,),
            {"permutation": [0, 1, 2, 3]},
            ValueError,
            "permutation: expected a permutation of 0 to 4",
        ),
        (
            (params._replace(bias_hidden=np.zeros(3)),),
            {},
            ValueError,
            r"params\[0\]: params\.bias_hidden: expected",
        ),
        ((params._replace(weight_in=np.ma.masked_array(params.weight_in)),), {}, TypeError, "without a mask"),
    ]
    for arguments, options, error, message in wrong:
        with pytest.raises(error, match=message):
            Flow(*arguments, **options)


def test_the_face_of_the_package() -> None:
    assert seqgap.Flow is Flow
    assert seqgap.kernels is kernels
    assert {"Chain", "Flow", "kernels", "load", "__version__"} <= set(dir(seqgap))
    with pytest.raises(AttributeError, match="no attribute 'flow'"):
        seqgap.flow  # type: ignore[attr-defined]  # noqa: B018  # the access is what is tested


def test_the_old_plan_is_the_compiled_part_of_a_flow() -> None:
    params, z = affine_coupling.random_params(19, 1), standard_normal(40, 19, 2)
    for verb in ("forward", "inverse"):
        with pytest.warns(DeprecationWarning, match="use seqgap.Flow"):
            run = kernels.plan(affine_coupling, verb, params, 19)
        x, log_det = np.full_like(z, np.nan), np.full(40, np.nan)
        run(z, x, log_det)
        assert same_bits((x, log_det), getattr(affine_coupling, verb)(z, params))


@pytest.mark.filterwarnings("ignore:seqgap.kernels.plan")
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((diffusion, "forward", None, 4), TypeError, "family: expected a module"),
        ((affine_coupling, "sample", None, 4), ValueError, "verb: expected"),
        ((affine_coupling, "forward", None, 4), TypeError, "params: expected"),
        ((affine_coupling, "forward", OF_FOUR, 9), ValueError, "dim is 9, params are for D = 4 or 5"),
        ((affine_coupling, "forward", OF_FOUR, 0), ValueError, "dim: expected"),
        ((affine_coupling, "forward", OF_FOUR, 4, "int8"), TypeError, "dtype"),
    ],
)
def test_wrong_plans_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        kernels.plan(*arguments)


def test_the_identity_is_no_permutation() -> None:
    """It takes no step: for one row that would be as long as the rest of a small flow."""
    flow = Flow(affine_coupling.random_params(4, 1), permutation=range(4))
    assert flow.permutation is None
    assert len(flow._own.forward) == 1
    assert "permuted" not in repr(flow)
