"""Rows of a mixture of Gaussians as they are drawn: the component of each, and what its normals become.

A row's bits depend on its number and the seed alone: its normals are those of stream 0, its component comes
of one uniform of stream 2**32 - 1.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill, philox
from seqgap.kernels._core.simd import (
    bits_of,
    filled,
    fma,
    gather,
    lanes,
    load,
    number,
    select,
    store,
    to_float,
)

_NORMALS, _UNIFORMS = np.uint32(0), np.uint32(2**32 - 1)  # streams
UNIFORMS = np.uint32(2**31)  # stream of the uniforms of a step of a chain, less that of its normals
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


@jit_exact
def fill_uniforms_of_steps(uniforms: Any, row: Any, seed: Any, first_stream: Any) -> None:
    """One uniform of a row for each step of a chain, whose normals have streams from first_stream on."""
    isolate()
    for t in range(uniforms.shape[0]):
        uniforms[t] = _uniform(row, seed, first_stream + UNIFORMS + np.uint32(t))


@jit_exact
def choose(uniforms: Any, cumulative: Any) -> None:
    """Uniforms, a multiple of a vector of them, become the first k with u < cumulative[k], by halves.

    The last k where there is none. In lanes: at random branches a processor guesses wrong half of the time.
    """
    isolate()
    for at in range(0, uniforms.shape[0], lanes(uniforms)):
        uniform, left = load(uniforms, at, None), cumulative.shape[0] - 1
        first = bits_of(filled(uniforms, number(uniforms, 0)))
        while left > 0:
            half = (left + 1) // 2
            first = first + select(uniform < gather(cumulative, first + (half - 1)), 0, half)
            left -= half
        store(uniforms, at, to_float(first, uniform), None)


@jit_inline
def _scale(z: Any, row: Any, at: Any, count: Any, k: Any, mean: Any, factor: Any) -> Any:
    """One vector of mean_k + L_k z, of entries from `at` on: L_k by its diagonal."""
    start, entry = row * z.shape[1] + at, k * z.shape[1] + at
    return fma(load(factor, entry, count), load(z, start, count), load(mean, entry, count))


@jit_inline
def _multiply(z: Any, row: Any, at: Any, count: Any, k: Any, mean: Any, factor: Any) -> Any:
    """One vector of mean_k + L_k z, of entries from `at` on: L_k transposed."""
    dim = z.shape[1]
    value, line = load(mean, k * dim + at, count), k * dim * dim + at
    for j in range(min(at + lanes(z), dim)):
        value = fma(filled(z, z[row, j]), load(factor, line + j * dim, count), value)
    return value


def _placed(block: Any) -> Any:
    """`_place` with the vectors of a row by `block`."""

    def place(z: Any, chosen: Any, x: Any, mean: Any, factor: Any) -> None:
        dim, width = x.shape[1], lanes(x)
        rest = dim % width
        for i in range(chosen.shape[0]):
            k = np.int64(chosen[i])
            for at in range(0, dim - rest, width):
                store(x, i * dim + at, block(z, i, at, None, k, mean, factor), None)
            if rest:
                at = dim - rest
                store(x, i * dim + at, block(z, i, at, rest, k, mean, factor), rest)

    return place


_diagonal, _full = _placed(_scale), _placed(_multiply)


@generated
def _place(z: Any, chosen: Any, x: Any, mean: Any, factor: Any) -> Any:
    """x = mean_k + L_k z for rows of normals z, one for each chosen k.

    factor: (K, D), the diagonals of L_k, or (K, D, D), the transposed L_k.
    """
    return _diagonal if factor.ndim == 2 else _full


@jit_exact
def sample_rows(
    lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, cumulative: Any, mean: Any, factor: Any
) -> None:
    """Rows first_row + lo, ... of x. cumulative: (K,) sums of weights, float64; factor: as in `_place`."""
    isolate()
    size = 64 * max(1, 2048 // (64 * x.shape[1]))  # rows in the first-level cache, or if long in the second
    uniforms, z = np.empty(size), np.empty((size, x.shape[1]), x.dtype)
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        drawn, chosen = z[: stop - start], uniforms[: stop - start]
        fill(drawn, first_row + start, seed, _NORMALS)
        fill_uniforms(chosen, first_row + start, seed, _UNIFORMS)
        choose(uniforms, cumulative)
        _place(drawn, chosen, x[start:stop], mean, factor)
