"""Rows of a mixture of Gaussians as they are drawn: the component of each, and what its normals become.

A row's bits depend on its number and the seed alone: its normals are those of stream 0, its component comes
of one uniform of stream 2**32 - 1.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill, philox
from seqgap.kernels._core.simd import filled, fma, lanes, load, select, store

_NORMALS, _UNIFORMS = np.uint32(0), np.uint32(2**32 - 1)  # streams
_32, _21, _11 = np.uint64(32), np.uint64(21), np.uint64(11)


@jit_inline
def _uniform(row: Any, seed: Any, stream: Any) -> Any:
    """k / 2**53, k the top 53 bits of the first two words of a row of a stream."""
    low, high = np.uint32(np.uint64(row)), np.uint32(np.uint64(row) >> _32)
    words = philox(np.uint32(0), low, high, np.uint32(stream), np.uint32(seed), np.uint32(seed >> _32))
    bits = (np.uint64(words[0]) << _21) | (np.uint64(words[1]) >> _11)
    return np.float64(np.int64(bits)) * np.float64(2.0**-53)


@jit_exact
def fill_uniforms(uniforms: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """One uniform of each row from first_row on, float64 or rounded to float32."""
    isolate()
    for i in range(uniforms.shape[0]):
        uniforms[i] = _uniform(first_row + i, seed, stream)


@jit_inline
def _component(uniform: Any, cumulative: Any) -> Any:
    """The first k with uniform < cumulative[k], by halves; the last one where there is none.

    Without branches: at random ones a processor guesses wrong half of the time.
    """
    first, left = 0, cumulative.shape[0] - 1
    while left > 0:
        half = (left + 1) // 2
        first += select(uniform < cumulative[first + half - 1], 0, half)
        left -= half
    return first


@jit_inline
def _block(x: Any, row: Any, at: Any, count: Any, k: Any, mean: Any, factor: Any) -> None:
    """One vector of mean_k + L_k z, of entries from `at` on, over those of z in a row of x."""
    dim = x.shape[1]
    value = load(mean, k * dim + at, count)
    for j in range(min(at + lanes(x), dim)):
        value = fma(filled(x, x[row, j]), load(factor, (k * dim + j) * dim + at, count), value)
    store(x, row * dim + at, value, count)


@jit_inline
def _multiply(x: Any, row: Any, k: Any, mean: Any, factor: Any) -> None:
    """The normals z in a row of x become mean_k + L_k z."""
    dim, width = x.shape[1], lanes(x)
    rest = dim % width
    if rest:
        _block(x, row, dim - rest, rest, k, mean, factor)
    for index in range(dim // width):  # last entries first: an entry of L z needs those before it
        _block(x, row, dim - rest - (index + 1) * width, None, k, mean, factor)


@generated
def _place(x: Any, start: Any, uniforms: Any, cumulative: Any, mean: Any, factor: Any) -> Any:
    """Rows of normals z, from `start` on and one for each uniform, become mean_k + L_k z.

    factor: (K, D), the diagonals of L_k, or (K, D, D), the transposed L_k.
    """

    def diagonal(x: Any, start: Any, uniforms: Any, cumulative: Any, mean: Any, factor: Any) -> None:
        for i in range(uniforms.shape[0]):
            k = _component(uniforms[i], cumulative)
            for d in range(x.shape[1]):
                x[start + i, d] = fma(factor[k, d], x[start + i, d], mean[k, d])

    def full(x: Any, start: Any, uniforms: Any, cumulative: Any, mean: Any, factor: Any) -> None:
        for i in range(uniforms.shape[0]):
            _multiply(x, start + i, _component(uniforms[i], cumulative), mean, factor)

    return diagonal if factor.ndim == 2 else full


@jit_exact
def sample_rows(
    lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, cumulative: Any, mean: Any, factor: Any
) -> None:
    """Rows first_row + lo, ... of x. cumulative: (K,) sums of weights, float64; factor: as in `_place`."""
    isolate()
    size = 64 * max(1, 1024 // (64 * x.shape[1]))  # rows in the first-level cache, or if long in the second
    uniforms = np.empty(size)
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        fill(x[start:stop], first_row + start, seed, _NORMALS)
        drawn = uniforms[: stop - start]
        fill_uniforms(drawn, first_row + start, seed, _UNIFORMS)
        _place(x, start, drawn, cumulative, mean, factor)
