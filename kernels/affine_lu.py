"""Affine flow x = A z + b with A = P L U: its log-determinant costs D numbers instead of D^3.

L is lower triangular with a unit diagonal, U upper triangular, (P y)_i = y_permutation[i]; so log |det A| =
sum of log |U_ii|, whatever the sign of the determinant. `forward` is two products, in which all entries go at
once; `inverse` two triangular solves, 2 D dependent steps with as many multiply-adds. Kingma and Dhariwal,
"Glow" (2018), section 3.2; Hoogeboom, van den Berg and Welling, "Emerging convolutions" (2019), section 3.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import lanes
from seqgap.kernels._nets.blocks import block_rows, set_log_det
from seqgap.kernels._nets.dense import address, read, write
from seqgap.kernels._nets.triangles import (
    BLOCK,
    Triangle,
    multiply_lower,
    multiply_upper,
    solve_lower,
    solve_upper,
    triangle,
)


class Params(NamedTuple):
    """The factors, float64 or float32."""

    permutation: Array  # (D,) integers, a permutation of 0 to D - 1
    lower: Array  # (D, D), read below its diagonal
    upper: Array  # (D, D), read from its diagonal on, where it has no zeros
    shift: Array  # (D,)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.upper", self.upper, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.upper", self.upper)


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Well-conditioned factors from normals of `seed`: entries of size 1 / (2 sqrt(D)), any signs."""
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), key_of(seed, rng)
    size = 0.5 / np.sqrt(dim)
    lower = np.tril(size * standard_normal(dim, dim, key, stream=1), -1)
    upper = np.triu(size * standard_normal(dim, dim, key, stream=2), 1)
    signs, log_scale, keys, shift = standard_normal(4, dim, key, stream=3)
    diagonal = np.where(signs < 0, -1, 1) * np.exp(0.3 * log_scale)
    upper += np.diag(diagonal)
    return Params(np.argsort(keys), lower.astype(real), upper.astype(real), shift.astype(real))


def from_matrix(matrix: ArrayLike, shift: ArrayLike) -> Params:
    """The factors of x = matrix z + shift, by LU with partial pivoting in float64, in the matrix's dtype.

    matrix: (D, D), shift: (D,). Raises TypeError or ValueError, naming the argument, for a matrix that is not
    square, finite and regular, or a shift that does not fit.
    """
    from scipy.linalg import lapack

    dense = check.floats("matrix", matrix, 2)
    dim = check.shape("matrix", dense, 2)[0]
    if dense.shape[1] != dim:
        raise ValueError(f"matrix: expected a square matrix, got shape {dense.shape}")
    check.finite("matrix", dense)
    factors, pivots, _ = lapack.dgetrf(dense)
    rounding = dim * np.finfo(float).eps * np.abs(dense).max(axis=0)  # a pivot of no more is a zero
    if (np.abs(np.diag(factors)) <= rounding).any():
        raise ValueError(f"matrix: expected a regular matrix, got a singular one of shape {dense.shape}")
    order = np.arange(dim)
    for row, pivot in enumerate(pivots):
        order[[row, pivot]] = order[[pivot, row]]
    real = check.real_dtype("matrix", dense)
    lower, upper = np.tril(factors, -1).astype(real), np.triu(factors).astype(real)
    return Params(np.argsort(order), lower, upper, check.shaped("shift", shift, real, (dim,)))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    order = check.permutation("params.permutation", params.permutation, dim)
    unit = np.tril(check.shaped("params.lower", params.lower, dtype, (dim, dim)), -1)
    np.fill_diagonal(unit, 1)
    upper = check.shaped("params.upper", params.upper, dtype, (dim, dim))
    diagonal, shift = np.diag(upper), check.shaped("params.shift", params.shift, dtype, (dim,))
    if not diagonal.all():
        raise ValueError("params.upper: expected a diagonal without zeros, got one with")
    ranks = np.argsort(order)
    log_det = float(np.log(np.abs(diagonal.astype(float))).sum())
    return triangle(upper, np.zeros(dim, dtype)), triangle(unit, shift[ranks]), (order, ranks), log_det


@jit_inline
def _gather(source: Any, order: Any, target: Any) -> None:
    """Rows of a tile in another order."""
    pitch = source.shape[1]
    for i in range(order.shape[0]):
        for at in range(0, pitch, lanes(source)):
            write(address(target, i * pitch), at, read(address(source, order[i] * pitch), at))


@jit_inline
def _forward(work: Any, arrays: Any) -> None:
    upper, unit, orders, log_det = arrays
    multiply_upper(Triangle(*upper), work.first, work.second)
    multiply_lower(Triangle(*unit), work.second, work.first)
    _gather(work.first, orders[0], work.second)
    set_log_det(work, log_det)


@jit_inline
def _inverse(work: Any, arrays: Any) -> None:
    upper, unit, orders, log_det = arrays
    _gather(work.first, orders[1], work.second)
    solve_lower(Triangle(*unit), work.second, work.sums)
    solve_upper(Triangle(*upper), work.second, work.sums)
    set_log_det(work, -log_det)


_sums = jit_inline(lambda arrays: BLOCK)
_to_data, _to_latent = (block_rows(transform, _sums, in_place=False) for transform in (_forward, _inverse))
_family = Family(Params, _arrays, _to_data, _to_latent, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
