"""Paths between latents, straight or along an arc."""

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array


def lerp(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    """(1 - t) a + t b at `steps` times t from 0 to 1, both ends among them: (steps, N, K) of a, b (N, K).

    float64, or float32 if both are. Between independent N(0, I) the norm is down to .707 at t = 1/2, where
    decoders saw no latents if K is large. Raises TypeError or ValueError for wrong arguments.
    """
    left, right, t, dtype = _ends(a, b, steps)
    return np.asarray((1 - t) * left + t * right, dtype)


def slerp(a: ArrayLike, b: ArrayLike, steps: int) -> Array:
    """sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between rows. Else as `lerp`.

    The angle comes of atan2, not of acos, which loses half of the digits near 0 and pi. At w = 0 the path is
    that of `lerp`. Opposite rows have no shortest arc: raises ValueError for an angle within 1e-7 of pi, and
    for rows of zeros.
    """
    left, right, t, dtype = _ends(a, b, steps)
    angle = _angles(left, right)
    sine = np.sin(angle)
    flat = angle == 0
    weights = (np.where(flat, s, np.sin(s * angle) / np.where(flat, 1, sine)) for s in (1 - t, t))
    return np.asarray(sum(w * end for w, end in zip(weights, (left, right), strict=True)), dtype)


def _ends(a: ArrayLike, b: ArrayLike, steps: int) -> tuple[Array, Array, Array, np.dtype[np.floating]]:
    """(a, b, times (steps, 1, 1)) in float64, and the dtype of the result."""
    left, right = check.batch("a", a), check.batch("b", b)
    if left.shape != right.shape:
        raise ValueError(f"b: expected the shape of a, {left.shape}, got {right.shape}")
    check.finite("a", left)
    check.finite("b", right)
    t = np.linspace(0, 1, check.integer("steps", steps, 2, 2**31))[:, None, None]
    return left.astype(np.float64), right.astype(np.float64), t, np.result_type(left, right)


def _angles(left: Array, right: Array) -> Array:
    """The angle between the rows of each pair, (N, 1).

    Kahan, "How futile are mindless assessments of roundoff" (2006), section 12.
    """
    units = []
    for name, rows in (("a", left), ("b", right)):
        size = np.max(np.abs(rows), axis=1, keepdims=True)  # first, that no square underflows
        if not np.all(size > 0):
            raise ValueError(f"{name}: expected rows that are not 0, got a row of zeros")
        units.append(rows / size / np.linalg.norm(rows / size, axis=1, keepdims=True))
    apart, together = (np.linalg.norm(v, axis=1, keepdims=True) for v in (units[0] - units[1], sum(units)))
    angle = 2 * np.arctan2(apart, together)
    if np.any(np.pi - angle < 1e-7):
        raise ValueError("a, b: expected rows that are not opposite, got some whose angle is pi")
    return np.asarray(angle)
