"""z = f((x - shift) / scale) of each feature by itself."""

import math
import sys
from collections.abc import Callable
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Vector, log, softplus
from seqgap.reference._stack import sigmoid
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Numbers of each feature."""

    scale: Vector  # (D,), without zeros
    shift: Vector  # (D,)
    function: str = "identity"


def random_params(dim: int, seed: int, *, function: str = "identity", dtype: str = "float64") -> Params:
    """Scales of about 1, of any sign; in float64 whatever the dtype."""
    signs, log_scale, shift = standard_normal(3, dim, seed, stream=1)
    scale = [(-1 if s < 0 else 1) * math.exp(0.3 * v) for s, v in zip(signs, log_scale, strict=True)]
    return Params(scale, shift, function)


def _held(t: float) -> float:
    """Between the bounds of the logit."""
    low, high = sys.float_info.min, 1 - sys.float_info.epsilon
    return low if t < low else high if t > high else t


def _softclip(t: float) -> tuple[float, float]:
    return t / (1 + abs(t)), -2 * log(1 + abs(t))


def _softclip_back(z: float) -> tuple[float, float]:
    t = z / (1 - abs(z))
    return t, 2 * log(1 + abs(t))


def _logit(t: float) -> tuple[float, float]:
    t = _held(t)
    z = log(t) - log(1 - t)
    return z, softplus(z) + softplus(-z)


def _logit_back(z: float) -> tuple[float, float]:
    return _held(sigmoid(z)), -softplus(z) - softplus(-z)


# By name: (value, log of the slope) of f, and of what undoes it.
_FUNCTIONS: dict[str, tuple[Callable[[float], tuple[float, float]], Callable[[float], tuple[float, float]]]]
_FUNCTIONS = {
    "identity": (lambda t: (t, 0.0), lambda z: (z, 0.0)),
    "softclip": (_softclip, _softclip_back),
    "logit": (_logit, _logit_back),
}


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    raised = [_FUNCTIONS[params.function][1](value) for value in z]
    x = [s * t + b for s, (t, _), b in zip(params.scale, raised, params.shift, strict=True)]
    return x, sum(added for _, added in raised) + sum(log(abs(s)) for s in params.scale)


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    lowered = [
        _FUNCTIONS[params.function][0]((value - b) / s)
        for value, s, b in zip(x, params.scale, params.shift, strict=True)
    ]
    log_det = sum(added for _, added in lowered) - sum(log(abs(s)) for s in params.scale)
    return [z for z, _ in lowered], log_det


family = Family(_to_data, _to_latent, lambda params: len(params.shift))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
