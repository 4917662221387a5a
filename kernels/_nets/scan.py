"""Chains of affine steps in one pass: the noise of each step counts for what later steps leave of it."""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.simd import fma, scratch
from seqgap.kernels._nets.dense import address, entry, put


@jit_exact
def _weigh(count: Any, eps: Any, weights: Any, target: Any) -> None:
    """target += weights eps, number by number."""
    isolate()
    for at in range(count):
        put(target, at, fma(entry(weights, at), entry(eps, at), entry(target, at)))


@jit_exact
def scan_rows(lo: Any, hi: Any, x: Any, noise: Any, streams: Any, weights: Any, affine: Any) -> None:
    """x <- gain x + offset + the sum over t of weights[t] eps_t, in place; affine: (2, D) gain and offset."""
    isolate()
    first_row, key = noise
    dim = x.shape[1]
    size = 32 * max(1, 1024 // (32 * dim))  # rows in the first-level cache
    normals = scratch(size, dim, x)
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        for n in range(start, stop):
            for d in range(dim):
                x[n, d] = fma(affine[0, d], x[n, d], affine[1, d])
        for t in range(streams.shape[0]):
            fill(normals[: stop - start], first_row + start, key, streams[t])
            for n in range(start, stop):
                eps = address(normals, (n - start) * dim)
                _weigh(dim, eps, address(weights, t * dim), address(x, n * dim))
