"""What the references share: lists for arrays, float32 rounding, functions as IEEE has them, descent."""

import math
import struct
from collections.abc import Callable, Sequence
from typing import TypeAlias

Vector: TypeAlias = list[float]
Matrix: TypeAlias = list[Vector]

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def round32(value: float) -> float:
    """The float32 nearest to `value`."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def exp(value: float) -> float:
    """math.exp with inf where it overflows, as IEEE arithmetic has it."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def log(value: float) -> float:
    """math.log with -inf of 0 and NaN of what is below, as IEEE arithmetic has it."""
    if value > 0:
        return math.log(value)
    return -math.inf if value == 0 else math.nan


def softplus(value: float) -> float:
    """log(1 + exp(value)), NaN of NaN."""
    return (0.0 if value < 0 else value) + math.log1p(exp(-abs(value)))


def clamp(log_scale: float) -> float:
    """`log_scale` of a coupling held to [-5, 5]; NaN stays NaN."""
    return -5.0 if log_scale < -5 else (5.0 if log_scale > 5 else log_scale)


def descend(
    nll: Callable[[Vector], float],
    start: Vector,
    limits: Sequence[tuple[float, float] | None],
    steps: int,
    lr: float,
) -> tuple[Vector, Vector]:
    """Gradient descent by central differences: (theta, NLL after each update).

    limits: for each parameter what it is clamped to after an update, as (low, high), or None.
    """
    h = 1e-4
    theta, history = list(start), []
    for _ in range(steps):
        gradient = []
        for i in range(len(theta)):
            up, down = list(theta), list(theta)
            up[i] += h
            down[i] -= h
            gradient.append((nll(up) - nll(down)) / (2 * h))
        theta = [value - lr * slope for value, slope in zip(theta, gradient, strict=True)]
        theta = [
            value if limit is None else min(max(value, limit[0]), limit[1])
            for value, limit in zip(theta, limits, strict=True)
        ]
        history.append(nll(theta))
    return theta, history
