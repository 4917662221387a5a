"""Glow: the control of the study. Both directions have equally many steps and the same arithmetic."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Call, Cost, Dtype, Operation, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed, normflows_glow
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
from seqgap.kernels import glow
from seqgap.kernels.normal import standard_normal

_LEVELS, _STEPS, _HIDDEN, _CHANNELS = 2, 4, 64, 3  # of random_params


class Step(NamedTuple):
    """Actnorm and 1 x 1 convolution as one, either way, and the conditioner."""

    to_latent: Any  # weight (C, C, 1, 1), bias (C,)
    to_data: Any
    layers: Any  # (weight, bias) of each


class Tables(NamedTuple):
    """What users of the other libraries compute once for a level."""

    steps: tuple[Step, ...]
    prior: Any  # (weight, bias); nothing at the last level
    log_det: Any  # (), of data to latent, without that of couplings


def tables(params: glow.Params, dim: int = 0) -> tuple[Tables, ...]:
    """Of each level."""
    pixels = int(np.prod(params.image_shape[1:]))
    return tuple(_tables(level, pixels // 4 ** (i + 1)) for i, level in enumerate(params.levels))


def _tables(level: glow.Level, pixels: int) -> Tables:
    steps = tuple(_step(level, k) for k in range(len(level.shift)))
    prior = () if level.prior_weight is None else (level.prior_weight, level.prior_bias)
    log_det = pixels * (np.float64(level.log_scale.sum()) + np.float64(level.log_diagonal.sum()))
    return Tables(steps, prior, np.asarray(log_det, level.shift.dtype))


def _step(level: glow.Level, k: int) -> Step:
    """In float64, then rounded."""
    lower = np.tril(level.lower[k].astype(float), -1) + np.eye(len(level.lower[k]))
    upper = np.triu(level.upper[k].astype(float), 1)
    upper += np.diag(level.sign[k] * np.exp(level.log_diagonal[k].astype(float)))
    matrix = (lower @ upper)[level.permutation[k]] * np.exp(level.log_scale[k].astype(float))
    shift, inverse = level.shift[k].astype(float), np.linalg.inv(matrix)
    pairs = ((matrix, matrix @ shift), (inverse, -shift))
    to_latent, to_data = (
        tuple(value.astype(level.shift.dtype) for value in (weight[:, :, None, None], bias))
        for weight, bias in pairs
    )
    ends = (
        (level.weight_in, level.bias_in),
        (level.weight_hidden, level.bias_hidden),
        (level.weight_out, level.bias_out),
    )
    return Step(to_latent, to_data, tuple((weight[k], bias[k]) for weight, bias in ends))


def to_latent(own: Operations, x: Any, levels: tuple[Tables, ...]) -> tuple[Any, Any]:
    """Data to latent: what leaves comes back to its place at the end."""
    count, dim = x.shape
    images, log_det, left = x.reshape(count, _CHANNELS, side(dim, _CHANNELS), -1), 0.0, []
    for level in levels:
        images = squeezed(own, images)
        for step in level.steps:
            first, second = halves(own.convolve(images, *step.to_latent))
            shift, raw = outputs(own, first, step.layers)
            log_scale = own.log_sigmoid(raw + 2)
            images = own.join([first, (second + shift) * own.exp(log_scale)])
            log_det = log_det + summed(log_scale)
        log_det = log_det + level.log_det
        if len(level.prior):
            images, leaving = halves(images)
            mean, log_scale = outputs(own, images, [level.prior])
            left.append((leaving - mean) * own.exp(-log_scale))
            log_det = log_det - summed(log_scale)
    images = unsqueezed(own, images)
    for leaving in reversed(left):
        images = unsqueezed(own, own.join([images, leaving]))
    return images.reshape(count, dim), log_det


def to_data(own: Operations, z: Any, levels: tuple[Tables, ...]) -> tuple[Any, Any]:
    """Latent to data: first to where the parts left, then back level by level."""
    count, dim = z.shape
    images, log_det, left = z.reshape(count, _CHANNELS, side(dim, _CHANNELS), -1), 0.0, []
    for level in levels:
        images = squeezed(own, images)
        if len(level.prior):
            images, leaving = halves(images)
            left.append(leaving)
    for level in reversed(levels):
        if len(level.prior):
            mean, log_scale = outputs(own, images, [level.prior])
            images = own.join([images, left.pop() * own.exp(log_scale) + mean])
            log_det = log_det + summed(log_scale)
        for step in reversed(level.steps):
            first, second = halves(images)
            shift, raw = outputs(own, first, step.layers)
            log_scale = own.log_sigmoid(raw + 2)
            images = own.convolve(own.join([first, second * own.exp(-log_scale) - shift]), *step.to_data)
            log_det = log_det - summed(log_scale)
        log_det = log_det - level.log_det
        images = unsqueezed(own, images)
    return images.reshape(count, dim), log_det


def _cost(dim: int) -> Cost:
    """Multiply-adds of all convolutions; both directions have the same."""
    flops, parameters, channels, size = 0.0, 0.0, _CHANNELS, side(dim, _CHANNELS)
    for index in range(_LEVELS):
        channels, size = 4 * channels, size // 2
        half, last = channels // 2, index == _LEVELS - 1
        layers = [(channels, channels, 1), (half, _HIDDEN, 3), (_HIDDEN, _HIDDEN, 1), (_HIDDEN, channels, 3)]
        layers = _STEPS * layers + ([] if last else [(half, channels, 3)])
        flops += 2 * sum(multiplications(size, *layer) for layer in layers)
        parameters += sum(outs * (ins * width * width + 1) for ins, outs, width in layers)
        channels = half
    exps = _STEPS * (dim // 2 + dim // 4) + dim // 2
    return Cost(
        depth=_LEVELS * _STEPS,
        flops=flops + exps * (EXP_FLOPS + 6),
        exps=exps,
        parameters=parameters,
        weights=parameters,
    )


def _images(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = glow.random_params(dim, seed, dtype=dtype)
    return Call((standard_normal(count, dim, seed, dtype=dtype), params))


_TOLERANCE = rounding(lambda dim: 40 * _LEVELS * _STEPS + dim)
CASE = flow(
    "glow",
    glow.random_params,
    Direction(
        _cost,
        lambda z, params: to_data(of_numpy(), z, tables(params)),
        lambda torch, z, levels: to_data(of_torch(torch), z, levels),
        lambda jax, z, levels: to_data(of_jax(jax), z, levels),
        tables=tables, models={"normflows": normflows_glow.forward},
        deployed=deployed.exported(transformed(to_data), tables),
    ),
    Direction(
        _cost,
        lambda x, params: to_latent(of_numpy(), x, tables(params)),
        lambda torch, x, levels: to_latent(of_torch(torch), x, levels),
        lambda jax, x, levels: to_latent(of_jax(jax), x, levels),
        tables=tables, models={"normflows": normflows_glow.inverse},
        deployed=deployed.exported(transformed(to_latent), tables),
    ),
    tolerance=_TOLERANCE,
    sizes=(48, 192, 768, 3072),
    largest=10,
    control=True,
    more=(
        Operation("bits_per_dim", _images, _cost, _TOLERANCE, rows=(0, None), timed=False, sizes=(48, 192)),
    ),
)  # fmt: skip
