"""Element-wise flow, each feature by itself: z = f((x - shift) / scale), f one function for all.

identity: z-scores, batch normalisation and other diagonal maps. softclip: f(t) = t / (1 + |t|), between -1
and 1 (zuko's `SoftclipTransform`). logit: f(t) = log t - log(1 - t), from a box, low = shift and high = shift
+ scale, to all numbers; t is held within the least normal number and 1 - eps, as by `SigmoidTransform` of
PyTorch. log_det of `forward` = sum of log |scale| - log f'(t).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import log, sigmoid, softplus
from seqgap.kernels._nets.blocks import block_rows, set_log_det
from seqgap.kernels._nets.dense import address, moved, read, spread, write

FUNCTIONS = ("identity", "softclip", "logit")
_IDENTITY, _SOFTCLIP, _LOGIT = range(3)


class Params(NamedTuple):
    """Numbers of each feature, float64 or float32."""

    scale: Array  # (D,), without zeros
    shift: Array  # (D,)
    function: str = "identity"

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.scale", self.scale, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.scale", self.scale)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, function: str = "identity",
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned parameters from normals of `seed`: scales of about 1, of any sign."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    check.choice("function", function, FUNCTIONS)
    signs, log_scale, shift = standard_normal(3, dim, key_of(seed, rng), stream=1)
    scale = np.where(signs < 0, -1, 1) * np.exp(0.3 * log_scale)
    return Params(scale.astype(real), shift.astype(real), function)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    scale = check.shaped("params.scale", params.scale, dtype, (dim,))
    shift = check.shaped("params.shift", params.shift, dtype, (dim,))
    if not scale.all():
        raise ValueError("params.scale: expected no zeros, got some")
    function = check.choice("params.function", params.function, FUNCTIONS)
    log_det = float(np.log(np.abs(scale.astype(FLOAT64))).sum())
    limits = np.finfo(dtype)
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
            if form[0] != _IDENTITY:
                value, added = _raised(value, values, form) if forward else _lowered(value, values, form)
                write(log_det, at, read(log_det, at) + added)
            if forward:
                value = fma(factor, value, start)
            write(values, at, value)

    return feature


def _rows(forward: bool) -> Any:
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


_sums = jit_inline(lambda arrays: 0)
_family = Family(Params, _arrays, _rows(True), _rows(False))
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
