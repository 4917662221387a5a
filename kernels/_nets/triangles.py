"""Triangular matrices times, and solved for, the rows of a batch that lie in the lanes of a tile.

Blocks of rows go one after another: what the entries outside of a block give is a product of `dense`, so that
multiplying and solving do the same multiply-adds at the same rate.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes
from seqgap.kernels._nets.dense import address, product, read, spread, write

BLOCK = 8


class Triangle(NamedTuple):
    """The map y = bias + matrix x, and what `dense.product` needs of it: addresses keep nothing alive."""

    matrix: Any  # (D, D), of which one triangle with the diagonal is read
    bias: Any  # (D,)
    rate: Any  # (D,): reciprocals of the diagonal
    before: Any  # (D,): entries before the block of each row
    after: Any  # (D,): entries after it
    zeros: Any  # (D,)


def triangle(matrix: Array, bias: Array) -> tuple[Array, ...]:
    """The fields of a `Triangle`."""
    before = np.arange(len(bias)) // BLOCK * BLOCK
    after = np.maximum(len(bias) - before - BLOCK, 0)
    return matrix, bias, 1 / np.diag(matrix), before, after, np.zeros_like(bias)


@jit_inline
def _outside(factor: Any, start: Any, upper: Any, source: Any, sums: Any, shifts: Any) -> None:
    """sums = shifts + what entries outside of the block at `start` give, on one side of the diagonal."""
    matrix, ends = factor.matrix, factor.after if upper else factor.before
    dim, pitch = matrix.shape[0], source.shape[1]
    count, first = min(BLOCK, dim - start), min(start + BLOCK, dim) if upper else 0
    lines, features = address(matrix, start * dim + first), address(source, first * pitch)
    product(lines, dim, shifts, address(ends, start), features, sums, pitch, count)


def _multiply(upper: bool) -> Any:
    @jit_inline
    def multiply(factor: Any, source: Any, target: Any) -> None:
        """target = bias + matrix source, tiles of D rows."""
        matrix, bias = factor.matrix, factor.bias
        dim, pitch = matrix.shape[0], source.shape[1]
        for start in range(0, dim, BLOCK):
            sums = address(target, start * pitch)
            _outside(factor, start, upper, source, sums, address(bias, start))
            square, features = address(matrix, start * (dim + 1)), address(source, start * pitch)
            multiply_block(pitch, square, dim, features, sums, min(BLOCK, dim - start))

    @jit_exact
    def multiply_block(pitch: Any, square: Any, width: Any, source: Any, sums: Any, count: Any) -> None:
        """Add to the sums of a block's rows what the entries of the block give."""
        isolate()
        for at in range(0, pitch, lanes(sums)):
            for i in range(count):
                total = read(sums, i * pitch + at)
                for j in range(i, count) if upper else range(i + 1):
                    total = fma(spread(square, i * width + j), read(source, j * pitch + at), total)
                write(sums, i * pitch + at, total)

    return multiply


def _solve(upper: bool) -> Any:
    @jit_inline
    def solve(factor: Any, values: Any, sums: Any) -> None:
        """values = matrix^-1 (values - bias) in place; sums: a tile of `BLOCK` rows for this alone."""
        matrix, bias, rate, zeros = factor.matrix, factor.bias, factor.rate, factor.zeros
        dim, pitch = matrix.shape[0], values.shape[1]
        blocks = (dim + BLOCK - 1) // BLOCK
        for index in range(blocks):
            start = (blocks - 1 - index if upper else index) * BLOCK
            totals, count = address(sums, 0), min(BLOCK, dim - start)
            _outside(factor, start, upper, values, totals, address(zeros, 0))
            square, block = address(matrix, start * (dim + 1)), address(values, start * pitch)
            _subtract(pitch, address(bias, start), totals, block, count)
            solve_block(pitch, square, dim, address(rate, start), block, count)

    @jit_exact
    def solve_block(pitch: Any, square: Any, width: Any, rate: Any, values: Any, count: Any) -> None:
        """The rows of a block, one after another; each is taken from those after it at once."""
        isolate()
        step = lanes(values)
        for index in range(count):
            i = count - 1 - index if upper else index
            factor = spread(rate, i)
            for at in range(i * pitch, (i + 1) * pitch, step):
                write(values, at, read(values, at) * factor)
            for row in range(i) if upper else range(i + 1, count):
                weight = -spread(square, row * width + i)
                for at in range(0, pitch, step):
                    value = fma(weight, read(values, i * pitch + at), read(values, row * pitch + at))
                    write(values, row * pitch + at, value)

    return solve


@jit_exact
def _subtract(pitch: Any, bias: Any, sums: Any, values: Any, count: Any) -> None:
    """values -= bias + sums."""
    isolate()
    for i in range(count):
        shift = spread(bias, i)
        for at in range(i * pitch, (i + 1) * pitch, lanes(values)):
            write(values, at, read(values, at) - shift - read(sums, at))


multiply_lower, multiply_upper = map(_multiply, (False, True))
solve_lower, solve_upper = map(_solve, (False, True))
