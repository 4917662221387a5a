"""Squared distances between two batches, tile by tile: what is asked of them is kept, never they themselves.

Rows of one batch lie side by side in the lanes, the rows of the other pass by in pairs. A distance is a sum
of squared differences, taken entry by entry in their order. |x|^2 - 2 x y + |y|^2 would take half as long,
but it cancels: its error is a unit of |x|^2, so that nothing of a small distance is left far from the origin
or, where the mean is taken off, in a narrow cluster far from it. Differences of near numbers are exact; equal
rows have the distance 0.
"""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, number, scratch, select, sum_lanes
from seqgap.kernels._nets.blocks import load_block
from seqgap.kernels._nets.dense import address, moved, read, spread, write

_VECTORS = 4  # of rows in a tile: with two rows of the other batch there are eight independent sums


@jit_exact
def _distances(dim: Any, tile: Any, first: Any, second: Any, squares: Any) -> None:
    """squares (2, pitch) = the squared distances of two rows to the columns of a tile (D, pitch)."""
    isolate()
    width = lanes(tile)
    a0 = filled(tile, number(tile, 0))
    a1, a2, a3, b0, b1, b2, b3 = a0, a0, a0, a0, a0, a0, a0
    for d in range(dim):
        at = d * 4 * width
        x0, x1, x2, x3 = (
            read(tile, at), read(tile, at + width), read(tile, at + 2 * width), read(tile, at + 3 * width),
        )  # fmt: skip
        y, z = spread(first, d), spread(second, d)
        c0, c1, c2, c3 = x0 - y, x1 - y, x2 - y, x3 - y
        a0, a1, a2, a3 = fma(c0, c0, a0), fma(c1, c1, a1), fma(c2, c2, a2), fma(c3, c3, a3)
        c0, c1, c2, c3 = x0 - z, x1 - z, x2 - z, x3 - z
        b0, b1, b2, b3 = fma(c0, c0, b0), fma(c1, c1, b1), fma(c2, c2, b2), fma(c3, c3, b3)
    write(squares, 0, a0)
    write(squares, width, a1)
    write(squares, 2 * width, a2)
    write(squares, 3 * width, a3)
    write(squares, 4 * width, b0)
    write(squares, 5 * width, b1)
    write(squares, 6 * width, b2)
    write(squares, 7 * width, b3)


@jit_inline
def _pair(j: Any, y: Any, tile: Any, squares: Any) -> Any:
    """The distances of rows j and j + 1 of y to a tile; how many of the two there are."""
    count, dim = y.shape
    second = min(j + 1, count - 1)
    _distances(dim, tile, address(y, j * dim), address(y, second * dim), squares)
    return second - j + 1


@jit_inline
def _fill(target: Any, count: Any, value: Any) -> None:
    for at in range(0, count, lanes(target)):
        write(target, at, filled(target, number(target, value)))


@jit_inline
def _below(left: Any, right: Any, like: Any) -> Any:
    """1 in the lanes where left < right, else 0."""
    return select(left < right, filled(like, number(like, 1)), filled(like, number(like, 0)))


@jit_inline
def _keep(value: Any, best: Any, rank: Any, pitch: Any) -> None:
    """Insert a vector into the rank + 1 least ones of each lane, ascending; most often it is above them."""
    if sum_lanes(_below(value, read(best, rank * pitch), best)) > 0:
        for r in range(rank, 0, -1):
            above, here = read(best, (r - 1) * pitch), read(best, r * pitch)
            larger = select(above < value, value, above)
            write(best, r * pitch, select(larger < here, larger, here))
        least = read(best, 0)
        write(best, 0, select(value < least, value, least))


@jit_exact
def radius_rows(lo: Any, hi: Any, x: Any, rank: Any, radii: Any) -> None:
    """radii[i] = the squared distance of row i to its neighbour number `rank`; number 0 is the row itself."""
    isolate()
    width, dim = lanes(x), x.shape[1]
    pitch = _VECTORS * width
    tile, room = scratch(dim + width, pitch, x), scratch(2, pitch, x)
    nearest = scratch(rank + 1, pitch, x)
    for n in range(lo, hi, pitch):
        load_block(n, hi, x, tile)
        best, squares = address(nearest, 0), address(room, 0)
        _fill(best, (rank + 1) * pitch, float("inf"))
        for j in range(0, x.shape[0], 2):
            rows = _pair(j, x, address(tile, 0), squares)
            for at in range(0, rows * pitch, width):
                _keep(read(squares, at), moved(best, at % pitch), rank, pitch)
        for i in range(min(pitch, hi - n)):
            radii[n + i] = nearest[rank, i]


@jit_inline
def _compare(squares: Any, radius: Any, own: Any, nearest: Any, reached: Any, pitch: Any) -> Any:
    """Take one row of the other batch into account; in how many balls of the tile it is."""
    inside = filled(squares, number(squares, 0))
    for at in range(0, pitch, lanes(squares)):
        square, least = read(squares, at), read(nearest, at)
        write(nearest, at, select(square < least, square, least))
        hit = _below(square, filled(squares, radius), squares)
        write(reached, at, select(read(reached, at) < hit, hit, read(reached, at)))
        inside = inside + _below(square, read(own, at), squares)
    return sum_lanes(inside)


@jit_exact
def cross_rows(lo: Any, hi: Any, x: Any, y: Any, x_radii: Any, y_radii: Any, found: Any, inside: Any) -> None:
    """found[0, i] = the least squared distance of x[i] to rows of y, found[1, i] = whether it is in a ball.

    The ball of y[j] is |x - y[j]|^2 < y_radii[j]. inside[j] += in how many balls of these rows of x y[j] is.
    """
    isolate()
    width, dim = lanes(x), x.shape[1]
    pitch = _VECTORS * width
    tile, room, state = scratch(dim + width, pitch, x), scratch(2, pitch, x), scratch(3, pitch, x)
    for n in range(lo, hi, pitch):
        load_block(n, hi, x, tile)
        for i in range(pitch):  # beyond the batch its last row is repeated: no row is in its ball
            state[0, i] = x_radii[n + i] if n + i < hi else number(x, -1)
        squares, own, nearest = address(room, 0), address(state, 0), address(state, pitch)
        reached = moved(nearest, pitch)
        _fill(nearest, pitch, float("inf"))
        _fill(reached, pitch, 0.0)
        for j in range(0, y.shape[0], 2):
            for r in range(_pair(j, y, address(tile, 0), squares)):
                row = moved(squares, r * pitch)
                inside[j + r] += int(_compare(row, y_radii[j + r], own, nearest, reached, pitch))
        for i in range(min(pitch, hi - n)):
            found[0, n + i], found[1, n + i] = state[1, i], state[2, i]
