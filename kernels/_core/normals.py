"""Standard normals from a counter, checked and on threads; `seqgap.kernels.normal` says how they are made."""

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel, normal_rows
from seqgap.kernels._core.seeds import RNG, Seed, key_of

_standard_normal = RowKernel(normal_rows, WORTH_HEAVY)


def standard_normal(
    n: int,
    dim: int,
    seed: Seed = None,
    *,
    rng: RNG = None,
    first_row: int = 0,
    stream: int = 0,
    dtype: DTypeLike = np.float64,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """Independent N(0, 1) values, shape (n, dim): rows first_row to first_row + n - 1 of a stream.

    Element (i, j) is the same bits for every n, dim, chunking, thread count and machine with fused
    multiply-add. float32 and float64 are different draws. The largest absolute value is 8.6 in
    float64 and 6.8 in float32.

    seed, rng: as in the `sample` of a family. stream: 0 <= stream < 2**32, independent sets for one
    seed; the `random_params` functions use streams from 1. dtype: float64 or float32.

    Raises TypeError or ValueError for a wrong n, dim, seed, rng, first_row, stream, dtype, out, threads.
    """
    n, dim = check.count("n", n), check.count("dim", dim, 1)
    real = check.dtype(dtype)
    key, row = key_of(seed, rng), check.first_row(first_row, n)
    lane = np.uint32(check.integer("stream", stream, 0, 2**32 - 1))
    threads = check.threads(threads)
    result = check.output(out, real, (n, dim))
    _standard_normal(threads, n, dim, result, row, key, lane)
    return result
