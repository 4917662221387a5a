"""Planar flow: K layers x = z + u_hat tanh(w^T z + b), forward from layer 0 on.

u_hat = u + (m(w^T u) - w^T u) w / |w|^2 with m(a) = -1 + log(1 + e^a), so that w^T u_hat > -1 and a layer can
be inverted; where w = 0 a layer is a shift and u_hat = u. log_det = sum of log(1 + (1 - tanh^2) w^T u_hat),
which is log(tanh^2 + (1 - tanh^2) softplus(w^T u)), where nothing cancels. Rezende and Mohamed, "Variational
inference with normalizing flows" (2015), equations 10 to 12 and appendix A.1.

The layers act on each other through one number each: with a_k = w_k^T z + b_k of the first z, and G = w
u_hat^T, a layer bends a_k + sum of G[k, j] tanh_j over the layers before it, and x = z + sum of u_hat_k
tanh_k. So a flow is two matrix products with K dependent steps between them. `inverse` is the same from the
last layer on, where each step is the root of one monotone function of one number, a + w^T u_hat tanh(a + b) =
w^T x, by Newton's method in a bracket; then z = x - u_hat tanh(a + b).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import filled, fma, lanes, magnitude, number, select, sum_lanes
from seqgap.kernels._core.vecmath import log, tanh
from seqgap.kernels._nets.blocks import block_rows
from seqgap.kernels._nets.dense import address, moved, product, read, spread, write

_STEPS = 100  # of Newton's method at most; bisection alone needs as many as a float64 has bits


class Params(NamedTuple):
    """K layers, float64 or float32."""

    weight: Array  # (K, D), w
    direction: Array  # (K, D), u
    bias: Array  # (K,), b

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.weight", self.weight, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.weight", self.weight)

    @property
    def layout(self) -> dict[str, int]:
        """The number of layers."""
        return {"layers": check.shape("params.weight", self.weight, 2)[0]}


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, layers: int = 16, dtype: DTypeLike = np.float64
) -> Params:
    """Well-conditioned layers from normals of `seed`: w and u of length about 1 and 1/2."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    layers, key = check.count("layers", layers, 1), key_of(seed, rng)
    weight, direction = (standard_normal(layers, dim, key, stream=s) / np.sqrt(dim) for s in (1, 2))
    bias = standard_normal(1, layers, key, stream=3)[0]
    return Params(weight.astype(real), (0.5 * direction).astype(real), bias.astype(real))


class _Layers(NamedTuple):
    """What the kernels read."""

    weight: Any  # (K, D)
    u_hat: Any  # (D, K)
    bias: Any  # (K,)
    cross: Any  # (K, K): w_k^T u_hat_j
    opening: Any  # (K,): 1 + w^T u_hat, which is softplus(w^T u)
    seen: Any  # (K,): D, how many entries each row of weight sees
    moved_by: Any  # (D,): K
    zeros: Any  # (D,)
    limit: Any  # relative change of a root that is rounding


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    layers = check.shape("params.weight", check.floats("params.weight", params.weight, 2), 2)[0]
    weight = check.shaped("params.weight", params.weight, dtype, (layers, dim))
    direction = check.shaped("params.direction", params.direction, dtype, (layers, dim))
    bias = check.shaped("params.bias", params.bias, dtype, (layers,))
    w, u = weight.astype(float), direction.astype(float)
    sizes = np.abs(w).max(1)
    check.between(
        f"params.weight: rows that are not 0, for {dtype}", sizes[sizes > 0], *check.squarable(dtype)
    )
    inner, square = (w * u).sum(1), (w * w).sum(1)
    opening = np.where(square > 0, np.logaddexp(0, inner), 1)
    gain = opening - 1
    u_hat = u + ((gain - inner) / np.where(square > 0, square, 1))[:, None] * w
    cross = w @ u_hat.T
    np.fill_diagonal(cross, gain)
    columns = np.ascontiguousarray(u_hat.T.astype(dtype))
    ends = np.full(layers, dim), np.full(dim, layers)
    limit = 2 * float(np.finfo(dtype).eps)
    numbers = cross.astype(dtype), opening.astype(dtype)
    return ((weight, columns, bias, *numbers, *ends, np.zeros(dim, dtype), limit),)


@jit_inline
def _slope(bent: Any, opening: Any, start: Any) -> Any:
    """1 + (1 - tanh^2) w^T u_hat as a sum of what is not negative."""
    return fma(opening, fma(-bent, bent, number(start, 1)), bent * bent)


@jit_exact
def _bend(pitch: Any, gain: Any, opening: Any, values: Any, log_det: Any, limit: Any) -> None:
    """values = tanh(values); log_det += log of the slope."""
    isolate()
    for at in range(0, pitch, lanes(values)):
        bent = tanh(read(values, at))
        write(values, at, bent)
        write(log_det, at, read(log_det, at) + log(_slope(bent, spread(opening, 0), values)))


@jit_exact
def _unbend(pitch: Any, gain: Any, opening: Any, values: Any, log_det: Any, limit: Any) -> None:
    """values = tanh(a) with a + gain tanh(a) = values; log_det -= log of the slope.

    Newton's method from values on, by halves where it would leave the bracket. A lane whose last step was
    rounding rests, so that it does not depend on the others; one that is not finite rests at once.
    """
    isolate()
    one, two, zero = number(values, 1), number(values, 2), number(values, 0)
    for at in range(0, pitch, lanes(values)):
        wanted, slant, width = read(values, at), spread(gain, 0), spread(opening, 0)
        low, high = wanted - magnitude(slant), wanted + magnitude(slant)
        root, moving, resting = wanted, filled(values, one), filled(values, zero)
        for _ in range(_STEPS):
            bent = tanh(root)
            excess = fma(slant, bent, root) - wanted
            low, high = select(excess < zero, root, low), select(excess < zero, high, root)
            step, middle = root - excess / _slope(bent, width, values), (low + high) / two
            step = select(step < low, middle, select(step > high, middle, step))
            rounding = number(values, limit) * (one + magnitude(root))
            change, root = magnitude(step - root), select(moving > zero, step, root)
            moving = select(change > rounding, moving, resting)
            if sum_lanes(moving) == 0:
                break
        bent = tanh(root)
        write(values, at, bent)
        write(log_det, at, read(log_det, at) - log(_slope(bent, width, values)))


@jit_exact
def _pass_on(pitch: Any, k: Any, cross: Any, layers: Any, bends: Any, sign: Any) -> None:
    """Layers after k (sign 1) or before it (-1) see what layer k has added: sign cross[j, k] bends[k]."""
    isolate()
    first, last = (k + 1, layers) if sign > 0 else (0, k)
    for j in range(first, last):
        factor = spread(cross, j * layers + k) * number(bends, sign)
        for at in range(0, pitch, lanes(bends)):
            value = read(bends, j * pitch + at)
            write(bends, j * pitch + at, fma(factor, read(bends, k * pitch + at), value))


@jit_exact
def _add(count: Any, sign: Any, source: Any, target: Any) -> None:
    """target += sign source."""
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, fma(read(source, at), filled(target, number(target, sign)), read(target, at)))


def _flow(bend: Any, sign: int) -> Any:
    """All layers, from the first on or, where sign is -1, from the last."""

    @jit_inline
    def flow(work: Any, arrays: Any) -> None:
        layer = _Layers(*arrays[0])
        (layers, dim), pitch = layer.weight.shape, work.first.shape[1]
        tile, result, log_det = address(work.first, 0), address(work.second, 0), address(work.sums, 0)
        bends, bias, cross = address(work.sums, pitch), address(layer.bias, 0), address(layer.cross, 0)
        lines, seen = address(layer.weight, 0), address(layer.seen, 0)
        product(lines, dim, bias, seen, tile, bends, pitch, layers)
        for index in range(layers):
            k = index if sign > 0 else layers - 1 - index
            gain, opening = moved(cross, k * (layers + 1)), address(layer.opening, k)
            bend(pitch, gain, opening, moved(bends, k * pitch), log_det, layer.limit)
            _pass_on(pitch, k, cross, layers, bends, sign)
        lines, moved_by = address(layer.u_hat, 0), address(layer.moved_by, 0)
        product(lines, layers, address(layer.zeros, 0), moved_by, bends, result, pitch, dim)
        _add(dim * pitch, sign, result, tile)

    return flow


_sums = jit_inline(lambda arrays: arrays[0][0].shape[0])
_to_data, _to_latent = (block_rows(flow, _sums) for flow in (_flow(_bend, 1), _flow(_unbend, -1)))
_family = Family(Params, _arrays, _to_data, _to_latent, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
