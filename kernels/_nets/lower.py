"""Lower triangular matrices times, and solved for, the rows of a batch that lie in the lanes of a tile.

Both are products of `dense`, so that multiplying and solving do the same multiply-adds at the same rate.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes
from seqgap.kernels._nets.dense import address, product, read, spread, write

BLOCK = 8


class Lower(NamedTuple):
    """The map y = bias + matrix x, and what `dense.product` needs of it: addresses keep nothing alive."""

    matrix: Any  # (D, D), read up to its diagonal
    bias: Any  # (D,)
    rate: Any  # (D,): reciprocals of the diagonal
    starts: Any  # (D,): where the block of each row starts
    zeros: Any  # (D,)


def lower(matrix: Array, bias: Array) -> tuple[Array, ...]:
    """The fields of a `Lower`."""
    starts = np.arange(len(bias)) // BLOCK * BLOCK
    return matrix, bias, 1 / np.diag(matrix), starts, np.zeros_like(bias)


@jit_inline
def multiply(vectors: Any, factor: Any, source: Any, target: Any) -> None:
    """target = bias + matrix source, tiles of D rows."""
    matrix, bias, starts = factor.matrix, factor.bias, factor.starts
    dim, pitch = matrix.shape[0], source.shape[1]
    for start in range(0, dim, BLOCK):
        count, lines, sums = (
            min(BLOCK, dim - start),
            address(matrix, start * dim),
            address(target, start * pitch),
        )
        ends, shifts = address(starts, start), address(bias, start)
        product(vectors, lines, dim, shifts, ends, address(source, 0), sums, pitch, count)
        square, block = address(matrix, start * (dim + 1)), address(source, start * pitch)
        _multiply_block(pitch, square, dim, block, sums, count)


@jit_inline
def solve(vectors: Any, factor: Any, values: Any, sums: Any) -> None:
    """values = matrix^-1 (values - bias) in place; sums: a tile of a block's rows for this alone."""
    matrix, bias, rate, starts, zeros = factor.matrix, factor.bias, factor.rate, factor.starts, factor.zeros
    dim, pitch = matrix.shape[0], values.shape[1]
    known, totals = address(values, 0), address(sums, 0)
    for start in range(0, dim, BLOCK):
        count, lines = min(BLOCK, dim - start), address(matrix, start * dim)
        ends = address(starts, start)
        product(vectors, lines, dim, address(zeros, 0), ends, known, totals, pitch, count)
        square, block = address(matrix, start * (dim + 1)), address(values, start * pitch)
        _subtract_bias(pitch, address(bias, start), block, count)
        _solve_block(pitch, square, dim, address(rate, start), block, totals, count)


@jit_exact
def _multiply_block(pitch: Any, square: Any, width: Any, source: Any, sums: Any, count: Any) -> None:
    """Add to the sums of a block's rows what the rows of the block give."""
    isolate()
    for at in range(0, pitch, lanes(sums)):
        for i in range(count):
            total = read(sums, i * pitch + at)
            for j in range(i + 1):
                total = fma(spread(square, i * width + j), read(source, j * pitch + at), total)
            write(sums, i * pitch + at, total)


@jit_inline
def _subtract_bias(pitch: Any, bias: Any, values: Any, count: Any) -> None:
    for i in range(count):
        shift = spread(bias, i)
        for at in range(i * pitch, (i + 1) * pitch, lanes(values)):
            write(values, at, read(values, at) - shift)


@jit_exact
def _solve_block(pitch: Any, square: Any, width: Any, rate: Any, values: Any, sums: Any, count: Any) -> None:
    """The rows of a block, one after another; each is added to the sums of those after it at once."""
    isolate()
    step = lanes(values)
    for i in range(count):
        factor = spread(rate, i)
        for at in range(i * pitch, (i + 1) * pitch, step):
            write(values, at, (read(values, at) - read(sums, at)) * factor)
        for row in range(i + 1, count):
            weight = spread(square, row * width + i)
            for at in range(0, pitch, step):
                total = fma(weight, read(values, i * pitch + at), read(sums, row * pitch + at))
                write(sums, row * pitch + at, total)
