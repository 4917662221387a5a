"""Affine flow by triangular factors: products against solves, log-determinants in O(D) against O(D^3)."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import Call, Cost, Dtype, Operation, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import affine_lu
from seqgap.kernels.normal import standard_normal


def _factors(params: affine_lu.Params) -> tuple[Any, Any]:
    """L with its diagonal, and U."""
    lower = np.tril(params.lower, -1)
    np.fill_diagonal(lower, 1)
    return lower, np.triu(params.upper)


def _log_det(params: affine_lu.Params, batch: Any) -> Any:
    return np.full(len(batch), np.log(np.abs(np.diag(params.upper))).sum())


def numpy_forward(z: Any, params: affine_lu.Params) -> tuple[Any, Any]:
    """A matrix product with each factor."""
    lower, upper = _factors(params)
    return (z @ upper.T @ lower.T)[:, params.permutation] + params.shift, _log_det(params, z)


def numpy_inverse(x: Any, params: affine_lu.Params) -> tuple[Any, Any]:
    """NumPy has no triangular solve: the dense one."""
    lower, upper = _factors(params)
    y = (x - params.shift)[:, np.argsort(params.permutation)]
    return np.linalg.solve(lower @ upper, y.T).T, -_log_det(params, x)


def numpy_slogdet(z: Any, params: affine_lu.Params) -> tuple[Any, Any]:
    """One product with the dense matrix, whose determinant is computed anew in each call."""
    lower, upper = _factors(params)
    matrix = (lower @ upper)[params.permutation]
    return z @ matrix.T + params.shift, np.full(len(z), np.linalg.slogdet(matrix)[1])


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model."""

    matrix: Any  # (D, D): x = z @ matrix + shift
    shift: Any  # (D,)
    log_det: Any  # (), of forward
    lower: Any  # (D, D), unit diagonal
    upper: Any  # (D, D)
    places: Any  # (D,), of the entries of x among those of L U z


def tables(params: affine_lu.Params, dim: int) -> Tables:
    """The dense matrix and the factors."""
    lower, upper = _factors(params)
    matrix = np.ascontiguousarray((lower @ upper)[params.permutation].T)
    log_det = np.asarray(np.log(np.abs(np.diag(upper))).sum())
    return Tables(matrix, params.shift, log_det, lower, upper, np.argsort(params.permutation))


def scipy_inverse(scipy: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """LAPACK's getrs: both solves in place, the columns in the order that it wants."""
    getrs = scipy.linalg.get_lapack_funcs("getrs", (tables.lower,))
    both = tables.upper + np.tril(tables.lower, -1)
    y = np.asfortranarray((x - tables.shift)[:, tables.places].T)
    solved, _ = getrs(both, np.arange(len(both), dtype=np.int32), y, overwrite_b=True)
    return solved.T, np.full(len(x), -tables.log_det)


def torch_forward(torch: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its bias."""
    return torch.addmm(tables.shift, z, tables.matrix), tables.log_det.expand(z.shape[0])


def torch_inverse(torch: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """Two triangular solves."""
    solve = torch.linalg.solve_triangular
    y = solve(tables.lower, (x - tables.shift)[:, tables.places].mT, upper=False, unitriangular=True)
    return solve(tables.upper, y, upper=True).mT, (-tables.log_det).expand(x.shape[0])


def jax_forward(jax: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its bias."""
    return z @ tables.matrix + tables.shift, jax.numpy.full(len(z), tables.log_det)


def jax_inverse(jax: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """Two triangular solves."""
    solve = jax.scipy.linalg.solve_triangular
    y = solve(tables.lower, (x - tables.shift)[:, tables.places].T, lower=True, unit_diagonal=True)
    return solve(tables.upper, y).T, jax.numpy.full(len(x), -tables.log_det)


def onnx_forward(graph: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its bias."""
    return graph.add("Gemm", z, tables.matrix, tables.shift), tables.log_det


def _cost(depth: int, dim: int) -> Cost:
    return Cost(depth=depth, flops=2 * dim * dim + dim, parameters=dim * (dim + 3), weights=dim * (dim + 1))


def _matrix(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    matrix, shift = (standard_normal(rows, dim, seed, dtype=dtype) for rows in (dim, 1))
    return Call((matrix, shift[0]))


_TOLERANCE = rounding(lambda dim: 10 * dim + 100)
CASE = flow(
    "affine_lu",
    affine_lu.random_params,
    Direction(
        lambda dim: _cost(1, dim), numpy_forward, torch_forward, jax_forward, tables=tables,
        explaining={"numpy-slogdet": numpy_slogdet}, deployed=deployed.exported(onnx_forward, tables),
    ),
    Direction(
        lambda dim: _cost(2 * dim, dim), numpy_inverse, torch_inverse, jax_inverse, scipy_inverse, tables
    ),
    matched=("inverse", "forward"),
    tolerance=_TOLERANCE,
    more=(Operation("from_matrix", _matrix, lambda dim: Cost(flops=dim**3), _TOLERANCE, timed=False),),
)  # fmt: skip
