"""Wrong arguments of every public function: the type of the error, and the argument in its message."""

import inspect
import re
from typing import Any

import numpy as np
import pytest

from seqgap.bench.model.registry import cases
from seqgap.kernels import (
    affine_coupling,
    ar_process,
    diffusion,
    iaf,
    linear_ar,
    maf,
    mask_stack,
    normal,
    realnvp,
    rq_spline,
)
from seqgap.kernels._core.jit import threads_available

Z = np.zeros((4, 3))
LINEAR = linear_ar.random_params(3, 1)
PROCESS = ar_process.random_params(3, 1)
COUPLING = affine_coupling.random_params(3, 1)
STACK = mask_stack.random_params(3, 1)
MAF = maf.random_params(3, 1, depth=3, width=4)
REALNVP = realnvp.random_params(3, 1, width=4)
SPLINE = rq_spline.random_params(3, 1, width=4, bins=4)
SCHEDULE = diffusion.Schedule(diffusion.linear_betas(5))
EPS = np.zeros((5, 4, 3))
SHARED, OTHER = np.arange(12.0).reshape(4, 3), np.zeros((4, 3))
READ_ONLY = np.zeros((4, 3))
READ_ONLY.flags.writeable = False
MANY = threads_available() + 1
FLOAT64 = np.dtype(np.float64)
FLOWS = [case for case in cases().values() if "forward" in {o.name for o in case.operations}]

# (function, arguments, keywords, error, argument that the message names)
WRONG: list[tuple[Any, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (normal.standard_normal, (-1, 3, 0), {}, ValueError, "n"),
    (normal.standard_normal, (2.5, 3, 0), {}, TypeError, "n"),
    (normal.standard_normal, (True, 3, 0), {}, TypeError, "n"),
    (normal.standard_normal, (4, 0, 0), {}, ValueError, "dim"),
    (normal.standard_normal, (4, "3", 0), {}, TypeError, "dim"),
    (normal.standard_normal, (4, 3, -1), {}, ValueError, "seed"),
    (normal.standard_normal, (4, 3, 2**64), {}, ValueError, "seed"),
    (normal.standard_normal, (4, 3, None), {}, TypeError, "seed"),
    (normal.standard_normal, (4, 3, 0), {"first_row": -1}, ValueError, "first_row"),
    (normal.standard_normal, (4, 3, 0), {"first_row": 2**63 - 4}, ValueError, "first_row"),
    (normal.standard_normal, (4, 3, 0), {"stream": 2**32}, ValueError, "stream"),
    (normal.standard_normal, (4, 3, 0), {"stream": 1.0}, TypeError, "stream"),
    (normal.standard_normal, (4, 3, 0), {"dtype": "float16"}, TypeError, "dtype"),
    (normal.standard_normal, (4, 3, 0), {"dtype": np.int64}, TypeError, "dtype"),
    (normal.standard_normal, (4, 3, 0), {"dtype": None}, TypeError, "dtype"),
    (normal.standard_normal, (4, 3, 0), {"dtype": "no such"}, TypeError, "dtype"),
    (normal.standard_normal, (4, 3, 0), {"dtype": "3("}, TypeError, "dtype"),
    (normal.standard_normal, (2**62, 2**62, 0), {}, ValueError, "n"),
    (normal.standard_normal, (4, 3, 0), {"out": np.ma.zeros((4, 3))}, TypeError, "out"),
    (normal.philox4x32, ([[1], [1, 2]], [1, 2]), {}, ValueError, "counter"),
    (normal.standard_normal, (4, 3, 0), {"out": np.zeros((4, 2))}, ValueError, "out"),
    (normal.standard_normal, (4, 3, 0), {"out": np.zeros((4, 3), np.float32)}, TypeError, "out"),
    (normal.standard_normal, (4, 3, 0), {"out": [[0.0] * 3] * 4}, TypeError, "out"),
    (normal.standard_normal, (4, 3, 0), {"out": np.zeros((3, 4)).T}, ValueError, "out"),
    (normal.standard_normal, (4, 3, 0), {"out": READ_ONLY}, ValueError, "out"),
    (normal.standard_normal, (4, 3, 0), {"threads": 0}, ValueError, "threads"),
    (normal.standard_normal, (4, 3, 0), {"threads": MANY}, ValueError, "threads"),
    (normal.standard_normal, (4, 3, 0), {"threads": 1.0}, TypeError, "threads"),
    (normal.standard_normal, (4, 3, 0), {"threads": True}, TypeError, "threads"),
    (normal.philox4x32, ([[0, 0, 0]], [0, 0]), {}, ValueError, "counter"),
    (normal.philox4x32, ([0, 0, 0, 0], [0, 0]), {}, ValueError, "counter"),
    (normal.philox4x32, ([[0, 0, 0, 2**32]], [0, 0]), {}, ValueError, "counter"),
    (normal.philox4x32, ([[0.0, 0, 0, 0]], [0, 0]), {}, TypeError, "counter"),
    (normal.philox4x32, ([[0, 0, 0, 0]], [0, -1]), {}, ValueError, "key"),
    (normal.philox4x32, ([[0, 0, 0, 0]], [0]), {}, ValueError, "key"),
    (linear_ar.forward, (Z, LINEAR._replace(weight=np.eye(3))), {}, ValueError, "params.weight"),
    (linear_ar.forward, (Z, LINEAR._replace(weight=np.ones((3, 3)))), {}, ValueError, "params.weight"),
    (linear_ar.forward, (Z, LINEAR._replace(weight=np.full((3, 3), np.nan))), {}, ValueError, "weight"),
    (linear_ar.forward, (Z, LINEAR._replace(weight=np.zeros((3, 2)))), {}, ValueError, "params.weight"),
    (linear_ar.forward, (Z, LINEAR._replace(bias=np.zeros(2))), {}, ValueError, "params.bias"),
    (linear_ar.forward, (Z, LINEAR._replace(bias="abc")), {}, TypeError, "params.bias"),
    (linear_ar.forward, (Z, LINEAR._replace(log_scale=np.zeros((3, 1)))), {}, ValueError, "log_scale"),
    (linear_ar.inverse, (Z, LINEAR._replace(log_scale=np.zeros(3, complex))), {}, TypeError, "log_scale"),
    (linear_ar.forward, (np.zeros((4, 2)), LINEAR), {}, ValueError, "params.weight"),
    (linear_ar.sample, (4, LINEAR._replace(weight=np.zeros(3)), 0), {}, ValueError, "params.weight"),
    (linear_ar.sample, (4, LINEAR._replace(weight=np.zeros((0, 0))), 0), {}, ValueError, "params.weight"),
    (linear_ar.forward, (Z, LINEAR), {"out": LINEAR.weight}, ValueError, "out"),
    (linear_ar.nll, (np.zeros((0, 3)), LINEAR), {}, ValueError, "x"),
    (linear_ar.fit, (np.zeros((0, 3)),), {}, ValueError, "x"),
    (linear_ar.forward, (Z, LINEAR._replace(bias=[[1], [1, 2]])), {}, ValueError, "params.bias"),
    (linear_ar.forward, (memoryview(SHARED)[:3], LINEAR), {"out": SHARED[1:]}, ValueError, "out"),
    (linear_ar.forward, (Z, LINEAR._replace(bias=memoryview(OTHER[0]))), {"out": OTHER}, ValueError, "out"),
    (linear_ar.forward, (np.ma.array(Z), LINEAR), {}, TypeError, "z"),
    (linear_ar.fit, (np.full((4, 3), np.nan),), {}, ValueError, "x"),
    (linear_ar.fit, (Z,), {"lr": 10**400}, TypeError, "lr"),
    (linear_ar.fit, (Z,), {"steps": 0}, ValueError, "steps"),
    (linear_ar.fit, (Z,), {"lr": 0}, ValueError, "lr"),
    (linear_ar.fit, (Z,), {"lr": "fast"}, TypeError, "lr"),
    (linear_ar.fit, (Z,), {"lr": np.inf}, ValueError, "lr"),
    (linear_ar.fit, (100 * np.arange(12.0).reshape(4, 3),), {"lr": 10.0}, ValueError, "lr"),
    (linear_ar.random_params, (0, 1), {}, ValueError, "dim"),
    (linear_ar.random_params, (3, 1), {"dtype": int}, TypeError, "dtype"),
    (ar_process.forward, (Z, PROCESS._replace(scale=0)), {}, ValueError, "params.scale"),
    (ar_process.forward, (Z, PROCESS._replace(scale=-1.0)), {}, ValueError, "params.scale"),
    (ar_process.forward, (Z, PROCESS._replace(scale=np.nan)), {}, ValueError, "params.scale"),
    (ar_process.forward, (Z, PROCESS._replace(scale="1")), {}, TypeError, "params.scale"),
    (ar_process.forward, (Z, PROCESS._replace(bias=[1, 2])), {}, TypeError, "params.bias"),
    (ar_process.forward, (Z, PROCESS._replace(bias=1j)), {}, TypeError, "params.bias"),
    (ar_process.forward, (Z, PROCESS._replace(bias=np.complex128(1))), {}, TypeError, "params.bias"),
    (ar_process.forward, (Z, PROCESS._replace(bias=10**400)), {}, TypeError, "params.bias"),
    (ar_process.forward, (Z, PROCESS._replace(scale=np.array("1.5"))), {}, TypeError, "params.scale"),
    (ar_process.forward, (np.float32(Z), PROCESS._replace(scale=1e-60)), {}, ValueError, "params.scale"),
    (ar_process.inverse, (np.float32(Z), PROCESS._replace(scale=1e60)), {}, ValueError, "params.scale"),
    (ar_process.inverse, (Z, PROCESS._replace(scale=1e-310)), {}, ValueError, "params.scale"),
    (ar_process.forward, (Z, PROCESS._replace(coefficients=[])), {}, ValueError, "params.coefficients"),
    (ar_process.forward, (Z, PROCESS._replace(coefficients=0.5)), {}, ValueError, "params.coefficients"),
    (ar_process.sample, (4, PROCESS, 0), {"dim": 0}, ValueError, "dim"),
    (ar_process.random_params, (0, 1), {}, ValueError, "dim"),
    (affine_coupling.forward, (Z, COUPLING._replace(a_s=np.zeros(2))), {}, ValueError, "params.a_s"),
    (affine_coupling.forward, (Z, COUPLING._replace(b_s=np.zeros((1, 1)))), {}, ValueError, "params.b_s"),
    (affine_coupling.inverse, (Z, COUPLING._replace(a_t=["a"])), {}, TypeError, "params.a_t"),
    (affine_coupling.inverse, (Z, COUPLING._replace(b_t=None)), {}, TypeError, "params.b_t"),
    (affine_coupling.forward, (np.zeros((4, 6)), COUPLING), {}, ValueError, "params.a_s"),
    (affine_coupling.sample, (4, COUPLING, 0), {"dim": 5}, ValueError, "params.a_s"),
    (affine_coupling.sample, (4, COUPLING, 0), {"dim": 2.0}, TypeError, "dim"),
    (affine_coupling.nll, (np.zeros((0, 3)), COUPLING), {}, ValueError, "x"),
    (affine_coupling.fit, (Z,), {"steps": 1.5}, TypeError, "steps"),
    (affine_coupling.fit, (Z,), {"lr": -1}, ValueError, "lr"),
    (affine_coupling.fit, (100 * np.arange(12.0).reshape(4, 3),), {"lr": 1e9}, ValueError, "lr"),
    (affine_coupling.random_params, ("3", 1), {}, TypeError, "dim"),
    (mask_stack.forward, (Z, STACK._replace(masks=np.ones((4, 3)))), {}, TypeError, "params.masks"),
    (mask_stack.forward, (Z, STACK._replace(masks=np.ones((4, 2), bool))), {}, ValueError, "params.masks"),
    (mask_stack.forward, (Z, STACK._replace(masks=np.ones((0, 3), bool))), {}, ValueError, "params.masks"),
    (mask_stack.forward, (Z, STACK._replace(masks=np.ones(3, bool))), {}, ValueError, "params.masks"),
    (mask_stack.inverse, (Z, STACK._replace(theta=np.zeros((3, 4)))), {}, ValueError, "params.theta"),
    (mask_stack.inverse, (Z, STACK._replace(theta=np.zeros((4, 3)))), {}, ValueError, "params.theta"),
    (mask_stack.sample, (4, STACK._replace(masks=np.ones(3, bool)), 0), {}, ValueError, "params.masks"),
    (mask_stack.forward, (Z, STACK._replace(masks=[[True], [True, False]])), {}, ValueError, "params.masks"),
    (mask_stack.random_params, (3, -1), {}, ValueError, "seed"),
    (maf.forward, (Z, MAF._replace(order=[[0, 1]])), {}, ValueError, "params.order"),
    (maf.forward, (Z, MAF._replace(order=[[0, 1, 1]])), {}, ValueError, "params.order"),
    (maf.forward, (Z, MAF._replace(order=[0, 1, 2])), {}, ValueError, "params.order"),
    (maf.forward, (Z, MAF._replace(order=[[0.0, 1.0, 2.0]])), {}, TypeError, "params.order"),
    (maf.inverse, (Z, MAF._replace(degrees=MAF.degrees - 2)), {}, ValueError, "params.degrees"),
    (maf.inverse, (Z, MAF._replace(degrees=MAF.degrees + 2)), {}, ValueError, "params.degrees"),
    (maf.inverse, (Z, MAF._replace(degrees=MAF.degrees[:, 1:])), {}, ValueError, "params.degrees"),
    (maf.inverse, (Z, MAF._replace(degrees=MAF.degrees * 1.0)), {}, TypeError, "params.degrees"),
    (
        maf.inverse,
        (Z, MAF._replace(residual=True, degrees=[[[0] * 4, [1] * 4, [2] * 4]])),
        {},
        ValueError,
        "params.degrees",
    ),
    (maf.log_prob, (Z, MAF._replace(weight_in=MAF.weight_in[:, :, 1:])), {}, ValueError, "params.weight_in"),
    (maf.log_prob, (Z, MAF._replace(weight_in=None)), {}, TypeError, "params.weight_in"),
    (maf.forward, (Z, MAF._replace(weight_hidden=MAF.weight_hidden[:, 1:])), {}, ValueError, "weight_hidden"),
    (maf.forward, (Z, MAF._replace(weight_out=MAF.weight_out[:, :, :1])), {}, ValueError, "weight_out"),
    (maf.forward, (Z, MAF._replace(bias_hidden=MAF.bias_hidden[:, :0])), {}, ValueError, "bias_hidden"),
    (maf.forward, (Z, MAF._replace(bias_hidden=np.zeros(4))), {}, ValueError, "params.bias_hidden"),
    (maf.forward, (Z, MAF._replace(bias_out=np.zeros((1, 3, 3)))), {}, ValueError, "params.bias_out"),
    (maf.forward, (Z, MAF._replace(bias_out=np.zeros((1, 3, 2), complex))), {}, TypeError, "bias_out"),
    (maf.forward, (Z, MAF._replace(activation="gelu")), {}, ValueError, "params.activation"),
    (maf.forward, (Z, MAF._replace(activation=1)), {}, TypeError, "params.activation"),
    (maf.forward, (Z, MAF._replace(scale="exp")), {}, ValueError, "params.scale"),
    (maf.forward, (Z, MAF._replace(scale="additive")), {}, ValueError, "params.weight_out"),
    (maf.forward, (Z, MAF._replace(residual="no")), {}, TypeError, "params.residual"),
    (maf.forward, (Z, MAF._replace(residual=np.zeros(2, bool))), {}, TypeError, "params.residual"),
    (maf.forward, (Z, maf.random_params(3, 1, depth=2)._replace(residual=True)), {}, ValueError, "residual"),
    (maf.forward, (Z, MAF), {"strategy": "fast"}, ValueError, "strategy"),
    (maf.forward, (Z, MAF), {"strategy": None}, TypeError, "strategy"),
    (maf.sample, (4, MAF._replace(bias_out=np.zeros((1, 0, 2))), 0), {}, ValueError, "params.bias_out"),
    (maf.random_params, (3, 1), {"layers": 0}, ValueError, "layers"),
    (maf.random_params, (3, 1), {"depth": 1.0}, TypeError, "depth"),
    (maf.random_params, (3, 1), {"width": 0}, ValueError, "width"),
    (maf.random_params, (3, 1), {"scale": "exp"}, ValueError, "scale"),
    (iaf.inverse, (Z, iaf.random_params(3, 1)._replace(order=[[0, 1]])), {}, ValueError, "params.order"),
    (realnvp.forward, (Z, REALNVP._replace(masks=np.ones((2, 3)))), {}, TypeError, "params.masks"),
    (realnvp.forward, (Z, REALNVP._replace(masks=np.ones((2, 2), bool))), {}, ValueError, "params.masks"),
    (realnvp.forward, (Z, REALNVP._replace(masks=np.ones((0, 3), bool))), {}, ValueError, "params.masks"),
    (realnvp.inverse, (Z, REALNVP._replace(masks=np.eye(2, 3) > 2)), {}, ValueError, "params.weight_in"),
    (realnvp.inverse, (Z, REALNVP._replace(scale="exp")), {}, ValueError, "params.scale"),
    (realnvp.sample, (4, REALNVP._replace(masks=np.ones(3, bool)), 0), {}, ValueError, "params.masks"),
    (rq_spline.forward, (Z, SPLINE._replace(kept=[4])), {}, ValueError, "params.kept"),
    (rq_spline.forward, (Z, SPLINE._replace(kept=[-1])), {}, ValueError, "params.kept"),
    (rq_spline.forward, (Z, SPLINE._replace(kept=[1, 1])), {}, ValueError, "params.kept"),
    (rq_spline.forward, (Z, SPLINE._replace(kept=[1.0])), {}, TypeError, "params.kept"),
    (rq_spline.inverse, (Z, SPLINE._replace(bound=0.0)), {}, ValueError, "params.bound"),
    (rq_spline.inverse, (Z, SPLINE._replace(bound=np.inf)), {}, ValueError, "params.bound"),
    (rq_spline.inverse, (Z, SPLINE._replace(bound="5")), {}, TypeError, "params.bound"),
    (rq_spline.inverse, (Z, SPLINE._replace(spline="cubic")), {}, ValueError, "params.spline"),
    (rq_spline.inverse, (Z, SPLINE._replace(bias_out=np.zeros((1, 2, 12)))), {}, ValueError, "bias_out"),
    (rq_spline.inverse, (Z, SPLINE._replace(weight_in=np.zeros((1, 4, 4)))), {}, ValueError, "weight_in"),
    (rq_spline.inverse, (Z, SPLINE._replace(weight_in=np.zeros(4))), {}, ValueError, "params.weight_in"),
    (rq_spline.forward, (Z, SPLINE), {"strategy": "fast"}, ValueError, "strategy"),
    (rq_spline.sample, (4, SPLINE._replace(order=[0, 1, 2]), 0), {}, ValueError, "params.order"),
    (rq_spline.random_params, (3, 1), {"bins": 0}, ValueError, "bins"),
    (diffusion.Schedule, ([],), {}, ValueError, "betas"),
    (diffusion.Schedule, ([0.1, 1.0],), {}, ValueError, "betas"),
    (diffusion.Schedule, ([0.0, 0.1],), {}, ValueError, "betas"),
    (diffusion.Schedule, ([0.1, np.nan],), {}, ValueError, "betas"),
    (diffusion.Schedule, ([[0.1]],), {}, ValueError, "betas"),
    (diffusion.Schedule, ("linear",), {}, TypeError, "betas"),
    (diffusion.linear_betas, (0,), {}, ValueError, "steps"),
    (diffusion.cosine_betas, (10.0,), {}, TypeError, "steps"),
    (diffusion.noise, (Z, Z[:3], 1, SCHEDULE), {}, ValueError, "eps"),
    (diffusion.noise, (Z, Z, 6, SCHEDULE), {}, ValueError, "t"),
    (diffusion.noise, (Z, Z, -1, SCHEDULE), {}, ValueError, "t"),
    (diffusion.noise, (Z, Z, 1.0, SCHEDULE), {}, TypeError, "t"),
    (diffusion.noise, (Z, Z, [1, 2, 3], SCHEDULE), {}, ValueError, "t"),
    (diffusion.noise, (Z, Z, [1, 2, 3, 6], SCHEDULE), {}, ValueError, "t"),
    (diffusion.noise, (Z, Z, [[1], [1, 2]], SCHEDULE), {}, ValueError, "t"),
    (
        diffusion.noise,
        (SHARED[1:], memoryview(SHARED)[:3], 1, SCHEDULE),
        {"out": SHARED[1:]},
        ValueError,
        "out",
    ),
    (diffusion.noise, (Z, Z, [1.0, 2, 3, 4], SCHEDULE), {}, TypeError, "t"),
    (diffusion.noise, (Z, Z, 1, SCHEDULE.betas), {}, TypeError, "schedule"),
    (diffusion.noise, (Z, EPS[0], 1, SCHEDULE), {"out": EPS[0]}, ValueError, "out"),
    (diffusion.sample_noisy, (Z, 6, SCHEDULE, 0), {}, ValueError, "t"),
    (diffusion.sample_noisy, (Z, 1, SCHEDULE, 2**64), {}, ValueError, "seed"),
    (diffusion.sample_noisy, (Z, 1, None, 0), {}, TypeError, "schedule"),
    (diffusion.trajectory, (Z, EPS[:4], SCHEDULE), {}, ValueError, "eps"),
    (diffusion.trajectory, (Z, EPS[:, :3], SCHEDULE), {}, ValueError, "eps"),
    (diffusion.trajectory, (Z, EPS, SCHEDULE), {"out": np.zeros((5, 4, 3))}, ValueError, "out"),
    (diffusion.trajectory, (Z[0], EPS, SCHEDULE), {}, ValueError, "x0"),
    (diffusion.reverse, (Z, EPS[0], SCHEDULE), {}, ValueError, "eps"),
    (diffusion.reverse, (Z, EPS, [0.1]), {}, TypeError, "schedule"),
    (diffusion.reverse_naive, ("x", SCHEDULE), {}, TypeError, "x_T"),
    (diffusion.reverse_naive, (Z, SCHEDULE), {"threads": -1}, ValueError, "threads"),
]
for case in cases().values():
    for operation in case.operations:
        # Nothing takes a bare object for its first argument.
        function = case.kernel(operation.name)
        made = operation.inputs(3, 5, FLOAT64, 1)
        first = next(iter(inspect.signature(function).parameters))
        args = (object(), *made.args[1:])
        WRONG.append((function, args, dict(made.kwargs), TypeError, first))
for case in FLOWS:
    params = case.kernel("random_params")(3, 1)
    for verb in ("forward", "inverse", "log_prob"):
        function = case.kernel(verb)
        name = "z" if verb == "forward" else "x"
        WRONG += [
            (function, (Z[0], params), {}, ValueError, name),
            (function, (np.zeros((4, 0)), params), {}, ValueError, name),
            (function, (np.zeros((4, 3), complex), params), {}, TypeError, name),
            (function, (np.zeros((4, 3), np.longdouble), params), {}, TypeError, name),
            (function, (np.zeros((4, 3), np.float16), params), {}, TypeError, name),
            (function, (np.zeros((4, 3), bool), params), {}, TypeError, name),
            (function, (np.full((4, 3), "a"), params), {}, TypeError, name),
            (function, ([[1.0, 2.0], [3.0]], params), {}, ValueError, name),
            (function, (None, params), {}, TypeError, name),
            (function, (Z, tuple(params)), {}, TypeError, "params"),
            (function, (Z, params), {"threads": 0}, ValueError, "threads"),
        ]
    forward, sample = case.kernel("forward"), case.kernel("sample")
    WRONG += [
        (forward, (Z, params), {"out": np.zeros((4, 4))}, ValueError, "out"),
        (case.kernel("inverse"), (Z, params), {"out": np.zeros((4, 3), int)}, TypeError, "out"),
        (forward, (READ_ONLY, params), {"out": READ_ONLY}, ValueError, "out"),
    ]
    more = dict(case.operation("sample").inputs(3, 4, FLOAT64, 1).kwargs)
    WRONG += [
        (sample, (-1, params, 0), more, ValueError, "n"),
        (sample, (4, None, 0), more, TypeError, "params"),
        (sample, (4, params, 0.5), more, TypeError, "seed"),
        (sample, (4, params, 0), {**more, "first_row": 2**63}, ValueError, "first_row"),
        (sample, (4, params, 0), {**more, "threads": MANY}, ValueError, "threads"),
        (sample, (4, params, 0), {**more, "out": np.zeros((4, 9))}, ValueError, "out"),
    ]


@pytest.mark.parametrize(("function", "args", "kwargs", "error", "name"), WRONG, ids=lambda v: "")
def test_wrong_input_is_named(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*args, **kwargs)
    assert caught.type is error
    message = str(caught.value)
    assert re.match(rf"(params\.)?{re.escape(name)}\b", message), message
    assert "expected" in message
    assert "got" in message
    assert "\n" not in message


def test_the_table_covers_every_public_function() -> None:
    covered = {(f.__module__.rpartition(".")[2], f.__name__) for f, *_ in WRONG}
    for case in cases().values():
        for operation in case.operations:
            assert (case.stem, operation.name) in covered
    assert len(WRONG) >= 60
