"""Flow matching and rectified flows by Runge-Kutta methods, one value at a time."""

import itertools
import math
from typing import Any, NamedTuple

from seqgap.reference import mixture
from seqgap.reference._linear import Gaussian
from seqgap.reference._perceptron import Perceptron, random_perceptron
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._runge_kutta import METHODS
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """The fields of the kernels' Params."""

    model: Any
    noise_at: int


def random_params(dim: int, seed: int, *, depth: int = 3, width: int = 64, dtype: str = "float64") -> Params:
    """A network of random weights; in float64 whatever the dtype."""
    model = random_perceptron(dim, seed, depth, width, embedding="time")
    return Params(model, 0)


def _velocity(params: Params, x: Vector, t: float, context: Vector) -> Vector:
    if isinstance(params.model, Perceptron):
        return params.model.at(x, t, context)
    forth = abs(t - params.noise_at)
    sense = 1 - 2 * params.noise_at
    components = _components(params.model)
    shares = _shares(components, x, forth)
    parts = [_of_gaussian(mean, scale, x, forth) for _, mean, scale in components]
    return [
        sense * sum(share * part[d] for share, part in zip(shares, parts, strict=True)) for d in range(len(x))
    ]


def _components(model: Any) -> list[tuple[float, Vector, Vector]]:
    if isinstance(model, Gaussian):
        return [(1.0, model.mean, model.deviation)]
    return list(zip(model.weight, model.mean, model.scale, strict=True))


def _shares(components: list[tuple[float, Vector, Vector]], x: Vector, t: float) -> Vector:
    """The responsibilities of components, of which x_t has N(t m, (1 - t)^2 + t^2 s^2)."""
    if len(components) == 1:
        return [1.0]
    weights = [weight for weight, _, _ in components]
    means = [[t * m for m in mean] for _, mean, _ in components]
    scales = [[math.hypot(1 - t, t * s) for s in scale] for _, _, scale in components]
    whole = mixture.log_prob([x], mixture.Params(weights, means, scales))[0]
    pairs = zip(means, scales, strict=True)
    single = [mixture.log_prob([x], mixture.Params([1.0], [mean], [scale]))[0] for mean, scale in pairs]
    return [w / sum(weights) * math.exp(one - whole) for w, one in zip(weights, single, strict=True)]


def _of_gaussian(mean: Vector, scale: Vector, x: Vector, t: float) -> Vector:
    """The mean of x_1 - x_0 given x_t, from those of both by Bayes' rule."""
    result = []
    for m, s, value in zip(mean, scale, x, strict=True):
        share = t * s**2 / ((1 - t) ** 2 + t**2 * s**2)
        data = m + share * (value - t * m)
        noise = (1 - t) / ((1 - t) ** 2 + t**2 * s**2) * (value - t * m)
        result.append(data - noise)
    return result


def sample(
    n: int, params: Params, seed: int, *, first_row: int = 0, dtype: str = "float64", **options: Any
) -> Matrix:
    """n states after all steps from normals."""
    model = params.model
    dim = len(model.mean[0]) if isinstance(model, mixture.Params) else model.dim
    start = standard_normal(n, dim, seed, first_row=first_row, dtype=dtype)
    return run(start, params, seed, **options)


def run(
    x: Matrix, params: Params, seed: int, *, first_row: int = 0, strategy: str = "steps", **options: Any
) -> Matrix:
    """The states after all steps from x, whatever the strategy."""
    return trajectory(x, params, seed, **options)[-1]


def trajectory(
    x: Matrix, params: Params, seed: int, *, steps: int | None = None, times: Vector | None = None,
    method: str = "euler", context: Vector | None = None, first_row: int = 0,
) -> list[Matrix]:  # fmt: skip
    """The states from x on."""
    count, start = 50 if steps is None else steps, params.noise_at
    grid = times or [start + (1 - 2 * start) * i / count for i in range(count + 1)]
    states = [[list(row) for row in x]]
    for t, following in itertools.pairwise(grid):
        states.append([_step(params, row, t, following - t, method, context or []) for row in states[-1]])
    return states


def _step(params: Params, x: Vector, t: float, h: float, method: str, context: Vector) -> Vector:
    nodes, stages, weights = METHODS[method]
    slopes: Matrix = []
    for node, stage in zip(nodes, stages, strict=True):
        slopes.append(_velocity(params, _moved(x, h, stage, slopes), t + node * h, context))
    return _moved(x, h, weights, slopes)


def _moved(x: Vector, h: float, weights: Vector, slopes: Matrix) -> Vector:
    return [
        value + h * sum(weight * slope[d] for weight, slope in zip(weights, slopes, strict=True))
        for d, value in enumerate(x)
    ]
