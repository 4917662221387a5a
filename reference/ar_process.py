"""x_t = bias + sum_i c_i x_{t-i} + scale z_t with zeros before x_0, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Vector
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Coefficients shared by all steps."""

    coefficients: Vector  # (p,), c_1 (of the step before) first
    bias: float
    scale: float  # above 0


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """A stationary process of order 2; in float64 whatever the dtype."""
    first, second, bias, log_scale = standard_normal(1, 4, seed, stream=1)[0]
    first, second = math.tanh(first / 2), math.tanh(second / 2)
    return Params([first * (1 - second), second], 0.1 * bias, math.exp(0.3 * log_scale))


def _mean(x: Vector, t: int, params: Params) -> float:
    mean = params.bias
    for i, c in enumerate(params.coefficients[:t]):
        mean += c * x[t - 1 - i]
    return mean


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    x: Vector = []
    for t in range(len(z)):
        x.append(_mean(x, t, params) + params.scale * z[t])
    return x, len(z) * math.log(params.scale)


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    z = [(x[t] - _mean(x, t, params)) / params.scale for t in range(len(x))]
    return z, -len(x) * math.log(params.scale)


def _steps(params: Params) -> int:
    raise TypeError("dim: expected the number of steps, which the coefficients leave open, got None")


family = Family(_to_data, _to_latent, _steps)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
