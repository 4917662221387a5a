"""z = scale x + shift of one feature, with (shift, scale before its function) from the network."""

import math
from functools import partial
from typing import Any

from seqgap.reference._plain import Vector, exp, softplus
from seqgap.reference._stack import Transform, sigmoid


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
    if name.startswith("log"):
        log_scale = int(name[3:]) * math.tanh(u / 2)
        return exp(log_scale), log_scale
    scale = (sigmoid(u + 2) if name == "sigmoid" else softplus(u)) + 1e-3
    if name == "wide":
        scale = 3.0 if scale > 3 else scale
    return scale, math.log(scale)


def _affine(name: str, theta: Vector, x: float) -> tuple[float, float]:
    """Data to latent."""
    scale, log_scale = _scale(name, theta)
    return x * scale + theta[0], log_scale


def _affine_back(name: str, theta: Vector, z: float) -> tuple[float, float]:
    """Latent to data."""
    scale, log_scale = _scale(name, theta)
    return (z - theta[0]) / scale, -log_scale


def transforms_of(params: Any) -> tuple[Transform, Transform]:
    """Latent to data, and back."""
    return partial(_affine_back, params.scale), partial(_affine, params.scale)
