"""Activations of perceptrons beside their derivatives."""

import math
from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.simd import fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import exp, expm1_negative, gelu, sigmoid, softplus, tanh
from seqgap.kernels._nets.dense import read, write
from seqgap.kernels._nets.mlp import ACTIVATIONS, LEAK, SELU_ALPHA, SELU_SCALE, SOFTPLUS_LIMIT

_RELU, _TANH, _ELU, _SILU, _LEAKY_RELU, _GELU, _SELU, _SOFTPLUS = range(len(ACTIVATIONS) - 1)
_DENSITY = 1 / math.sqrt(2 * math.pi)


@jit_exact
def activate_with_slope(code: Any, units: Any, slopes: Any, count: Any) -> None:
    """units <- a(units) and slopes = a'(units), so many numbers; NaN stays NaN. relu has the slope 0 at 0."""
    isolate()
    zero, one = number(units, 0), number(units, 1)
    for at in range(0, count, lanes(units)):
        x = read(units, at)
        if code == _RELU:
            y, slope = select(x < zero, zero, x), select(x > zero, one, zero)
        elif code == _TANH:
            y = tanh(x)
            slope = fma(-y, y, one)
        elif code == _ELU:
            bent = expm1_negative(x)
            y, slope = select(x > zero, x, bent), select(x > zero, one, bent + one)
        elif code == _SILU:
            part = sigmoid(x)
            y = x * part
            slope = fma(y, one - part, part)
        elif code == _LEAKY_RELU:
            leak = number(units, LEAK)
            y, slope = select(x < zero, leak * x, x), select(x > zero, one, leak)
        elif code == _GELU:
            y = gelu(x)
            density = number(units, _DENSITY) * exp(number(units, -0.5) * x * x)
            slope = fma(x, density, select(magnitude(x) > zero, y / x, number(units, 0.5)))
        elif code == _SELU:
            scale = number(units, SELU_SCALE)
            bent = expm1_negative(x) * number(units, SELU_SCALE * SELU_ALPHA)
            y = select(x > zero, x * scale, bent)
            slope = select(x > zero, scale, bent + number(units, SELU_SCALE * SELU_ALPHA))
        elif code == _SOFTPLUS:
            straight = x > number(units, SOFTPLUS_LIMIT)
            y, slope = select(straight, x, softplus(x)), select(straight, one, sigmoid(x))
        else:
            y = sigmoid(x)
            slope = y * (one - y)
        write(units, at, y)
        write(slopes, at, slope)
