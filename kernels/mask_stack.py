"""A stack of K affine layers with binary masks and scalar conditioners.

Layer k keeps the entries with mask 1 and transforms the others: cond = mean of the kept entries,
s = clamp(a_s cond + b_s, -5, 5), t = a_t cond + b_t, x_i = z_i exp(s) + t; log_det adds s once for
each transformed entry. A layer that keeps nothing has cond = 0. Masked coupling as in Dinh,
Sohl-Dickstein and Bengio (2017), equation 9.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed
from seqgap.kernels._core.simd import filled, fma, lanes, load, scratch, store
from seqgap.kernels._core.tiles import from_tile, to_tile
from seqgap.kernels._core.vecmath import clamp, exp_normal

_S_LIMIT = 5.0  # s is clamped to [-5, 5]
_LAYERS = 4  # of random_params


class Params(NamedTuple):
    """Masks and conditioners of the layers."""

    masks: Array  # (K, D) bool, True = kept
    theta: Array  # (K, 4), a_s, b_s, a_t, b_t of each layer, float64 or float32

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.masks", self.masks, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.theta", self.theta)

    @property
    def layout(self) -> dict[str, int]:
        """The number of layers."""
        return {"layers": check.shape("params.masks", self.masks, 2)[0]}


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Four layers of alternating masks, well-conditioned theta from normals of `seed`."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    masks = (np.arange(dim) + np.arange(_LAYERS)[:, None]) % 2 == 0
    theta = standard_normal(_LAYERS, 4, seed, rng=rng, stream=1) * [0.3, 0.2, 0.5, 0.5]
    return Params(masks, theta.astype(real))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, ...]:
    masks = check.masks("params.masks", params.masks, dim)
    theta = check.shaped("params.theta", params.theta, dtype, (masks.shape[0], 4))
    return masks, theta


# A tile holds as many rows as a vector has lanes, side by side: a column for each row, so that the mean of
# what a layer keeps is a sum of vectors, and s and t come for all rows at once. Each layer visits only the
# entries that it transforms and those that the next one reads, by lists made beforehand.


@jit_exact
def _visits(masks: Any, sign: Any) -> tuple[Any, Any]:
    """(lists, ends), the layers in their order, or with sign -1 in the reverse order.

    For step k, 0 before the first layer, lists[part, ends[k, part] : ends[k + 1, part]] are the entries
    that it transforms and the next one keeps, those that it transforms only, and those that both keep.
    """
    layers, dim = masks.shape
    # One place more than is ever kept: what is not wanted is written there and overwritten.
    lists, ends = np.empty((3, (layers + 1) * dim + 1), np.int32), np.zeros((layers + 2, 3), np.int64)
    both, only, kept = 0, 0, 0
    for step in range(layers + 1):
        k = step - 1 if sign > 0 else layers - step
        first, last = step == 0, step == layers
        for d in range(dim):
            passed = first or masks[k, d]
            wanted = not last and masks[k + sign, d]
            lists[0, both] = lists[1, only] = lists[2, kept] = d
            both += wanted and not passed
            only += not (wanted or passed)
            kept += wanted and passed
        ends[step + 1, 0], ends[step + 1, 1], ends[step + 1, 2] = both, only, kept
    return lists, ends


def _visit(sign: int) -> Any:
    """One layer on a tile, with scale exp(sign s) and shift t."""

    @jit_inline
    def moved(tile: Any, entry: Any, scale: Any, shift: Any) -> Any:
        """Transform an entry of all rows; what it has become."""
        at = entry * lanes(tile)
        value = load(tile, at, None)
        value = fma(value, scale, shift) if sign > 0 else (value - shift) * scale
        store(tile, at, value, None)
        return value

    @jit_inline
    def visit(tile: Any, lists: Any, ends: Any, k: Any, scale: Any, shift: Any) -> Any:
        """Step k; the sum of what the next one keeps, by four sums taken in turn."""
        width = lanes(tile)
        a = b = c = d = filled(tile, tile.dtype.type(0))
        i = ends[k, 0]
        while i + 3 < ends[k + 1, 0]:
            a = a + moved(tile, lists[0, i], scale, shift)
            b = b + moved(tile, lists[0, i + 1], scale, shift)
            c = c + moved(tile, lists[0, i + 2], scale, shift)
            d = d + moved(tile, lists[0, i + 3], scale, shift)
            i += 4
        while i < ends[k + 1, 0]:
            a = a + moved(tile, lists[0, i], scale, shift)
            i += 1
        for i in range(ends[k, 1], ends[k + 1, 1]):
            moved(tile, lists[1, i], scale, shift)
        i = ends[k, 2]
        while i + 3 < ends[k + 1, 2]:
            a = a + load(tile, lists[2, i] * width, None)
            b = b + load(tile, lists[2, i + 1] * width, None)
            c = c + load(tile, lists[2, i + 2] * width, None)
            d = d + load(tile, lists[2, i + 3] * width, None)
            i += 4
        while i < ends[k + 1, 2]:
            a = a + load(tile, lists[2, i] * width, None)
            i += 1
        return (a + b) + (c + d)

    return visit


def _rows(sign: int) -> Any:
    """Forward, or with -1 the inverse, from the last layer on."""
    visit = _visit(sign)

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, masks: Any, theta: Any) -> None:
        isolate()
        (layers, dim), width, real = masks.shape, lanes(source), source.dtype.type
        lists, ends = _visits(masks, sign)
        tile = scratch(dim + width, width, source)
        zero = filled(source, real(0))
        for n in range(lo, hi, width):
            to_tile(n, hi, source, tile, 0)
            total = zero
            kept_sum = visit(tile, lists, ends, 0, zero, zero)
            for index in range(layers):
                k = index if sign > 0 else layers - 1 - index
                changed = ends[index + 2, 0] - ends[index + 1, 0] + ends[index + 2, 1] - ends[index + 1, 1]
                condition = kept_sum / real(max(dim - changed, 1))
                s = clamp(fma(theta[k, 0], condition, theta[k, 1]), real(_S_LIMIT)) * real(sign)
                total = fma(s, real(changed), total)
                shift = fma(theta[k, 2], condition, theta[k, 3])
                kept_sum = visit(tile, lists, ends, index + 1, exp_normal(s), shift)
            from_tile(n, hi, target, tile, 0)
            store(log_det, n, total, min(width, hi - n))

    return rows


_family = Family(Params, _arrays, _rows(1), _rows(-1))
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
