"""Row kernels of flows that do each feature by itself: z = f((x - shift) / scale), f one function for all."""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import log, sigmoid, softplus
from seqgap.kernels._nets.blocks import block_rows, set_log_det
from seqgap.kernels._nets.dense import address, moved, read, spread, write

FUNCTIONS = ("identity", "softclip", "logit")
IDENTITY, _SOFTCLIP, _LOGIT = range(3)


def diagonal(scale: Array, shift: Array, function: int) -> tuple[Any, ...]:
    """What the row kernels take of (D,) scales and shifts of one dtype."""
    log_det, limits = float(np.log(np.abs(scale.astype(FLOAT64))).sum()), np.finfo(scale.dtype)
    return scale, shift, (function, log_det, float(limits.tiny), 1 - float(limits.eps))


@jit_inline
def _held(t: Any, start: Any, form: Any) -> Any:
    """t between the bounds of the logit; NaN stays NaN."""
    low, high = number(start, form[2]), number(start, form[3])
    return select(t < low, low, select(t > high, high, t))


@jit_inline
def _raised(z: Any, start: Any, form: Any) -> Any:
    """(t, log dt/dz) with z = f(t)."""
    if form[0] == _SOFTCLIP:
        t = z / (number(start, 1) - magnitude(z))
        return t, number(start, 2) * log(number(start, 1) + magnitude(t))
    return _held(sigmoid(z), start, form), -softplus(z) - softplus(-z)


@jit_inline
def _lowered(t: Any, start: Any, form: Any) -> Any:
    """(z, log dz/dt) with z = f(t)."""
    reach = number(start, 1) + magnitude(t)
    if form[0] == _SOFTCLIP:
        return t / reach, number(start, -2) * log(reach)
    held = _held(t, start, form)
    z = log(held) - log(number(start, 1) - held)
    return z, softplus(z) + softplus(-z)


def _feature(forward: bool) -> Any:
    @jit_exact
    def feature(pitch: Any, form: Any, scale: Any, shift: Any, values: Any, log_det: Any) -> None:
        """One feature of a tile in place; log_det: that of its rows."""
        isolate()
        for at in range(0, pitch, lanes(values)):
            value, factor, start = read(values, at), spread(scale, 0), spread(shift, 0)
            if not forward:
                value = (value - start) / factor
            if form[0] != IDENTITY:
                value, added = _raised(value, values, form) if forward else _lowered(value, values, form)
                write(log_det, at, read(log_det, at) + added)
            if forward:
                value = fma(factor, value, start)
            write(values, at, value)

    return feature


_sums = jit_inline(lambda arrays: 0)


def _rows(forward: bool) -> Any:
    """The row kernel, latent to data or back."""
    feature = _feature(forward)

    @jit_inline
    def transform(work: Any, arrays: Any) -> None:
        scale, shift, form = arrays
        (dim, pitch), sign = (scale.shape[0], work.first.shape[1]), 1 if forward else -1
        set_log_det(work, sign * form[1])
        scales, shifts, values = address(scale, 0), address(shift, 0), address(work.first, 0)
        for i in range(dim):
            place = moved(values, i * pitch)
            feature(pitch, form, moved(scales, i), moved(shifts, i), place, address(work.sums, 0))

    return block_rows(transform, _sums)


to_data, to_latent = _rows(True), _rows(False)
