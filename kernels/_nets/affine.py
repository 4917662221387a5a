"""Affine transforms of one feature, z = scale x + shift, on the tiles of `layers`; what their families share.

How an output u of the network becomes a scale, by name:

- softclip: exp(u / (1 + |u / ln 1e-3|)), between 1e-3 and 1e3 (zuko);
- softplus: softplus(u) + 1e-3 (masked autoregressive flows of nflows);
- sigmoid: 1 / (1 + exp(-u - 2)) + 1e-3 (coupling layers of nflows);
- additive: 1, and the network has no u (NICE);
- wide: softplus(u) + 1e-3, at most 3 (nflows_general of glasflow);
- log1, log2, log3: exp(N tanh(u / 2)) for N = 1, 2, 3, between exp(-N) and exp(N) (glasflow).
"""

import math
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import exp_normal, log, sigmoid, softplus, tanh
from seqgap.kernels._nets.dense import read, write
from seqgap.kernels._nets.layers import STRATEGIES
from seqgap.kernels._nets.made import masked_network, orders
from seqgap.kernels._nets.stacks import stack_rows

SCALES = ("softclip", "softplus", "sigmoid", "additive", "wide", "log1", "log2", "log3")
_SOFTCLIP, _SOFTPLUS, _SIGMOID, ADDITIVE, _WIDE = range(5)
_CLIP = -1 / math.log(1e-3)
_FLOOR = 1e-3
_MOST = 3  # of wide


@jit_inline
def _scale(variant: Any, u: Any, start: Any) -> Any:
    """(scale, its logarithm)."""
    if variant == _SOFTCLIP:
        log_scale = u / (number(start, 1) + magnitude(u) * number(start, _CLIP))
        return exp_normal(log_scale), log_scale
    if variant > _WIDE:
        log_scale = number(start, variant - _WIDE) * tanh(u * number(start, 0.5))
        return exp_normal(log_scale), log_scale
    scale = sigmoid(u + number(start, 2)) if variant == _SIGMOID else softplus(u)
    scale = scale + number(start, _FLOOR)
    if variant == _WIDE:
        most = number(start, _MOST)
        scale = select(scale > most, most, scale)
    return scale, log(scale)


def _affine(forward: bool) -> Any:
    @jit_exact
    def affine(
        form: Any, parameters: Any, outputs: Any, pitch: Any, feature: Any, result: Any, log_det: Any
    ) -> None:
        isolate()
        for at in range(0, pitch, lanes(feature)):
            shift, value = read(parameters, at), read(feature, at)
            if form[0] == ADDITIVE:
                write(result, at, value - shift if forward else value + shift)
                continue
            scale, log_scale = _scale(form[0], read(parameters, pitch + at), feature)
            if forward:
                write(result, at, (value - shift) / scale)
                write(log_det, at, read(log_det, at) - log_scale)
            else:
                write(result, at, fma(value, scale, shift))
                write(log_det, at, read(log_det, at) + log_scale)

    return affine


def outputs_of(scale: Any) -> int:
    """How many outputs the network has for each feature."""
    return 1 if check.choice("scale", scale, SCALES) == ADDITIVE else 2


def masked_arrays(
    params: Any, dtype: np.dtype[Any], dim: int, strategy: str = STRATEGIES[0]
) -> tuple[Any, ...]:
    """The checked layers and networks of the Params of `maf` and `iaf`."""
    order, variant = orders(params.order, dim), check.choice("params.scale", params.scale, SCALES)
    network = masked_network(params, dtype, len(order), dim, dim, 1 if variant == ADDITIVE else 2)
    layers = order, np.zeros(len(order), np.int64), STRATEGIES.index(strategy), (variant, 0.0)
    return layers, network


ROWS = stack_rows(_affine(True), _affine(False))
