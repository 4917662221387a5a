"""Monotonic rational-quadratic spline of one feature (Durkan et al., 2019)."""

import math
from functools import partial
from typing import Any, NamedTuple

from seqgap.reference._plain import Vector, exp, softplus
from seqgap.reference._stack import Transform

_FLOOR = 1e-3  # of the widths, heights and slopes of "softplus"


class Bin(NamedTuple):
    """A bin of the spline: where it starts, how wide and high it is, the slopes at its ends."""

    x: float
    width: float
    y: float
    height: float
    low: float
    high: float


def _clipped(u: float, rate: float) -> float:
    return u / (1 + abs(rate * u / math.log(1e-3)))


def _shares(name: str, logits: Vector) -> Vector:
    """The parts of the interval that the bins take."""
    if name == "softclip":
        logits = [_clipped(u, 2) for u in logits]
    floor = 0.0 if name == "softclip" else _FLOOR
    largest = logits[0]
    for u in logits:
        largest = u if largest < u else largest
    parts = [exp(u - largest) for u in logits]
    total = sum(parts)
    return [floor + (1 - floor * len(parts)) * part / total for part in parts]


def _slope(name: str, u: float) -> float:
    return exp(_clipped(u, 1)) if name == "softclip" else softplus(u) + _FLOOR


def _edges(shares: Vector, bound: float) -> Vector:
    edges, total = [-bound], 0.0
    for share in shares[:-1]:
        total += share
        edges.append(bound * (2 * total - 1))
    return [*edges, bound]


def _bin(name: str, bound: float, theta: Vector, value: float, by_height: bool) -> Bin:
    """The bin that holds `value`, which is within the bounds."""
    bins = (len(theta) + 1) // 3
    xs = _edges(_shares(name, theta[:bins]), bound)
    ys = _edges(_shares(name, theta[bins : 2 * bins]), bound)
    slopes = [1.0, *(_slope(name, u) for u in theta[2 * bins :]), 1.0]
    edges = ys if by_height else xs
    k = 0
    while k + 1 < bins and not value < edges[k + 1]:
        k += 1
    return Bin(xs[k], xs[k + 1] - xs[k], ys[k], ys[k + 1] - ys[k], slopes[k], slopes[k + 1])


def _log_slope(b: Bin, part: float) -> float:
    """log dy/dx, equation 5."""
    steep, rest = b.height / b.width, 1 - part
    above = b.high * part**2 + 2 * steep * part * rest + b.low * rest**2
    below = steep + (b.high + b.low - 2 * steep) * part * rest
    return math.log(above) + 2 * math.log(steep / below)


def _spline(name: str, bound: float, theta: Vector, x: float) -> tuple[float, float]:
    """Data to latent, equation 4."""
    if not -bound < x < bound:
        return x, 0.0
    b = _bin(name, bound, theta, x, by_height=False)
    part, steep = (x - b.x) / b.width, b.height / b.width
    above = b.height * (steep * part**2 + b.low * part * (1 - part))
    below = steep + (b.high + b.low - 2 * steep) * part * (1 - part)
    return b.y + above / below, _log_slope(b, part)


def _spline_back(name: str, bound: float, theta: Vector, z: float) -> tuple[float, float]:
    """Latent to data: the root of a quadratic, equations 6 to 8, in the form where nothing cancels."""
    if not -bound < z < bound:
        return z, 0.0
    b = _bin(name, bound, theta, z, by_height=True)
    steep, up = b.height / b.width, z - b.y
    bend = b.high + b.low - 2 * steep
    qa, qb, qc = b.height * (steep - b.low) + up * bend, b.height * b.low - up * bend, -steep * up
    square = qb**2 - 4 * qa * qc
    root = math.sqrt(0.0 if square < 0 else square)
    part = (root - qb) / (2 * qa) if qb < 0 else -2 * qc / (qb + root)
    part = 0.0 if part < 0 else (1.0 if part > 1 else part)
    return b.x + part * b.width, -_log_slope(b, part)


def transforms_of(params: Any) -> tuple[Transform, Transform]:
    """Latent to data, and back."""
    return partial(_spline_back, params.spline, params.bound), partial(_spline, params.spline, params.bound)
