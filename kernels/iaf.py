"""Inverse autoregressive flow: the layers of `maf` run the other way round, x_i = scale_i z_i + shift_i.

Kingma et al., "Improving variational inference with inverse autoregressive flow" (2016), equations 10 to 13.
The networks see z, so `forward`, the sampling direction, is one pass of each, and `inverse` takes D dependent
steps in each layer: with the same weights iaf.forward does what maf.inverse does, and maf.forward undoes it.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels import maf
from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._core.family import HeavyVerbs
from seqgap.kernels._nets.affine import ROWS, masked_arrays


class Params(maf.Params):
    """The fields of maf.Params, with layer 0 next to x: iaf.Params(*p) undoes the flow of a maf.Params p."""

    __slots__ = ()


def random_params(
    dim: int, seed: int, *, layers: int = 1, depth: int = 1, width: int = 128, activation: str = "relu",
    scale: str = "softclip", residual: bool = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Those of maf.random_params."""
    return Params(
        *maf.random_params(
            dim, seed, layers=layers, depth=depth, width=width, activation=activation, scale=scale,
            residual=residual, dtype=dtype,
        )
    )  # fmt: skip


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    check.instance("params", params, Params)
    return masked_arrays(params, dtype, dim)


_verbs = HeavyVerbs(_arrays, ROWS[2], ROWS[0])


def forward(
    z: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data, one pass of each network: (x, log_det), shapes (N, D) and (N,), dtype of z.

    x_i = scale_i z_i + shift_i, layer 0 last; log_det = sum of log scale_i. z: (N, D), float64 or float32
    (integers become float64). Raises TypeError or ValueError for wrong arguments.
    """
    return _verbs.forward(z, params, out, threads)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent, D dependent steps in each layer: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_i = (x_i - shift_i) / scale_i from layer 0 on; log_det = -sum of log scale_i. Errors as `forward`.
    """
    return _verbs.inverse(x, params, out, threads)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x; errors as `forward`."""
    return _verbs.log_prob(x, params, threads)


def sample(
    n: int, params: Params, seed: int, *, first_row: int = 0, out: Array | None = None, threads: int = 1
) -> Array:
    """`forward` of the normals of `seed`, drawn on the way: (n, D), dtype of params.bias_out.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. Errors as `forward`.
    """
    check.instance("params", params, Params)
    bias = check.floats("params.bias_out", params.bias_out, 3)
    dim = check.count("params.bias_out features", bias.shape[1], 1)
    dtype = FLOAT32 if bias.dtype == FLOAT32 else FLOAT64
    return _verbs.sample(n, dim, dtype, params, seed, first_row, out, threads)
