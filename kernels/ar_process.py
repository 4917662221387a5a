"""Autoregressive process of order p: x_t = bias + sum_{i=1..p} c_i x_{t-i} + scale z_t.

A row is one series of length D; the values before x_0 are 0; log_det = D log(scale). `inverse` is one
parallel pass. Strategies of `forward`: "recurrence", D dependent steps; "scan", equal up to rounding, D / 8
(float64) or D / 16 (float32) dependent steps of a whole vector, for one or two coefficients; "blocks", the
bits of the recurrence, for one or two coefficients: a long series of a small batch is cut into blocks that
run side by side, if the process soon forgets where it started (`_nets/coalescence.py`); "auto", the default:
the scan from D = 128 (one coefficient) or 1024 (two) on, whatever N, unless the series may outgrow the dtype.
After an entry that is not finite a scan may be NaN. Box and Jenkins, "Time series analysis" (1970),
chapter 3.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numba import literally
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._core.family import OpenFamily, StrategicFamily
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed
from seqgap.kernels._core.simd import bits_of, filled, fma, lanes, load, store
from seqgap.kernels._nets.coalescence import Chain, Memory, Series
from seqgap.kernels._nets.recurrence import ahead, look_ahead, no_history, recur_rows

_LONG = {1: 128, 2: 1024}  # order: length from which on `auto` scans


class Params(NamedTuple):
    """Coefficients shared by all steps."""

    coefficients: Array  # (p,), c_1 (of the step before) first
    bias: float
    scale: float  # above 0

    @property
    def dim(self) -> None:
        """None: the coefficients are those of a series of any length."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.coefficients", self.coefficients)

    @property
    def layout(self) -> dict[str, int]:
        """The number of coefficients."""
        return {"order": check.shape("params.coefficients", self.coefficients, 1)[0]}


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """A stationary process of order 2, from partial autocorrelations tanh(z / 2) of normals of `seed`.

    `dim` is only checked: the parameters do not depend on the length of the series.
    """
    check.count("dim", dim, 1)
    real = check.dtype(dtype)
    first, second, bias, log_scale = standard_normal(1, 4, seed, rng=rng, stream=1)[0]
    first, second = np.tanh(first / 2), np.tanh(second / 2)
    coefficients = np.array([first * (1 - second), second]).astype(real)
    return Params(coefficients, float(0.1 * bias), float(np.exp(0.3 * log_scale)))


_NO_PAIRS = {d: np.empty((0, 2), d) for d in (FLOAT64, FLOAT32)}
# What keeps its digits in a dtype, and whose reciprocal does: inverse multiplies by it.
_SCALES = {d: (float(np.finfo(d).tiny), float(1 / np.finfo(d).tiny)) for d in (FLOAT64, FLOAT32)}


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = "auto") -> tuple[Any, ...]:
    order = check.floats("params.coefficients", params.coefficients, 1).size
    if order == 0:
        raise ValueError("params.coefficients: expected at least 1 coefficient, got none")
    coefficients = check.shaped("params.coefficients", params.coefficients, dtype, (order,))
    pairs = _pairs(strategy, coefficients, dim)
    bias, scale = check.number("params.bias", params.bias), check.positive("params.scale", params.scale)
    return coefficients, _affine(bias, math.copysign(1, bias), scale, dtype), pairs


@functools.lru_cache(maxsize=64)  # to make it anew takes a third of a call for one short series
def _affine(bias: float, sign: float, scale: float, dtype: np.dtype[Any]) -> Array:
    """(bias, scale, log scale); an array, since NumPy scalars are slow to hand to kernels.

    sign: that of the bias, since the cache takes zeros of either sign for equal.
    """
    low, high = _SCALES[dtype]
    if not low <= scale <= high:
        raise ValueError(f"params.scale: expected {low:.3g} to {high:.3g} for {dtype}, got {scale}")
    if abs(bias) > float(np.finfo(dtype).max) and math.isfinite(bias):
        raise ValueError(f"params.bias: expected a number of {dtype}, got {bias}")
    return np.array((bias, scale, math.log(scale)), dtype)


def _pairs(strategy: str, coefficients: Array, dim: int) -> Array:
    """What `forward` scans with, if it does; not a function of N: a row has the same bits in any batch.

    Scan over recurrence, times measured in one run. One series: 0.7 at D = 256, 0.14 to 0.33 at 4096.
    1024 series, which the recurrence lays side by side: for order 1 1.04 to 1.06 at D = 64, 0.80 to 0.97
    at 128; for order 2 1.6 to 1.9 at 128, 0.75 to 1.1 at 1024.
    """
    order, dtype = coefficients.size, coefficients.dtype
    if strategy in ("scan", "blocks") and order > 2:
        expected = f"expected recurrence for {order} coefficients"
        raise ValueError(f"strategy: {expected}, got {strategy!r} (1 or 2 only)")
    if strategy in ("recurrence", "blocks") or (strategy == "auto" and dim < _LONG.get(order, dim + 1)):
        return _NO_PAIRS[dtype]
    pairs = _look_ahead(coefficients.tobytes(), dtype, dim)
    if strategy == "scan" and not pairs.size:
        raise ValueError(
            f"strategy: expected recurrence for coefficients {coefficients.tolist()}, with which a series"
            f" may leave {dtype} in {dim} steps, got 'scan'"
        )
    return pairs


@functools.lru_cache(maxsize=64)
def _look_ahead(coefficients: bytes, dtype: np.dtype[Any], dim: int) -> Array:
    """Pairs for 1 or 2 coefficients; none for a series that may grow beyond the root of the largest number.

    It grows as the dim-th power of its largest pole. The scan adds and subtracts such powers, so that it
    would be NaN where the recurrence is infinite.
    """
    a, b = (*np.frombuffer(coefficients, dtype).tolist(), 0.0)[:2]
    half, radicand = a / 2, a * a / 4 + b
    root = math.sqrt(abs(radicand))
    pole = abs(half) + root if radicand > 0 else math.hypot(half, root)
    if not dim * math.log(max(pole, 1)) < math.log(np.finfo(dtype).max) / 2:  # so written for NaN
        return _NO_PAIRS[dtype]
    pairs: Array = look_ahead(a, b, 64 // dtype.itemsize).astype(dtype)
    return pairs


@jit_inline
def _scan_rows(lo: Any, hi: Any, z: Any, x: Any, affine: Any, pairs: Any, order: Any) -> None:
    width = lanes(z)
    dim, rest = z.shape[1], z.shape[1] % width
    zeros = filled(z, z.dtype.type(0))
    for n in range(lo, hi):
        tail = (n + 1) * dim - rest
        memory = (no_history(z), zeros, zeros)
        for at in range(n * dim, tail, width):
            memory = _scan_block(z, x, at, None, affine, pairs, memory, order)
        if rest:
            _scan_block(z, x, tail, rest, affine, pairs, memory, order)


@jit_inline
def _scan_block(z: Any, x: Any, at: Any, count: Any, affine: Any, pairs: Any, memory: Any, order: Any) -> Any:
    """One vector of x; memory: what `ahead` keeps, and the two vectors of x before."""
    state, first, second = memory
    value, state = ahead(fma(affine[1], load(z, at, count), affine[0]), state, pairs, literally(order))
    if order == 2:
        value = fma(pairs[-1, 1], second, value)
    value = fma(pairs[-1, 0], first, value)
    store(x, at, value, count)
    return state, value, first


@jit_inline
def _recur_row(z: Any, x: Any, coefficients: Any, affine: Any) -> None:
    bias, scale, order = affine[0], affine[1], coefficients.shape[0]
    first = z.dtype.type(0)
    second = first
    for t in range(z.shape[0]):
        value = fma(scale, z[t], bias)
        for i in range(min(order, t) - 1, 1, -1):
            value = fma(coefficients[i], x[t - 1 - i], value)
        if order > 1:
            value = fma(coefficients[1], second, value)
        # The newest lag comes last and from a register: 4 cycles a step, not a store and a load.
        first, second = fma(coefficients[0], first, value), first
        x[t] = first


@jit_inline
def _recur_together(lo: Any, hi: Any, z: Any, x: Any, affine: Any, coefficients: Any, order: Any) -> None:
    """`_recur_row` for several rows at once, the same bits: a row in each lane."""
    width, dim = lanes(z), z.shape[1]
    rest = dim % width
    zeros = filled(z, z.dtype.type(0))
    for n in range(lo, hi, width):
        tail, last = (n + 1) * dim - rest, hi - 1 - n
        history = (zeros, zeros)
        for at in range(n * dim, tail, width):
            history = recur_rows(z, x, at, last, None, coefficients, affine, history, literally(order))
        if rest:
            recur_rows(z, x, tail, last, rest, coefficients, affine, history, literally(order))


@jit_exact
def _advance(z: Any, x: Any, lo: Any, hi: Any, meets: Any, tables: Any) -> Any:
    """As in `coalescence.Chain`, for one or two coefficients."""
    isolate()
    coefficients, affine, _ = tables
    second_order = coefficients.shape[0] > 1
    first = x[lo - 1] if lo > 0 else z.dtype.type(0)
    second = x[lo - 2] if lo > 1 else z.dtype.type(0)
    equal, wanted = 0, coefficients.shape[0]
    for t in range(lo, hi):
        value = fma(affine[1], z[t], affine[0])
        if second_order:
            value = fma(coefficients[1], second, value)
        first, second = fma(coefficients[0], first, value), first
        if meets:
            equal = equal + 1 if bits_of(first) == bits_of(x[t]) else 0
            if equal == wanted:
                return t + 1 - lo
        x[t] = first
    return hi - lo


@jit_exact
def _together(lo: Any, hi: Any, z: Any, x: Any, tables: Any) -> None:
    isolate()
    coefficients, affine, _ = tables
    if coefficients.shape[0] == 1:
        _recur_together(lo, hi, z, x, affine, coefficients, 1)
    else:
        _recur_together(lo, hi, z, x, affine, coefficients, 2)


def _log_det(threads: int, z: Array, x: Array, log_det: Array, tables: tuple[Array, ...]) -> None:
    log_det[:] = tables[1][2] * z.dtype.type(z.shape[1])


@jit_exact
def _forward_rows(
    lo: Any, hi: Any, z: Any, x: Any, log_det: Any, coefficients: Any, affine: Any, pairs: Any
) -> None:
    isolate()
    scans, order = pairs.shape[0] > 0, coefficients.shape[0]
    if scans and order == 1:
        _scan_rows(lo, hi, z, x, affine, pairs, 1)
    elif scans:
        _scan_rows(lo, hi, z, x, affine, pairs, 2)
    elif hi - lo < 2 or order > 2:
        for n in range(lo, hi):
            _recur_row(z[n], x[n], coefficients, affine)
    elif order == 1:
        _recur_together(lo, hi, z, x, affine, coefficients, 1)
    else:
        _recur_together(lo, hi, z, x, affine, coefficients, 2)
    log_det[lo:hi] = affine[2] * z.dtype.type(z.shape[1])


@jit_inline
def _inverse_block(x: Any, z: Any, at: Any, count: Any, coefficients: Any, bias: Any, rate: Any) -> None:
    value = load(x, at, count) - bias
    for i in range(coefficients.shape[0]):
        value = fma(-coefficients[i], load(x, at - 1 - i, count), value)
    store(z, at, value * rate, count)


@jit_exact
def _inverse_rows(
    lo: Any, hi: Any, x: Any, z: Any, log_det: Any, coefficients: Any, affine: Any, pairs: Any
) -> None:
    isolate()
    bias, rate = affine[0], x.dtype.type(1) / affine[1]
    width, dim = lanes(x), x.shape[1]
    early = min(coefficients.shape[0], dim)  # entries without all their lags
    rest = (dim - early) % width
    for n in range(lo, hi):
        for t in range(early):
            value = x[n, t] - bias
            for i in range(t):
                value = fma(-coefficients[i], x[n, t - 1 - i], value)
            z[n, t] = value * rate
        row = n * dim
        for at in range(row + early, row + dim - rest, width):
            _inverse_block(x, z, at, None, coefficients, bias, rate)
        if rest:
            _inverse_block(x, z, row + dim - rest, rest, coefficients, bias, rate)
    log_det[lo:hi] = -affine[2] * x.dtype.type(dim)


_BLOCKS = Series(
    Chain(
        _advance,
        _together,
        1,
        tables=lambda *arrays: arrays,
        memory=lambda tables: Memory(1, tables[0].size),
        finish=_log_det,
    ),
    _forward_rows,
)


class _Processes(StrategicFamily, OpenFamily):
    strategies = ("auto", "recurrence", "scan", "blocks")

    def _kernel(self, direction: int, *options: Any) -> Any:
        return _BLOCKS if options == ("blocks",) else super()._kernel(direction, *options)


_family = _Processes(Params, _arrays, _forward_rows, _inverse_rows)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
