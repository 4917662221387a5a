"""Row kernels of x_t = tanh(W x_{t-1} + bias + scale z_t), of D features a step, from zeros.

Every pre-activation is scale z_t + bias, then + W[d, j] x_j for j = 0, 1, ... by fused multiply-adds, whether
a lane holds a feature (one series) or a series (several at once): so all ways have the same bits.

With a grid, every PERIOD steps the state that is fed to a step is rounded to the nearest multiple of the
grid, halves to even; what a step leaves in x is not.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import bits_of, fma, lanes, load, nearest, number, scratch, store
from seqgap.kernels._core.vecmath import tanh
from seqgap.kernels._nets.dense import address, entry

PERIOD = 64  # steps from one rounding of the state to the next, a part of the model: a power of two


class Tables(NamedTuple):
    """The parameters; P is D filled up with zeros to whole vectors."""

    weight: Array  # (D, P), row j is column j of W
    bias: Array  # (P,)
    scale: Array  # (P,)
    rate: Array  # (P,), 1 / scale
    log_scale: Array  # (1,), the sum of the logarithms of the scales, float64
    grid: Array  # (2,), the grid and its reciprocal; ones where there is none
    mask: int  # the state before step t is rounded where t & mask is 0; without a grid only the zeros at 0


@jit_exact
def advance(z: Any, x: Any, lo: Any, hi: Any, meets: Any, tables: Any) -> Any:
    """Steps lo to hi - 1 of one series (T D,) from what x holds before them; how many were made.

    meets: stop after a step that was there already, bit for bit.
    """
    isolate()
    if tables.weight.shape[0] == 1:
        return _advance_number(z, x, lo, hi, meets, tables)
    return _advance_vectors(z, x, lo, hi, meets, tables)


@jit_inline
def _advance_number(z: Any, x: Any, lo: Any, hi: Any, meets: Any, tables: Any) -> Any:
    weight, bias, scale = tables.weight[0, 0], tables.bias[0], tables.scale[0]
    state, start = x[lo - 1] if lo > 0 else z.dtype.type(0), lo
    while start < hi:
        stop = min(hi, (start | tables.mask) + 1)
        if start & tables.mask == 0:
            state = rounded(state, tables)
        for t in range(start, stop):
            state = tanh(fma(weight, state, fma(scale, z[t], bias)))
            if meets and bits_of(state) == bits_of(x[t]):
                return t + 1 - lo
            x[t] = state
        start = stop
    return hi - lo


@jit_inline
def _advance_vectors(z: Any, x: Any, lo: Any, hi: Any, meets: Any, tables: Any) -> Any:
    dim, pitch = tables.weight.shape
    width, side = lanes(z), 0
    room = scratch(2, pitch, z)  # the states before and after a step, in turn
    before = fed(x, lo, room, tables)
    for d in range(dim):
        room[0, d] = entry(before, d)
    for t in range(lo, hi):
        for f in range(0, pitch, width):
            value = tanh(feature(z, t * dim, f, address(room, side * pitch), tables))
            store(room, (1 - side) * pitch + f, value, None)
        side = 1 - side
        if meets and _same(room[side], x, t * dim, dim):
            return t + 1 - lo
        for d in range(dim):
            x[t * dim + d] = room[side, d]
        if (t + 1) & tables.mask == 0:
            for d in range(dim):
                room[side, d] = rounded(room[side, d], tables)
    return hi - lo


@jit_inline
def _same(state: Any, x: Any, at: Any, dim: Any) -> Any:
    """Whether x[at:] starts with a state, bit for bit."""
    same = True
    for d in range(dim):
        same &= bits_of(state[d]) == bits_of(x[at + d])
    return same


@jit_inline
def rounded(value: Any, tables: Any) -> Any:
    """The multiple of the grid nearest to a number, or to each lane: exact, for powers of two."""
    return nearest(value * tables.grid[1]) * tables.grid[0]


@jit_inline
def fed(x: Any, t: Any, room: Any, tables: Any) -> Any:
    """The address of what is fed to step t of a series x (T D,): in x, or where it is not in x, in room."""
    dim = tables.weight.shape[0]
    if t & tables.mask:
        return address(x, (t - 1) * dim)
    for d in range(dim):
        room[0, d] = rounded(x[(t - 1) * dim + d], tables) if t > 0 else number(x, 0)
    return address(room, 0)


@jit_inline
def feature(z: Any, at: Any, f: Any, before: Any, tables: Any) -> Any:
    """Pre-activations of features f, f + 1, ... of the step at z[at], a vector; those past D are 0.

    before: the address of what is fed to it.
    """
    dim, pitch = tables.weight.shape
    value = driven(z, at, f, tables)
    for j in range(dim):
        value = fma(load(tables.weight, j * pitch + f, None), entry(before, j), value)
    return value


@jit_inline
def driven(z: Any, at: Any, f: Any, tables: Any) -> Any:
    """scale z + bias of the features of `feature`."""
    dim = tables.weight.shape[0]
    noise = load(z, at + f, None) if f + lanes(z) <= dim else load(z, at + f, dim - f)
    return fma(load(tables.scale, f, None), noise, load(tables.bias, f, None))
