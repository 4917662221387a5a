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
from seqgap.kernels._jit import isolate, jit_exact, jit_inline
from seqgap.kernels._simd import filled, fma, lanes, load, load_mask, scratch, select, store, sum_lanes
from seqgap.kernels._vecmath import clamp, exp_normal
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


# A tile of rows, as many as a vector has lanes, goes through all layers in the first-level cache, where
# each row is filled up with zeros that no mask keeps. s and t of a layer are computed for all rows of
# a tile at once. Flat indices, not views of rows: to make a view costs as much as to read 16 entries.


@jit_exact
def _padded(masks: Any, width: Any) -> Any:
    """The masks with False up to a multiple of `width`."""
    layers, dim = masks.shape
    result = np.zeros((layers, (dim + width - 1) // width * width), np.bool_)
    for k in range(layers):
        for d in range(dim):
            result[k, d] = masks[k, d]
    return result


@jit_exact
def _kept(masks: Any, like: Any) -> Any:
    """How many entries each mask keeps, in the dtype of `like`."""
    result = np.zeros(masks.shape[0], like.dtype)
    for k in range(masks.shape[0]):
        count = 0
        for d in range(masks.shape[1]):
            count += masks[k, d]
        result[k] = like.dtype.type(count)
    return result


@jit_inline
def _read(source: Any, start: Any, tile: Any, row: Any, masks: Any, mask: Any) -> Any:
    """Copy a row of the batch to the tile; the sum of its kept entries. `row`, `mask`: flat indices."""
    dim, width = source.shape[1], lanes(source)
    zeros = filled(source, source.dtype.type(0))
    total, rest = zeros, dim % width
    for d in range(0, dim - rest, width):
        value = load(source, start + d, None)
        store(tile, row + d, value, None)
        total = total + select(load_mask(masks, mask + d, tile), value, zeros)
    if rest:
        value = load(source, start + dim - rest, rest)
        store(tile, row + dim - rest, value, None)
        total = total + select(load_mask(masks, mask + dim - rest, tile), value, zeros)
    return sum_lanes(total)


@jit_inline
def _write(tile: Any, row: Any, target: Any, start: Any) -> None:
    """Copy a row of the tile to the batch."""
    dim, width = target.shape[1], lanes(target)
    rest = dim % width
    for d in range(0, dim - rest, width):
        store(target, start + d, load(tile, row + d, None), None)
    if rest:
        store(target, start + dim - rest, load(tile, row + dim - rest, None), rest)


@jit_inline
def _scaled(value: Any, scale: Any, shift: Any) -> Any:
    return fma(value, scale, shift)


@jit_inline
def _unscaled(value: Any, scale: Any, shift: Any) -> Any:
    return (value - shift) * scale


def _rows(step: Any, sign: int) -> Any:
    """step(entry, exp(sign s), t) through the layers, the last one first where sign is -1."""

    @jit_inline
    def apply(tile: Any, row: Any, masks: Any, mask: Any, following: Any, scale: Any, shift: Any) -> Any:
        """One layer on a row of the tile; the sum of what the following mask keeps of it."""
        zeros = filled(tile, tile.dtype.type(0))
        # What is kept is scaled by 1 and shifted by a zero that changes no sign: to select the result
        # would be made a store of some lanes, which the next layer could not load from at once.
        one, none = tile.dtype.type(1), tile.dtype.type(-0.0 if sign > 0 else 0.0)
        total = zeros
        for d in range(0, tile.shape[1], lanes(tile)):
            keep = load_mask(masks, mask + d, tile)
            value = load(tile, row + d, None)
            value = step(value, select(keep, one, scale), select(keep, none, shift))
            store(tile, row + d, value, None)
            total = total + select(load_mask(masks, following + d, tile), value, zeros)
        return sum_lanes(total)

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, given_masks: Any, theta: Any) -> None:
        isolate()
        (layers, dim), width, real = given_masks.shape, lanes(source), source.dtype.type
        masks, kept = _padded(given_masks, width), _kept(given_masks, source)
        padded, first = masks.shape[1], 0 if sign > 0 else layers - 1
        tile = scratch(width, padded, source)
        sums, scales, shifts = np.zeros((3, width), source.dtype)
        for n in range(lo, hi, width):
            number = min(width, hi - n)
            for r in range(number):
                sums[r] = _read(source, (n + r) * dim, tile, r * padded, masks, first * padded)
            total, k = filled(source, real(0)), first
            for _ in range(layers):
                condition = load(sums, 0, None) / max(kept[k], real(1))
                s = clamp(fma(theta[k, 0], condition, theta[k, 1]), real(_S_LIMIT)) * real(sign)
                total = fma(s, real(dim) - kept[k], total)
                store(scales, 0, exp_normal(s), None)
                store(shifts, 0, fma(theta[k, 2], condition, theta[k, 3]), None)
                mask, k = k * padded, min(max(k + sign, 0), layers - 1)
                for r in range(number):
                    sums[r] = apply(tile, r * padded, masks, mask, k * padded, scales[r], shifts[r])
            for r in range(number):
                _write(tile, r * padded, target, (n + r) * dim)
            store(log_det, n, total, number)

    return rows


_verbs = Verbs(_arrays, _rows(_scaled, 1), _rows(_unscaled, -1))


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
