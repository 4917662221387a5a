"""Densities and samples of continuous flows by adaptive solvers of other libraries, at equal tolerances.

All are pairs of Dormand and Prince. zuko and torchdiffeq take a step for the whole batch, diffrax for each
row until the slowest has ended, SciPy solves row after row. The error of our steps is that of the worst
feature of a row; zuko has the worst of the batch, the others the mean square, and all count the error of
log_det too (zuko a hundredth of it). Data are at time 1.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Dtype, Setup, Thunk, Tolerance
from seqgap.bench.peers import fields

RELATIVE, ABSOLUTE = 1e-5, 1e-6  # tolerances of a step: zuko's own
_OPTIONS = {"rtol": RELATIVE, "atol": ABSOLUTE}
_LOG_2_PI = float(np.log(2 * np.pi))

ERRORS = Tolerance(
    lambda dim, dtype: 10 * RELATIVE,
    "solvers: a step may be off by 1e-5 of a value and 1e-6 more, by a norm that differs from library to"
    " library, and steps add up: ten times that",
)


def densities() -> dict[str, Setup]:
    """log_prob of (x, params), by name of the implementation."""
    prepare = functools.partial(_prepared, first=0)
    return {
        "scipy": arrays.implementations(scipy=_scipy_density, prepare=prepare)["scipy"],
        "zuko": _zuko_density,
        "torchdiffeq": arrays.implementations(torch=_torchdiffeq_density, prepare=prepare)["torch"],
        "diffrax": arrays.implementations(jax=_diffrax_density, prepare=prepare)["jax"],
    }


def samplers() -> dict[str, Setup]:
    """Sample of (n, params, seed), with normals of the library's own, by name of the implementation."""
    setups = functools.partial(
        arrays.implementations,
        prepare=functools.partial(_prepared, first=1),
        draw=lambda call, dim: (call.args[0], dim),
    )
    return {
        "scipy": setups(scipy=_scipy_sample)["scipy"],
        "zuko": _zuko_sample,
        "torchdiffeq": setups(torch=_torchdiffeq_sample)["torch"],
        "diffrax": setups(jax=_diffrax_sample)["jax"],
    }


def _prepared(call: Call, dim: int, dtype: Dtype, *, first: int) -> tuple[Any, ...]:
    """(batch, tables), from the first of these on."""
    return (call.args[0], fields.tables(call.args[1], dim))[first:]


def _with_density(z: Any, log_det: Any) -> Any:
    return log_det - 0.5 * ((z * z).sum(-1) + _LOG_2_PI * z.shape[-1])


def _scipy_rows(scipy: Any, field: Callable[[float, Any], Any], states: Any, span: tuple[int, int]) -> Any:
    """The last state of each row."""
    from scipy.integrate import solve_ivp

    solved = (
        solve_ivp(field, span, state, "RK45", rtol=RELATIVE, atol=ABSOLUTE).y[:, -1] for state in states
    )
    return np.stack(list(solved)).astype(states.dtype)


def _scipy_density(scipy: Any, x: Any, net: fields.Tables) -> Any:
    """The state has the integral of the trace as one more number."""
    field = fields.numpy_field(net)

    def augmented(t: float, state: Any) -> Any:
        return np.append(*field(state[None, :-1], t))

    state = _scipy_rows(scipy, augmented, np.pad(x, ((0, 0), (0, 1))), (1, 0))
    return _with_density(state[:, :-1], state[:, -1])


def _scipy_sample(scipy: Any, z: Any, net: fields.Tables) -> Any:
    field = fields.numpy_field(net, traced=False)
    return _scipy_rows(scipy, lambda t, state: field(state[None], t)[0][0], z, (0, 1))


def _torchdiffeq_density(torch: Any, x: Any, net: fields.Tables) -> Any:
    from torchdiffeq import odeint

    field = fields.torch_field(torch, net)
    times = torch.tensor([1, 0], dtype=x.dtype)
    start = x, x.new_zeros(len(x))
    z, log_det = odeint(lambda t, state: field(state[0], t), start, times, method="dopri5", **_OPTIONS)
    return _with_density(z[-1], log_det[-1])


def _torchdiffeq_sample(torch: Any, z: Any, net: fields.Tables) -> Any:
    from torchdiffeq import odeint

    velocity, times = fields.torch_velocity(torch, net), torch.tensor([0, 1], dtype=z.dtype)
    return odeint(lambda t, z: velocity(z, t), z, times, method="dopri5", **_OPTIONS)[-1]


def _diffrax(field: Callable[..., Any], start: Any, span: Any) -> Any:
    """The last state of a row; span: two times of its dtype, which the solver would widen it to."""
    import diffrax

    term, control = diffrax.ODETerm(field), diffrax.PIDController(**_OPTIONS)
    solution = diffrax.diffeqsolve(
        term, diffrax.Dopri5(), *span, None, start, stepsize_controller=control, max_steps=None,
        adjoint=diffrax.ForwardMode(),
    )  # fmt: skip
    return solution.ys


def _diffrax_density(jax: Any, x: Any, net: fields.Tables) -> Any:
    def row(x: Any) -> Any:
        start, span = (x, jax.numpy.zeros((), x.dtype)), jax.numpy.array([1, 0], x.dtype)
        solved = _diffrax(lambda t, state, _: fields.jax_row(jax, net, state[0], t), start, span)
        return _with_density(*(last[-1] for last in solved))

    return jax.vmap(row)(x)


def _diffrax_sample(jax: Any, z: Any, net: fields.Tables) -> Any:
    def row(z: Any) -> Any:
        span = jax.numpy.array([0, 1], z.dtype)
        return _diffrax(lambda t, z, _: fields.jax_velocity(jax, net, z, t), z, span)[-1]

    return jax.vmap(row)(z)


def _zuko_flow(call: Call, dim: int) -> Any:
    """The library's flow, data to latent, with the network that the implementation torch has."""
    import torch
    from zuko.distributions import DiagNormal, NormalizingFlow
    from zuko.transforms import FreeFormJacobianTransform

    net = arrays.converted(fields.tables(call.args[1], dim), torch.tensor)
    velocity = fields.torch_velocity(torch, net)
    solver = FreeFormJacobianTransform(lambda t, z: velocity(z, t), 1.0, 0.0, **_OPTIONS)
    mean = net.bias_out.new_zeros(dim)
    return NormalizingFlow(solver, DiagNormal(mean, mean + 1))


def _zuko_density(call: Call, dim: int, dtype: Dtype) -> Thunk:
    import torch

    with _differentiable():
        flow, x = _zuko_flow(call, dim), torch.tensor(call.args[0])
    return _differentiable()(lambda: flow.log_prob(x))  # type: ignore[no-any-return]  # not followed


def _zuko_sample(call: Call, dim: int, dtype: Dtype) -> Thunk:
    import torch

    flow, shape = _zuko_flow(call, dim), call.args[:1]
    torch.manual_seed(call.args[-1])
    return lambda: flow.sample(shape)


def _differentiable() -> Any:
    """No inference mode: zuko takes its trace from gradients, which it asks for itself."""
    import torch

    return torch.inference_mode(mode=False)
