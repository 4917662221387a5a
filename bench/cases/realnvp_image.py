"""RealNVP over images: couplings with checkerboard and channel masks, at two scales."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Call, Cost, Dtype, Operation, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.bench.peers.image_flows import (
    Operations,
    halves,
    of_jax,
    of_numpy,
    of_torch,
    outputs,
    squeezed,
    summed,
    unsqueezed,
)
from seqgap.bench.peers.images import multiplications, side
from seqgap.bench.peers.onnx_images import transformed
from seqgap.kernels import realnvp_image
from seqgap.kernels.normal import standard_normal

_HIDDEN, _CHANNELS = 32, 3  # of random_params
_COUPLINGS = ((3, 3), (4, 0))  # with checkerboards and with halves, at each of its levels


class Tables(NamedTuple):
    """What users of the other libraries keep of a level."""

    boards: Any  # (A, 1, H, W): 1 where pixels pass
    checkered: Any  # A conditioners, (weight, bias) of each layer
    channels: Any  # B conditioners; none at the last level


def tables(params: realnvp_image.Params, dim: int = 0) -> tuple[Tables, ...]:
    """Of each level."""
    _, height, width = map(int, params.image_shape)
    return tuple(_tables(level, height >> i, width >> i) for i, level in enumerate(params.levels))


def _tables(level: realnvp_image.Level, height: int, width: int) -> Tables:
    real = level.checkerboard_bias_in.dtype
    odd = np.indices((height, width)).sum(0) % 2
    boards = np.stack([odd == k % 2 for k in range(len(level.checkerboard_bias_in))])
    return Tables(boards[:, None].astype(real), _conditioners(level[:6]), _conditioners(level[6:]))


def _conditioners(fields: Any) -> tuple[Any, ...]:
    """(weight, bias) of the layers of each."""
    if fields[0] is None:
        return ()
    return tuple(tuple((fields[i][k], fields[i + 1][k]) for i in (0, 2, 4)) for k in range(len(fields[0])))


def _checkered(own: Operations, images: Any, board: Any, layers: Any, back: bool) -> tuple[Any, Any]:
    """A coupling whose even or odd pixels pass."""
    shift, log_scale = outputs(own, images * board, layers)
    rest = 1 - board
    shift, log_scale = shift * rest, log_scale * rest
    if back:
        return (images - shift) * own.exp(-log_scale), -summed(log_scale)
    return images * own.exp(log_scale) + shift, summed(log_scale)


def _coupled(own: Operations, images: Any, swapped: int, layers: Any, back: bool) -> tuple[Any, Any]:
    """A coupling whose first, or second, half of the channels passes."""
    parts = halves(images)
    passing, rest = parts[swapped], parts[1 - swapped]
    shift, log_scale = outputs(own, passing, layers)
    rest = (rest - shift) * own.exp(-log_scale) if back else rest * own.exp(log_scale) + shift
    joined = own.join([rest, passing] if swapped else [passing, rest])
    return joined, summed(-log_scale if back else log_scale)


def to_latent(own: Operations, x: Any, levels: tuple[Tables, ...]) -> tuple[Any, Any]:
    """Data to latent: what leaves comes back to its place at the end."""
    images, log_det, left = x.reshape(len(x), _CHANNELS, side(x.shape[1], _CHANNELS), -1), 0.0, []
    for level in levels:
        for board, layers in zip(level.boards, level.checkered, strict=True):
            images, added = _checkered(own, images, board, layers, False)
            log_det = log_det + added
        if len(level.channels):
            images = squeezed(own, images)
            for k, layers in enumerate(level.channels):
                images, added = _coupled(own, images, k % 2, layers, False)
                log_det = log_det + added
            images, leaving = halves(images)
            left.append(leaving)
    for leaving in reversed(left):
        images = unsqueezed(own, own.join([images, leaving]))
    return images.reshape(x.shape), log_det


def to_data(own: Operations, z: Any, levels: tuple[Tables, ...]) -> tuple[Any, Any]:
    """Latent to data: first to where the parts left, then back level by level."""
    images, log_det, left = z.reshape(len(z), _CHANNELS, side(z.shape[1], _CHANNELS), -1), 0.0, []
    for level in levels:
        if len(level.channels):
            images, leaving = halves(squeezed(own, images))
            left.append(leaving)
    for level in reversed(levels):
        if len(level.channels):
            images = own.join([images, left.pop()])
            for k, layers in reversed([*enumerate(level.channels)]):
                images, added = _coupled(own, images, k % 2, layers, True)
                log_det = log_det + added
            images = unsqueezed(own, images)
        for board, layers in reversed([*zip(level.boards, level.checkered, strict=True)]):
            images, added = _checkered(own, images, board, layers, True)
            log_det = log_det + added
    return images.reshape(z.shape), log_det


def _cost(dim: int) -> Cost:
    """Multiply-adds of all convolutions, the last one with a checkerboard at half of the pixels."""
    flops, exps, parameters, channels, size = 0.0, 0.0, 0.0, _CHANNELS, side(dim, _CHANNELS)
    for boards, halved in _COUPLINGS:
        wide, small = (channels, size), (2 * channels, size // 2)
        for count, (width, pixels), share in ((boards, wide, 0.5), (halved, small, 1.0)):
            layers = ((width, _HIDDEN, 3), (_HIDDEN, _HIDDEN, 1), (_HIDDEN, 2 * width, 3))
            products = [multiplications(pixels, *layer) for layer in layers]
            flops += 2 * count * (products[0] + products[1] + share * products[2])
            parameters += count * sum(outs * (ins * filters**2 + 1) for ins, outs, filters in layers)
            exps += count * share * width * pixels * pixels
        channels, size = small
    flops += exps * (EXP_FLOPS + 4)
    steps = sum(map(sum, _COUPLINGS))
    return Cost(steps, flops=flops, exps=exps, parameters=parameters, weights=parameters)


def _images(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = realnvp_image.random_params(dim, seed, dtype=dtype)
    return Call((standard_normal(count, dim, seed, dtype=dtype), params))


_TOLERANCE = rounding(lambda dim: 40 * sum(map(sum, _COUPLINGS)) + dim)
CASE = flow(
    "realnvp_image",
    realnvp_image.random_params,
    Direction(
        _cost,
        lambda z, params: to_data(of_numpy(), z, tables(params)),
        lambda torch, z, levels: to_data(of_torch(torch), z, levels),
        lambda jax, z, levels: to_data(of_jax(jax), z, levels),
        tables=tables,
        deployed=deployed.exported(transformed(to_data), tables),
    ),
    Direction(
        _cost,
        lambda x, params: to_latent(of_numpy(), x, tables(params)),
        lambda torch, x, levels: to_latent(of_torch(torch), x, levels),
        lambda jax, x, levels: to_latent(of_jax(jax), x, levels),
        tables=tables,
        deployed=deployed.exported(transformed(to_latent), tables),
    ),
    tolerance=_TOLERANCE,
    sizes=(48, 192, 768, 3072),
    largest=10,
    more=(
        Operation("bits_per_dim", _images, _cost, _TOLERANCE, rows=(0, None), timed=False, sizes=(48, 192)),
    ),
)
