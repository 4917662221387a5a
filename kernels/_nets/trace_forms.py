"""Ways to the divergence of a perceptron, and what each takes besides slopes."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._nets.packed import padded
from seqgap.kernels._nets.perceptron import Perceptron


class Exact(NamedTuple):
    """What the exact trace of a perceptron takes besides its slopes."""

    matrix: Any  # (1, H) for one hidden layer, (H, H) for two, (1, 0) for more, whose tangents are taken
    columns: Any  # (H, 1 or H, or 0 in whole vectors), its transpose
    zeros: Any  # (H in whole vectors,)


class Probes(NamedTuple):
    """What Hutchinson's estimate takes besides slopes and noise."""

    zeros: Any  # (H in whole vectors,)
    ends: Any  # (H,): D
    count: Any  # P: the mean of so many estimates


class Unscored(NamedTuple):
    """Nothing: the divergence is left out."""

    zeros: Any


class Field(NamedTuple):
    """A velocity at the states of a tile; addresses, or None for what it has not."""

    net: Any  # perceptron.Evaluations
    form: Any
    biases: Any  # (H, pitch): what the contexts of the lanes add to the first layer
    noise: Any  # (P, D, pitch)


def exact(model: Perceptron, dtype: np.dtype[Any]) -> Exact:
    """That of a checked model, computed in float64."""
    with np.errstate(invalid="ignore", over="ignore"):  # of weights that are not finite, or are not then
        matrix = np.ascontiguousarray(_matrix(model), dtype)
    columns = padded(matrix.T, VECTOR_BYTES // dtype.itemsize)
    return Exact(matrix, np.ascontiguousarray(columns), _zeros(model, dtype))


def _matrix(model: Perceptron) -> Array:
    """That of `Exact`, float64."""
    hidden = np.asarray(model.weight_hidden, float)
    if len(hidden) > 1:
        return np.empty((1, 0))
    weight_in, weight_out = (np.asarray(w, float) for w in (model.weight_in, model.weight_out))
    inner = weight_in[:, : len(weight_out)] @ weight_out
    return np.asarray(hidden[0] * inner.T if len(hidden) else np.diag(inner)[None])


def probes(model: Perceptron, dtype: np.dtype[Any], count: int) -> Probes:
    """For `count` probes of a checked model."""
    return Probes(_zeros(model, dtype), np.full(len(model.weight_in), len(model.weight_out)), count)


def unscored(model: Perceptron, dtype: np.dtype[Any]) -> Unscored:
    """For f alone."""
    return Unscored(_zeros(model, dtype))


def _zeros(model: Perceptron, dtype: np.dtype[Any]) -> Any:
    return padded(np.zeros(len(model.weight_in), dtype), VECTOR_BYTES // dtype.itemsize)
