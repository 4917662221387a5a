"""Langevin chains, unadjusted and adjusted, one state at a time."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from seqgap.reference import mixture
from seqgap.reference._linear import Gaussian
from seqgap.reference._perceptron import Perceptron
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector, log
from seqgap.reference.normal import standard_normal

# (state, number of the step) -> (log p, score)
Evaluate: TypeAlias = Callable[[Vector, int], tuple[float, Vector]]


class Params(NamedTuple):
    """The fields of the kernels' chain."""

    target: Gaussian | mixture.Params | Perceptron
    step_sizes: Vector  # (T,)
    times: Sequence[float] = ()  # (T,)

    @property
    def dim(self) -> int:
        """D."""
        return len(self.target.mean[0]) if isinstance(self.target, mixture.Params) else self.target.dim


def random_params(
    dim: int, seed: int, *, steps: int = 100, step_size: float = 0.1, components: int = 3,
    full: bool = False, dtype: str = "float64",
) -> Params:  # fmt: skip
    """A random mixture; in float64 whatever the dtype."""
    target = mixture.random_params(dim, seed, components=components, full=full, dtype=dtype)
    return Params(target, [step_size] * steps, [])


def annealed(sigmas: Vector, *, steps: int = 100, smallest: float = 2e-5) -> Vector:
    """Half of Song and Ermon's alpha_i, each so many times."""
    return [smallest * s * s / sigmas[-1] ** 2 / 2 for s in sigmas for _ in range(steps)]


def accepted(states: list[Matrix]) -> list[int]:
    """How many times each row became another."""
    rows = zip(*states, strict=True)
    return [sum(_moved(*pair) for pair in itertools.pairwise(row)) for row in rows]


def _moved(before: Vector, after: Vector) -> bool:
    return any(abs(b - a) > 0 for a, b in zip(before, after, strict=True))


def sample(
    n: int, params: Params, seed: int, *, adjust: bool = False, context: Vector | None = None,
    first_row: int = 0, dtype: str = "float64", strategy: str = "steps",
) -> Matrix:  # fmt: skip
    """n states after all steps from normals, whatever the strategy."""
    start = standard_normal(n, params.dim, seed, first_row=first_row, dtype=dtype)
    return run(start, params, seed, adjust=adjust, context=context, first_row=first_row, dtype=dtype)


def run(
    x: Matrix, params: Params, seed: int, *, adjust: bool = False, context: Vector | None = None,
    first_row: int = 0, dtype: str = "float64",
) -> Matrix:  # fmt: skip
    """The states after all steps from x."""
    states = trajectory(x, params, seed, adjust=adjust, context=context, first_row=first_row, dtype=dtype)
    return states[-1]


def trajectory(
    x: Matrix, params: Params, seed: int, *, adjust: bool = False, context: Vector | None = None,
    first_row: int = 0, dtype: str = "float64",
) -> list[Matrix]:  # fmt: skip
    """The states from x on."""
    evaluate, states = _evaluation(params, context or []), [[list(row) for row in x]]
    known = [evaluate(row, 1) for row in x] if adjust else []
    for j, h in enumerate(params.step_sizes, 1):
        noise = standard_normal(len(x), params.dim, seed, stream=j, first_row=first_row, dtype=dtype)
        current = known if adjust else [evaluate(row, j) for row in states[-1]]
        lines = zip(states[-1], current, noise, strict=True)
        proposals = [_proposal(row, score, h, xi) for row, (_, score), xi in lines]
        if adjust:
            after = [evaluate(row, j) for row in proposals]
            for i, row in enumerate(states[-1]):
                ratio = _log_alpha((row, *known[i]), (proposals[i], *after[i]), h)
                if log(mixture._uniform(first_row + i, seed, 2**31 + j)) < ratio:
                    known[i] = after[i]
                else:
                    proposals[i] = row
        states.append(proposals)
    return states


def _proposal(x: Vector, score: Vector, h: float, noise: Vector) -> Vector:
    terms = zip(x, score, noise, strict=True)
    return [value + h * slope + math.sqrt(2 * h) * xi for value, slope, xi in terms]


def _log_alpha(before: tuple[Vector, float, Vector], after: tuple[Vector, float, Vector], h: float) -> float:
    """log p(y) q(x | y) - log p(x) q(y | x) of points (x, log p, score)."""
    (_, density, _), (_, following, _) = before, after
    return following + _transition(before, after, h) - density - _transition(after, before, h)


def _transition(
    target: tuple[Vector, float, Vector], source: tuple[Vector, float, Vector], h: float
) -> float:
    """log of the density of one point as a proposal from another, but for a constant."""
    terms = zip(target[0], source[0], source[2], strict=True)
    return -sum((y - x - h * slope) ** 2 for y, x, slope in terms) / (4 * h)


def _evaluation(params: Params, context: Vector) -> Evaluate:
    """What is known of a target at a point."""
    target, times = params.target, params.times
    if isinstance(target, mixture.Params):
        factors = mixture._factors(target)
        return lambda x, j: mixture._row(x, target, factors)
    if isinstance(target, Gaussian):
        return lambda x, j: _gaussian(x, target)
    return lambda x, j: (math.nan, target.at(x, times[j - 1], context))


def _gaussian(x: Vector, target: Gaussian) -> tuple[float, Vector]:
    terms = list(zip(x, target.mean, target.deviation, strict=True))
    density = sum(-0.5 * ((v - m) / s) ** 2 - HALF_LOG_2_PI - math.log(s) for v, m, s in terms)
    return density, [(m - v) / s**2 for v, m, s in terms]
