"""x = z + beta h (z - c), h = 1 / (alpha + |z - c|), layer after layer; back by the root of a quadratic."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector, log, softplus
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """K layers."""

    center: Matrix  # (K, D), c
    alpha: Vector  # (K,), above 0
    beta: Vector  # (K,): the layer's beta is softplus of it, less alpha


def random_params(dim: int, seed: int, *, layers: int = 16, dtype: str = "float64") -> Params:
    """Centres among the data, alpha about sqrt(D); in float64 whatever the dtype."""
    center = standard_normal(layers, dim, seed, stream=1)
    log_alpha, beta = standard_normal(2, layers, seed, stream=2)
    alpha = [math.sqrt(dim) * math.exp(0.3 * value) for value in log_alpha]
    return Params(center, alpha, [a + 0.3 * b for a, b in zip(alpha, beta, strict=True)])


def _log_det(alpha: float, s: float, r: float, dim: int) -> float:
    """(D - 1) log(1 + beta h) + log(1 + beta h - beta r h^2) with beta = s - alpha, where nothing cancels."""
    h = 1 / (alpha + r)
    part = (s - alpha) * h
    # Of two forms that where nothing cancels: D - 1 times the rounding of a logarithm near 0 is a lot.
    many = math.log1p(part) if abs(part) < 0.5 else log((r + s) * h)
    return (dim - 1) * many + log(r * h * ((r + 2 * alpha) * h) + s * h * (alpha * h))


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for center, alpha, raw in zip(*params, strict=True):
        s, r = softplus(raw), math.dist(z, center)
        log_det += _log_det(alpha, s, r, len(z))
        z = [v + (s - alpha) / (alpha + r) * (v - c) for v, c in zip(z, center, strict=True)]
    return z, log_det


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    log_det = 0.0
    for center, alpha, raw in reversed(list(zip(*params, strict=True))):
        s, outer = softplus(raw), math.dist(x, center)
        rest = s - outer
        root = math.hypot(rest, 2 * math.sqrt(alpha * outer))
        ratio = 2 * alpha / (rest + root) if rest > 0 else (root - rest) / (2 * outer)
        x = [c + (v - c) * ratio for v, c in zip(x, center, strict=True)]
        log_det -= _log_det(alpha, s, ratio * outer, len(x))
    return x, log_det


family = Family(_to_data, _to_latent, lambda params: len(params.center[0]))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
