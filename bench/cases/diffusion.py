"""Diffusion noising: the closed form in one step, the chain and its reversal in T steps."""

import functools
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays, engines
from seqgap.bench.model.case import (
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Operation,
    Thunk,
    direct,
    rounding,
)
from seqgap.bench.peers import deployed
from seqgap.bench.peers.onnx_graph import Graph, Value
from seqgap.kernels import diffusion
from seqgap.kernels.normal import standard_normal

_STEPS = 16  # of the schedules here: T + 1 states of (1024, 1024) still fit in memory


def _schedule() -> diffusion.Schedule:
    return diffusion.Schedule(diffusion.linear_betas(_STEPS))


def _noise(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x0, eps = (standard_normal(count, dim, seed, stream=s, dtype=dtype) for s in (8, 9))
    return Call((x0, eps, _STEPS, _schedule()))


def _sample_noisy(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x0, _, *rest = _noise(dim, count, dtype, seed).args
    return Call((x0, *rest, seed), {"first_row": 0})


def _chain(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x0 = standard_normal(count, dim, seed, stream=8, dtype=dtype)
    eps = standard_normal(_STEPS * count, dim, seed, stream=9, dtype=dtype)
    return Call((x0, eps.reshape(_STEPS, count, dim), _schedule()))


def _naive(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x0, _, schedule = _chain(dim, count, dtype, seed).args
    return Call((x0, schedule))


def numpy_trajectory(x0: Any, eps: Any, schedule: diffusion.Schedule) -> Any:
    """T array expressions."""
    states = np.empty((len(eps) + 1, *x0.shape), x0.dtype)
    states[0] = x0
    for t, beta in enumerate(schedule.betas.astype(x0.dtype)):
        states[t + 1] = np.sqrt(1 - beta) * states[t] + np.sqrt(beta) * eps[t]
    return states


def numpy_reverse(x_last: Any, eps: Any, schedule: diffusion.Schedule) -> Any:
    """T array expressions, last step first."""
    x = x_last
    betas = schedule.betas.astype(x.dtype)
    for t in range(len(eps) - 1, -1, -1):
        x = (x - np.sqrt(betas[t]) * eps[t]) / np.sqrt(1 - betas[t])
    return x


def numpy_reverse_naive(x_last: Any, schedule: diffusion.Schedule) -> Any:
    """T divisions."""
    x = x_last
    for beta in schedule.betas[::-1].astype(x.dtype):
        x = x / np.sqrt(1 - beta)
    return x


class Steps(NamedTuple):
    """What users of the other libraries compute once for a schedule: for each step two factors."""

    signal: Any  # (T,)
    sigma: Any  # (T,)


def _levels(call: Call, dim: int, dtype: Dtype) -> tuple[Any, ...]:
    """(eps, x0, signal, sigma) of `noise`: users of other libraries compute both levels once."""
    x0, eps, t, schedule = call.args
    alpha_bar = schedule.alpha_bar[t]
    return eps, x0, np.sqrt(alpha_bar).astype(dtype), np.sqrt(1 - alpha_bar).astype(dtype)


def _levels_drawn(call: Call, dim: int, dtype: Dtype) -> tuple[Any, ...]:
    """The same without eps."""
    x0, t, schedule, _ = call.args
    return _levels(Call((x0, None, t, schedule)), dim, dtype)[1:]


def _drawn(output: Any, call: Call) -> Any:
    x0, signal, sigma = _levels_drawn(call, 0, call.args[0].dtype)
    return (output - signal * x0) / sigma


def _steps(call: Call, dim: int, dtype: Dtype) -> tuple[Any, ...]:
    betas = call.args[-1].betas
    return *call.args[:-1], Steps(np.sqrt(1 - betas).astype(dtype), np.sqrt(betas).astype(dtype))


def torch_noise(torch: Any, eps: Any, x0: Any, signal: Any, sigma: Any) -> Any:
    """A product and a fused multiply-add."""
    return torch.mul(x0, signal).addcmul_(eps, sigma)


def array_noise(library: Any, eps: Any, x0: Any, signal: Any, sigma: Any) -> Any:
    """One expression, which JAX's compiler fuses."""
    return signal * x0 + sigma * eps


def onnx_noise(engine: engines.Engine, call: Call, dim: int, dtype: Dtype) -> Thunk:
    """The same expression."""
    return _deployed(engine, *_levels(call, dim, dtype))


def onnx_sample_noisy(engine: engines.Engine, call: Call, dim: int, dtype: Dtype) -> Thunk:
    """The same with normals that NumPy draws."""
    x0, signal, sigma = _levels_drawn(call, dim, dtype)
    eps = np.empty_like(x0)
    return engines.drawing(_deployed(engine, eps, x0, signal, sigma), eps, call.args[-1])


def _deployed(engine: engines.Engine, eps: Any, x0: Any, signal: Any, sigma: Any) -> Thunk:
    graph = Graph(engine, x0.shape)
    noisy = array_noise(graph, Value(graph, "eps"), Value(graph, "x0"), float(signal), float(sigma))
    return deployed.running(engine, {"eps": eps, "x0": x0}, [(noisy, x0.shape)])


_noising = functools.partial(arrays.implementations, numpy=array_noise, torch=torch_noise, jax=array_noise)


def torch_trajectory(torch: Any, x0: Any, eps: Any, steps: Any) -> Any:
    """All the noise in one product, then one fused multiply-add for each step, in the result."""
    states = torch.empty((len(eps) + 1, *x0.shape), dtype=x0.dtype)
    states[0] = x0
    torch.mul(eps, steps.sigma[:, None, None], out=states[1:])
    state = states.unbind(0)
    for t, signal in enumerate(steps.signal.unbind(0)):
        state[t + 1].addcmul_(state[t], signal)
    return states


def jax_trajectory(jax: Any, x0: Any, eps: Any, steps: Any) -> Any:
    """A scan over the steps."""

    def step(x: Any, at: Any) -> tuple[Any, Any]:
        noise, (signal, sigma) = at
        x = signal * x + sigma * noise
        return x, x

    return jax.numpy.concatenate([x0[None], jax.lax.scan(step, x0, (eps, steps))[1]])


def torch_reverse(torch: Any, x_last: Any, eps: Any, steps: Any) -> Any:
    """One fused multiply-add for each step, on states divided by the signal that is left in them."""
    left = steps.signal.cumprod(0)
    x = x_last / left[-1]
    factors = (steps.sigma / left).unbind(0)
    for t in reversed(range(len(factors))):
        x.addcmul_(eps[t], factors[t], value=-1)
    return x


def jax_reverse(jax: Any, x_last: Any, eps: Any, steps: Any) -> Any:
    """A scan over the steps, last one first."""

    def step(x: Any, at: Any) -> tuple[Any, None]:
        noise, (signal, sigma) = at
        return (x - sigma * noise) / signal, None

    return jax.lax.scan(step, x_last, (eps, steps), reverse=True)[0]


def torch_reverse_naive(torch: Any, x_last: Any, steps: Any) -> Any:
    """T divisions in place."""
    signal = steps.signal.flip(0).unbind(0)
    x = x_last / signal[0]
    for factor in signal[1:]:
        x.div_(factor)
    return x


def jax_reverse_naive(jax: Any, x_last: Any, steps: Any) -> Any:
    """T divisions, fused by the compiler: for these few steps faster than a scan."""
    for signal in steps.signal[::-1]:
        x_last = x_last / signal
    return x_last


def _betas(name: str) -> Operation:
    cost, tolerance = lambda dim: Cost(1, 4 * dim, dim), rounding(lambda dim: 16)
    return Operation(name, lambda dim, *_: Call((dim,)), cost, tolerance, timed=False)


CASE = Case(
    "diffusion",
    (
        Operation(
            "noise", _noise, lambda dim: Cost(1, 3 * dim, 3 * dim, dim), rounding(lambda dim: 4),
            rows=(0, 0, 0, None), implementations=_noising(prepare=_levels) | engines.setups(onnx_noise),
        ),
        Operation(
            "sample_noisy", _sample_noisy,
            lambda dim: Cost(1, (3 + NORMAL_FLOPS) * dim, 2 * dim, dim, normals=dim),
            rounding(lambda dim: 20), rows=(0, 0, None, None), noise=Noise(_drawn),
            implementations=_noising(prepare=_levels_drawn, draw=lambda call, dim: call.args[0].shape)
            | engines.setups(onnx_sample_noisy),
        ),
        Operation(
            "trajectory", _chain,
            lambda dim: Cost(_STEPS, 3 * _STEPS * dim, (2 * _STEPS + 2) * dim, (_STEPS + 1) * dim),
            rounding(lambda dim: 3 * _STEPS),
            rows=(0, 1, None), output_axis=1, implementations={"numpy": direct(numpy_trajectory)}
            | arrays.implementations(torch=torch_trajectory, jax=jax_trajectory, prepare=_steps),
        ),
        Operation(
            "reverse", _chain, lambda dim: Cost(_STEPS, 3 * _STEPS * dim, (_STEPS + 2) * dim, dim),
            rounding(lambda dim: 4 * _STEPS),
            rows=(0, 1, None), implementations={"numpy": direct(numpy_reverse)}
            | arrays.implementations(torch=torch_reverse, jax=jax_reverse, prepare=_steps),
        ),
        Operation(
            "reverse_naive", _naive, lambda dim: Cost(_STEPS, _STEPS * dim, 2 * dim, dim),
            rounding(lambda dim: 4 * _STEPS),
            rows=(0, None), implementations={"numpy": direct(numpy_reverse_naive)}
            | arrays.implementations(torch=torch_reverse_naive, jax=jax_reverse_naive, prepare=_steps),
        ),
        _betas("linear_betas"),
        _betas("cosine_betas"),
        _betas("scaled_linear_betas"),
    ),
    sampler="noise",
)  # fmt: skip
