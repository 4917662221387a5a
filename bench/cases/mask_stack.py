"""Mask stack: K layers one after another, each over all dimensions at once."""

from typing import Any

import numpy as np

from seqgap.bench.flows import Direction, flow
from seqgap.bench.registry import EXP_FLOPS
from seqgap.kernels import mask_stack

_LAYERS = 4  # of random_params


def _scale_shift(x: Any, mask: Any, theta: Any) -> tuple[Any, Any]:
    condition = x[:, mask].mean(axis=1) if mask.any() else np.zeros(len(x), x.dtype)
    a_s, b_s, a_t, b_t = theta
    return np.clip(a_s * condition + b_s, -5, 5), a_t * condition + b_t


def numpy_forward(z: Any, params: mask_stack.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch, layer by layer."""
    x, log_det = z.copy(), np.zeros(len(z), z.dtype)
    for mask, theta in zip(params.masks, params.theta, strict=True):
        s, t = _scale_shift(x, mask, theta)
        x[:, ~mask] = x[:, ~mask] * np.exp(s)[:, None] + t[:, None]
        log_det += s * np.count_nonzero(~mask)
    return x, log_det


def numpy_inverse(x: Any, params: mask_stack.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch, last layer first."""
    z, log_det = x.copy(), np.zeros(len(x), x.dtype)
    for mask, theta in zip(params.masks[::-1], params.theta[::-1], strict=True):
        s, t = _scale_shift(z, mask, theta)
        z[:, ~mask] = (z[:, ~mask] - t[:, None]) * np.exp(-s)[:, None]
        log_det -= s * np.count_nonzero(~mask)
    return z, log_det


def _flops(dim: int) -> float:
    return _LAYERS * (1.5 * dim + EXP_FLOPS + 7)  # mean of one half, fused multiply-add of the other


CASE = flow(
    "mask_stack",
    mask_stack.random_params,
    Direction(lambda dim: _LAYERS, _flops, numpy_forward, exps=lambda dim: _LAYERS),
    Direction(lambda dim: _LAYERS, _flops, numpy_inverse, exps=lambda dim: _LAYERS),
)
