"""Affine layers with binary masks and scalar conditioners, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector, clamp, deliver, log_prob_rows
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
    return clamp(a_s * condition + b_s, 5.0), a_t * condition + b_t


def forward(
    z: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data through layers 0 to K - 1: (x, log_det)."""
    rows, log_det = [], []
    for row in z:
        x, total = list(row), 0.0
        for mask, theta in zip(params.masks, params.theta, strict=True):
            s, t = _scale_shift(x, mask, theta)
            x = [v if keep else v * math.exp(s) + t for v, keep in zip(x, mask, strict=True)]
            total += s * mask.count(False)
        rows.append(x)
        log_det.append(total)
    return deliver(rows, out), log_det


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent through layers K - 1 to 0: (z, log_det)."""
    rows, log_det = [], []
    for row in x:
        z, total = list(row), 0.0
        for mask, theta in zip(reversed(params.masks), reversed(params.theta), strict=True):
            s, t = _scale_shift(z, mask, theta)
            z = [v if keep else (v - t) * math.exp(-s) for v, keep in zip(z, mask, strict=True)]
            total -= s * mask.count(False)
        rows.append(z)
        log_det.append(total)
    return deliver(rows, out), log_det


def log_prob(x: Matrix, params: Params, *, threads: int = 1) -> Vector:
    """log N(z; 0, I) + log_det of the inverse."""
    return log_prob_rows(*inverse(x, params))


def sample(
    n: int,
    params: Params,
    seed: int,
    *,
    first_row: int = 0,
    out: Matrix | None = None,
    threads: int = 1,
    dtype: str = "float64",
) -> Matrix:
    """Forward of the normals of `seed`."""
    z = standard_normal(n, len(params.masks[0]), seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)
