"""Autoregressive process of order 2: a matched pair with a short chain."""

from typing import Any

import numpy as np

from seqgap.bench.flows import Direction, flow
from seqgap.kernels import ar_process


def numpy_forward(z: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """D steps over the batch, time-major so that each step is contiguous."""
    x = params.scale * np.ascontiguousarray(z.T) + z.dtype.type(params.bias)
    for t in range(1, len(x)):
        for i, c in enumerate(params.coefficients[:t]):
            x[t] += c * x[t - 1 - i]
    return x.T, np.full(len(z), len(x) * np.log(params.scale), z.dtype)


def numpy_inverse(x: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """One pass over shifted views for each coefficient."""
    z = x - x.dtype.type(params.bias)
    for i, c in enumerate(params.coefficients):
        z[:, i + 1 :] -= c * x[:, : -(i + 1)]
    z *= x.dtype.type(1 / params.scale)
    return z, np.full(len(x), -x.shape[1] * np.log(params.scale), x.dtype)


def _flops(dim: int) -> float:
    return 6 * dim  # two coefficients, bias and scale


CASE = flow(
    "ar_process",
    ar_process.random_params,
    Direction(lambda dim: dim, _flops, numpy_forward),
    Direction(lambda dim: 1, _flops, numpy_inverse),
    takes_dim=True,
    matched=True,
    strategies=("recurrence", "scan"),
)
