"""Batch normalisation in evaluation: scale x + shift with numbers, made part of the layers beside it."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop.parts import array, refuse


class Diagonal(NamedTuple):
    """scale x + shift, each unit by itself."""

    scale: Array  # (H,) float64
    shift: Array  # (H,) float64


def batch_norm(path: str, norm: Any, weight: Array | None, width: int) -> Diagonal:
    """weight (x - mean) / sqrt(var + eps) + bias in float64; weight None: 1."""
    if norm.running_mean is None or norm.running_var is None:
        refuse(path, "running statistics", "none")
    tensors = {"bias": norm.bias, "running_mean": norm.running_mean, "running_var": norm.running_var}
    arrays = {name: np.zeros(width) if value is None else array(value) for name, value in tensors.items()}
    for name, value in arrays.items():
        if value.shape != (width,):
            refuse(f"{path}.{name}", f"shape ({width},)", value.shape)
    bias, mean, var = (value.astype(FLOAT64) for value in arrays.values())
    scale = (1 if weight is None else weight) / np.sqrt(var + norm.eps)
    return Diagonal(scale, bias - scale * mean)


def before(weight: Array, bias: Array, mask: Array, norm: Diagonal) -> tuple[Array, Array]:
    """Weight and bias of W (scale x + shift) + b."""
    shift = (weight * mask).astype(FLOAT64) @ norm.shift
    return _like(weight, weight * norm.scale), _like(weight, bias + shift)


def after(weight: Array, bias: Array, norm: Diagonal) -> tuple[Array, Array]:
    """Weight and bias of scale (W x + b) + shift."""
    return _like(weight, weight * norm.scale[:, None]), _like(weight, norm.scale * bias + norm.shift)


def _like(weight: Array, value: Array) -> Array:
    return value.astype(weight.dtype)
