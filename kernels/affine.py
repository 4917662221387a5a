"""Affine flow x = A z + b, with its inverse z = C x + c and log |det A| at hand: one product either way.

Both matrices are rounded once, from what was computed in float64. So neither direction loses digits to the
condition of A, which a solve in float32, or the inverse of a matrix that was rounded to it, does (Higham,
"Accuracy and stability of numerical algorithms" (2002), section 14.1); `affine_lu` has A alone.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.blocks import block_rows, set_log_det
from seqgap.kernels._nets.dense import address, product


class Params(NamedTuple):
    """Both directions, float64 or float32."""

    matrix: Array  # (D, D), A
    shift: Array  # (D,), b
    inverse: Array  # (D, D), C = A^-1
    inverse_shift: Array  # (D,), c = -A^-1 b
    log_det: float  # log |det A|

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.matrix", self.matrix, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.matrix", self.matrix)


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Well-conditioned parameters from normals of `seed`: A is a reflection, its rows scaled by about 1."""
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), key_of(seed, rng)
    normal, log_scale, shift = standard_normal(3, dim, key, stream=1)
    scale = np.exp(0.3 * log_scale)
    reflection = np.eye(dim) - 2 / (normal @ normal) * np.outer(normal, normal)
    inverse = reflection / scale
    matrix, inverse_shift, log_det = scale[:, None] * reflection, -inverse @ shift, np.log(scale).sum()
    return Params(
        matrix.astype(real), shift.astype(real), inverse.astype(real), inverse_shift.astype(real),
        float(log_det),
    )  # fmt: skip


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    matrix, inverse = (
        check.shaped(f"params.{name}", getattr(params, name), dtype, (dim, dim))
        for name in ("matrix", "inverse")
    )
    shift, inverse_shift = (
        check.shaped(f"params.{name}", getattr(params, name), dtype, (dim,))
        for name in ("shift", "inverse_shift")
    )
    log_det = check.number("params.log_det", params.log_det)
    unit = max(np.finfo(kind).eps for kind in (params.dtype, dtype))
    _check_inverse(matrix.astype(FLOAT64), inverse.astype(FLOAT64), float(unit))
    ends = np.full(dim, dim)
    return (matrix, shift, ends, log_det), (inverse, inverse_shift, ends, -log_det)


def _check_inverse(matrix: Array, inverse: Array, unit: float) -> None:
    """Refuse matrices that do not undo each other, to roundings of `unit`, seen on one vector: O(D^2)."""
    ones = np.ones(len(matrix))
    with np.errstate(all="ignore"):
        apart = np.abs(matrix @ (inverse @ ones) - 1)
        allowed = 8 * len(matrix) * unit * (np.abs(matrix) @ (np.abs(inverse) @ ones))
    if not (apart <= allowed).all():
        raise ValueError("params.inverse: expected the inverse of params.matrix, got another matrix")


_sums = jit_inline(lambda arrays: 0)


def _rows(direction: int) -> Any:
    """The row kernel of a product, the first or the second of the arrays."""

    @jit_inline
    def transform(work: Any, arrays: Any) -> None:
        matrix, shift, ends, log_det = arrays[direction]
        dim, pitch = matrix.shape[0], work.first.shape[1]
        source, target = address(work.first, 0), address(work.second, 0)
        product(address(matrix, 0), dim, address(shift, 0), address(ends, 0), source, target, pitch, dim)
        set_log_det(work, log_det)

    return block_rows(transform, _sums, in_place=False)


_family = Family(Params, _arrays, _rows(0), _rows(1), WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
