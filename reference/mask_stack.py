"""Affine layers with binary masks and scalar conditioners, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector, clamp
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Masks and conditioners of the layers."""

    masks: list[list[bool]]  # (K, D), True = kept
    theta: Matrix  # (K, 4), a_s, b_s, a_t, b_t of each layer


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """Four layers of alternating masks; in float64 whatever the dtype."""
    masks = [[(d + k) % 2 == 0 for d in range(dim)] for k in range(4)]
    sizes = [0.3, 0.2, 0.5, 0.5]
    normals = standard_normal(4, 4, seed, stream=1)
    return Params(masks, [[a * b for a, b in zip(row, sizes, strict=True)] for row in normals])


def _scale_shift(row: Vector, mask: list[bool], theta: Vector) -> tuple[float, float]:
    kept = [value for value, keep in zip(row, mask, strict=True) if keep]
    condition = sum(kept) / len(kept) if kept else 0.0
    a_s, b_s, a_t, b_t = theta
    return clamp(a_s * condition + b_s), a_t * condition + b_t


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    x, log_det = list(z), 0.0
    for mask, theta in zip(params.masks, params.theta, strict=True):
        s, t = _scale_shift(x, mask, theta)
        x = [v if keep else v * math.exp(s) + t for v, keep in zip(x, mask, strict=True)]
        log_det += s * mask.count(False)
    return x, log_det


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    z, log_det = list(x), 0.0
    for mask, theta in zip(reversed(params.masks), reversed(params.theta), strict=True):
        s, t = _scale_shift(z, mask, theta)
        z = [v if keep else (v - t) * math.exp(-s) for v, keep in zip(z, mask, strict=True)]
        log_det -= s * mask.count(False)
    return z, log_det


family = Family(_to_data, _to_latent, lambda params: len(params.masks[0]))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
