"""x = P L U z + b: products and solves by their definitions."""

import math
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """The factors."""

    permutation: list[int]  # (D,): (P y)_i = y_permutation[i]
    lower: Matrix  # (D, D), unit diagonal, read below it
    upper: Matrix  # (D, D), read from its diagonal on
    shift: Vector  # (D,)


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """Entries of size 1 / (2 sqrt(D)), diagonals of any sign; in float64 whatever the dtype."""
    size = 0.5 / math.sqrt(dim)
    below, above = (standard_normal(dim, dim, seed, stream=stream) for stream in (1, 2))
    signs, log_scale, keys, shift = standard_normal(4, dim, seed, stream=3)
    diagonal = [
        (-1 if s < 0 else 1) * math.exp(0.3 * value) for s, value in zip(signs, log_scale, strict=True)
    ]
    lower = [[size * below[i][k] if k < i else 0.0 for k in range(dim)] for i in range(dim)]
    upper = [
        [diagonal[i] if k == i else size * above[i][k] if k > i else 0.0 for k in range(dim)]
        for i in range(dim)
    ]
    return Params(sorted(range(dim), key=keys.__getitem__), lower, upper, shift)


def from_matrix(matrix: Matrix, shift: Vector) -> Params:
    """Gaussian elimination, the largest pivot of each column first.

    ValueError, naming the argument, for a matrix that is not square, finite and regular, or another shift.
    """
    dim, rows = len(matrix), [list(map(float, row)) for row in matrix]
    if not dim or any(len(row) != dim for row in rows):
        raise ValueError(f"matrix: expected a square matrix, got rows of {[*map(len, rows)]}")
    if not all(math.isfinite(value) for row in rows for value in row):
        raise ValueError("matrix: expected finite values, got inf or NaN")
    if len(shift) != dim:
        raise ValueError(f"shift: expected {dim} values, got {len(shift)}")
    order = list(range(dim))
    for k in range(dim):
        pivot = max(range(k, dim), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot], order[k], order[pivot] = rows[pivot], rows[k], order[pivot], order[k]
        if rows[k][k] == 0:
            raise ValueError("matrix: expected a regular matrix, got a singular one")
        for i in range(k + 1, dim):
            rows[i][k] /= rows[k][k]
            for j in range(k + 1, dim):
                rows[i][j] -= rows[i][k] * rows[k][j]
    lower = [[rows[i][k] if k < i else 0.0 for k in range(dim)] for i in range(dim)]
    upper = [[rows[i][k] if k >= i else 0.0 for k in range(dim)] for i in range(dim)]
    return Params(sorted(range(dim), key=order.__getitem__), lower, upper, list(map(float, shift)))


def _log_det(params: Params) -> float:
    return math.fsum(math.log(abs(row[i])) for i, row in enumerate(params.upper))


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    dim = len(z)
    y = [sum(params.upper[i][k] * z[k] for k in range(i, dim)) for i in range(dim)]
    y = [y[i] + sum(params.lower[i][k] * y[k] for k in range(i)) for i in range(dim)]
    x = [y[j] + shift for j, shift in zip(params.permutation, params.shift, strict=True)]
    return x, _log_det(params)


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    dim = len(x)
    y = [0.0] * dim
    for i, j in enumerate(params.permutation):
        y[j] = x[i] - params.shift[i]
    for i in range(dim):
        y[i] -= sum(params.lower[i][k] * y[k] for k in range(i))
    for i in reversed(range(dim)):
        y[i] = (y[i] - sum(params.upper[i][k] * y[k] for k in range(i + 1, dim))) / params.upper[i][i]
    return y, -_log_det(params)


family = Family(_to_data, _to_latent, lambda params: len(params.shift))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
