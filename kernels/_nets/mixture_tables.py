"""Mixtures of Gaussians as kernels read them: fields that are checked, and tables made of them once.

a_k = log w_k - D / 2 log(2 pi) - log |det L_k| is the constant of component k, L_k the factor of its
covariance.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.compiler import generated

_LOG_2_PI = math.log(2 * math.pi)
_SUM_TOLERANCE = 1e-6  # of the weights: float32 has it, and log p is wrong by no more

Arrays: TypeAlias = tuple[Array, ...]


class Diagonal(NamedTuple):
    """K components with diagonal covariances."""

    log_weight: Any  # (K,): a_k where y_k = 0
    mean: Any  # (K, D)
    rate: Any  # (K, D): reciprocals of the standard deviations
    precision: Any  # (K, D): their squares


class Full(NamedTuple):
    """K components with full covariances."""

    log_weight: Any  # (K,): a_k where y_k = 0
    mean: Any  # (K, D)
    inverse: Any  # (K, D, D): L_k^-1, zeros above the diagonal
    gradient: Any  # (D, K D): -L_k^-T side by side
    seen: Any  # (D,): 1 to D, how many entries each row of an inverse sees
    all_seen: Any  # (D,): K D
    zeros: Any  # (D,)


def checked(params: Any, dtype: np.dtype[Any], name: str = "params") -> tuple[Array, Array, Array]:
    """(w, mean, scale) of mixture.Params: w in float64 and divided by its sum, the others in `dtype`.

    Raises TypeError or ValueError that names the argument and its field that is wrong.
    """
    components, dim = check.shape(f"{name}.mean", params.mean, 2)
    mean = check.shaped(f"{name}.mean", params.mean, dtype, (components, dim))
    weight = check.shaped(f"{name}.weight", params.weight, FLOAT64, (components,))
    check.between(f"{name}.weight", weight, np.finfo(dtype).tiny, 1 + _SUM_TOLERANCE)
    total = np.cumsum(weight)[-1]
    if abs(total - 1) > _SUM_TOLERANCE:
        expected = f"numbers that sum to 1 to within {_SUM_TOLERANCE}"
        raise ValueError(f"{name}.weight: expected {expected}, got a sum of {total:.9g}")
    full = check.asarray(f"{name}.scale", params.scale).ndim == 3
    shape = (components, dim, dim) if full else (components, dim)
    scale = check.shaped(f"{name}.scale", params.scale, dtype, shape)
    diagonal = np.diagonal(scale, axis1=1, axis2=2) if full else scale
    check.between(f"{name}.scale: diagonals, for {dtype}", diagonal, *check.squarable(dtype))
    return weight / total, mean, scale


def tables(fields: tuple[Array, Array, Array], dtype: np.dtype[Any]) -> Arrays:
    """What the kernels read in a dtype, of (w, mean, scale) that are checked."""
    weight, mean, scale = fields
    own = mean.astype(dtype, copy=False), scale.astype(dtype, copy=False)
    return diagonal_arrays(weight, *own) if scale.ndim == 2 else full_arrays(weight, *own)


def diagonal_arrays(weight: Array, mean: Array, scale: Array) -> Arrays:
    """The fields of a `Diagonal`, in the dtype of mean. weight: (K,) that sum to 1; scale: (K, D)."""
    rate = 1 / scale.astype(float)
    tables = (table.astype(mean.dtype) for table in (rate, rate * rate))
    return _log_weight(weight, scale).astype(mean.dtype), mean, *tables


def full_arrays(weight: Array, mean: Array, factor: Array) -> Arrays:
    """The fields of a `Full`, in the dtype of mean. factor: (K, D, D), not read above its diagonals."""
    from scipy.linalg import lapack

    components, dim = mean.shape
    log_weight = _log_weight(weight, np.diagonal(factor, axis1=1, axis2=2))
    inverse = np.tril([lapack.dtrtri(matrix, lower=1)[0] for matrix in factor.astype(float)])
    gradient = -inverse.transpose(2, 0, 1).reshape(dim, components * dim)
    ends = np.arange(1, dim + 1), np.full(dim, components * dim)
    tables = (table.astype(mean.dtype, order="C") for table in (inverse, gradient))
    return log_weight.astype(mean.dtype), mean, *tables, *ends, np.zeros(dim, mean.dtype)


def _log_weight(weight: Array, diagonal: Array) -> Array:
    """log w_k - D / 2 log(2 pi) - log |det L_k|, in float64; diagonal: (K, D), that of L_k."""
    log_det: Array = np.log(diagonal.astype(float)).sum(1)
    log_weight: Array = np.log(weight.astype(float)) - 0.5 * _LOG_2_PI * diagonal.shape[1] - log_det
    return log_weight


@generated
def mixture_of(arrays: Any) -> Any:
    """The `Diagonal` or `Full` that a tuple of its fields is."""

    def diagonal(arrays: Any) -> Any:
        return Diagonal(*arrays)

    def full(arrays: Any) -> Any:
        return Full(*arrays)

    return diagonal if len(arrays) == len(Diagonal._fields) else full
