"""z = scale x + shift of one feature, with (shift, scale before its function) from the network."""

import math

from seqgap.reference._plain import Vector, exp, softplus
from seqgap.reference._stack import sigmoid


def outputs_of(scale: str) -> int:
    """How many parameters the network makes for a feature."""
    return 1 if scale == "additive" else 2


def _scale(name: str, theta: Vector) -> tuple[float, float]:
    """(scale, its logarithm)."""
    if name == "additive":
        return 1.0, 0.0
    u = theta[1]
    if name == "softclip":
        log_scale = u / (1 + abs(u / math.log(1e-3)))
        return exp(log_scale), log_scale
    scale = (softplus(u) if name == "softplus" else sigmoid(u + 2)) + 1e-3
    return scale, math.log(scale)


def affine(name: str, theta: Vector, x: float) -> tuple[float, float]:
    """Data to latent."""
    scale, log_scale = _scale(name, theta)
    return x * scale + theta[0], log_scale


def affine_back(name: str, theta: Vector, z: float) -> tuple[float, float]:
    """Latent to data."""
    scale, log_scale = _scale(name, theta)
    return (z - theta[0]) / scale, -log_scale
