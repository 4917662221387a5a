"""x_d = bias_d + sum_{k<d} W[d][k] x_k + exp(log_scale_d) z_d, one value at a time."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector, descend, exp
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


def _mean(x: Vector, d: int, params: Params) -> float:
    mean = params.bias[d]
    for k in range(d):
        mean += params.weight[d][k] * x[k]
    return mean


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    x: Vector = []
    for d in range(len(z)):
        x.append(_mean(x, d, params) + exp(params.log_scale[d]) * z[d])
    return x, sum(params.log_scale)


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    z = [(x[d] - _mean(x, d, params)) * exp(-params.log_scale[d]) for d in range(len(x))]
    return z, -sum(params.log_scale)


family = Family(_to_data, _to_latent, lambda params: len(params.bias))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample


def nll(x: Matrix, params: Params) -> float:
    """Minus the mean of the log density, summed as -(log N(x_1) + log N(x_2 | x_1) + ...)."""
    total = 0.0
    for row in x:
        for d in range(len(row)):
            r = (row[d] - _mean(row, d, params)) / math.exp(params.log_scale[d])
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
