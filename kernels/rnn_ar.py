"""Recurrent network driven by noise: x_t = tanh(W x_{t-1} + bias + scale z_t), x_0 = 0.

A row is one series of T steps of D features, step after step: (N, T D). log_det of forward is the sum of
log scale_d + log(1 - x^2), taken from the pre-activations, since x near 1 has lost the digits; that of
inverse is of x itself. `inverse`, z = (atanh(x) - W x_{t-1} - bias) / scale, is one parallel pass; where
|x| = 1 it is infinite and beyond NaN.

With a `grid` the model is another one: x_t = tanh(W r(x_{t-1}) + bias + scale z_t) for every 64th t (t = 64,
128, ...), where r rounds to the nearest multiple of the grid, halves to even; x itself is never rounded. Both
directions feed the same r(x_{t-1}), so that they are inverse to each other, and log_det has the same formula.
Copies of a chain that are closer than the grid become equal there, which lets networks of many features go in
blocks (docs/forgetting.md).

Strategies of `forward`, all with the same bits: "steps", one step after another; "blocks", which cuts a long
series of a small batch into blocks that run side by side and are mended until they meet it
(`_nets/coalescence.py`), as far as the network forgets where it started. Elman, "Finding structure in time"
(1990), with noise as input.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import OpenFamily, StrategicFamily
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY, in_parts
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets import elman_inverse, elman_rows, elman_sums, elman_tiles
from seqgap.kernels._nets.coalescence import Chain, Memory, Series

LARGEST = 64  # features
_NEVER = 2**62 - 1  # the mask of steps that are all before the first rounding


class Params(NamedTuple):
    """Weights shared by all steps, float64 or float32."""

    weight: Array  # (D, D)
    bias: Array  # (D,)
    scale: Array  # (D,), above 0, no subnormal numbers
    grid: float = 0.0  # a power of two, at most 1, to whose multiples the state is rounded; 0: it never is

    @property
    def dim(self) -> None:
        """None: the weights are those of a series of any length."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.weight", self.weight)

    @property
    def layout(self) -> dict[str, int]:
        """The number of features."""
        return {"features": check.shape("params.weight", self.weight, 2)[0]}


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, features: int = 1, dtype: DTypeLike = np.float64
) -> Params:
    """Weights of size 0.7 / sqrt(D), with which a chain forgets where it started.

    `dim`, the columns of a series, is only checked: it is a multiple of `features`, D.
    """
    count = _features("features", check.count("features", features, 1))
    _steps(check.count("dim", dim, 1), count)
    key, real = key_of(seed, rng), check.dtype(dtype)
    weight = 0.7 / np.sqrt(count) * standard_normal(count, count, key, stream=1)
    bias, log_scale = standard_normal(2, count, key, stream=2)
    arrays = np.tanh(weight) if count == 1 else weight, 0.1 * bias, 0.5 * np.exp(0.2 * log_scale)
    return Params(*(array.astype(real) for array in arrays))


class _UnevenError(ValueError):
    """A series that ends within a step."""


def _features(name: str, count: int) -> int:
    if not 1 <= count <= LARGEST:
        raise ValueError(f"{name}: expected 1 to {LARGEST} features, got {count}")
    return count


def _steps(dim: int, features: int) -> int:
    if dim % features:
        raise ValueError(f"dim: expected a multiple of {features}, the features of a step, got {dim}")
    return dim // features


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = "blocks") -> tuple[Any, ...]:
    features = _features("params.weight", check.shape("params.weight", params.weight, 2)[0])
    weight = check.shaped("params.weight", params.weight, dtype, (features, features))
    bias = check.shaped("params.bias", params.bias, dtype, (features,))
    scale = check.shaped("params.scale", params.scale, dtype, (features,))
    tiny = float(np.finfo(dtype).tiny)
    check.between(f"params.scale, for {dtype}", scale, tiny, 1 / tiny)
    if dim % features:
        raise _UnevenError(f"expected a multiple of {features}, the features of a step")
    width = VECTOR_BYTES // dtype.itemsize
    filled = np.zeros((features + 3, -(-features // width) * width), dtype)
    for row, values in zip(
        (slice(0, features), *range(features, features + 3)), (weight.T, bias, scale, 1 / scale), strict=True
    ):
        filled[row, :features] = values
    log_scale = np.log(scale.astype(FLOAT64)).sum(keepdims=True)
    grid, mask = _grid(params.grid, dtype)
    return (elman_rows.Tables(filled[:features], filled[-3], filled[-2], filled[-1], log_scale, grid, mask),)


def _grid(grid: Any, dtype: np.dtype[Any]) -> tuple[Array, int]:
    """(the grid and its reciprocal, the mask) of `elman_rows.Tables`."""
    size, least = check.number("params.grid", grid), float(np.finfo(dtype).tiny)
    if size == 0:
        return np.ones(2, dtype), _NEVER
    if not (least <= size <= 1 and math.frexp(size)[0] == 0.5):  # so written for NaN
        raise ValueError(f"params.grid: expected 0 or a power of two, {least:.3g} to 1, got {size}")
    return np.array((size, 1 / size), dtype), elman_rows.PERIOD - 1


def _memory(tables: elman_rows.Tables) -> Memory:
    return Memory(len(tables.weight), period=1 if tables.mask == _NEVER else elman_rows.PERIOD)


def _log_det(threads: int, z: Array, x: Array, log_det: Array, tables: elman_rows.Tables) -> None:
    parts = np.empty((len(z), elman_sums.parts_of_sum(z, tables)))

    def some(lo: int, hi: int) -> None:
        elman_sums.log_slopes(lo, hi, z, x, parts, tables)

    in_parts(some, threads, (parts.size, z.size // max(1, parts.size)), WORTH_HEAVY)
    elman_sums.add_up(parts, z, log_det, tables)


_BLOCKS = Series(
    Chain(
        elman_rows.advance,
        elman_tiles.together,
        elman_tiles.VECTORS,
        tables=lambda tables: tables,
        memory=_memory,
        finish=_log_det,
    ),
    elman_sums.forward,
)


class _Networks(StrategicFamily, OpenFamily):
    strategies = ("blocks", "steps")

    def _kernel(self, direction: int, *options: Any) -> Any:
        blocks = direction == 0 and options != ("steps",)
        return _BLOCKS if blocks else super()._kernel(direction, *options)

    def _explained(self, error: ValueError, came: str, *others: Any) -> ValueError:
        """`error`; of columns with what the user passed: no D is the one that the parameters are for."""
        return ValueError(f"{came}, {error}") if isinstance(error, _UnevenError) else error


_family = _Networks(Params, _arrays, elman_sums.forward, elman_inverse.inverse, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
