"""What reverse diffusion samplers share: parameters, predictions, spacings, the walk over the steps."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from seqgap.reference._linear import Gaussian
from seqgap.reference._perceptron import Perceptron
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._schedule import Schedule
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """The fields of the kernels' denoiser."""

    model: Perceptron | Gaussian
    betas: Vector  # (T,)
    times: Vector  # (T,)
    prediction: str


class Moment(NamedTuple):
    """A state and what is known of it, one feature after another."""

    schedule: Schedule
    now: int  # step
    next: int
    x: Vector
    clean: Vector  # x_0 as predicted
    noise: Vector  # eps as predicted


# (moment, normals) -> the next state
Step: TypeAlias = Callable[[Moment, Vector], Vector]


def steps_of(spacing: str, count: int | None, length: int) -> list[int]:
    """`count` of the steps 1 to T, the last one first."""
    chosen = length if count is None else count
    if spacing == "leading":
        ascending = [1 + i * (length // chosen) for i in range(chosen)]
    elif spacing == "trailing":
        ascending = [round(length - i * length / chosen) for i in range(chosen)][::-1]
    else:
        ascending = [1 + round(i * (length - 1) / max(chosen - 1, 1)) for i in range(chosen)]
    return ascending[::-1]


def trajectory(
    x: Matrix, params: Params, steps: list[int], step: Step, context: Vector, noise: Callable[[int], Matrix]
) -> list[Matrix]:
    """The states from x on; noise(t): the normals of step t."""
    schedule, states = Schedule(params.betas), [[list(row) for row in x]]
    for now, following in zip(steps, [*steps[1:], 0], strict=True):
        pairs = zip(states[-1], noise(now), strict=True)
        known = [(_moment(params, schedule, now, following, row, context), eps) for row, eps in pairs]
        states.append([step(moment, eps) for moment, eps in known])
    return states


def _moment(
    params: Params, schedule: Schedule, now: int, following: int, x: Vector, context: Vector
) -> Moment:
    signal, sigma = schedule.signal[now], math.sqrt(schedule.variance[now])
    if isinstance(params.model, Gaussian):
        clean = params.model.clean(x, signal, sigma)
        return Moment(schedule, now, following, x, clean, _noise(x, clean, signal, sigma))
    f = params.model.at(x, params.times[now - 1], context)
    if params.prediction == "epsilon":
        clean, eps = [(v - sigma * e) / signal for v, e in zip(x, f, strict=True)], f
    elif params.prediction == "x0":
        clean, eps = f, _noise(x, f, signal, sigma)
    else:
        clean = [signal * v - sigma * u for v, u in zip(x, f, strict=True)]
        eps = [signal * u + sigma * v for v, u in zip(x, f, strict=True)]
    return Moment(schedule, now, following, x, clean, eps)


def _noise(x: Vector, clean: Vector, signal: float, sigma: float) -> Vector:
    return [(value - signal * start) / sigma for value, start in zip(x, clean, strict=True)]


def clipped(values: Vector, limit: float | None) -> Vector:
    """To [-limit, limit]."""
    if limit is None:
        return values
    return [value if math.isnan(value) else max(-limit, min(limit, value)) for value in values]


def rederived(at: Moment, clean: Vector) -> Vector:
    """eps of another x_0."""
    return _noise(at.x, clean, at.schedule.signal[at.now], math.sqrt(at.schedule.variance[at.now]))


def share(at: Moment) -> float:
    """1 - alpha_bar_t / alpha_bar_s."""
    inside = sum(math.log1p(-beta) for beta in at.schedule.betas[at.next : at.now])
    return -math.expm1(inside)


def normals(count: int, dim: int, seed: int, first_row: int, dtype: str) -> Callable[[int], Matrix]:
    """The normals of a step by its number."""
    return lambda t: standard_normal(count, dim, seed, stream=t, first_row=first_row, dtype=dtype)


class Chain:
    """sample and run of a family, from its trajectory."""

    def __init__(self, states: Callable[..., list[Matrix]]) -> None:
        self._states = states

    def sample(
        self, n: int, params: Params, seed: int, *, first_row: int = 0, dtype: str = "float64", **options: Any
    ) -> Matrix:
        """n states after all steps from normals."""
        start = normals(n, params.model.dim, seed, first_row, dtype)(0)
        return self.run(start, params, seed, first_row=first_row, dtype=dtype, **options)

    def run(
        self, x: Matrix, params: Params, seed: int, *, first_row: int = 0, dtype: str = "float64",
        strategy: str = "steps", **options: Any,
    ) -> Matrix:  # fmt: skip
        """The states after all steps from x, whatever the strategy."""
        return self._states(x, params, seed, first_row=first_row, dtype=dtype, **options)[-1]
