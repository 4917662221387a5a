"""Radial flow: K layers x = z + beta h (z - c), h = 1 / (alpha + r), r = |z - c|, forward from layer 0 on.

beta = softplus(b) - alpha > -alpha, so that a layer can be inverted. log_det = sum of (D - 1) log(1 + beta h)
+ log(1 + alpha beta h^2), the last term being 1 + beta h - beta r h^2. Rezende and Mohamed, "Variational
inference with normalizing flows" (2015), equations 13 and 14 and appendix A.2.

`inverse` is closed: with R = |x - c| and s = alpha + beta - R, r = (sqrt(s^2 + 4 alpha R) - s) / 2 and z = c
+ (x - c) r / R.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba.np.numpy_support import as_dtype
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import filled, fma, lanes, number, select, square_root
from seqgap.kernels._core.vecmath import log
from seqgap.kernels._nets.blocks import block_rows
from seqgap.kernels._nets.dense import address, read, spread, write


class Params(NamedTuple):
    """K layers, float64 or float32."""

    center: Array  # (K, D), c
    alpha: Array  # (K,), above 0
    beta: Array  # (K,), b: beta is softplus(b) - alpha

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.center", self.center, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.center", self.center)

    @property
    def layout(self) -> dict[str, int]:
        """The number of layers."""
        return {"layers": check.shape("params.center", self.center, 2)[0]}


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, layers: int = 16, dtype: DTypeLike = np.float64
) -> Params:
    """Well-conditioned layers from normals of `seed`: centres among the data, alpha about sqrt(D)."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    layers, key = check.count("layers", layers, 1), key_of(seed, rng)
    center = standard_normal(layers, dim, key, stream=1)
    log_alpha, beta = standard_normal(2, layers, key, stream=2)
    alpha = np.sqrt(dim) * np.exp(0.3 * log_alpha)
    return Params(center.astype(real), alpha.astype(real), (alpha + 0.3 * beta).astype(real))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, ...]:
    """c, alpha, softplus(b), beta."""
    layers = check.shape("params.center", check.floats("params.center", params.center, 2), 2)[0]
    center = check.shaped("params.center", params.center, dtype, (layers, dim))
    alpha = check.shaped("params.alpha", params.alpha, dtype, (layers,))
    low, high = check.squarable(dtype)
    check.between("params.alpha", alpha, low, high)
    raw = check.shaped("params.beta", params.beta, dtype, (layers,))
    opening = np.logaddexp(0, raw.astype(float))
    least = 4 * float(np.finfo(dtype).tiny) * np.maximum(alpha, 1)  # where alpha / softplus(b) is a number
    check.between("params.beta: softplus(b)", opening, least, high)
    return center, alpha, opening.astype(dtype), (opening - alpha).astype(dtype)


@generated
def _farthest(like: Any) -> Any:
    """A distance whose square is far from the largest number; no layer moves what is farther."""
    dtype = as_dtype(like.dtype)
    value = dtype.type(math.sqrt(np.finfo(dtype).max) / 4)

    def call(like: Any) -> Any:
        return value

    return call


@jit_exact
def _distances(pitch: Any, dim: Any, center: Any, tile: Any, result: Any) -> None:
    """|row - c| of each row of a block, at most `_farthest`."""
    isolate()
    for at in range(0, pitch, lanes(tile)):
        even = odd = filled(tile, number(tile, 0))
        for d in range(0, dim - 1, 2):
            first = read(tile, d * pitch + at) - spread(center, d)
            second = read(tile, (d + 1) * pitch + at) - spread(center, d + 1)
            even, odd = fma(first, first, even), fma(second, second, odd)
        if dim % 2:
            last = read(tile, (dim - 1) * pitch + at) - spread(center, dim - 1)
            even = fma(last, last, even)
        distance, limit = square_root(even + odd), _farthest(tile)
        write(result, at, select(distance > limit, limit, distance))


@jit_inline
def _log_det(layer: Any, r: Any, dim: Any) -> Any:
    """Of a layer, latent to data; layer: addresses of alpha, softplus(b), beta."""
    alpha, two = spread(layer[0], 0), number(layer[0], 2)
    h = number(layer[0], 1) / (alpha + r)
    a, q, s, bend = alpha * h, r * h, spread(layer[1], 0) * h, spread(layer[2], 0) * h
    # Where beta h is small 1 + beta h is rounded once, and s + q three times.
    stretch = select(bend > number(layer[0], -0.5), number(layer[0], 1) + bend, s + q)
    return number(layer[0], dim - 1) * log(stretch) + log(fma(q, fma(two, a, q), a * s))


@jit_exact
def _stretch(pitch: Any, dim: Any, layer: Any, values: Any, log_det: Any) -> None:
    """values = beta h of r = values; log_det += that of the layer."""
    isolate()
    for at in range(0, pitch, lanes(values)):
        r = read(values, at)
        write(values, at, spread(layer[2], 0) / (spread(layer[0], 0) + r))
        write(log_det, at, read(log_det, at) + _log_det(layer, r, dim))


@jit_exact
def _shrink(pitch: Any, dim: Any, layer: Any, values: Any, log_det: Any) -> None:
    """values = r / R - 1 of R = values; log_det -= that of the layer. Of two forms of r / R the stable."""
    isolate()
    zero, one, two = number(values, 0), number(values, 1), number(values, 2)
    for at in range(0, pitch, lanes(values)):
        outer, alpha = read(values, at), spread(layer[0], 0)
        s = spread(layer[1], 0) - outer
        root = square_root(fma(s, s, two * two * alpha * outer))
        ratio = select(s > zero, two * alpha / (s + root), (root - s) / (two * outer))
        write(values, at, ratio - one)
        write(log_det, at, read(log_det, at) - _log_det(layer, ratio * outer, dim))


@jit_exact
def _move(pitch: Any, dim: Any, center: Any, rate: Any, tile: Any) -> None:
    """tile += rate (tile - c)."""
    isolate()
    for at in range(0, pitch, lanes(tile)):
        factor = read(rate, at)
        for d in range(dim):
            value = read(tile, d * pitch + at)
            write(tile, d * pitch + at, fma(factor, value - spread(center, d), value))


def _flow(scale: Any, sign: int) -> Any:
    """All layers, from the first on or, where sign is -1, from the last."""

    @jit_inline
    def flow(work: Any, arrays: Any) -> None:
        center, alpha, opening, beta = arrays
        (layers, dim), pitch = center.shape, work.first.shape[1]
        tile, log_det, rate = address(work.first, 0), address(work.sums, 0), address(work.sums, pitch)
        for index in range(layers):
            k = index if sign > 0 else layers - 1 - index
            middle = address(center, k * dim)
            layer = address(alpha, k), address(opening, k), address(beta, k)
            _distances(pitch, dim, middle, tile, rate)
            scale(pitch, dim, layer, rate, log_det)
            _move(pitch, dim, middle, rate, tile)

    return flow


_sums = jit_inline(lambda arrays: 1)
_to_data, _to_latent = (block_rows(flow, _sums) for flow in (_flow(_stretch, 1), _flow(_shrink, -1)))
_family = Family(Params, _arrays, _to_data, _to_latent, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
