"""Series of `elman_rows` side by side, one in each lane, with the same bits."""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, load, scratch, store
from seqgap.kernels._core.tiles import gather_columns, scatter_columns
from seqgap.kernels._core.vecmath import tanh
from seqgap.kernels._nets.dense import address, entry
from seqgap.kernels._nets.elman_rows import rounded

VECTORS = 4  # of series at once, which hide that each tanh waits for the one before
_COLUMNS = 64  # of a tile, about: it is a power of two of steps, at most PERIOD


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
            gather_columns(z, n, rows, at, count, tile, dim)
            _tile_steps(tile, count // dim, rows, tables)
            scatter_columns(x, n, rows, at, count, tile, dim)
            tile[:dim] = tile[count : count + dim]


@jit_inline
def _round_rows(tile: Any, dim: Any, rows: Any, tables: Any) -> None:
    """In place, the states in the first rows of a tile."""
    for d in range(dim):
        for r in range(0, rows, lanes(tile)):
            at = d * tile.shape[1] + r
            store(tile, at, rounded(load(tile, at, None), tables), None)


@jit_inline
def _tile_steps(tile: Any, steps: Any, rows: Any, tables: Any) -> None:
    """In place: rows 0 to D - 1 of the tile are a state, and each D rows after it the noise of a step."""
    dim, stride, width = tables.weight.shape[0], tile.shape[1], lanes(tile)
    fours = dim - dim % 4
    for t in range(steps):
        for r in range(0, rows, width):
            before = t * dim * stride + r
            for d in range(0, fours, 4):
                _four_features(tile, before, d, tables)
            for d in range(fours, dim):
                _one_feature(tile, before, d, tables)


@jit_inline
def _one_feature(tile: Any, before: Any, d: Any, tables: Any) -> None:
    """Feature d of the step whose state is at tile[before]; its noise is D rows after it."""
    (dim, pitch), stride = tables.weight.shape, tile.shape[1]
    at, weight = before + (dim + d) * stride, address(tables.weight, d)
    value = _driven(tile, at, d, tables)
    for j in range(dim):
        value = fma(entry(weight, j * pitch), load(tile, before + j * stride, None), value)
    store(tile, at, tanh(value), None)


@jit_inline
def _four_features(tile: Any, before: Any, d: Any, tables: Any) -> None:
    """Features d to d + 3: each multiply-add waits for the one before, and others fill the time."""
    (dim, pitch), stride = tables.weight.shape, tile.shape[1]
    at, weight = before + (dim + d) * stride, address(tables.weight, d)
    a, b = _driven(tile, at, d, tables), _driven(tile, at + stride, d + 1, tables)
    e, f = _driven(tile, at + 2 * stride, d + 2, tables), _driven(tile, at + 3 * stride, d + 3, tables)
    for j in range(dim):
        state, k = load(tile, before + j * stride, None), j * pitch
        a, b = fma(entry(weight, k), state, a), fma(entry(weight, k + 1), state, b)
        e, f = fma(entry(weight, k + 2), state, e), fma(entry(weight, k + 3), state, f)
    store(tile, at, tanh(a), None)
    store(tile, at + stride, tanh(b), None)
    store(tile, at + 2 * stride, tanh(e), None)
    store(tile, at + 3 * stride, tanh(f), None)


@jit_inline
def _driven(tile: Any, at: Any, d: Any, tables: Any) -> Any:
    """scale z + bias of feature d."""
    return fma(tables.scale[d], load(tile, at, None), tables.bias[d])
