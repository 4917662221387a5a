"""Log-determinants of the rows of `elman_rows`: parallel passes over the steps."""

from typing import Any

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import (
    filled,
    fma,
    lanes,
    load,
    magnitude,
    number,
    scratch,
    select,
    store,
    sum_lanes,
)
from seqgap.kernels._core.vecmath import exp_normal, log_normal
from seqgap.kernels._nets.dense import address, entry
from seqgap.kernels._nets.elman_rows import advance, driven, feature, fed
from seqgap.kernels._nets.elman_tiles import together

_TERMS = 32  # factors above 1 / 2 that are multiplied before a logarithm is taken
_FLAT = 40  # exp(-2 a) beyond it changes no sum


@jit_exact
def forward(lo: Any, hi: Any, z: Any, x: Any, log_det: Any, tables: Any) -> None:
    """Rows lo to hi - 1 step by step: side by side where that takes no longer than one."""
    isolate()
    dim, columns = tables.weight.shape[0], z.shape[1]
    few = 2 if dim == 1 else lanes(z) // 2
    middle = hi - (hi - lo) % lanes(z)
    if hi - middle >= few:
        middle = hi
    together(lo, middle, z, x, tables)
    for n in range(middle, hi):
        advance(z[n], x[n], 0, columns // dim, False, tables)
    parts = np.empty((hi - lo, parts_of_sum(z, tables)))
    log_slopes(0, parts.size, z[lo:hi], x[lo:hi], parts, tables)
    add_up(parts, z, log_det[lo:hi], tables)


@jit_exact
def add_up(parts: Any, z: Any, log_det: Any, tables: Any) -> None:
    """The log-determinant of each row from the parts of `log_slopes`, in their order."""
    isolate()
    steps = z.shape[1] // tables.weight.shape[0]
    for n in range(log_det.shape[0]):
        total = steps * tables.log_scale[0]
        for k in range(parts.shape[1]):
            total += parts[n, k]
        log_det[n] = total


@jit_exact
def parts_of_sum(z: Any, tables: Any) -> Any:
    """How many parts `log_slopes` makes of each row."""
    return -(-z.shape[1] // tables.weight.shape[0] // _steps_of_part(z, tables))


@jit_exact
def _steps_of_part(z: Any, tables: Any) -> Any:
    return _TERMS * lanes(z) if tables.weight.shape[0] == 1 else _TERMS


@jit_exact
def log_slopes(lo: Any, hi: Any, z: Any, x: Any, parts: Any, tables: Any) -> None:
    """parts[n, k] = sum of log(1 - x^2) over part k of series n, for lo <= n K + k < hi; parts is (N, K).

    With a the pre-activation it is -2 (|a| + log((1 + exp(-2 |a|)) / 2)); x near 1 has lost its digits.
    """
    isolate()
    dim, size, count = tables.weight.shape[0], _steps_of_part(z, tables), parts.shape[1]
    steps = z.shape[1] // dim
    for index in range(lo, hi):
        n, k = index // count, index % count
        first, last = k * size, min((k + 1) * size, steps)
        if dim == 1:
            parts[n, k] = _slopes_of_numbers(z[n], x[n], first, last, tables)
        else:
            parts[n, k] = _slopes_of_vectors(z[n], x[n], first, last, tables)


@jit_inline
def _slope(value: Any, linear: Any, product: Any) -> Any:
    """(sum of |a|, product of (1 + exp(-2 |a|)) / 2) with one more a."""
    size, half = magnitude(value), number(value, 0.5)
    short = select(size > number(value, _FLAT), number(value, _FLAT), size)
    return linear + size, product * fma(exp_normal(number(value, -2) * short), half, half)


@jit_inline
def _sum_of_logs(linear: Any, product: Any) -> Any:
    return -2 * np.float64(sum_lanes(linear + log_normal(product)))


@jit_inline
def _slopes_of_numbers(z: Any, x: Any, first: Any, last: Any, tables: Any) -> Any:
    """D = 1: a step in each lane."""
    weight, bias, scale, width = tables.weight[0, 0], tables.bias[0], tables.scale[0], lanes(z)
    room = scratch(1, width, z)
    linear, product = filled(z, z.dtype.type(0)), filled(z, z.dtype.type(1))
    for t in range(first, last, width):
        count = min(width, last - t)
        if t & tables.mask and count == width:  # a load of all lanes takes a fraction of one of some
            value = fma(weight, load(x, t - 1, None), fma(scale, load(z, t, None), bias))
        else:
            value = fma(weight, before(x, t, count, room, tables), fma(scale, load(z, t, count), bias))
            store(room, 0, value, None)
            value = load(room, 0, count)
        linear, product = _slope(value, linear, product)
    return _sum_of_logs(linear, product)


@jit_inline
def before(x: Any, t: Any, count: Any, room: Any, tables: Any) -> Any:
    """What is fed to steps t to t + count - 1 of a series with D = 1, a vector; room: one of scratch.

    t is a multiple of the lanes, so that none but the first is rounded.
    """
    if t & tables.mask:
        return load(x, t - 1, count)
    fed(x, t, room, tables)  # the first, in room[0, 0]
    for i in range(1, count):
        room[0, i] = x[t + i - 1]
    return load(room, 0, count)


@jit_inline
def _slopes_of_vectors(z: Any, x: Any, first: Any, last: Any, tables: Any) -> Any:
    """A feature in each lane."""
    dim, pitch = tables.weight.shape
    room, total = scratch(1, dim, z), 0.0
    fours = last - (last - first) % 4
    for f in range(0, pitch, lanes(z)):
        linear, product = filled(z, z.dtype.type(0)), filled(z, z.dtype.type(1))
        for t in range(first, fours, 4):
            a, b, c, d = _four_steps(z, x, t, f, room, tables)
            linear, product = _slope(a, linear, product)
            linear, product = _slope(b, linear, product)
            linear, product = _slope(c, linear, product)
            linear, product = _slope(d, linear, product)
        for t in range(fours, last):
            state = fed(x, t, room, tables)
            linear, product = _slope(feature(z, t * dim, f, state, tables), linear, product)
        total += _sum_of_logs(linear, product)
    return total


@jit_inline
def _four_steps(z: Any, x: Any, t: Any, f: Any, room: Any, tables: Any) -> Any:
    """`feature` of steps t to t + 3, of which t alone may be rounded: the sums do not wait for each other."""
    (dim, pitch), at = tables.weight.shape, t * tables.weight.shape[0]
    state = fed(x, t, room, tables)
    later = address(x, at)
    a, b = driven(z, at, f, tables), driven(z, at + dim, f, tables)
    c, d = driven(z, at + 2 * dim, f, tables), driven(z, at + 3 * dim, f, tables)
    for j in range(dim):
        weight = load(tables.weight, j * pitch + f, None)
        a, b = fma(weight, entry(state, j), a), fma(weight, entry(later, j), b)
        c, d = fma(weight, entry(later, dim + j), c), fma(weight, entry(later, 2 * dim + j), d)
    return a, b, c, d
