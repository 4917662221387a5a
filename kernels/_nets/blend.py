"""Models f(x) = sum of r_k(x) (gain_k x + offset_k), r_k the responsibilities of a mixture of Gaussians.

Such are velocities, scores and denoisers of data that are a mixture with diagonal covariances; each
evaluation has numbers of its own.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, number
from seqgap.kernels._nets.chain_rows import rows_of_tiles
from seqgap.kernels._nets.dense import address, moved, read, spread, write
from seqgap.kernels._nets.mixture_tables import Diagonal, diagonal_arrays
from seqgap.kernels._nets.mixtures import log_density


class Blend(NamedTuple):
    """What the kernels read for T evaluations, K components and D features."""

    log_weight: Any  # (T, K)
    mean: Any  # (T, K, D)
    rate: Any  # (T, K, D): reciprocals of standard deviations
    precision: Any  # (T, K, D): their squares
    gain: Any  # (T, K, D)
    offset: Any  # (T, K, D)


class Components(NamedTuple):
    """A mixture at T times and what it is multiplied with, in float64."""

    weight: Array  # (K,)
    mean: Array  # (T, K, D)
    scale: Array  # (T, K, D)
    gain: Array  # (T, K, D)
    offset: Array  # (T, K, D)


def blend(components: Components, dtype: np.dtype[Any]) -> Blend:
    """The components in a dtype."""
    pairs = zip(components.mean, components.scale, strict=True)
    known = [diagonal_arrays(components.weight, mean, scale) for mean, scale in pairs]
    mixture = (np.stack(field) for field in zip(*known, strict=True))
    tables = (*mixture, components.gain, components.offset)
    return Blend._make(np.ascontiguousarray(table, dtype) for table in tables)


@jit_exact
def _sum(components: Any, dim: Any, numbers: Any, shares: Any, source: Any, result: Any, pitch: Any) -> None:
    """result = sum of shares[k] (gain_k x + offset_k); numbers: addresses of gain and offset."""
    isolate()
    for d in range(dim):
        for at in range(0, pitch, lanes(source)):
            value, total = read(source, d * pitch + at), filled(source, number(source, 0))
            for k in range(components):
                index = k * dim + d
                part = fma(spread(numbers[0], index), value, spread(numbers[1], index))
                total = fma(read(shares, k * pitch + at), part, total)
            write(result, d * pitch + at, total)


@jit_inline
def on_tile(field: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """Evaluation `at` on a tile (D, pitch)."""
    components, dim = field.mean.shape[1:]
    mixture = Diagonal(field.log_weight[at], field.mean[at], field.rate[at], field.precision[at])
    shares = moved(space, pitch)
    log_density(mixture, source, space, shares, pitch)
    start = at * components * dim
    numbers = address(field.gain, start), address(field.offset, start)
    _sum(components, dim, numbers, shares, source, result, pitch)


@jit_inline
def tile_space(field: Any, pitch: Any) -> Any:
    """How many numbers of scratch `on_tile` takes."""
    return (1 + field.mean.shape[1]) * pitch


ROWS = rows_of_tiles(on_tile, tile_space)
