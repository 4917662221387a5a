"""Mixtures of Gaussians at the rows that lie side by side in the lanes of a tile: log p(x), and its gradient.

With the factor L_k of the k-th covariance and y_k = L_k^-1 (x - mean_k), component k adds exp(a_k) to p(x),
a_k = log w_k - D / 2 log(2 pi) - log |det L_k| - |y_k|^2 / 2. With the responsibilities r_k = exp(a_k) / p(x)
the gradient of log p is -sum of r_k L_k^-T y_k. Bishop, "Pattern recognition and machine learning" (2006),
section 9.2.

Functions take addresses of tiles, whose rows have `pitch` numbers. One call of `evaluate` is all that a step
of a chain needs.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, number, select
from seqgap.kernels._core.vecmath import exp_negative, log
from seqgap.kernels._nets.dense import address, moved, product, read, spread, write
from seqgap.kernels._nets.fours import add_four, four_of, minus_four, read_four, times_four, write_four
from seqgap.kernels._nets.mixture_tables import Diagonal


@generated
def scratch_rows(mixture: Any) -> Any:
    """How many rows of `pitch` numbers `log_density` and `evaluate` need for themselves."""

    def of_diagonal(mixture: Any) -> Any:
        return mixture.mean.shape[0]

    def of_full(mixture: Any) -> Any:
        components, dim = mixture.mean.shape
        return components + dim + components * dim

    return of_diagonal if mixture.instance_class is Diagonal else of_full


@generated
def log_density(mixture: Any, tile: Any, density: Any, scratch: Any, pitch: Any) -> Any:
    """density = log p(x): one row for a tile of D rows.

    mixture: a `Diagonal` or `Full`; scratch: a tile of `scratch_rows`, whose first K rows become the r_k. So
    far away that every |y_k|^2 overflows, log p(x) is -inf and the r_k are NaN.
    """

    def of_diagonal(mixture: Any, tile: Any, density: Any, scratch: Any, pitch: Any) -> None:
        components, dim = mixture.mean.shape
        numbers = address(mixture.mean, 0), address(mixture.rate, 0), address(mixture.log_weight, 0)
        if pitch == 4 * lanes(tile):
            _distances_of_four(components, dim, numbers, tile, scratch)
        else:
            _distances(components, dim, numbers, tile, scratch, pitch)
        _normalise(components, scratch, density, pitch)

    def of_full(mixture: Any, tile: Any, density: Any, scratch: Any, pitch: Any) -> None:
        (components, dim), mean = mixture.mean.shape, address(mixture.mean, 0)
        inverse, seen = address(mixture.inverse, 0), address(mixture.seen, 0)
        zeros = address(mixture.zeros, 0)
        log_weight, offset = address(mixture.log_weight, 0), moved(scratch, components * pitch)
        for k in range(components):
            whitened = moved(offset, (1 + k) * dim * pitch)
            line, logit = moved(inverse, k * dim * dim), moved(scratch, k * pitch)
            _subtract(dim, moved(mean, k * dim), tile, offset, pitch)
            if pitch == 4 * lanes(tile):
                _whiten(dim, line, offset, whitened, moved(log_weight, k), logit)
            else:
                product(line, dim, zeros, seen, offset, whitened, pitch, dim)
                _half_square(dim, moved(log_weight, k), whitened, logit, pitch)
        _normalise(components, scratch, density, pitch)

    return of_diagonal if mixture.instance_class is Diagonal else of_full


@generated
def _gradient(mixture: Any, tile: Any, score: Any, scratch: Any, pitch: Any) -> Any:
    """score = gradient of log p(x), of what `log_density` has left in scratch."""

    def of_diagonal(mixture: Any, tile: Any, score: Any, scratch: Any, pitch: Any) -> None:
        components, dim = mixture.mean.shape
        mean, precision = address(mixture.mean, 0), address(mixture.precision, 0)
        _pull(components, dim, mean, precision, tile, (scratch, score), pitch)

    def of_full(mixture: Any, tile: Any, score: Any, scratch: Any, pitch: Any) -> None:
        components, dim = mixture.mean.shape
        whitened = moved(scratch, (components + dim) * pitch)
        _weigh(components, dim, scratch, whitened, pitch)
        ends, zeros = address(mixture.all_seen, 0), address(mixture.zeros, 0)
        product(address(mixture.gradient, 0), components * dim, zeros, ends, whitened, score, pitch, dim)

    return of_diagonal if mixture.instance_class is Diagonal else of_full


@jit_inline
def evaluate(mixture: Any, tile: Any, score: Any, density: Any, scratch: Any, pitch: Any) -> None:
    """score = gradient of log p(x), a tile of D rows, and density = log p(x), one row, for a tile of D rows.

    As in `log_density`; score is NaN where density is -inf. score may be the tile itself.
    """
    log_density(mixture, tile, density, scratch, pitch)
    _gradient(mixture, tile, score, scratch, pitch)


@jit_exact
def _distances(components: Any, dim: Any, numbers: Any, tile: Any, logits: Any, pitch: Any) -> None:
    """logits = a_k of diagonal components; numbers: addresses of mean, rate and log_weight."""
    isolate()
    for k in range(components):
        mean, rate = moved(numbers[0], k * dim), moved(numbers[1], k * dim)
        for at in range(0, pitch, lanes(tile)):
            square = filled(tile, number(tile, 0))
            for d in range(dim):
                value = (read(tile, d * pitch + at) - spread(mean, d)) * spread(rate, d)
                square = fma(value, value, square)
            write(logits, k * pitch + at, fma(number(tile, -0.5), square, spread(numbers[2], k)))


@jit_exact
def _distances_of_four(components: Any, dim: Any, numbers: Any, tile: Any, logits: Any) -> None:
    """`_distances` of a tile of four vectors, its bits."""
    isolate()
    pitch, half = 4 * lanes(tile), four_of(filled(tile, number(tile, -0.5)))
    for k in range(components):
        mean, rate = moved(numbers[0], k * dim), moved(numbers[1], k * dim)
        squares = four_of(filled(tile, number(tile, 0)))
        for d in range(dim):
            offsets = minus_four(read_four(moved(tile, d * pitch)), spread(mean, d))
            values = times_four(offsets, four_of(spread(rate, d)))
            squares = add_four(values, values, squares)
        write_four(moved(logits, k * pitch), add_four(half, squares, four_of(spread(numbers[2], k))))


@jit_exact
def _normalise(components: Any, logits: Any, density: Any, pitch: Any) -> None:
    """density = log of the sum of exp(logits), which become the responsibilities."""
    isolate()
    zero, lowest = number(density, 0), number(density, -np.inf)
    for at in range(0, pitch, lanes(density)):
        largest, total = read(logits, at), filled(density, zero)
        for k in range(1, components):
            logit = read(logits, k * pitch + at)
            largest = select(largest < logit, logit, largest)
        largest = select(largest > lowest, largest, zero)  # else -inf less -inf, where p(x) is 0
        for k in range(components):
            share = exp_negative(read(logits, k * pitch + at) - largest)
            write(logits, k * pitch + at, share)
            total = total + share
        write(density, at, largest + log(total))
        rate = number(density, 1) / total
        for k in range(components):
            write(logits, k * pitch + at, read(logits, k * pitch + at) * rate)


@jit_exact
def _pull(
    components: Any, dim: Any, means: Any, precisions: Any, tile: Any, results: Any, pitch: Any
) -> None:
    """score = sum of r_k (mean_k - x) / scale_k^2; results: addresses of the r_k and of the score."""
    isolate()
    shares, score = results
    for d in range(dim):
        for at in range(0, pitch, lanes(tile)):
            value, total = read(tile, d * pitch + at), filled(tile, number(tile, 0))
            for k in range(components):
                offset = (spread(means, k * dim + d) - value) * spread(precisions, k * dim + d)
                total = fma(offset, read(shares, k * pitch + at), total)
            write(score, d * pitch + at, total)


@jit_exact
def _subtract(dim: Any, mean: Any, tile: Any, offset: Any, pitch: Any) -> None:
    """offset = x - mean."""
    isolate()
    for d in range(dim):
        for at in range(d * pitch, (d + 1) * pitch, lanes(tile)):
            write(offset, at, read(tile, at) - spread(mean, d))


@jit_exact
def _whiten(dim: Any, inverse: Any, offset: Any, whitened: Any, log_weight: Any, logits: Any) -> None:
    """`product` and `_half_square` of a tile of four vectors, their bits, two rows at a time."""
    isolate()
    pitch = 4 * lanes(offset)
    zeros = four_of(filled(offset, number(offset, 0)))
    squares = zeros
    for i in range(0, dim, 2):
        paired = i + 1 < dim
        line, first, second = moved(inverse, i * dim), zeros, zeros
        below = moved(line, dim if paired else 0)
        for j in range(i + 1):
            values = read_four(moved(offset, j * pitch))
            first = add_four(four_of(spread(line, j)), values, first)
            second = add_four(four_of(spread(below, j)), values, second)
        write_four(moved(whitened, i * pitch), first)
        squares = add_four(first, first, squares)
        if paired:
            values = read_four(moved(offset, (i + 1) * pitch))
            second = add_four(four_of(spread(below, i + 1)), values, second)
            write_four(moved(whitened, (i + 1) * pitch), second)
            squares = add_four(second, second, squares)
    half, constant = four_of(filled(offset, number(offset, -0.5))), four_of(spread(log_weight, 0))
    write_four(logits, add_four(half, squares, constant))


@jit_exact
def _half_square(dim: Any, log_weight: Any, whitened: Any, logits: Any, pitch: Any) -> None:
    """logits = log_weight - |y|^2 / 2."""
    isolate()
    for at in range(0, pitch, lanes(logits)):
        total = filled(logits, number(logits, 0))
        for d in range(dim):
            value = read(whitened, d * pitch + at)
            total = fma(value, value, total)
        write(logits, at, fma(number(logits, -0.5), total, spread(log_weight, 0)))


@jit_exact
def _weigh(components: Any, dim: Any, shares: Any, whitened: Any, pitch: Any) -> None:
    """y_k *= r_k."""
    isolate()
    for k in range(components):
        for d in range(k * dim, (k + 1) * dim):
            for at in range(0, pitch, lanes(shares)):
                value = read(whitened, d * pitch + at) * read(shares, k * pitch + at)
                write(whitened, d * pitch + at, value)
