"""Squeeze of images: an order of the entries, and what moving them costs."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.kernels import squeeze


def numpy_forward(z: Any, params: squeeze.Params) -> tuple[Any, Any]:
    """A transposition of the axes, channel-major."""
    channels, height, width = params.image_shape
    squares = z.reshape(len(z), channels, 2, 2, height // 2, width // 2)
    return squares.transpose(0, 1, 4, 2, 5, 3).reshape(z.shape), np.zeros(len(z), z.dtype)


def numpy_inverse(x: Any, params: squeeze.Params) -> tuple[Any, Any]:
    """A transposition of the axes, channel-major."""
    channels, height, width = params.image_shape
    squares = x.reshape(len(x), channels, height // 2, 2, width // 2, 2)
    return squares.transpose(0, 1, 3, 5, 2, 4).reshape(x.shape), np.zeros(len(x), x.dtype)


def _cost(dim: int) -> Cost:
    return Cost()


CASE = flow(
    "squeeze",
    squeeze.random_params,
    Direction(_cost, numpy_forward),
    Direction(_cost, numpy_inverse),
    sizes=(12, 48, 192, 768),
)
