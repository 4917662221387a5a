"""Affine coupling with element-wise conditioners, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._plain import (
    HALF_LOG_2_PI,
    Matrix,
    Vector,
    clamp,
    deliver,
    descend,
    log_prob_rows,
)
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


def _conditioners(kept: Vector, params: Params) -> list[tuple[float, float]]:
    """(s, t) of each transformed entry; s is the clamped one, for the map and for log_det."""
    return [
        (clamp(a_s * value + b_s, 5.0), a_t * value + b_t)
        for value, a_s, b_s, a_t, b_t in zip(kept, *params, strict=False)
    ]


def forward(
    z: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    rows, log_det = [], []
    for row in z:
        kept, rest = row[: len(row) - len(row) // 2], row[len(row) - len(row) // 2 :]
        st = _conditioners(kept, params)
        moved = [value * math.exp(s) + t for value, (s, t) in zip(rest, st, strict=True)]
        rows.append(kept + moved)
        log_det.append(sum(s for s, _ in st))
    return deliver(rows, out), log_det


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    rows, log_det = [], []
    for row in x:
        kept, rest = row[: len(row) - len(row) // 2], row[len(row) - len(row) // 2 :]
        st = _conditioners(kept, params)
        moved = [(value - t) * math.exp(-s) for value, (s, t) in zip(rest, st, strict=True)]
        rows.append(kept + moved)
        log_det.append(-sum(s for s, _ in st))
    return deliver(rows, out), log_det


def log_prob(x: Matrix, params: Params, *, threads: int = 1) -> Vector:
    """log N(z; 0, I) + log_det of the inverse."""
    return log_prob_rows(*inverse(x, params))


def sample(
    n: int,
    params: Params,
    seed: int,
    *,
    dim: int | None = None,
    first_row: int = 0,
    out: Matrix | None = None,
    threads: int = 1,
    dtype: str = "float64",
) -> Matrix:
    """Forward of the normals of `seed`."""
    dim = max(1, 2 * len(params.a_s)) if dim is None else dim
    z = standard_normal(n, dim, seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)


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
