"""Log-determinants of the rows of `elman_rows`, and their inverse: parallel passes over the steps."""

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
from seqgap.kernels._core.vecmath import atanh, exp_normal, log, log_normal
from seqgap.kernels._nets.elman_rows import advance, feature, together

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

    With a the pre-activation it is -2 (|a| + log((1 + exp(-2 |a|)) / 2)), of which x near 1 has lost the digits.
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
    before = scratch(1, width, z)
    linear, product = filled(z, z.dtype.type(0)), filled(z, z.dtype.type(1))
    for t in range(first, last, width):
        count = min(width, last - t)
        if t > 0 and count == width:
            state, noise = load(x, t - 1, None), load(z, t, None)
            value = fma(weight, state, fma(scale, noise, bias))
        else:
            before[:] = 0
            for i in range(count):
                state = x[t + i - 1] if t + i > 0 else z.dtype.type(0)
                before[0, i] = fma(weight, state, fma(scale, z[t + i], bias))
            value = load(before, 0, None)
        linear, product = _slope(value, linear, product)
    return _sum_of_logs(linear, product)


@jit_inline
def _slopes_of_vectors(z: Any, x: Any, first: Any, last: Any, tables: Any) -> Any:
    """A feature in each lane."""
    dim, pitch = tables.weight.shape
    state, total = scratch(1, dim, z), 0.0
    for f in range(0, pitch, lanes(z)):
        linear, product = filled(z, z.dtype.type(0)), filled(z, z.dtype.type(1))
        for t in range(first, last):
            if t > 0:
                state[0] = x[(t - 1) * dim : t * dim]
            else:
                state[:] = 0
            linear, product = _slope(feature(z, t * dim, f, state, tables), linear, product)
        total += _sum_of_logs(linear, product)
    return total


@jit_exact
def inverse(lo: Any, hi: Any, x: Any, z: Any, log_det: Any, tables: Any) -> None:
    """z = (atanh(x) - W x_{t-1} - bias) / scale for rows lo to hi - 1, and minus the sum of log(1 - x^2)."""
    isolate()
    dim, pitch = tables.weight.shape
    width, steps = lanes(x), x.shape[1] // dim
    state = scratch(1, pitch, x)
    for n in range(lo, hi):
        total, row = 0.0, x[n]
        for t in range(steps):
            if t > 0:
                state[0, :dim] = row[(t - 1) * dim : t * dim]
            else:
                state[:] = 0
            for f in range(0, dim, width):
                total += _invert(row, z[n], t * dim, f, state, tables)
        log_det[n] = -(total + steps * tables.log_scale[0])


@jit_inline
def _invert(x: Any, z: Any, at: Any, f: Any, state: Any, tables: Any) -> Any:
    """Features f, f + 1, ... of a step; the sum of their log(1 - x^2)."""
    dim, pitch = tables.weight.shape
    count = min(lanes(x), dim - f)
    value, one = load(x, at + f, count), x.dtype.type(1)
    noise = atanh(value) - load(tables.bias, f, None)
    for j in range(dim):
        noise = fma(-load(tables.weight, j * pitch + f, None), state[0, j], noise)
    store(z, at + f, noise * load(tables.rate, f, None), count)
    return np.float64(sum_lanes(log((one - value) * (one + value))))
