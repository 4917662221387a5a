"""Linear autoregressive model: the cleanest matched pair, one set of weights in both directions."""

from typing import Any

import numpy as np

from seqgap.bench.flows import Direction, flow, likelihood
from seqgap.kernels import linear_ar


def numpy_forward(z: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """D steps, each one matrix-vector product for the whole batch."""
    x = params.bias + np.exp(params.log_scale) * z
    for d in range(1, z.shape[1]):
        x[:, d] += x[:, :d] @ params.weight[d, :d]
    return x, np.full(len(z), params.log_scale.sum())


def numpy_inverse(x: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """One matrix product for the whole batch."""
    z = (x - params.bias - x @ params.weight.T) * np.exp(-params.log_scale)
    return z, np.full(len(x), -params.log_scale.sum())


def _flops(dim: int) -> float:
    return dim * (dim - 1) + 3 * dim


CASE = flow(
    "linear_ar",
    linear_ar.random_params,
    Direction(lambda dim: dim, _flops, numpy_forward),
    Direction(lambda dim: 1, _flops, numpy_inverse),
    matched=True,
    parameters=lambda dim: dim * (dim + 2),
    weights=lambda dim: dim * (dim - 1) / 2 + 2 * dim,  # below the diagonal, bias, scale
    more=likelihood(
        linear_ar.random_params,
        lambda params, dim, seed, count: linear_ar.sample(count, params, seed),
        steps=20,
        flops=_flops,
    ),
)
