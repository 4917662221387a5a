"""ActNorm of images: a scale and a shift of each channel."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import Call, Cost, Dtype, Operation, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.images import images_of
from seqgap.kernels import actnorm
from seqgap.kernels.normal import standard_normal

_CHANNELS = 3  # of random_params
_SIZES = (12, 48, 192, 768)


def _numbers(params: actnorm.Params, batch: Any) -> tuple[Any, Any, Any]:
    """Shifts and log scales beside images, and log_det of inverse."""
    log_det = params.log_scale.sum() * np.prod(params.image_shape[1:])
    shift, log_scale = (field[:, None, None] for field in (params.shift, params.log_scale))
    return shift, log_scale, np.full(len(batch), log_det, batch.dtype)


def numpy_forward(z: Any, params: actnorm.Params) -> tuple[Any, Any]:
    """Over the whole batch."""
    shift, log_scale, log_det = _numbers(params, z)
    return (images_of(z, params) * np.exp(-log_scale) - shift).reshape(z.shape), -log_det


def numpy_inverse(x: Any, params: actnorm.Params) -> tuple[Any, Any]:
    """Over the whole batch."""
    shift, log_scale, log_det = _numbers(params, x)
    return ((images_of(x, params) + shift) * np.exp(log_scale)).reshape(x.shape), log_det


def _cost(dim: int) -> Cost:
    return Cost(flops=2 * dim, parameters=2 * _CHANNELS)


def _data(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    shape = actnorm.random_params(dim, seed).image_shape
    return Call((standard_normal(count, dim, seed, dtype=dtype), shape))


_TOLERANCE = rounding(lambda dim: dim + 16)
CASE = flow(
    "actnorm",
    actnorm.random_params,
    Direction(_cost, numpy_forward),
    Direction(_cost, numpy_inverse),
    tolerance=_TOLERANCE,
    sizes=_SIZES,
    more=(
        Operation(
            "from_data", _data, lambda dim: Cost(flops=4 * dim), _TOLERANCE, timed=False, sizes=_SIZES,
            smallest_batch=1,
        ),
    ),
)  # fmt: skip
