"""Affine coupling of images with three convolutions: half of the channels at once, in either direction."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.images import convolve, images_of, multiplications, side
from seqgap.kernels import conv_coupling

_CHANNELS, _HIDDEN = 4, 16  # of random_params, whose mask is "channel" and scale "sigmoid"


def _numbers(images: Any, params: conv_coupling.Params) -> tuple[Any, Any]:
    """Shift and log scale of the second half of the channels."""
    hidden = images[:, : images.shape[1] // 2]
    for layer in (params[:2], params[2:4]):
        hidden = np.maximum(convolve(np, hidden, *layer), 0)
    numbers = convolve(np, hidden, *params[4:6])
    return numbers[:, 0::2], -np.logaddexp(0, -2 - numbers[:, 1::2])


def numpy_forward(z: Any, params: conv_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    x = images_of(z, params).copy()
    half, (shift, log_scale) = x[:, x.shape[1] // 2 :], _numbers(x, params)
    half[:] = half * np.exp(-log_scale) - shift
    return x.reshape(z.shape), -log_scale.sum((1, 2, 3))


def numpy_inverse(x: Any, params: conv_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    z = images_of(x, params).copy()
    half, (shift, log_scale) = z[:, z.shape[1] // 2 :], _numbers(z, params)
    half[:] = (half + shift) * np.exp(log_scale)
    return z.reshape(x.shape), log_scale.sum((1, 2, 3))


def _cost(dim: int) -> Cost:
    width, half = _CHANNELS // 2, dim // 2
    layers = ((width, _HIDDEN, 3), (_HIDDEN, _HIDDEN, 1), (_HIDDEN, _CHANNELS, 3))
    products = sum(multiplications(side(dim, _CHANNELS), *layer) for layer in layers)
    parameters = sum(outputs * (inputs * size * size + 1) for inputs, outputs, size in layers)
    return Cost(
        flops=2 * products + half * (EXP_FLOPS + 6), exps=half, parameters=parameters, weights=parameters
    )


CASE = flow(
    "conv_coupling",
    conv_coupling.random_params,
    Direction(_cost, numpy_forward),
    Direction(_cost, numpy_inverse),
    largest=10,
    tolerance=rounding(lambda dim: dim + 9 * (_CHANNELS // 2 + _HIDDEN) + _HIDDEN + 48),
    sizes=(16, 64, 256, 1024),
)
