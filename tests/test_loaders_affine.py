"""Affine layers of nflows and zuko: the libraries' own density and samples, one step, refusals by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgap.kernels import affine, elementwise, interop
from seqgap.kernels.interop import Flow, evaluation, from_nflows, from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import LIBRARIES, begun, density, latent, libraries, moved, nflow, resnet, sampled, zuko_flows

# nflows calls what PyTorch is about to remove.
pytestmark = [LIBRARIES, pytest.mark.filterwarnings("ignore:torch.triangular_solve is deprecated")]
DIMS = (1, 2, 5, 15)


def made(dim: int) -> Any:
    return libraries()[3].MaskedAffineAutoregressiveTransform(dim, 12)


def nflows_of(dim: int) -> dict[str, Any]:
    torch, _, _, t = libraries()
    linear = {
        "LU": lambda: t.LULinear(dim),
        "QR": lambda: t.QRLinear(dim, min(dim, 3)),
        "SVD": lambda: t.SVDLinear(dim, 2),
        "reflections": lambda: t.HouseholderSequence(dim, min(dim, 3)),
        "inverse": lambda: t.InverseTransform(t.CompositeTransform([t.LULinear(dim), t.ActNorm(dim)])),
    }
    z_score = lambda: t.PointwiseAffineTransform(torch.randn(dim), torch.rand(dim) + 0.3)  # noqa: E731
    return {
        name: nflow(
            dim, z_score(), t.RandomPermutation(dim), build(), made(dim), t.RandomPermutation(dim), build(),
            t.BatchNorm(dim), t.IdentityTransform(), made(dim), t.ActNorm(dim), t.ReversePermutation(dim),
        )
        for name, build in linear.items()
    } | {
        "scalars": nflow(dim, t.PointwiseAffineTransform(-1.5, 0.3), made(dim)),
        "no network": nflow(dim, t.LULinear(dim), z_score()),
    }  # fmt: skip


def zuko_of(dim: int) -> dict[str, Any]:
    torch, zuko, _, _ = libraries()
    t, unconditional = zuko.transforms, zuko.lazy.UnconditionalTransform
    plain = lambda: zuko.flows.MAF(dim, transforms=1, hidden_features=(12,)).transform.transforms  # noqa: E731
    z_score = lambda: unconditional(  # noqa: E731
        t.AffineTransform, loc=torch.randn(dim), scale=torch.rand(dim) - 1.3, buffer=True
    )
    linear = {
        "LU": lambda: unconditional(t.LULinearTransform, torch.eye(dim)),
        "rotation": lambda: unconditional(t.RotationTransform, torch.randn(dim, dim)),
        "permutation": lambda: unconditional(t.PermutationTransform, torch.randperm(dim), buffer=True),
        "inverse": lambda: (
            zuko.lazy.LazyComposedTransform(z_score(), unconditional(t.LULinearTransform, torch.eye(dim))).inv
        ),
        "scalars": lambda: unconditional(t.AffineTransform, 0.5, -2.0, event_dim=1),
        "monotonic": lambda: unconditional(t.MonotonicAffineTransform, torch.randn(dim), torch.randn(dim)),
    }
    return {
        name: zuko.flows.Flow(
            [z_score(), build(), *plain(), build(), build(), z_score()], zuko.flows.MAF(dim).base
        )
        for name, build in linear.items()
    }


def library(name: str) -> tuple[Callable[..., Flow], Callable[[int], dict[str, Any]]]:
    return (from_zuko, zuko_of) if name == "zuko" else (from_nflows, nflows_of)


def relative(value: Any, truth: Any) -> Any:
    """The error of each row."""
    truth = truth.reshape(len(truth), -1)
    error: Any = np.abs(np.asarray(value).reshape(truth.shape) - truth).max(1) / np.maximum(
        1, np.abs(truth).max(1)
    )
    return error


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", ["zuko", "nflows"])
def test_loaded_flows_equal_the_library(name: str, dim: int) -> None:
    """To 1e-10 in float64; in float32 samples err at most twice as much as the library's."""
    torch = libraries()[0]
    torch.manual_seed(dim)
    load, build = library(name)
    own = evaluation.Library(name, lambda flow: flow, lambda flow, x: x)
    for kind, flow in build(dim).items():
        moved(flow, 0.1).eval()
        normals = standard_normal(60, dim, 3, dtype=np.dtype(np.float32))
        with torch.no_grad():
            single, theirs = load(flow).forward(normals)[0], sampled(flow, torch.tensor(normals)).numpy()
            x, double = torch.tensor(normals).double(), load(flow.double())
            truth = sampled(flow, x).numpy()
            for value, expected in (
                (double.forward(x)[0], truth),
                (double.inverse(x)[0], latent(flow, x).numpy()),
                (double.log_prob(x), density(flow, x).numpy()),
            ):
                assert relative(value, expected).max() < 1e-10, kind
        evaluation.check_float32(relative(single, truth), relative(theirs, truth), own)


def test_neighbours_are_one_step_and_diagonals_and_permutations_cost_no_matrix() -> None:
    torch, _, _, t = libraries()
    z_score = t.PointwiseAffineTransform(torch.ones(4), torch.full((4,), 2.0))
    mixed = [t.LULinear(4), t.RandomPermutation(4), t.BatchNorm(4), t.LULinear(4)]
    flow = moved(nflow(4, z_score, made(4), *mixed, made(4), t.RandomPermutation(4), t.BatchNorm(4)))
    kinds = [type(params).__module__.rpartition(".")[2] for params in from_nflows(flow).params]
    assert kinds == ["elementwise", "maf", "affine", "maf", "elementwise"]
    flow = begun(nflow(4, t.RandomPermutation(4), made(4), t.IdentityTransform(), t.ReversePermutation(4)))
    assert len(from_nflows(flow).params) == 1
    coupling = t.AffineCouplingTransform([1, -1, 1, -1], resnet())
    inverse = t.InverseTransform(t.CompositeTransform([t.RandomPermutation(4), t.LULinear(4)]))
    loaded = from_nflows(moved(nflow(4, coupling, inverse, t.LULinear(4))))
    assert [type(params) for params in loaded.params] == [affine.Params, interop.layers.realnvp.Params]


def test_a_matrix_that_is_close_to_singular_keeps_its_digits() -> None:
    """A condition of 1e9, of which float32 has no inverse; the library solves with the factors."""
    torch, _, _, t = libraries()
    torch.manual_seed(1)
    for dim in DIMS[1:]:
        layers = [t.LULinear(dim) for _ in range(2)]
        for layer in layers:
            layer.eps = 1e-9
        flow = moved(nflow(dim, *layers)).double()
        for layer in layers:
            layer.unconstrained_upper_diag.data[-1] = -10.0
        x = torch.tensor(standard_normal(30, dim, 1))
        loaded = from_nflows(flow)
        assert np.linalg.cond(loaded.params[0].matrix) > 1e8
        with torch.no_grad():
            assert relative(loaded.forward(x)[0], sampled(flow, x).numpy()).max() < 1e-10
            assert relative(loaded.log_prob(x), density(flow, x).numpy()).max() < 1e-10
        assert from_nflows(flow.float()).dtype == np.float32


def test_a_matrix_without_structure() -> None:
    """nflows' own inverse of it does not run with PyTorch 2."""
    torch, _, _, t = libraries()
    flow = moved(nflow(5, made(5), t.NaiveLinear(5, orthogonal_initialization=False))).double()
    loaded, x = from_nflows(flow), standard_normal(30, 5, 1)
    with torch.no_grad():
        np.testing.assert_allclose(loaded.log_prob(x), density(flow, torch.tensor(x)).numpy(), rtol=1e-11)
        z = latent(flow, torch.tensor(loaded.forward(x)[0])).numpy()
    np.testing.assert_allclose(z, x, atol=1e-10)


def boxed(low: Any, high: Any, layers: Any) -> Any:
    """As sbi builds it with z_score_theta="transform_to_unconstrained"."""
    _, zuko, _, _ = libraries()
    utils = pytest.importorskip("sbi.utils", reason="without sbi")
    box = utils.sbiutils.biject_transform_zuko(utils.mcmc_transform(utils.BoxUniform(low, high)))
    return zuko.flows.Flow([box, *layers], zuko.flows.MAF(len(low)).base)


@pytest.mark.filterwarnings("ignore")  # of sbi, as it is imported
@pytest.mark.parametrize("dim", DIMS)
def test_the_logit_of_a_box(dim: int) -> None:
    """Within the box and beyond it, where PyTorch holds the argument of the logit."""
    torch, zuko, _, _ = libraries()
    torch.manual_seed(dim)
    low, width = torch.randn(dim), torch.rand(dim) + 0.5
    flow = boxed(
        low, low + width, zuko.flows.MAF(dim, transforms=2, hidden_features=(9,)).transform.transforms
    )
    single = from_zuko(moved(flow, 0.1))
    assert single.params[-1].function == "logit"
    flow.double()
    loaded, z = from_zuko(flow), torch.tensor(standard_normal(40, dim, 1))
    inside = low.double() + width * torch.rand(40, dim).double()
    with torch.no_grad():
        for x in (inside, 3 * z):
            theirs = latent(flow, x).numpy(), density(flow, x).numpy()
            assert relative(loaded.inverse(x)[0], theirs[0]).max() < 1e-10
            assert relative(loaded.log_prob(x), theirs[1]).max() < 1e-10
        samples = sampled(flow, z).numpy()
    assert relative(loaded.forward(z)[0], samples).max() < 1e-10
    x = single.sample(500, 1)
    assert ((x > low.numpy()) & (x < (low + width).numpy())).all()


@pytest.mark.filterwarnings("ignore")
def test_a_support_that_is_no_box_is_refused_by_name() -> None:
    torch, zuko, _, _ = libraries()
    flow = boxed(torch.zeros(2), torch.ones(2), zuko.flows.MAF(2, transforms=1).transform.transforms)
    box = flow.transform.transforms[0].f._transform.base_transform
    box.parts[0] = torch.distributions.transforms.ExpTransform()
    with pytest.raises(ValueError, match=r"base_transform: expected SigmoidTransform, got ExpTransform"):
        from_zuko(flow)
    box.parts.insert(0, torch.distributions.transforms.ExpTransform())
    with pytest.raises(
        ValueError, match=r"base_transform: expected a SigmoidTransform and an AffineTransform"
    ):
        from_zuko(flow)


@pytest.mark.parametrize("dim", DIMS)
def test_softclips_between_layers(dim: int) -> None:
    torch, zuko, _, _ = libraries()
    torch.manual_seed(dim)
    clip = zuko.lazy.UnconditionalTransform(zuko.transforms.SoftclipTransform, bound=5.0)
    layers = zuko.flows.MAF(dim, transforms=2, hidden_features=(9,)).transform.transforms
    flow = moved(zuko.flows.Flow([layers[0], clip, layers[1]], zuko.flows.MAF(dim).base), 0.1)
    loaded, x = from_zuko(flow.double()), torch.tensor(standard_normal(40, dim, 1))
    with torch.no_grad():
        assert relative(loaded.inverse(x)[0], latent(flow, x).numpy()).max() < 1e-10
        assert relative(loaded.log_prob(x), density(flow, x).numpy()).max() < 1e-10
        z = latent(flow, x)  # others may be of no data, since a softclip has bounds
        assert relative(loaded.forward(z.numpy())[0], sampled(flow, z).numpy()).max() < 1e-10
    inverse = zuko.lazy.LazyInverse(clip)
    with pytest.raises(ValueError, match=r"\[1\]\.transform: expected affine transforms, got others"):
        from_zuko(zuko.flows.Flow([layers[0], inverse, layers[1]], zuko.flows.MAF(dim).base))


def test_caches_of_weights_are_made_anew_and_those_of_the_flow_stay() -> None:
    torch, _, _, t = libraries()
    layer = t.LULinear(3, using_cache=True)
    flow = moved(nflow(3, layer, made(3))).eval()
    density(flow, torch.zeros(2, 3))  # makes a cache with gradients, of which PyTorch allows no copy
    cached = layer.cache.weight
    layer.bias.data += 1
    loaded = from_nflows(flow)
    assert layer.cache.weight is cached
    with torch.no_grad():
        expected = density(flow, torch.ones(2, 3)).numpy()
    np.testing.assert_allclose(loaded.log_prob(np.ones((2, 3), np.float32)), expected, rtol=1e-5)


def test_a_file_has_affine_steps(tmp_path: Path) -> None:
    flow = from_nflows(moved(nflows_of(3)["LU"]))
    assert {type(params) for params in flow.params} >= {affine.Params, elementwise.Params}
    flow.save(tmp_path / "flow.npz")
    assert Flow.load(tmp_path / "flow.npz").sample(5, 1).tobytes() == flow.sample(5, 1).tobytes()


def test_what_cannot_be_undone_or_is_not_trained_is_refused_by_name() -> None:
    torch, zuko, _, t = libraries()
    unconditional, plain = zuko.lazy.UnconditionalTransform, zuko_flows(3)["MAF"]
    singular, negative = t.NaiveLinear(3, False), t.PointwiseAffineTransform(0.0, 1.0)
    singular._weight.data[1] = singular._weight.data[0]
    negative._scale.neg_()

    def after(function: Any, *arguments: Any, **options: Any) -> Any:
        layer = unconditional(function, *arguments, buffer=True, **options)
        return zuko.flows.Flow([layer, *plain.transform.transforms], plain.base)

    affine_ = zuko.transforms.AffineTransform
    n, z = from_nflows, from_zuko
    shifts, zero = t.PointwiseAffineTransform(torch.ones(2), 1.0), torch.tensor([1.0, 0, 2])
    order, square, t_ = torch.tensor([0, 0, 1]), torch.zeros(3, 3), zuko.transforms
    refused: list[tuple[Any, Any, str]] = [
        (n, nflow(3, t.ActNorm(3), made(3)), r"\[0\]\.initialized: expected True, as .*, got False"),
        (n, nflow(3, t.BatchNorm(3), made(3)), r"\[0\]\.running_var: expected variances of a trained"),
        (n, nflow(3, singular), r"_transforms\[0\]: expected a regular matrix, got a singular one"),
        (n, nflow(3, negative), r"_transforms\[0\]\._scale: expected positive numbers"),
        (n, nflow(3, shifts), r"_transforms\[0\]\._shift: expected one number or 3, got shape \(2,\)"),
        (n, nflow(3, t.LULinear(4)), r"_transforms\[0\]\.features: expected 3, got 4"),
        (n, nflow(3, t.InverseTransform(made(3))), r"\[0\]\._transform: expected .*, got MaskedAffine"),
        (z, after(affine_, torch.zeros(3), zero), r"\[0\]\.scale: expected no zeros"),
        (z, after(affine_, zero[:1], zero[:1], event_dim=1), r"\[0\]\.scale: expected 3 numbers"),
        (z, after(affine_, torch.zeros(2), torch.ones(3)), r"\[0\]\.loc: expected one number or 3"),
        (z, after(t_.ExpTransform), r"\[0\]\.f: expected AffineTransform.*, got ExpTransform"),
        (z, after(lambda: affine_(0.0, 1.0)), r"\[0\]\.f: expected AffineTransform.*, got <lambda>"),
        (z, after(t_.PermutationTransform, order), r"\[0\]\.order: expected a permutation of 0 to 2"),
        (z, after(t_.LULinearTransform, square), r"\[0\]: expected a regular matrix, got a singular one"),
    ]
    for load, flow, message in refused:
        with pytest.raises(ValueError, match=message):
            load(flow.eval())
