"""Wrong arguments of every public function: the type of the error, and the argument in its message."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgap import Flow
from seqgap.bench.model.case import Case, Operation
from seqgap.kernels import (
    affine_coupling,
    affine_lu,
    ar_process,
    bigram,
    diffusion,
    iaf,
    linear_ar,
    maf,
    mask_stack,
    mixture,
    normal,
    planar,
    radial,
    realnvp,
    rq_spline,
)
from seqgap.kernels._core.jit import threads_available

Z = np.zeros((4, 3))
OTHER, STEEP = np.zeros((4, 3)), 100 * np.arange(12.0).reshape(4, 3)
SHARED = np.arange(12.0).reshape(4, 3)
READ_ONLY = np.zeros((4, 3))
READ_ONLY.flags.writeable = False
MANY = threads_available() + 1
FLOAT64 = np.dtype(np.float64)


def refused(error: type[Exception], name: str, function: Any, *args: Any, **kwargs: Any) -> None:
    """The call raises `error`, with one line that names the argument, what was expected and what came."""
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*args, **kwargs)
    assert caught.type is error
    message = str(caught.value)
    assert re.fullmatch(rf"(params\.)?{re.escape(name)}\b.*expected.*got.*", message), message


def refused_fields(error: type[Exception], function: Any, params: Any, name: str, *values: Any) -> None:
    """So are these values of a field of `params`."""
    for value in values:
        refused(error, name, function, Z, params._replace(**{name: value}))


@pytest.mark.dims(3)
def test_no_function_takes_a_bare_object(case: Case, operation: Operation, dim: int) -> None:
    function, made = case.kernel(operation.name), operation.inputs(dim, 5, FLOAT64, 1)
    first = next(iter(inspect.signature(function).parameters))
    refused(TypeError, first, function, object(), *made.args[1:], **made.kwargs)


@pytest.mark.dims(3)
@pytest.mark.parametrize("verb", ["forward", "inverse", "log_prob"])
def test_batches(flow: Case, verb: str, dim: int) -> None:
    function, (z, params) = flow.kernel(verb), flow.operation("forward").inputs(dim, 4, FLOAT64, 1).args
    name = "z" if verb == "forward" else "x"
    for batch in (z[0], np.zeros((4, 0)), [[1.0, 2.0], [3.0]]):
        refused(ValueError, name, function, batch, params)
    for dtype in (complex, np.longdouble, np.float16, bool):
        refused(TypeError, name, function, z.astype(dtype), params)
    for batch in (np.full_like(z, "a", str), None, np.ma.array(z)):
        refused(TypeError, name, function, batch, params)
    refused(TypeError, "params", function, z, tuple(params))
    refused(ValueError, "threads", function, z, params, threads=0)


@pytest.mark.dims(3)
@pytest.mark.parametrize(("verb", "name"), [("forward", "z"), ("inverse", "x"), ("log_prob", "x")])
def test_what_is_no_batch_for_the_params(flow: Case, verb: str, name: str, dim: int) -> None:
    function, (z, params) = flow.kernel(verb), flow.operation("forward").inputs(dim, 4, FLOAT64, 1).args
    known = f"({dim - 1} or )?{dim}"
    if params.dim is not None:
        with pytest.raises(ValueError, match=f"^{name} has {2 * dim} columns, params are for D = {known}$"):
            function(np.hstack([z, z]), params)
    advice = rf"expected 2 dimensions \(N, D\), got shape \({dim},\); for one row pass {name}\[None\]"
    with pytest.raises(ValueError, match=f"^{name}: {advice}$"):
        function(z[0], params)
    with pytest.raises(TypeError, match=rf"^{name}: expected an array, got {flow.stem}\.Params\("):
        function(params, z)
    with pytest.raises(TypeError, match=rf"^params: .*, got list \[{flow.stem}\.Params\("):
        function(z, [params])


def test_wrong_params_are_named_before_the_columns() -> None:
    params = linear_ar.random_params(3, 1)._replace(weight=np.ones((3, 3)))
    for columns in (2, 3):
        refused(ValueError, "weight", linear_ar.forward, np.zeros((4, columns)), params)


@pytest.mark.dims(3)
def test_out_of_flows(flow: Case, dim: int) -> None:
    forward, inverse = flow.kernel("forward"), flow.kernel("inverse")
    z, params = flow.operation("forward").inputs(dim, 4, FLOAT64, 1).args
    refused(ValueError, "out", forward, z, params, out=np.zeros((4, dim + 1)))
    refused(TypeError, "out", inverse, z, params, out=z.astype(int))
    z.flags.writeable = False
    refused(ValueError, "out", forward, z, params, out=z)


@pytest.mark.dims(3)
def test_samples(flow: Case, dim: int) -> None:
    sample, made = flow.kernel("sample"), flow.operation("sample").inputs(dim, 4, FLOAT64, 1)
    params, more = made.args[1], made.kwargs
    refused(ValueError, "n", sample, -1, params, 0, **more)
    refused(TypeError, "params", sample, 4, None, 0, **more)
    refused(TypeError, "seed", sample, 4, params, 0.5, **more)
    refused(ValueError, "first_row", sample, 4, params, 0, **{**more, "first_row": 2**63})
    refused(ValueError, "threads", sample, 4, params, 0, **more, threads=MANY)
    refused(ValueError, "out", sample, 4, params, 0, **more, out=np.zeros((4, dim + 1)))


def test_standard_normal() -> None:
    draw = normal.standard_normal
    for error, n in ((ValueError, -1), (TypeError, 2.5), (TypeError, True)):
        refused(error, "n", draw, n, 3, 0)
    refused(ValueError, "n", draw, 2**62, 2**62, 0)
    for error, dim in ((ValueError, 0), (TypeError, "3")):
        refused(error, "dim", draw, 4, dim, 0)
    for error, seed in ((ValueError, -1), (ValueError, 2**64), (TypeError, "1")):
        refused(error, "seed", draw, 4, 3, seed)
    for row in (-1, 2**63 - 4):
        refused(ValueError, "first_row", draw, 4, 3, 0, first_row=row)
    for error, stream in ((ValueError, 2**32), (TypeError, 1.0)):
        refused(error, "stream", draw, 4, 3, 0, stream=stream)
    for dtype in ("float16", np.int64, None, "no such", "3("):
        refused(TypeError, "dtype", draw, 4, 3, 0, dtype=dtype)
    for error, threads in ((ValueError, 0), (ValueError, MANY), (TypeError, 1.0), (TypeError, True)):
        refused(error, "threads", draw, 4, 3, 0, threads=threads)
    for out in (np.ma.zeros((4, 3)), np.zeros((4, 3), np.float32), [[0.0] * 3] * 4):
        refused(TypeError, "out", draw, 4, 3, 0, out=out)
    for array in (np.zeros((4, 2)), np.zeros((3, 4)).T, READ_ONLY):
        refused(ValueError, "out", draw, 4, 3, 0, out=array)


def test_integers_that_python_does_not_print() -> None:
    huge, draw, params = 10**5000, normal.standard_normal, linear_ar.random_params(3, 1)
    for n in (huge, -huge):
        refused(ValueError, "n", draw, n, 3, 0)
    refused(ValueError, "seed", draw, 4, 3, huge)
    refused(ValueError, "rng", draw, 4, 3, rng=-huge)
    refused(TypeError, "dtype", draw, 4, 3, 0, dtype=huge)
    refused(TypeError, "lr", linear_ar.fit, Z, lr=huge)
    refused(TypeError, "z", linear_ar.forward, [[huge, 1, 2]], params)


def test_unsigned_integers_are_not_shown_negative() -> None:
    large = np.array([0, 1, 2**63], np.uint64)
    calls: list[tuple[str, Callable[[], Any]]] = [
        ("permutation", lambda: Flow(linear_ar.random_params(3, 1), permutation=large)),
        ("labels", lambda: mixture.fit_labelled(Z[:3], large)),
        ("params.order", lambda: maf.forward(Z, maf.random_params(3, 1)._replace(order=large[None]))),
        ("t", lambda: diffusion.noise(Z[:3], Z[:3], large, diffusion.Schedule([0.1]))),
    ]
    for name, call in calls:
        with pytest.raises(ValueError, match=f"^{name}: expected integers below .*, got {2**63}$"):
            call()
    for kind in ("<u8", ">u8"):
        with pytest.raises(ValueError, match=f"^tokens: expected .*, got {2**63} in row 0$"):
            bigram.log_prob(large[None].astype(kind), bigram.random_params(3, 1))


@pytest.mark.parametrize("strategy", [["naive"], {}, np.array(["naive"]), 1], ids=str)
def test_strategies_of_flows(strategy: Any) -> None:
    several, none = Flow(maf.random_params(3, 1)), Flow(linear_ar.random_params(3, 1))
    came = type(strategy).__name__
    for verb, argument in (("forward", Z), ("sample", 4)):
        for flow, expected in ((several, "one of incremental, naive, jacobi"), (none, "None")):
            with pytest.raises(TypeError, match=f"^strategy: expected {expected}, got {came}$"):
                getattr(flow, verb)(argument, strategy=strategy)


def test_philox() -> None:
    for counter in ([[1], [1, 2]], [[0, 0, 0]], [0, 0, 0, 0], [[0, 0, 0, 2**32]]):
        refused(ValueError, "counter", normal.philox4x32, counter, [0, 0])
    refused(TypeError, "counter", normal.philox4x32, [[0.0, 0, 0, 0]], [0, 0])
    for key in ([0, -1], [0]):
        refused(ValueError, "key", normal.philox4x32, [[0, 0, 0, 0]], key)


def test_linear_ar() -> None:
    forward, fit, params = linear_ar.forward, linear_ar.fit, linear_ar.random_params(3, 1)
    nan = np.full((3, 3), np.nan)
    refused_fields(ValueError, forward, params, "weight", np.eye(3), np.ones((3, 3)), nan, np.zeros((3, 2)))
    refused_fields(ValueError, forward, params, "bias", np.zeros(2), [[1], [1, 2]])
    refused_fields(TypeError, forward, params, "bias", "abc")
    refused_fields(ValueError, forward, params, "log_scale", np.zeros((3, 1)))
    refused_fields(TypeError, linear_ar.inverse, params, "log_scale", np.zeros(3, complex))
    for weight in (np.zeros(3), np.zeros((0, 0))):
        refused(ValueError, "weight", linear_ar.sample, 4, params._replace(weight=weight), 0)
    refused(ValueError, "out", forward, Z, params, out=params.weight)
    refused(ValueError, "out", forward, memoryview(SHARED)[:3], params, out=SHARED[1:])
    refused(ValueError, "out", forward, Z, params._replace(bias=memoryview(OTHER[0])), out=OTHER)
    refused(ValueError, "x", linear_ar.nll, np.zeros((0, 3)), params)
    for x in (np.zeros((0, 3)), np.full((4, 3), np.nan)):
        refused(ValueError, "x", fit, x)
    refused(ValueError, "steps", fit, Z, steps=0)
    for lr in (10**400, "fast"):
        refused(TypeError, "lr", fit, Z, lr=lr)
    for x, rate in ((Z, 0), (Z, np.inf), (STEEP, 10.0)):
        refused(ValueError, "lr", fit, x, lr=rate)
    refused(ValueError, "dim", linear_ar.random_params, 0, 1)
    refused(TypeError, "dtype", linear_ar.random_params, 3, 1, dtype=int)


def test_ar_process() -> None:
    forward, params = ar_process.forward, ar_process.random_params(3, 1)
    refused_fields(ValueError, forward, params, "scale", 0, -1.0, np.nan, 1e-310)
    refused_fields(TypeError, forward, params, "scale", "1", np.array("1.5"))
    refused_fields(TypeError, forward, params, "bias", [1, 2], 1j, np.complex128(1), 10**400)
    refused_fields(ValueError, forward, params, "coefficients", [], 0.5)
    for scale in (1e-60, 1e60):  # no normal numbers of float32
        refused(ValueError, "scale", ar_process.inverse, np.float32(Z), params._replace(scale=scale))
    refused(ValueError, "dim", ar_process.sample, 4, params, 0, dim=0)
    refused(ValueError, "dim", ar_process.random_params, 0, 1)


def test_planar_and_radial() -> None:
    forward, params = planar.forward, planar.random_params(3, 1)
    refused_fields(ValueError, forward, params, "weight", np.zeros(3), np.zeros((0, 3)))
    refused_fields(ValueError, forward, params, "direction", np.zeros((1, 4)))
    refused_fields(ValueError, forward, params, "bias", np.zeros(9))
    forward, params = radial.forward, radial.random_params(3, 1)
    refused_fields(ValueError, forward, params, "center", np.zeros((1, 2)))
    refused_fields(ValueError, forward, params, "alpha", 0 * params.alpha, np.nan * params.alpha)
    refused_fields(ValueError, forward, params, "beta", np.zeros((1, 1)))


def test_affine_lu() -> None:
    from_matrix, params = affine_lu.from_matrix, affine_lu.random_params(3, 1)
    singular = [[0.0]], [[1, 2], [2, 4]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    others = [1, 2], np.zeros((0, 0)), [[1, 2, 3], [4, 5, 6]], [[1, np.nan], [2, 4]]
    for matrix in (*singular, *others):
        refused(ValueError, "matrix", from_matrix, matrix, np.zeros(len(matrix)))
    refused(ValueError, "shift", from_matrix, [[1, 2], [3, 4]], [0])
    refused_fields(ValueError, affine_lu.forward, params, "permutation", [0, 0, 1])
    refused_fields(ValueError, affine_lu.forward, params, "lower", np.zeros((3, 2)))
    refused_fields(ValueError, affine_lu.forward, params, "upper", np.zeros((3, 3)))
    refused_fields(ValueError, affine_lu.forward, params, "shift", np.zeros(2))


def test_affine_coupling() -> None:
    forward, inverse = affine_coupling.forward, affine_coupling.inverse
    params = affine_coupling.random_params(3, 1)
    refused_fields(ValueError, forward, params, "a_s", np.zeros(2))
    refused_fields(ValueError, forward, params, "b_s", np.zeros((1, 1)))
    refused_fields(TypeError, inverse, params, "a_t", ["a"])
    refused_fields(TypeError, inverse, params, "b_t", None)
    with pytest.raises(ValueError, match=r"^dim is 5, params are for D = 2 or 3$"):
        affine_coupling.sample(4, params, 0, dim=5)
    refused(TypeError, "dim", affine_coupling.sample, 4, params, 0, dim=2.0)
    refused(ValueError, "x", affine_coupling.nll, np.zeros((0, 3)), params)
    refused(TypeError, "steps", affine_coupling.fit, Z, steps=1.5)
    for x, lr in ((Z, -1), (STEEP, 1e9)):
        refused(ValueError, "lr", affine_coupling.fit, x, lr=lr)
    refused(TypeError, "dim", affine_coupling.random_params, "3", 1)


def test_mask_stack() -> None:
    forward, params = mask_stack.forward, mask_stack.random_params(3, 1)
    refused_fields(TypeError, forward, params, "masks", np.ones((4, 3)))
    masks = np.ones((0, 3), bool), np.ones(3, bool), [[True], [True, False]]
    refused_fields(ValueError, forward, params, "masks", *masks)
    refused_fields(ValueError, mask_stack.inverse, params, "theta", np.zeros((3, 4)), np.zeros((4, 3)))
    refused(ValueError, "masks", mask_stack.sample, 4, params._replace(masks=masks[1]), 0)
    refused(ValueError, "seed", mask_stack.random_params, 3, -1)


def test_maf() -> None:
    forward, params = maf.forward, maf.random_params(3, 1, depth=3, width=4)
    degrees = params.degrees
    refused_fields(ValueError, forward, params, "order", [[0, 1]], [[0, 1, 1]], [0, 1, 2])
    refused_fields(TypeError, forward, params, "order", [[0.0, 1.0, 2.0]])
    refused_fields(ValueError, maf.inverse, params, "degrees", degrees - 2, degrees + 2, degrees[:, 1:])
    refused_fields(TypeError, maf.inverse, params, "degrees", degrees * 1.0)
    unequal = params._replace(residual=True)  # degrees that differ within a block
    refused_fields(ValueError, maf.inverse, unequal, "degrees", [[[0] * 4, [1] * 4, [2] * 4]])
    refused_fields(ValueError, maf.log_prob, params, "weight_in", params.weight_in[:, :, 1:])
    refused_fields(TypeError, maf.log_prob, params, "weight_in", None)
    refused_fields(ValueError, forward, params, "weight_hidden", params.weight_hidden[:, 1:])
    refused_fields(ValueError, forward, params, "weight_out", params.weight_out[:, :, :1])
    refused_fields(ValueError, forward, params, "bias_hidden", params.bias_hidden[:, :0], np.zeros(4))
    refused_fields(ValueError, forward, params, "bias_out", np.zeros((1, 3, 3)))
    refused_fields(TypeError, forward, params, "bias_out", np.zeros((1, 3, 2), complex))
    refused_fields(ValueError, forward, params, "activation", "mish")
    refused_fields(TypeError, forward, params, "activation", 1)
    refused_fields(ValueError, forward, params, "scale", "exp")
    refused(ValueError, "weight_out", forward, Z, params._replace(scale="additive"))
    refused_fields(TypeError, forward, params, "residual", 1, np.zeros(2, bool))
    refused_fields(ValueError, forward, params, "residual", "no")
    refused_fields(ValueError, forward, maf.random_params(3, 1, depth=2), "residual", True)
    refused(ValueError, "strategy", forward, Z, params, strategy="fast")
    refused(TypeError, "strategy", forward, Z, params, strategy=1)
    refused(ValueError, "bias_out", maf.sample, 4, params._replace(bias_out=np.zeros((1, 0, 2))), 0)
    for name, value in (("layers", 0), ("width", 0), ("scale", "exp")):
        refused(ValueError, name, maf.random_params, 3, 1, **{name: value})
    refused(TypeError, "depth", maf.random_params, 3, 1, depth=1.0)
    refused_fields(ValueError, iaf.inverse, iaf.random_params(3, 1), "order", [[0, 1]])


def test_realnvp() -> None:
    forward, params = realnvp.forward, realnvp.random_params(3, 1, width=4)
    refused_fields(TypeError, forward, params, "masks", np.ones((2, 3)))
    refused_fields(ValueError, forward, params, "masks", np.ones((2, 2), bool), np.ones((0, 3), bool))
    refused(ValueError, "weight_in", realnvp.inverse, Z, params._replace(masks=np.eye(2, 3) > 2))
    refused_fields(ValueError, realnvp.inverse, params, "scale", "exp")
    refused(ValueError, "masks", realnvp.sample, 4, params._replace(masks=np.ones(3, bool)), 0)


def test_rq_spline() -> None:
    forward, inverse, params = (
        rq_spline.forward,
        rq_spline.inverse,
        rq_spline.random_params(3, 1, width=4, bins=4),
    )
    refused_fields(ValueError, forward, params, "kept", [4], [-1], [1, 1])
    refused_fields(TypeError, forward, params, "kept", [1.0])
    refused_fields(ValueError, inverse, params, "bound", 0.0, np.inf)
    refused_fields(TypeError, inverse, params, "bound", "5")
    refused_fields(ValueError, inverse, params, "spline", "cubic")
    refused_fields(ValueError, inverse, params, "bias_out", np.zeros((1, 2, 12)))
    refused_fields(ValueError, inverse, params, "weight_in", np.zeros((1, 4, 4)), np.zeros(4))
    refused(ValueError, "strategy", forward, Z, params, strategy="fast")
    refused(ValueError, "order", rq_spline.sample, 4, params._replace(order=[0, 1, 2]), 0)
    refused(ValueError, "bins", rq_spline.random_params, 3, 1, bins=0)


def test_schedules() -> None:
    for betas in ([], [0.1, 1.0], [0.0, 0.1], [0.1, np.nan], [[0.1]]):
        refused(ValueError, "betas", diffusion.Schedule, betas)
    refused(TypeError, "betas", diffusion.Schedule, "linear")
    refused(ValueError, "steps", diffusion.linear_betas, 0)
    refused(TypeError, "steps", diffusion.cosine_betas, 10.0)


def test_diffusion() -> None:
    schedule, eps = diffusion.Schedule(diffusion.linear_betas(5)), np.zeros((5, 4, 3))
    noise, trajectory = diffusion.noise, diffusion.trajectory
    refused(ValueError, "eps", noise, Z, Z[:3], 1, schedule)
    for t in (6, -1, [1, 2, 3], [1, 2, 3, 6], [[1], [1, 2]]):
        refused(ValueError, "t", noise, Z, Z, t, schedule)
    for time in (1.0, [1.0, 2, 3, 4]):
        refused(TypeError, "t", noise, Z, Z, time, schedule)
    refused(TypeError, "schedule", noise, Z, Z, 1, schedule.betas)
    refused(ValueError, "out", noise, SHARED[1:], memoryview(SHARED)[:3], 1, schedule, out=SHARED[1:])
    refused(ValueError, "out", noise, Z, eps[0], 1, schedule, out=eps[0])
    refused(ValueError, "t", diffusion.sample_noisy, Z, 6, schedule, 0)
    refused(ValueError, "seed", diffusion.sample_noisy, Z, 1, schedule, 2**64)
    refused(TypeError, "schedule", diffusion.sample_noisy, Z, 1, None, 0)
    for wrong in (eps[:4], eps[:, :3]):
        refused(ValueError, "eps", trajectory, Z, wrong, schedule)
    refused(ValueError, "out", trajectory, Z, eps, schedule, out=np.zeros((5, 4, 3)))
    refused(ValueError, "x0", trajectory, Z[0], eps, schedule)
    refused(ValueError, "eps", diffusion.reverse, Z, eps[0], schedule)
    refused(TypeError, "schedule", diffusion.reverse, Z, eps, [0.1])
    refused(TypeError, "x_T", diffusion.reverse_naive, "x", schedule)
    refused(ValueError, "threads", diffusion.reverse_naive, Z, schedule, threads=-1)
