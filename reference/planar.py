"""x = z + u_hat tanh(w^T z + b), layer after layer; back by bisection of one number for each layer."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
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


def _softplus(a: float) -> float:
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def _layer(w: Vector, u: Vector) -> tuple[Vector, float]:
    """(u_hat, w^T u_hat); where w = 0, (u, 0)."""
    inner, square = _dot(w, u), _dot(w, w)
    if square == 0:
        return u, 0.0
    gain = _softplus(inner) - 1
    return [a + (gain - inner) / square * b for a, b in zip(u, w, strict=True)], gain


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for w, u, b in zip(*params, strict=True):
        u_hat, gain = _layer(w, u)
        bent = math.tanh(_dot(w, z) + b)
        z = [v + a * bent for v, a in zip(z, u_hat, strict=True)]
        log_det += math.log(1 + (1 - bent * bent) * gain)
    return z, log_det


def _root(wanted: float, gain: float) -> float:
    """a with a + gain tanh(a) = wanted, which grows with a; NaN where that is not finite."""
    if not math.isfinite(wanted):
        return math.nan
    low, high = wanted - abs(gain), wanted + abs(gain)
    while low < (middle := (low + high) / 2) < high:
        if middle + gain * math.tanh(middle) < wanted:
            low = middle
        else:
            high = middle
    return high


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for w, u, b in reversed(list(zip(*params, strict=True))):
        u_hat, gain = _layer(w, u)
        bent = math.tanh(_root(_dot(w, x) + b, gain))
        x = [v - a * bent for v, a in zip(x, u_hat, strict=True)]
        log_det -= math.log(1 + (1 - bent * bent) * gain)
    return x, log_det


family = Family(_to_data, _to_latent, lambda params: len(params.weight[0]))
forward, inverse = family.forward, family.inverse
log_prob, sample = family.log_prob, family.sample
