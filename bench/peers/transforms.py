"""What the neural flows do with the outputs of a network, in NumPy, PyTorch and JAX.

`xp` is a library's module of array functions: numpy, torch or jax.numpy.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

# (xp, theta (N, S, P), values (N, S)) -> (values, log_det)
Transform: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]

CLIP = float(np.log(1e-3))  # of the log scales
SMALLEST = 1e-3  # bin, as a fraction of the axis, and slope


def _log_scale(xp: Any, theta: Any) -> Any:
    return theta[..., 1] / (1 + xp.abs(theta[..., 1] / CLIP))


def affine(xp: Any, theta: Any, x: Any) -> tuple[Any, Any]:
    """z = scale x + shift with the scale softclip: data to latent."""
    log_scale = _log_scale(xp, theta)
    return x * xp.exp(log_scale) + theta[..., 0], log_scale.sum(1)


def affine_back(xp: Any, theta: Any, z: Any) -> tuple[Any, Any]:
    """Latent to data."""
    log_scale = _log_scale(xp, theta)
    return (z - theta[..., 0]) * xp.exp(-log_scale), -log_scale.sum(1)


def spline(bound: float, back: bool) -> Transform:
    """The rational-quadratic spline softplus, data to latent or back."""

    def transform(xp: Any, theta: Any, values: Any) -> tuple[Any, Any]:
        inside = (values > -bound) & (values < bound)
        clipped = xp.clip(values, -bound, bound)
        bins = (theta.shape[-1] + 1) // 3
        xs = _edges(xp, theta[..., :bins], bound)
        ys = _edges(xp, theta[..., bins : 2 * bins], bound)
        ends = xp.ones_like(xs[..., :1])
        inner = xp.logaddexp(theta[..., 2 * bins :], xp.zeros_like(theta[..., 2 * bins :])) + SMALLEST
        slopes = xp.concatenate([ends, inner, ends], -1)
        k = (clipped[..., None] >= (ys if back else xs)[..., 1:-1]).sum(-1)[..., None]
        take = getattr(xp, "take_along_dim", None) or xp.take_along_axis
        x, x1, y, y1, low, high = (take(a, k + j, -1)[..., 0] for a in (xs, ys, slopes) for j in (0, 1))
        transformed, slope = rational_quadratic(xp, clipped, (x, x1, y, y1, low, high), back)
        added = xp.where(inside, slope, xp.zeros_like(slope))
        return xp.where(inside, transformed, values), added.sum(1)

    return transform


def rational_quadratic(xp: Any, values: Any, knots: tuple[Any, ...], back: bool) -> tuple[Any, Any]:
    """Equations 4 to 8 of Neural Spline Flows in the bin of each value, and the log of the slope.

    knots: x, y and slope, each of the left end and of the right end.
    """
    x, x1, y, y1, low, high = knots
    width, height = x1 - x, y1 - y
    steep = height / width
    bend = low + high - 2 * steep
    part = _root(xp, values - y, height, steep, low, bend) if back else (values - x) / width
    rest = part * (1 - part)
    below = steep + bend * rest
    transformed = x + part * width if back else y + height * (steep * part**2 + low * rest) / below
    ratio = steep / below
    slope = xp.log(ratio**2 * (high * part**2 + 2 * steep * rest + low * (1 - part) ** 2))
    return transformed, -slope if back else slope


def _root(xp: Any, up: Any, height: Any, steep: Any, low: Any, bend: Any) -> Any:
    """The root in [0, 1] of a t^2 + b t + c (equations 6 to 8), without cancellation for either sign of b."""
    a, b, c = height * (steep - low) + up * bend, height * low - up * bend, -steep * up
    root = xp.sqrt(xp.clip(b * b - 4 * a * c, 0, None))
    return xp.where(b < 0, root - b, -2 * c) / xp.where(b < 0, 2 * a, b + root)


def _edges(xp: Any, logits: Any, bound: float) -> Any:
    """The knots along one axis."""
    parts = xp.exp(logits - xp.amax(logits, -1)[..., None])
    bins = parts.shape[-1]
    parts = SMALLEST + (1 - SMALLEST * bins) * parts / parts.sum(-1)[..., None]
    inner = bound * (2 * xp.cumsum(parts, -1) - 1)[..., :-1]
    end = xp.full_like(inner[..., :1], bound) if bins > 1 else xp.full_like(parts, bound)
    return xp.concatenate([-end, inner, end], -1)
