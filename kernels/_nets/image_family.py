"""The verbs of a flow over images: those of every flow, a temperature, and bits per dimension."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.image_rows import to_data, to_latent

# Elements that are worth a thread: a conditioner of 64 hidden channels takes 130 ns for each, on an Emerald
# Rapids; to wake a thread takes 50 microseconds.
WORTH_IMAGES = 2048


class ImageFamily(Family):
    """A family whose parameters become a `Program`, or what other rows take. worth: as in `Family`."""

    together = 1  # a row is an image that nothing shares

    def __init__(
        self, params: type[Any], arrays: Callable[..., tuple[Any, ...]], worth: int = WORTH_IMAGES,
        rows: tuple[Callable[..., Any], Callable[..., Any]] = (to_data, to_latent),
    ) -> None:  # fmt: skip
        super().__init__(params, arrays, *rows, worth)

    def sample(
        self, n: int, params: Any, seed: Seed = None, *, temperature: float = 1.0, rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """`forward` of temperature times the normals of `seed`: (n, D), the dtype of params.

        temperature: at least 0; below 1 samples are more alike (Kingma and Dhariwal 2018, section 6). Else as
        in the `sample` of every flow: rows first_row to first_row + n - 1; seed or rng.
        """
        check.instance("params", params, self.params)
        heat, key = check.nonnegative("temperature", temperature), key_of(seed, rng)
        return self._sample(n, params.dim, params, key, first_row, out, threads, temperature=heat)

    def bits_per_dim(self, x: ArrayLike, params: Any, *, bins: int = 256, threads: int = 1) -> Array:
        """-log_prob(x) / (D log 2) + log2(bins), shape (N,), dtype of x.

        x: pixels of `bins` values, brought to [0, 1) with uniform noise of width 1 / bins added; bins = 1 of
        numbers that are continuous. Errors as `log_prob`.
        """
        count = check.count("bins", bins, 1)
        density = self.log_prob(x, params, threads=threads)
        bits = -density / (params.dim * math.log(2)) + math.log2(count)
        return np.asarray(bits, density.dtype)
