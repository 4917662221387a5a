"""z = scale x + shift of one feature, and the numbers behind it."""

import math

from seqgap.reference._plain import Vector, exp
from seqgap.reference._stack import Transform, sigmoid, softplus


def outputs_of(scale: str) -> int:
    """How many numbers the network makes for each feature."""
    return 1 if scale == "additive" else 2


def _scale(name: str, numbers: Vector) -> tuple[float, float]:
    """(scale, its logarithm)."""
    if name == "additive":
        return 1.0, 0.0
    u = numbers[1]
    if name == "softclip":
        log_scale = u / (1 + abs(u / math.log(1e-3)))
        return exp(log_scale), log_scale
    scale = (softplus(u) if name == "softplus" else sigmoid(u + 2)) + 1e-3
    return scale, math.log(scale)


def affine(name: str) -> Transform:
    """Data to latent."""

    def apply(numbers: Vector, value: float) -> tuple[float, float]:
        scale, log_scale = _scale(name, numbers)
        return value * scale + numbers[0], log_scale

    return apply


def affine_back(name: str) -> Transform:
    """Latent to data."""

    def undo(numbers: Vector, value: float) -> tuple[float, float]:
        scale, log_scale = _scale(name, numbers)
        return (value - numbers[0]) / scale, -log_scale

    return undo
