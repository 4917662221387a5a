"""The four verbs, built from a family's two row kernels; the modules add names and docstrings."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import SMALL, SMALL_FOR_HEAVY, HeavyKernel, RowKernel, isolate, jit, tile_rows
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.philox import fill

_LOG_2_PI = math.log(2 * math.pi)


class Verbs:
    """forward, inverse, log_prob and sample of one family.

    arrays(params, dtype, dim) validates a `Params` and returns the arrays of the row kernels, which
    are `rows(lo, hi, source, target, log_det, *arrays)`. A family whose Params do not fix D checks
    what it can. small: batches of fewer elements stay on one thread.
    """

    def __init__(
        self,
        arrays: Callable[..., tuple[Any, ...]],
        forward_rows: Callable[..., Any],
        inverse_rows: Callable[..., Any],
        small: int = SMALL,
    ) -> None:
        self._arrays = arrays
        self._forward = RowKernel(forward_rows, small)
        self._inverse = RowKernel(inverse_rows, small)
        self._log_prob = RowKernel(_log_prob_rows(inverse_rows), small)
        self._sample = RowKernel(_sample_rows(forward_rows), SMALL_FOR_HEAVY)

    def forward(self, z: Any, params: Any, out: Any, threads: int, *options: Any) -> tuple[Array, Array]:
        """Latent to data; `options` go to `arrays`."""
        return self._transform(self._forward, "z", z, params, out, threads, *options)

    def inverse(self, x: Any, params: Any, out: Any, threads: int) -> tuple[Array, Array]:
        """Data to latent."""
        return self._transform(self._inverse, "x", x, params, out, threads)

    def _transform(
        self, kernel: RowKernel, name: str, given: Any, params: Any, out: Any, threads: int, *options: Any
    ) -> tuple[Array, Array]:
        source = self._batch(name, given)
        n, dim = source.shape
        arrays = self._arrays(params, source.dtype, dim, *options)
        threads = check.threads(threads)
        if out is None:
            target = np.empty_like(source)
        else:
            target, source = check.output_like(out, source, name, given, **_named(params))
        log_det = np.empty(n, source.dtype)
        if threads == 1:  # the shortest way: for one row most of the time is the call
            kernel.rows(0, n, source, target, log_det, *arrays)
        else:
            kernel(threads, n, dim, source, target, log_det, *arrays)
        return target, log_det

    _batch = staticmethod(check.batch)

    def plan(self, verb: str, params: Any, dim: int, dtype: np.dtype[Any]) -> Callable[..., None]:
        """run(source, target, log_det) of "forward" or "inverse", unchecked and on one thread."""
        rows = (self._forward if verb == "forward" else self._inverse).rows
        arrays = self._arrays(params, dtype, dim)

        def run(source: Array, target: Array, log_det: Array) -> None:
            rows(0, source.shape[0], source, target, log_det, *arrays)

        return run

    def log_prob(self, x: Any, params: Any, threads: int) -> Array:
        """Log density of the rows of x."""
        source = check.batch("x", x)
        n, dim = source.shape
        arrays = self._arrays(params, source.dtype, dim)
        threads = check.threads(threads)
        density = np.empty(n, source.dtype)
        self._log_prob(threads, n, dim, source, density, *arrays)
        return density

    def nll(self, x: Any, params: Any) -> float:
        """Minus the mean log density of the rows of x, at least one."""
        density = self.log_prob(x, params, 1)
        if not density.size:
            raise ValueError("x: expected at least 1 row, got none")
        return -float(np.mean(density, dtype=np.float64))

    def sample(
        self, n: int, dim: int, dtype: Any, params: Any, seed: int, first_row: int, out: Any, threads: int
    ) -> Array:
        """Rows first_row to first_row + n - 1 of the sample of a seed."""
        n = check.count("n", n)
        arrays = self._arrays(params, dtype, dim)
        key, row = check.seed(seed), check.first_row(first_row, n)
        threads = check.threads(threads)
        target = check.output(out, dtype, (n, dim), **({} if out is None else _named(params)))
        self._sample(threads, n, dim, target, row, key, *arrays)
        return target


class HeavyVerbs(Verbs):
    """The verbs of a family whose row kernels are much work for each row and take seconds to compile.

    So they are compiled once, for serial, parallel and fused use and for read-only batches too.
    """

    def __init__(
        self,
        arrays: Callable[..., tuple[Any, ...]],
        forward_rows: Callable[..., Any],
        inverse_rows: Callable[..., Any],
    ) -> None:
        self._arrays = arrays
        self._forward = self._sample = HeavyKernel(forward_rows)
        self._inverse = self._log_prob = HeavyKernel(inverse_rows)

    @staticmethod
    def _batch(name: str, given: Any) -> Array:
        source = check.batch(name, given)
        return source if source.flags.writeable else source.copy()

    def log_prob(self, x: Any, params: Any, threads: int) -> Array:
        """Log density of the rows of x."""
        z, log_det = self.inverse(x, params, None, threads)
        add_base(z, log_det)
        return log_det

    def sample(
        self, n: int, dim: int, dtype: Any, params: Any, seed: int, first_row: int, out: Any, threads: int
    ) -> Array:
        """Rows first_row to first_row + n - 1 of the sample of a seed."""
        n = check.count("n", n)
        arrays = self._arrays(params, dtype, dim)
        target = check.output(out, dtype, (n, dim), **({} if out is None else _named(params)))
        z = standard_normal(n, dim, seed, first_row=first_row, dtype=dtype, threads=threads)
        self._forward(threads, n, dim, z, target, np.empty(n, dtype), *arrays)
        return target


@jit
def add_base(z: Any, log_det: Any) -> None:
    """log_det += log N(z; 0, I) of each row."""
    isolate()
    half, constant = z.dtype.type(0.5), z.dtype.type(0.5 * _LOG_2_PI * z.shape[1])
    for n in range(z.shape[0]):
        squares = z.dtype.type(0)
        for d in range(z.shape[1]):
            squares += z[n, d] * z[n, d]
        log_det[n] -= half * squares + constant


def _named(params: Any) -> dict[str, Any]:
    """The fields of `params` by name, for the overlap check."""
    return {f"params.{key}": value for key, value in params._asdict().items()}


def _log_prob_rows(inverse_rows: Callable[..., Any]) -> Callable[..., Any]:
    @jit
    def log_prob_rows(lo: Any, hi: Any, x: Any, density: Any, *arrays: Any) -> None:
        isolate()
        dim = x.shape[1]
        tile = tile_rows(dim)
        z = np.empty((tile, dim), x.dtype)
        half = x.dtype.type(0.5)
        constant = x.dtype.type(0.5 * _LOG_2_PI * dim)
        for first in range(lo, hi, tile):
            last = min(first + tile, hi)
            inverse_rows(0, last - first, x[first:last], z, density[first:last], *arrays)
            for n in range(last - first):
                squares = x.dtype.type(0)
                for d in range(dim):
                    squares += z[n, d] * z[n, d]
                density[first + n] -= half * squares + constant

    return log_prob_rows


def _sample_rows(forward_rows: Callable[..., Any]) -> Callable[..., Any]:
    @jit
    def sample_rows(lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, *arrays: Any) -> None:
        isolate()
        dim = x.shape[1]
        tile = tile_rows(dim)
        z, log_det = np.empty((tile, dim), x.dtype), np.empty(tile, x.dtype)
        for first in range(lo, hi, tile):
            last = min(first + tile, hi)
            rows = last - first
            fill(z[:rows], first_row + first, seed, np.uint32(0))
            forward_rows(0, rows, z, x[first:last], log_det, *arrays)

    return sample_rows
