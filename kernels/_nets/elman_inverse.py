"""The inverse of the rows of `elman_rows`: a parallel pass over the steps."""

from typing import Any

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, load, number, scratch, store, sum_lanes
from seqgap.kernels._core.vecmath import atanh, log
from seqgap.kernels._nets.dense import entry
from seqgap.kernels._nets.elman_rows import fed
from seqgap.kernels._nets.elman_sums import before


@jit_exact
def inverse(lo: Any, hi: Any, x: Any, z: Any, log_det: Any, tables: Any) -> None:
    """z = (atanh(x) - W x_{t-1} - bias) / scale for rows lo to hi - 1, and minus the sum of log(1 - x^2)."""
    isolate()
    steps = x.shape[1] // tables.weight.shape[0]
    for n in range(lo, hi):
        if tables.weight.shape[0] == 1:
            total = _invert_numbers(x[n], z[n], tables)
        else:
            total = _invert_vectors(x[n], z[n], steps, tables)
        log_det[n] = -(total + steps * tables.log_scale[0])


@jit_inline
def _invert_numbers(x: Any, z: Any, tables: Any) -> Any:
    """D = 1: a step in each lane. The sum of log(1 - x^2)."""
    weight, bias, rate, width = tables.weight[0, 0], tables.bias[0], tables.rate[0], lanes(x)
    room, total = scratch(1, width, x), 0.0
    for t in range(0, x.shape[0], width):
        count = min(width, x.shape[0] - t)
        if t & tables.mask and count == width:
            value = load(x, t, None)
            noise = fma(-weight, load(x, t - 1, None), atanh(value) - bias)
            store(z, t, noise * rate, None)
        else:
            value = load(x, t, count)
            noise = fma(-weight, before(x, t, count, room, tables), atanh(value) - bias)
            store(z, t, noise * rate, count)
        total += _slope_at(value)
    return total


@jit_inline
def _invert_vectors(x: Any, z: Any, steps: Any, tables: Any) -> Any:
    """A feature in each lane."""
    dim, pitch = tables.weight.shape
    room, total = scratch(1, dim, x), 0.0
    for t in range(steps):
        state = fed(x, t, room, tables)
        for f in range(0, pitch, lanes(x)):
            count, at = min(lanes(x), dim - f), t * dim + f
            value = load(x, at, count)
            noise = atanh(value) - load(tables.bias, f, None)
            for j in range(dim):
                noise = fma(-load(tables.weight, j * pitch + f, None), entry(state, j), noise)
            store(z, at, noise * load(tables.rate, f, None), count)
            total += _slope_at(value)
    return total


@jit_inline
def _slope_at(x: Any) -> Any:
    """The sum of log(1 - x^2) over the lanes; 1 - x is exact where it is small."""
    one = number(x, 1)
    return np.float64(sum_lanes(log((one - x) * (one + x))))
