"""Row kernels whose rows lie side by side in the lanes of tiles, up to four vectors of them at a time."""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, lanes, number, scratch, store
from seqgap.kernels._core.tiles import from_tile, to_tile
from seqgap.kernels._nets.dense import address, read, write


class Work(NamedTuple):
    """Tiles for a block of rows of a batch; each has `pitch` entries in a row, a multiple of a vector."""

    first: Any  # (D, pitch)
    second: Any  # (D, pitch)
    sums: Any  # (1 + so many as the family asks for, pitch)


@jit_inline
def load_block(n: Any, hi: Any, source: Any, tile: Any) -> None:
    """Rows n, n + 1, ... of a batch, below hi, as columns of a tile."""
    for column in range(0, tile.shape[1], lanes(source)):
        to_tile(n + column, hi, source, tile, column)


@jit_inline
def _unload_block(n: Any, hi: Any, target: Any, log_det: Any, tile: Any, sums: Any) -> None:
    """Undo `load_block`; log_det is row 0 of the tile `sums`."""
    width = lanes(target)
    for column in range(0, tile.shape[1], width):
        left = hi - n - column
        if left > 0:
            from_tile(n + column, hi, target, tile, column)
            store(log_det, n + column, read(address(sums, 0), column), min(width, left))


@jit_inline
def piece(start: Any, hi: Any, width: Any) -> Any:
    """(rows of a tile, row to stop at): tiles of four vectors as far as they go, then what is left."""
    left = hi - start
    vectors = 4 if left > 2 * width else (2 if left > width else 1)
    return vectors * width, hi if left < 4 * width else hi - left % (4 * width)


@jit_inline
def set_log_det(work: Any, value: Any) -> None:
    """log_det of all rows of a block becomes a number."""
    sums, start = work.sums, address(work.sums, 0)
    for at in range(0, sums.shape[1], lanes(sums)):
        write(start, at, filled(sums, number(sums, value)))


@jit_inline
def _no_beginning(work: Any, n: Any, hi: Any) -> None:
    pass


def tile_rows(transform: Any, workspace: Any, in_place: bool = True, begin: Any = _no_beginning) -> Any:
    """The row kernel of transform(work, arrays), block by block.

    workspace(arrays, pitch, source): its tiles. The first field holds the rows of the source and, in place,
    the result, which else is in the second; row 0 of `sums` is log_det, 0 to begin with. begin(work, n, hi)
    comes before each block of rows n, n + 1, ... below hi.
    """

    @jit_exact
    def block(lo: Any, hi: Any, pitch: Any, batch: Any, arrays: Any) -> None:
        isolate()
        source, target, log_det = batch
        work = workspace(arrays, pitch, source)
        for n in range(lo, hi, pitch):
            load_block(n, hi, source, work[0])
            set_log_det(work, 0.0)
            begin(work, n, hi)
            transform(work, arrays)
            _unload_block(n, hi, target, log_det, work[0] if in_place else work[1], work.sums)

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, *arrays: Any) -> None:
        isolate()
        start = lo
        while start < hi:
            pitch, stop = piece(start, hi, lanes(source))
            block(start, stop, pitch, (source, target, log_det), arrays)
            start = stop

    return rows


def block_rows(transform: Any, sums: Any, in_place: bool = True) -> Any:
    """`tile_rows` on a `Work`; sums(arrays): rows of its `sums` besides log_det."""

    @jit_inline
    def workspace(arrays: Any, pitch: Any, source: Any) -> Any:
        rows, totals = source.shape[1] + lanes(source), scratch(1 + sums(arrays), pitch, source)
        return Work(scratch(rows, pitch, source), scratch(rows, pitch, source), totals)

    return tile_rows(transform, workspace, in_place)
