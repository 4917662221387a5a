"""x_d = bias_d + sum_{k<d} W[d][k] x_k + exp(log_scale_d) z_d, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._plain import (
    HALF_LOG_2_PI,
    Matrix,
    Vector,
    deliver,
    descend,
    exp,
    log_prob_rows,
)
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Weights of the model."""

    weight: Matrix  # (D, D), strictly lower triangular
    bias: Vector  # (D,)
    log_scale: Vector  # (D,)


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """Weights of size 1 / (2 sqrt(D)) below the diagonal; in float64 whatever the dtype."""
    size = 0.5 / math.sqrt(dim)
    normals = standard_normal(dim, dim, seed, stream=1)
    weight = [[size * normals[d][k] if k < d else 0.0 for k in range(dim)] for d in range(dim)]
    bias, log_scale = standard_normal(2, dim, seed, stream=2)
    return Params(weight, bias, [0.3 * value for value in log_scale])


def forward(
    z: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    rows = []
    for row in z:
        x: Vector = []
        for d in range(len(row)):
            mean = params.bias[d]
            for k in range(d):
                mean += params.weight[d][k] * x[k]
            x.append(mean + exp(params.log_scale[d]) * row[d])
        rows.append(x)
    return deliver(rows, out), [sum(params.log_scale)] * len(z)


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    rows = []
    for row in x:
        z: Vector = []
        for d in range(len(row)):
            mean = params.bias[d]
            for k in range(d):
                mean += params.weight[d][k] * row[k]
            z.append((row[d] - mean) * exp(-params.log_scale[d]))
        rows.append(z)
    return deliver(rows, out), [-sum(params.log_scale)] * len(x)


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
    z = standard_normal(n, len(params.bias), seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)


def nll(x: Matrix, params: Params) -> float:
    """Minus the mean of the log density, summed as -(log N(x_1) + log N(x_2 | x_1) + ...)."""
    total = 0.0
    for row in x:
        for d in range(len(row)):
            mean = params.bias[d]
            for k in range(d):
                mean += params.weight[d][k] * row[k]
            r = (row[d] - mean) / math.exp(params.log_scale[d])
            total += 0.5 * r * r + params.log_scale[d] + HALF_LOG_2_PI
    return total / len(x)


def fit(x: Matrix, *, steps: int = 241, lr: float = 0.04) -> tuple[Params, Vector]:
    """Gradient descent by central differences: (params, NLL after each update)."""
    dim = len(x[0])
    below = [(d, k) for d in range(dim) for k in range(d)]

    def unpack(theta: Vector) -> Params:
        weight = [[0.0] * dim for _ in range(dim)]
        for (d, k), value in zip(below, theta, strict=False):
            weight[d][k] = value
        return Params(weight, theta[len(below) : len(below) + dim], theta[len(below) + dim :])

    start = [0.2 if d == k + 1 else 0.0 for d, k in below] + [0.0] * (2 * dim)
    limits = [None] * (len(below) + dim) + [(-4.0, 3.5)] * dim
    theta, history = descend(lambda theta: nll(x, unpack(theta)), start, limits, steps, lr)
    return unpack(theta), history
