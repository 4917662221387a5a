"""Metrics of a sample: precision, recall, density and coverage of 512 rows against 512; counts of rows."""

import contextlib
import io
from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Case, Cost, Dtype, Operation, Thunk, Tolerance, rounding
from seqgap.kernels.normal import standard_normal

_ROWS = 512  # each batch: the cost of a row grows with them
_NEIGHBOURS = 3
_TIES = Tolerance(
    lambda dim, dtype: 1e-12 if dtype == np.float64 else 0.02,
    "ties: results are counts of distances below a radius over N; in float32 rounding may decide the few that"
    " are equal to 6 digits",
)


def _compared(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    real, fake = (standard_normal(count, dim, seed, stream=stream, dtype=dtype) for stream in (8, 9))
    return Call((real, dtype.type(0.95) * fake, _NEIGHBOURS))


def _squares(left: Any, right: Any) -> Any:
    """|x|^2 - 2 x y + |y|^2, a product with a matrix, as all libraries have it."""
    return (left * left).sum(1)[:, None] - 2 * (left @ right.T) + (right * right).sum(1)


def numpy_prdc(numpy: Any, real: Any, fake: Any, k: int) -> Any:
    """Three matrices of squared distances, and partitions of two."""
    real_radii, fake_radii = (_partitioned(numpy, _squares(rows, rows), k) for rows in (real, fake))
    return _scores(real, _squares(real, fake), real_radii, fake_radii, k)


def _scores(real: Any, squares: Any, real_radii: Any, fake_radii: Any, k: int) -> Any:
    """In NumPy and JAX, in the dtype of the data."""
    inside, covered = squares < real_radii[:, None], squares.min(1) < real_radii
    found = inside.any(0), (squares < fake_radii).any(1), inside.sum(0) / k, covered
    return tuple(part.mean(dtype=real.dtype) for part in found)


def _partitioned(numpy: Any, squares: Any, k: int) -> Any:
    numpy.fill_diagonal(squares, -1)  # a row itself comes first, whatever rounding left of its distance
    return numpy.partition(squares, k, axis=1)[:, k]


def torch_prdc(torch: Any, real: Any, fake: Any, k: int) -> Any:
    """As in NumPy; the k least by topk."""
    real_radii, fake_radii = (_smallest(torch, rows, k) for rows in (real, fake))
    squares = _torch_squares(torch, real, fake)
    inside, covered = squares < real_radii[:, None], squares.amin(1) < real_radii
    found = inside.any(0), (squares < fake_radii).any(1), inside.sum(0), covered
    precision, recall, balls, coverage = (part.to(real.dtype).mean() for part in found)
    return precision, recall, balls / k, coverage


def _torch_squares(torch: Any, left: Any, right: Any) -> Any:
    offset = (left * left).sum(1)[:, None] + (right * right).sum(1)
    return torch.addmm(offset, left, right.mT, alpha=-2)


def _smallest(torch: Any, rows: Any, k: int) -> Any:
    squares = _torch_squares(torch, rows, rows).fill_diagonal_(-1)
    return torch.topk(squares, k + 1, dim=1, largest=False, sorted=False).values.amax(1)


def jax_prdc(jax: Any, real: Any, fake: Any, k: int) -> Any:
    """As in NumPy; the k least by top_k, which wants a number that is known to the compiler."""
    real_radii, fake_radii = (_top(jax, _squares(rows, rows)) for rows in (real, fake))
    return _scores(real, _squares(real, fake), real_radii, fake_radii, k)


def _top(jax: Any, squares: Any) -> Any:
    least = jax.numpy.fill_diagonal(squares, -1, inplace=False)
    return -jax.lax.top_k(-least, _NEIGHBOURS + 1)[0][:, -1]


def _prdc(call: Call, dim: int, dtype: Dtype) -> Thunk:
    """The authors' package; what it prints goes nowhere."""
    from prdc import compute_prdc

    def thunk() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(*call.args)
        return tuple(dtype.type(found[name]) for name in ("precision", "recall", "density", "coverage"))

    return thunk


def _prdc_cost(dim: int) -> Cost:
    """Three times a distance to each of the rows; a feature is a difference and a fused multiply-add."""
    return Cost(flops=3 * _ROWS * 3 * dim, elements=2 * dim)


def _bits(dim: int, count: int, dtype: Dtype, seed: int) -> Any:
    return (standard_normal(count, dim, seed, dtype=dtype) > 0).astype(dtype)


def _rounded(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((standard_normal(count, dim, seed, dtype=dtype),), {"decimals": 0})


def _modes(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    means, x = 3 * standard_normal(5, dim, seed, stream=8), standard_normal(count, dim, seed, dtype=dtype)
    x += means[np.arange(count) % 4].astype(dtype)
    return Call((x, means.astype(dtype), np.linspace(0.5, 1, 5)))


def _counting(name: str, inputs: Any, smallest_batch: int = 1) -> Operation:
    """An operation that counts: verified, not timed."""
    cost, tolerance = lambda dim: Cost(flops=dim, elements=dim), rounding(lambda dim: 16)
    return Operation(name, inputs, cost, tolerance, timed=False, smallest_batch=smallest_batch)


def _drawn(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, dim))


CASE = Case(
    "diversity",
    (
        Operation(
            "prdc", _compared, _prdc_cost, _TIES, sizes=(2, 8, 16, 32, 64, 128), batches=(_ROWS,),
            smallest_batch=_NEIGHBOURS + 1,
            implementations=arrays.implementations(numpy=numpy_prdc, torch=torch_prdc, jax=jax_prdc)
            | {"prdc": _prdc},
        ),
        _counting("unique_ratio", _rounded),
        _counting("coverage", lambda dim, *more: Call((_bits(dim, *more), 2**dim))),
        _counting("expected_unique_ratio", _drawn),
        _counting("expected_coverage", _drawn),
        _counting("probability_of_all", _drawn),
        _counting("modes_covered", _modes),
    ),
)  # fmt: skip
