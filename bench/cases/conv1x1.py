"""Invertible 1 x 1 convolution of images: a matrix product for each pixel, either way."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.images import images_of
from seqgap.kernels import conv1x1

_CHANNELS = 3  # of random_params


def weight(params: conv1x1.Params) -> Any:
    """P L (U + diag(s))."""
    diagonal = params.sign * np.exp(params.log_diagonal)
    lower = np.tril(params.lower, -1) + np.eye(len(diagonal), dtype=diagonal.dtype)
    return (lower @ (np.triu(params.upper, 1) + np.diag(diagonal)))[params.permutation]


def _mixed(matrix: Any, batch: Any, params: conv1x1.Params) -> Any:
    return np.einsum("oc,nchw->nohw", matrix, images_of(batch, params), optimize=True).reshape(batch.shape)


def _log_det(params: conv1x1.Params, batch: Any) -> Any:
    """That of inverse."""
    return np.full(len(batch), params.log_diagonal.sum() * np.prod(params.image_shape[1:]), batch.dtype)


def numpy_forward(z: Any, params: conv1x1.Params) -> tuple[Any, Any]:
    """One product with the inverse matrix."""
    return _mixed(np.linalg.inv(weight(params)), z, params), -_log_det(params, z)


def numpy_inverse(x: Any, params: conv1x1.Params) -> tuple[Any, Any]:
    """One product."""
    return _mixed(weight(params), x, params), _log_det(params, x)


def _cost(dim: int) -> Cost:
    return Cost(
        flops=2 * _CHANNELS * dim, parameters=_CHANNELS * (2 * _CHANNELS + 3), weights=_CHANNELS * _CHANNELS
    )


CASE = flow(
    "conv1x1",
    conv1x1.random_params,
    Direction(_cost, numpy_forward),
    Direction(_cost, numpy_inverse),
    tolerance=rounding(lambda dim: dim + 100),
    sizes=(12, 48, 192, 768),
)
