"""Affine coupling with element-wise conditioners, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector, clamp, descend
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Conditioners of the transformed entries."""

    a_s: Vector  # (D//2,)
    b_s: Vector  # (D//2,)
    a_t: Vector  # (D//2,)
    b_t: Vector  # (D//2,)


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """s of size 0.5, t of size 1; in float64 whatever the dtype."""
    a_s, b_s, a_t, b_t = (row[: dim // 2] for row in standard_normal(4, dim, seed, stream=1))
    return Params([0.4 * value for value in a_s], [0.3 * value for value in b_s], a_t, b_t)


def _split(row: Vector, params: Params) -> tuple[Vector, Vector, list[tuple[float, float]]]:
    """The identity entries, the transformed ones, and (s, t) of each; s is clamped, for log_det too."""
    middle = len(row) - len(row) // 2
    scale_shift = [
        (clamp(a_s * value + b_s), a_t * value + b_t)
        for value, a_s, b_s, a_t, b_t in zip(row, *params, strict=False)
    ]
    return row[:middle], row[middle:], scale_shift


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    identity, rest, st = _split(z, params)
    x = [value * math.exp(s) + t for value, (s, t) in zip(rest, st, strict=True)]
    return identity + x, sum(s for s, _ in st)


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    identity, rest, st = _split(x, params)
    z = [(value - t) * math.exp(-s) for value, (s, t) in zip(rest, st, strict=True)]
    return identity + z, -sum(s for s, _ in st)


family = Family(_to_data, _to_latent, lambda params: max(1, 2 * len(params.a_s)))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample


def nll(x: Matrix, params: Params) -> float:
    """Minus the mean of the log density."""
    z, log_det = inverse(x, params)
    total = sum(0.5 * value * value + HALF_LOG_2_PI for row in z for value in row)
    return (total - sum(log_det)) / len(x)


def fit(x: Matrix, *, steps: int = 261, lr: float = 0.03) -> tuple[Params, Vector]:
    """Gradient descent by central differences: (params, NLL after each update)."""
    half = len(x[0]) // 2

    def unpack(theta: Vector) -> Params:
        return Params(*(theta[i * half : (i + 1) * half] for i in range(4)))

    start = [0.05] * half + [0.0] * half + [0.1] * half + [0.0] * half
    limits = [(-2.5, 2.5)] * (2 * half) + [None] * (2 * half)
    theta, history = descend(lambda theta: nll(x, unpack(theta)), start, limits, steps, lr)
    return unpack(theta), history
