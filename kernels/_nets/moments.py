"""Sums over the rows of a batch that a step of expectation and maximisation needs, in one pass.

With the responsibilities r_k and u = x - shift_k these are for each component the sums of r_k, r_k u and
r_k u^2 (diagonal) or r_k u u^T (full), and over all rows that of log p(x). Rows are summed in blocks of a
fixed size, whose sums are added in their order: so no bit depends on threads.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.simd import filled, lanes, number, scratch, sum_lanes
from seqgap.kernels._nets.blocks import load_block
from seqgap.kernels._nets.dense import address, moved, put, read, spread, write
from seqgap.kernels._nets.fours import (
    add_up,
    dot_four,
    four_of,
    minus_four,
    read_four,
    times_four,
    write_four,
)
from seqgap.kernels._nets.mixture_tables import Arrays, Diagonal, mixture_of
from seqgap.kernels._nets.mixtures import log_density, scratch_rows

_BLOCK = 1024  # rows that are summed in the dtype of x; blocks are added in float64
_VECTORS = 4  # of a tile


@generated
def _add_moments(mixture: Any, tile: Any, shift: Any, shares: Any, room: Any, sums: Any) -> Any:
    """Add a tile of four vectors to the sums, vectors that lie as `_length` counts them."""

    def of_diagonal(mixture: Any, tile: Any, shift: Any, shares: Any, room: Any, sums: Any) -> None:
        components, dim = mixture.mean.shape
        _add_diagonal(components, dim, shift, tile, shares, sums)

    def of_full(mixture: Any, tile: Any, shift: Any, shares: Any, room: Any, sums: Any) -> None:
        (components, dim), width = mixture.mean.shape, lanes(sums)
        pitch, size = _VECTORS * width, (dim + 1) * (dim + 2) // 2 * width
        for k in range(components):
            _offsets(dim, moved(shift, k * dim), tile, room)
            _add_products(dim + 1, moved(shares, k * pitch), room, moved(sums, k * size))

    return of_diagonal if mixture.instance_class is Diagonal else of_full


@jit_exact
def _add_diagonal(components: Any, dim: Any, shifts: Any, tile: Any, shares: Any, sums: Any) -> None:
    """For each component the sum of r, those of r u, and those of r u^2."""
    isolate()
    width, pitch = lanes(sums), _VECTORS * lanes(sums)
    for k in range(components):
        share, shift = read_four(moved(shares, k * pitch)), moved(shifts, k * dim)
        total = moved(sums, k * (2 * dim + 1) * width)
        write(total, 0, add_up(share, read(total, 0)))
        for d in range(dim):
            offset = minus_four(read_four(moved(tile, d * pitch)), spread(shift, d))
            part, first, second = times_four(share, offset), (1 + d) * width, (1 + dim + d) * width
            write(total, first, add_up(part, read(total, first)))
            write(total, second, dot_four(part, offset, read(total, second)))


@jit_exact
def _offsets(dim: Any, shift: Any, tile: Any, offsets: Any) -> None:
    """offsets = (1, u)."""
    isolate()
    width, pitch = lanes(tile), _VECTORS * lanes(tile)
    write_four(offsets, four_of(filled(tile, number(tile, 1))))
    for d in range(dim):
        for at in range(d * pitch, (d + 1) * pitch, width):
            write(offsets, pitch + at, read(tile, at) - spread(shift, d))


@jit_exact
def _add_products(count: Any, share: Any, offsets: Any, sums: Any) -> None:
    """sums += r u_i u_j, j <= i < count, row by row of the lower triangle."""
    isolate()
    width, pitch, to = lanes(sums), _VECTORS * lanes(sums), 0
    shares = read_four(share)
    for i in range(count):
        left = times_four(shares, read_four(moved(offsets, i * pitch)))
        for j in range(i + 1):
            right = read_four(moved(offsets, j * pitch))
            write(sums, to, dot_four(left, right, read(sums, to)))
            to += width


@jit_exact
def _leave_out(first: Any, rows: Any, tile: Any) -> None:
    """Entries from `first` on become 0 in so many rows of a tile: those of rows that it only repeats."""
    isolate()
    pitch = _VECTORS * lanes(tile)
    for row in range(rows):
        for at in range(first, pitch):
            put(tile, row * pitch + at, number(tile, 0))


@jit_exact
def _clear(vectors: Any, sums: Any) -> None:
    isolate()
    for index in range(vectors):
        write(sums, index * lanes(sums), filled(sums, number(sums, 0)))


@jit_exact
def _moment_rows(lo: Any, hi: Any, source: Any, shift: Any, partial: Any, *arrays: Any) -> None:
    """A row of `partial` for each block of rows; the last of its entries is the sum of log p(x)."""
    isolate()
    mixture, width = mixture_of(arrays), lanes(source)
    (components, dim), vectors, pitch = shift.shape, partial.shape[1], _VECTORS * lanes(source)
    block, density = scratch(dim + width, pitch, source), scratch(1, pitch, source)
    space, room = scratch(scratch_rows(mixture), pitch, source), scratch(dim + 1, pitch, source)
    sums = scratch(vectors, width, source)
    for start in range(lo, hi, _BLOCK):
        stop = min(start + _BLOCK, hi)
        _clear(vectors, address(sums, 0))
        for n in range(start, stop, pitch):
            tile, score, shares, total = (
                address(block, 0), address(density, 0), address(space, 0), address(sums, 0),
            )  # fmt: skip
            load_block(n, stop, source, block)
            log_density(mixture, tile, score, shares, pitch)
            if stop - n < pitch:
                _leave_out(stop - n, components, shares)
                _leave_out(stop - n, 1, score)
            _add_moments(mixture, tile, address(shift, 0), shares, address(room, 0), total)
            last = moved(total, (vectors - 1) * width)
            write(last, 0, add_up(read_four(score), read(last, 0)))
        for index in range(vectors):
            partial[start // _BLOCK, index] = sum_lanes(read(address(sums, 0), index * width))


_moments = RowKernel(_moment_rows, WORTH_HEAVY, _BLOCK)


def _length(components: int, dim: int, full: bool) -> int:
    """How many sums there are: for each component those of a triangle or of a diagonal, and one more."""
    return components * ((dim + 1) * (dim + 2) // 2 if full else 2 * dim + 1) + 1


def moments(x: Array, arrays: Arrays, shift: Array, threads: int) -> tuple[Array, float]:
    """(sums of each component, (K, ...), and the sum of log p(x)), in float64.

    arrays: the fields of a `Diagonal` or `Full`; shift: (K, D) of the dtype of x. Diagonal components have
    the sums of r, r u, r u^2 one after another, full ones those of r (1, u) (1, u)^T up to its diagonal.
    """
    components, dim = shift.shape
    length = _length(components, dim, len(arrays) != len(Diagonal._fields))
    partial = np.empty((-(-len(x) // _BLOCK), length), x.dtype)
    _moments(threads, *x.shape, x, shift, partial, *arrays)
    total = partial.sum(0, dtype=float)
    return total[:-1].reshape(components, -1), float(total[-1])
