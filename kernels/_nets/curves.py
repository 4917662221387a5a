"""Activations a(u) of arrays beside a'(u) and a''(u), as gradients of traces take them; NumPy, float64.

Where a bends at 0, a' and a'' are those of the side below: 0 for relu, the slope 0.01 for leaky_relu.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.mlp import LEAK, SELU_ALPHA, SELU_SCALE, SOFTPLUS_LIMIT


class Curve(NamedTuple):
    """An activation at u, each of the shape of u."""

    value: Array  # a(u)
    slope: Array  # a'(u)
    bend: Array  # a''(u)


def _relu(u: Array) -> Curve:
    return Curve(np.where(u < 0, 0, u), np.where(u > 0, 1.0, 0.0), np.zeros_like(u))


def _tanh(u: Array) -> Curve:
    y = np.tanh(u)
    slope = 1 - y * y
    return Curve(y, slope, -2 * y * slope)


def _elu(u: Array) -> Curve:
    below = np.exp(np.minimum(u, 0))
    return Curve(
        np.where(u > 0, u, np.expm1(np.minimum(u, 0))), np.where(u > 0, 1, below), np.where(u > 0, 0, below)
    )


def _silu(u: Array) -> Curve:
    s, slope, _ = _sigmoid(u)
    return Curve(u * s, s + u * slope, slope * (2 + u * (1 - 2 * s)))


def _leaky_relu(u: Array) -> Curve:
    return Curve(np.where(u < 0, LEAK * u, u), np.where(u > 0, 1, LEAK), np.zeros_like(u))


def _gelu(u: Array) -> Curve:
    from scipy.special import ndtr

    below, density = ndtr(u), np.exp(-0.5 * u * u) / np.sqrt(2 * np.pi)
    return Curve(u * below, below + u * density, (2 - u * u) * density)


def _selu(u: Array) -> Curve:
    below = SELU_ALPHA * np.exp(np.minimum(u, 0))
    value = np.where(u > 0, u, SELU_ALPHA * np.expm1(np.minimum(u, 0)))
    parts = value, np.where(u > 0, 1, below), np.where(u > 0, 0, below)
    return Curve._make(SELU_SCALE * part for part in parts)


def _softplus(u: Array) -> Curve:
    s, slope, _ = _sigmoid(u)
    straight = u > SOFTPLUS_LIMIT
    return Curve(
        np.where(straight, u, np.logaddexp(0, u)), np.where(straight, 1, s), np.where(straight, 0, slope)
    )


def _sigmoid(u: Array) -> Curve:
    from scipy.special import expit

    s = expit(u)
    slope = s * expit(-u)
    return Curve(s, slope, slope * (1 - 2 * s))


CURVES: dict[str, Callable[[Array], Curve]] = {
    "relu": _relu, "tanh": _tanh, "elu": _elu, "silu": _silu, "leaky_relu": _leaky_relu, "gelu": _gelu,
    "selu": _selu, "softplus": _softplus, "sigmoid": _sigmoid,
}  # fmt: skip
