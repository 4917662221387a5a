"""Affine transforms of one feature, z = scale x + shift, for the tiles of _stack; and their families' parts.

How a number u of the network becomes a scale, by name:

- softclip: exp(u / (1 + |u / ln 1e-3|)), between 1e-3 and 1e3 (zuko);
- softplus: softplus(u) + 1e-3 (masked autoregressive flows of nflows);
- sigmoid: 1 / (1 + exp(-u - 2)) + 1e-3 (coupling layers of nflows);
- additive: 1, and the network has no u (NICE).
"""

import math
from typing import Any

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, magnitude
from seqgap.kernels._core.vecmath import exp_normal, log, sigmoid, softplus
from seqgap.kernels._nets.dense import number, read, write
from seqgap.kernels._nets.layers import STRATEGIES, stack_rows
from seqgap.kernels._nets.mlp import choice, degrees_of, orders, sorted_units, weights

SCALES = ("softclip", "softplus", "sigmoid", "additive")
_SOFTCLIP, _SOFTPLUS, _SIGMOID, ADDITIVE = range(4)
_CLIP = -1 / math.log(1e-3)
_FLOOR = 1e-3


@jit_inline
def _scale(kind: Any, u: Any, place: Any) -> Any:
    """(scale, its logarithm)."""
    if kind == _SOFTCLIP:
        log_scale = u / (number(place, 1) + magnitude(u) * number(place, _CLIP))
        return exp_normal(log_scale), log_scale
    scale = softplus(u) if kind == _SOFTPLUS else sigmoid(u + number(place, 2))
    scale = scale + number(place, _FLOOR)
    return scale, log(scale)


def _affine(forward: bool) -> Any:
    @jit_exact
    def affine(
        kind: Any, bound: Any, numbers: Any, each: Any, pitch: Any, given: Any, result: Any, total: Any,
        vectors: Any,
    ) -> None:  # fmt: skip
        isolate()
        step = lanes(given)
        for at in range(0, vectors * step, step):
            shift, value = read(numbers, at), read(given, at)
            if kind == ADDITIVE:
                write(result, at, value - shift if forward else value + shift)
                continue
            scale, log_scale = _scale(kind, read(numbers, pitch + at), given)
            if forward:
                write(result, at, (value - shift) / scale)
                write(total, at, read(total, at) - log_scale)
            else:
                write(result, at, fma(value, scale, shift))
                write(total, at, read(total, at) + log_scale)

    return affine


def outputs_of(scale: Any) -> int:
    """How many numbers the network makes for each feature."""
    return 1 if choice("scale", scale, SCALES) == ADDITIVE else 2


def masked_arrays(
    params: Any, dtype: np.dtype[Any], dim: int, strategy: str = "incremental"
) -> tuple[Any, ...]:
    """Validates the Params of `maf` and `iaf`, and returns the arguments of the row kernels."""
    order = orders(params.order, dim)
    layers, scale = len(order), choice("params.scale", params.scale, SCALES)
    degrees = degrees_of(params, layers, dim)
    ascending = sorted_units(params._replace(degrees=degrees))
    made = weights(ascending, dtype, layers, dim, dim, 1 if scale == ADDITIVE else 2)
    kept, chosen = np.zeros(layers, np.int64), choice("strategy", strategy, STRATEGIES)
    return order, kept, ascending.degrees, *made, chosen, scale, 0.0


ROWS = stack_rows(_affine(True), _affine(False))
