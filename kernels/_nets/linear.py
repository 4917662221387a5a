"""Models f(x) = gain x + offset of each feature, with other numbers at each evaluation."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.simd import fma, lanes
from seqgap.kernels._nets.chain_rows import rows_of
from seqgap.kernels._nets.chain_series import unadjusted
from seqgap.kernels._nets.dense import address, moved, read, spread, write
from seqgap.kernels._nets.packed import aligned, padded


class Gaussian(NamedTuple):
    """Data N(mean, deviation^2), features independent: what a network would learn of it is known exactly."""

    mean: Array  # (D,)
    deviation: Array  # (D,), above 0

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("model.mean", self.mean, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("model.mean", self.mean)


def moments(model: Gaussian) -> tuple[Array, Array]:
    """(mean, variance) in float64, checked."""
    dim = check.shape("model.mean", model.mean, 1)
    mean, deviation = (
        check.shaped(f"model.{name}", getattr(model, name), check.FLOAT64, dim) for name in model._fields
    )
    check.finite("model.mean", mean)
    if not np.all((deviation > 0) & (deviation < np.inf)):
        raise ValueError("model.deviation: expected positive finite numbers, got others")
    return mean, deviation**2


class Linear(NamedTuple):
    """What the kernels read: rows of whole vectors."""

    dim: Any  # D
    gain: Any  # (T, F)
    offset: Any  # (T, F)


def linear(gain: Array, offset: Array, dtype: np.dtype[Any]) -> Linear:
    """Gains and offsets (T, D) in a dtype."""
    step = VECTOR_BYTES // dtype.itemsize
    rows = [padded(np.ascontiguousarray(table, dtype), step) for table in (gain, offset)]
    return Linear(gain.shape[1], *(aligned(table).reshape(table.shape) for table in rows))


@jit_exact
def _on_feature(gain: Any, offset: Any, pitch: Any, source: Any, result: Any) -> None:
    isolate()
    for at in range(0, pitch, lanes(source)):
        write(result, at, fma(spread(gain, 0), read(source, at), spread(offset, 0)))


@jit_inline
def on_tile(field: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """Evaluation `at` on a tile (D, pitch)."""
    features = field.gain.shape[1]
    gain, offset = address(field.gain, at * features), address(field.offset, at * features)
    for d in range(field.dim):
        _on_feature(
            moved(gain, d), moved(offset, d), pitch, moved(source, d * pitch), moved(result, d * pitch)
        )


@jit_exact
def _on_features(gain: Any, offset: Any, count: Any, source: Any, result: Any) -> None:
    isolate()
    for at in range(0, count, lanes(source)):
        write(result, at, fma(read(gain, at), read(source, at), read(offset, at)))


@jit_inline
def on_row(field: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """Evaluation `at` of one state."""
    features = field.gain.shape[1]
    gain, offset = address(field.gain, at * features), address(field.offset, at * features)
    _on_features(gain, offset, features, source, result)


@jit_inline
def no_space(field: Any, pitch: Any) -> Any:
    """It takes no scratch."""
    return 0


def composed(table: Array, field: Linear) -> tuple[Array, Array]:
    """(gain and offset (2, D), weights of the noise (T, D)) of all steps as one, in float64."""
    keep, push, noise = (column[:, None] for column in table[:, [2, 4, 5]].T)
    gain, offset = (np.asarray(rows)[:, : field.dim] for rows in (field.gain, field.offset))
    gain, offset = keep + push * gain, push * offset
    left = np.concatenate([np.cumprod(gain[:0:-1], axis=0)[::-1], np.ones((1, field.dim))])
    return np.stack([gain[0] * left[0], (left * offset).sum(0)]), left * noise


# Without products a tile takes as long as three or four rows: 0.41 us a step for D = 64, Emerald Rapids.
ROWS = rows_of((on_tile, no_space), (on_row, no_space))._replace(
    most=lambda lanes: 3, composed=composed, blocks=unadjusted(on_tile, no_space)
)
