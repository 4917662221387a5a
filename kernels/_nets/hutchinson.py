"""Densities of continuous flows with Hutchinson's estimate of the trace, on the probes of each row."""

from typing import NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import TOGETHER, add_base, part_from
from seqgap.kernels._nets import ode
from seqgap.kernels._nets.ode_rows import Arrays

NOISES = ("rademacher", "gaussian")
_STREAM = 2**32 - 1  # of probes: far from those of samples
_NUMBERS = 2**17  # of a chunk of rows and probes, that it stays in the cache


class Draw(NamedTuple):
    """Which probes rows have."""

    noise: str  # of NOISES
    probes: int  # of each row
    seed: int
    first_row: int

    def rows(self, start: int, stop: int, dim: int, dtype: np.dtype[np.floating]) -> Array:
        """Those of rows of a batch, (N, P D)."""
        normals = standard_normal(
            stop - start, self.probes * dim, self.seed, first_row=self.first_row + start, stream=_STREAM,
            dtype=dtype,
        )  # fmt: skip
        return normals if self.noise == "gaussian" else np.copysign(1, normals)


def estimate(lo: int, hi: int, x: Array, density: Array, draw: Draw, arrays: Arrays) -> None:
    """Write the densities of rows lo to hi - 1, some rows with their probes at a time."""
    dim = x.shape[1]
    size = TOGETHER * max(1, _NUMBERS // (TOGETHER * dim * (1 + draw.probes)))
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        wide = np.hstack([x[start:stop], draw.rows(start, stop, dim, x.dtype)])
        target, own = np.empty_like(wide), density[start:stop]
        with part_from(start):
            ode.solve(0, stop - start, (wide, target, own), arrays)
        own /= draw.probes
        add_base(np.ascontiguousarray(target[:, :dim]), own)
