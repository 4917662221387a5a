"""Split of a flow over images: half of the channels by means and deviations that a convolution makes."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.images import convolve, images_of, multiplications, side
from seqgap.kernels import split

_CHANNELS = 4  # of random_params


def _prior(images: Any, params: split.Params) -> tuple[Any, Any]:
    """Means and log deviations of the second half of the channels."""
    numbers = convolve(np, images[:, : images.shape[1] // 2], params.weight, params.bias)
    return numbers[:, 0::2], numbers[:, 1::2]


def numpy_forward(z: Any, params: split.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    x = images_of(z, params).copy()
    half, (mean, log_deviation) = x[:, x.shape[1] // 2 :], _prior(x, params)
    half[:] = half * np.exp(log_deviation) + mean
    return x.reshape(z.shape), log_deviation.sum((1, 2, 3))


def numpy_inverse(x: Any, params: split.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    z = images_of(x, params).copy()
    half, (mean, log_deviation) = z[:, z.shape[1] // 2 :], _prior(z, params)
    half[:] = (half - mean) * np.exp(-log_deviation)
    return z.reshape(x.shape), -log_deviation.sum((1, 2, 3))


def _cost(dim: int) -> Cost:
    products = multiplications(side(dim, _CHANNELS), _CHANNELS // 2, _CHANNELS, 3)
    parameters, half = _CHANNELS * (9 * _CHANNELS // 2 + 1), dim // 2
    return Cost(
        flops=2 * products + half * (EXP_FLOPS + 3), exps=half, parameters=parameters, weights=parameters
    )


CASE = flow(
    "split",
    split.random_params,
    Direction(_cost, numpy_forward),
    Direction(_cost, numpy_inverse),
    largest=10,
    tolerance=rounding(lambda dim: dim + 9 * _CHANNELS // 2 + 32),
    sizes=(16, 64, 256, 1024),
)
