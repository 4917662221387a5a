"""x = z + u_hat tanh(w^T z + b), layer after layer; back by bisection of one number for each layer."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector, log, softplus
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """K layers."""

    weight: Matrix  # (K, D), w
    direction: Matrix  # (K, D), u
    bias: Vector  # (K,), b


def random_params(dim: int, seed: int, *, layers: int = 16, dtype: str = "float64") -> Params:
    """w of length about 1, u about 1/2; in float64 whatever the dtype."""
    root = math.sqrt(dim)
    weight = [[v / root for v in row] for row in standard_normal(layers, dim, seed, stream=1)]
    direction = [[0.5 * v / root for v in row] for row in standard_normal(layers, dim, seed, stream=2)]
    return Params(weight, direction, standard_normal(1, layers, seed, stream=3)[0])


def _dot(a: Vector, b: Vector) -> float:
    return sum(v * w for v, w in zip(a, b, strict=True))


def _layer(w: Vector, u: Vector) -> tuple[Vector, float]:
    """(u_hat, 1 + w^T u_hat), the second above 0 and without the cancellation of that sum."""
    inner, square = _dot(w, u), _dot(w, w)
    if square == 0:
        return u, 1.0
    centre = softplus(inner)
    return [a + (centre - 1 - inner) / square * b for a, b in zip(u, w, strict=True)], centre


def _log_slope(bent: float, centre: float) -> float:
    """log(1 + (1 - bent^2) w^T u_hat)."""
    return log(bent * bent + (1 - bent * bent) * centre)


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for w, u, b in zip(*params, strict=True):
        u_hat, centre = _layer(w, u)
        bent = math.tanh(_dot(w, z) + b)
        z = [v + a * bent for v, a in zip(z, u_hat, strict=True)]
        log_det += _log_slope(bent, centre)
    return z, log_det


def _root(total: float, gain: float) -> float:
    """a with a + gain tanh(a) = total, which grows with a; NaN where that is not finite."""
    if not math.isfinite(total):
        return math.nan
    low, high = total - abs(gain), total + abs(gain)
    while low < (middle := (low + high) / 2) < high:
        if middle + gain * math.tanh(middle) < total:
            low = middle
        else:
            high = middle
    return high


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for w, u, b in reversed(list(zip(*params, strict=True))):
        u_hat, centre = _layer(w, u)
        bent = math.tanh(_root(_dot(w, x) + b, centre - 1))
        x = [v - a * bent for v, a in zip(x, u_hat, strict=True)]
        log_det -= _log_slope(bent, centre)
    return x, log_det


family = Family(_to_data, _to_latent, lambda params: len(params.weight[0]))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
