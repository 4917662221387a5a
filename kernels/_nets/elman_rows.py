"""Row kernels of x_t = tanh(W x_{t-1} + bias + scale z_t), of D features a step, from zeros.

Every pre-activation is scale z_t + bias, then + W[d, j] x_j for j = 0, 1, ... by fused multiply-adds, whether
a lane holds a feature (one series) or a series (several at once): so all ways have the same bits.

With a grid, every PERIOD steps the state that is fed to a step is rounded to the nearest multiple of the
grid, halves to even; what a step leaves in x is not.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import bits_of, fma, lanes, load, nearest, scratch, store
from seqgap.kernels._core.tiles import gather_rows, scatter_rows
from seqgap.kernels._core.vecmath import tanh

VECTORS = 4  # of series at once, which hide that each tanh waits for the one before
PERIOD = 64  # steps from one rounding of the state to the next, a part of the model: a power of two
_COLUMNS = 64  # of a tile, about: it is a power of two of steps, at most PERIOD


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
    width = lanes(z)
    state, following = scratch(1, pitch, z), scratch(1, pitch, z)
    state[:] = 0
    enter(x, lo, state, tables)
    for t in range(lo, hi):
        for f in range(0, pitch, width):
            store(following, f, tanh(feature(z, t * dim, f, state, tables)), None)
        changed = False
        for d in range(dim):
            changed |= bits_of(following[0, d]) != bits_of(x[t * dim + d])
            state[0, d] = x[t * dim + d] = following[0, d]
        if meets and not changed:
            return t + 1 - lo
        if (t + 1) & tables.mask == 0:
            round_state(state, tables)
    return hi - lo


@jit_inline
def rounded(value: Any, tables: Any) -> Any:
    """The multiple of the grid nearest to a number, or to each lane: exact, for powers of two."""
    return nearest(value * tables.grid[1]) * tables.grid[0]


@jit_inline
def round_state(state: Any, tables: Any) -> None:
    """In place, state[0, :D]."""
    for d in range(tables.weight.shape[0]):
        state[0, d] = rounded(state[0, d], tables)


@jit_inline
def enter(x: Any, t: Any, state: Any, tables: Any) -> None:
    """state[0, :D] = what is fed to step t of the series x (T D,): the state before, or zeros."""
    dim = tables.weight.shape[0]
    if t > 0:
        state[0, :dim] = x[(t - 1) * dim : t * dim]
    else:
        state[0, :dim] = 0
    if t & tables.mask == 0:
        round_state(state, tables)


@jit_inline
def feature(z: Any, at: Any, f: Any, state: Any, tables: Any) -> Any:
    """Pre-activations of features f, f + 1, ... of the step at z[at], a vector; those past D are 0."""
    dim, pitch = tables.weight.shape
    width = lanes(z)
    noise = load(z, at + f, None) if f + width <= dim else load(z, at + f, dim - f)
    value = fma(load(tables.scale, f, None), noise, load(tables.bias, f, None))
    for j in range(dim):
        value = fma(load(tables.weight, j * pitch + f, None), state[0, j], value)
    return value


@jit_exact
def together(lo: Any, hi: Any, z: Any, x: Any, tables: Any) -> None:
    """Rows lo to hi - 1 from zeros, a row in each lane, of up to `VECTORS` vectors."""
    isolate()
    dim, columns, width = tables.weight.shape[0], z.shape[1], lanes(z)
    side = width * max(1, VECTORS // dim)
    chunk = dim * width * max(1, _COLUMNS // (dim * width))
    tile = scratch(dim + chunk, side, z)
    for n in range(lo, hi, side):
        rows = min(hi - n, side)
        tile[:dim] = 0
        for at in range(0, columns, chunk):
            count = min(chunk, columns - at)
            if at // dim & tables.mask == 0:
                _round_rows(tile, dim, rows, tables)
            _gather(z, n, rows, at, count, tile, dim)
            _tile_steps(tile, count // dim, rows, tables)
            _scatter(x, n, rows, at, count, tile, dim)
            tile[:dim] = tile[count : count + dim]


@jit_inline
def _round_rows(tile: Any, dim: Any, rows: Any, tables: Any) -> None:
    """In place, the states in the first rows of a tile."""
    for d in range(dim):
        for r in range(0, rows, lanes(tile)):
            at = d * tile.shape[1] + r
            store(tile, at, rounded(load(tile, at, None), tables), None)


def _mover(transfer: Any) -> Any:
    @jit_inline
    def move(batch: Any, n: Any, rows: Any, at: Any, count: Any, tile: Any, skip: Any) -> None:
        """Columns at to at + count - 1 of some rows, and rows skip, skip + 1, ... of a tile."""
        width, stride = lanes(batch), tile.shape[1]
        rest = count % width
        for r in range(0, rows, width):
            start, last = (n + r) * batch.shape[1] + at, rows - 1 - r
            for c in range(0, count - rest, width):
                transfer(batch, start + c, last, None, tile, (skip + c) * stride + r, stride)
            if rest:
                c = count - rest
                transfer(batch, start + c, last, rest, tile, (skip + c) * stride + r, stride)

    return move


_gather, _scatter = _mover(gather_rows), _mover(scatter_rows)


@jit_inline
def _tile_steps(tile: Any, steps: Any, rows: Any, tables: Any) -> None:
    """In place: rows 0 to D - 1 of the tile are a state, and each D rows after it the noise of a step."""
    dim, stride, width = tables.weight.shape[0], tile.shape[1], lanes(tile)
    for t in range(steps):
        for r in range(0, rows, width):
            before = t * dim * stride + r
            at = before + dim * stride
            for d in range(dim):
                value = fma(tables.scale[d], load(tile, at + d * stride, None), tables.bias[d])
                for j in range(dim):
                    value = fma(tables.weight[j, d], load(tile, before + j * stride, None), value)
                store(tile, at + d * stride, tanh(value), None)
