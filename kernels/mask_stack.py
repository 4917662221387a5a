"""A stack of K affine layers with binary masks and scalar conditioners.

Layer k keeps the entries with mask 1 and transforms the others: cond = mean of the kept entries,
s = clamp(a_s cond + b_s, -5, 5), t = a_t cond + b_t, x_i = z_i exp(s) + t; log_det adds s once for
each transformed entry. A layer that keeps nothing has cond = 0. Masked coupling as in Dinh,
Sohl-Dickstein and Bengio (2017), equation 9.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels import _check
from seqgap.kernels._check import FLOAT32, FLOAT64, Array
from seqgap.kernels._jit import fma, isolate, jit
from seqgap.kernels._vecmath import clamp, exp
from seqgap.kernels._verbs import Verbs
from seqgap.kernels.normal import standard_normal

_S_LIMIT = 5.0  # s is clamped to [-5, 5]
_LAYERS = 4  # of random_params


class Params(NamedTuple):
    """Masks and conditioners of the layers."""

    masks: Array  # (K, D) bool, True = kept
    theta: Array  # (K, 4), a_s, b_s, a_t, b_t of each layer, float64 or float32


def random_params(dim: int, seed: int, *, dtype: DTypeLike = np.float64) -> Params:
    """Four layers of alternating masks, well-conditioned theta from normals of `seed`."""
    dim, kind = _check.count("dim", dim, 1), _check.dtype(dtype)
    masks = (np.arange(dim) + np.arange(_LAYERS)[:, None]) % 2 == 0
    theta = standard_normal(_LAYERS, 4, seed, stream=1) * [0.3, 0.2, 0.5, 0.5]
    return Params(masks, theta.astype(kind))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, ...]:
    _check.instance("params", params, Params)
    masks = _check.asarray("params.masks", params.masks)
    if masks.dtype != np.bool_:
        raise TypeError(f"params.masks: expected dtype bool, got {masks.dtype}")
    if masks.ndim != 2 or masks.shape[0] == 0 or masks.shape[1] != dim:
        raise ValueError(f"params.masks: expected shape (K, {dim}) with K at least 1, got {masks.shape}")
    theta = _check.shaped("params.theta", params.theta, dtype, (masks.shape[0], 4))
    return np.ascontiguousarray(masks), theta


@jit
def _layer(row: Any, mask: Any, theta: Any) -> Any:
    """(s, t, number of transformed entries) of one layer for one row."""
    kept, total = 0, row.dtype.type(0)
    for d in range(row.shape[0]):
        kept += mask[d]
        total += row[d] if mask[d] else row.dtype.type(0)
    condition = total / row.dtype.type(max(kept, 1))
    limit = row.dtype.type(_S_LIMIT)
    s = clamp(fma(theta[0], condition, theta[1]), limit)
    return s, fma(theta[2], condition, theta[3]), row.dtype.type(row.shape[0] - kept)


@jit
def _forward_rows(lo: Any, hi: Any, z: Any, x: Any, log_det: Any, masks: Any, theta: Any) -> None:
    isolate()
    for n in range(lo, hi):
        total = z.dtype.type(0)
        row = x[n]
        row[:] = z[n]
        for k in range(masks.shape[0]):
            mask = masks[k]
            s, t, transformed = _layer(row, mask, theta[k])
            scale = exp(s)
            for d in range(row.shape[0]):
                row[d] = row[d] if mask[d] else fma(row[d], scale, t)
            total += s * transformed
        log_det[n] = total


@jit
def _inverse_rows(lo: Any, hi: Any, x: Any, z: Any, log_det: Any, masks: Any, theta: Any) -> None:
    isolate()
    for n in range(lo, hi):
        total = x.dtype.type(0)
        row = z[n]
        row[:] = x[n]
        for k in range(masks.shape[0] - 1, -1, -1):
            mask = masks[k]
            s, t, transformed = _layer(row, mask, theta[k])
            rate = exp(-s)
            for d in range(row.shape[0]):
                row[d] = row[d] if mask[d] else (row[d] - t) * rate
            total -= s * transformed
        log_det[n] = total


_verbs = Verbs(_arrays, _forward_rows, _inverse_rows)


def forward(
    z: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data through layers 0 to K - 1: (x, log_det), shapes (N, D) and (N,), dtype of z.

    z: (N, D), float64 or float32 (integers become float64). Raises TypeError or ValueError for wrong
    arguments, masks that are not bool among them.
    """
    return _verbs.forward(z, params, out, threads)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent through layers K - 1 to 0: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_i = (x_i - t) exp(-s) for the transformed entries of each layer. Errors as `forward`.
    """
    return _verbs.inverse(x, params, out, threads)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x; errors as `forward`."""
    return _verbs.log_prob(x, params, threads)


def sample(
    n: int, params: Params, seed: int, *, first_row: int = 0, out: Array | None = None, threads: int = 1
) -> Array:
    """`forward` of the normals of `seed`, drawn on the way: (n, D), dtype of params.theta.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. Errors as `forward`.
    """
    _check.instance("params", params, Params)
    theta = _check.floats("params.theta", params.theta, 2)
    masks = _check.asarray("params.masks", params.masks)
    if masks.ndim != 2:
        raise ValueError(f"params.masks: expected 2 dimensions, got shape {masks.shape}")
    dim = _check.count("params.masks columns", masks.shape[1], 1)
    dtype = FLOAT32 if theta.dtype == FLOAT32 else FLOAT64
    return _verbs.sample(n, dim, dtype, params, seed, first_row, out, threads)
