"""Rows of a mixture of Gaussians as they are drawn: the component of each, and what its normals become.

A row's bits depend on its number and the seed alone: its normals are those of stream 0, its component comes
of one uniform of stream 2**32 - 1.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill, philox
from seqgap.kernels._core.simd import filled, fma, lanes, load, store

_NORMALS, _UNIFORMS = np.uint32(0), np.uint32(2**32 - 1)  # streams
_32, _21, _11 = np.uint64(32), np.uint64(21), np.uint64(11)


@jit_exact
def _uniform(row: Any, seed: Any) -> Any:
    """k / 2**53, k the top 53 bits of the first two words of a row of the stream of uniforms."""
    low, high = np.uint32(np.uint64(row)), np.uint32(np.uint64(row) >> _32)
    words = philox(np.uint32(0), low, high, _UNIFORMS, np.uint32(seed), np.uint32(seed >> _32))
    bits = (np.uint64(words[0]) << _21) | (np.uint64(words[1]) >> _11)
    return np.float64(np.int64(bits)) * np.float64(2.0**-53)


@jit_exact
def _fill_uniforms(uniforms: Any, first_row: Any, seed: Any) -> None:
    isolate()
    for i in range(uniforms.shape[0]):
        uniforms[i] = _uniform(first_row + i, seed)


@jit_inline
def _component(uniform: Any, cumulative: Any) -> Any:
    """The first k with uniform < cumulative[k], by halves; the last one where there is none."""
    low, high = 0, cumulative.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if uniform < cumulative[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@generated
def _block(x: Any, at: Any, start: Any, count: Any, k: Any, mean: Any, factor: Any) -> Any:
    """One vector of mean_k + L_k z, of entries from `at` on; z is the row of x that starts at index `start`.

    factor: (K, D), the diagonals of L_k, or (K, D, D), the transposed L_k.
    """

    def diagonal(x: Any, at: Any, start: Any, count: Any, k: Any, mean: Any, factor: Any) -> Any:
        entry = k * x.shape[1] + at
        return fma(load(factor, entry, count), load(x, start + at, count), load(mean, entry, count))

    def full(x: Any, at: Any, start: Any, count: Any, k: Any, mean: Any, factor: Any) -> Any:
        dim, row = x.shape[1], start // x.shape[1]
        value = load(mean, k * dim + at, count)
        for j in range(min(at + lanes(x), dim)):
            value = fma(filled(x, x[row, j]), load(factor, (k * dim + j) * dim + at, count), value)
        return value

    return diagonal if factor.ndim == 2 else full


@jit_inline
def _place(x: Any, row: Any, k: Any, mean: Any, factor: Any) -> None:
    """The normals in a row of x become mean_k + L_k z; last entries first, since L_k needs those before."""
    dim, width = x.shape[1], lanes(x)
    start, rest = row * dim, dim % width
    if rest:
        store(x, start + dim - rest, _block(x, dim - rest, start, rest, k, mean, factor), rest)
    for index in range(dim // width):
        at = dim - rest - (index + 1) * width
        store(x, start + at, _block(x, at, start, None, k, mean, factor), None)


@jit_exact
def sample_rows(
    lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, cumulative: Any, mean: Any, factor: Any
) -> None:
    """Rows first_row + lo, ... of x. cumulative: (K,) sums of weights, float64; factor: as in `_block`."""
    isolate()
    size = 64 * max(1, 1024 // (64 * x.shape[1]))  # rows in the first-level cache, or if long in the second
    uniforms = np.empty(size)
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        fill(x[start:stop], first_row + start, seed, _NORMALS)
        _fill_uniforms(uniforms[: stop - start], first_row + start, seed)
        for n in range(start, stop):
            _place(x, n, _component(uniforms[n - start], cumulative), mean, factor)
