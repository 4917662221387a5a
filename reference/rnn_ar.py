"""x_t = tanh(W x_{t-1} + bias + scale z_t) from zeros, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector, exp
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Weights shared by all steps."""

    weight: Matrix  # (D, D)
    bias: Vector  # (D,)
    scale: Vector  # (D,), above 0
    grid: float = 0.0  # the state fed to every 64th step is rounded to a multiple of it; 0: none is


def random_params(dim: int, seed: int, *, features: int = 1, dtype: str = "float64") -> Params:
    """Weights of size 0.7 / sqrt(D), a single one within (-1, 1); in float64 whatever the dtype."""
    size = 0.7 / math.sqrt(features)
    weight = [[size * value for value in row] for row in standard_normal(features, features, seed, stream=1)]
    if features == 1:
        weight = [[math.tanh(weight[0][0])]]
    bias, log_scale = standard_normal(2, features, seed, stream=2)
    return Params(weight, [0.1 * value for value in bias], [0.5 * math.exp(0.2 * v) for v in log_scale])


def _mean(before: Vector, d: int, params: Params) -> float:
    mean = params.bias[d]
    for weight, value in zip(params.weight[d], before, strict=True):
        mean += weight * value
    return mean


def _nearest(value: float, grid: float) -> float:
    """The nearest multiple of the grid, halves to even."""
    return grid * round(value / grid) if math.isfinite(value) else value


def _fed(before: Vector, t: int, grid: float) -> Vector:
    """What step t takes of the state before it."""
    return [_nearest(value, grid) for value in before] if grid and t % 64 == 0 else before


def _log_slope(a: float) -> float:
    """log(1 - tanh(a)^2)."""
    return 2 * (math.log(2) - abs(a) - math.log1p(exp(-2 * abs(a))))


def _log_one_less_square(x: float) -> float:
    """log(1 - x^2), infinite of 1 and NaN beyond."""
    square = (1 - x) * (1 + x)
    return math.log(square) if square > 0 else (-math.inf if square == 0 else math.nan)


def _atanh(x: float) -> float:
    if abs(x) < 1:
        return math.atanh(x)
    return math.copysign(math.inf, x) if abs(x) == 1 else math.nan


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    features = len(params.bias)
    x: Vector = []
    log_det = 0.0
    for t in range(len(z) // features):
        before = _fed(x[-features:] or [0.0] * features, t, params.grid)
        for d, scale in enumerate(params.scale):
            a = _mean(before, d, params) + scale * z[t * features + d]
            x.append(math.tanh(a))
            log_det += math.log(scale) + _log_slope(a)
    return x, log_det


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    features = len(params.bias)
    z: Vector = []
    log_det, state = 0.0, [0.0] * features
    for t in range(len(x) // features):
        before = _fed(state, t, params.grid)
        now = x[t * features : (t + 1) * features]
        for d, scale in enumerate(params.scale):
            z.append((_atanh(now[d]) - _mean(before, d, params)) / scale)
            log_det -= math.log(scale) + _log_one_less_square(now[d])
        state = now
    return z, log_det


def _steps(params: Params) -> int:
    raise TypeError("dim: expected the number of columns, which the weights leave open, got None")


family = Family(_to_data, _to_latent, _steps)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
