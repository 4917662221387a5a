"""The BLAS of NumPy and that of SciPy: the kernel that each runs, and whether its results are right."""

from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import threadpoolctl
from numpy.typing import NDArray

_FACTS = ("architecture", "version", "internal_api", "prefix", "threading_layer", "num_threads")
_COUNT, _DIM = 1027, 131  # odd, and more than a BLAS has kernels for small matrices for
_CHECKED = [0, 1, 63, 512, 1026]  # rows; the reference is plain Python

Array = NDArray[Any]


def libraries() -> list[dict[str, Any]]:
    """For NumPy and for SciPy what threadpoolctl tells of its BLAS (None: nothing), and its `error`.

    architecture: the kernel. error: the largest one of a product and a triangular solve, over what rounding
    can explain; above 1, or NaN, the results are wrong. Call it in a process that measures.
    """
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return [
        {"library": name, **{fact: _pool_of(name, pools).get(fact) for fact in _FACTS}, "error": _error(name)}
        for name in ("numpy", "scipy")
    ]


def _pool_of(library: str, pools: list[dict[str, Any]]) -> dict[str, Any]:
    """That of the library's own folder, as in wheels; else the one that all share."""
    own = [pool for pool in pools if {library, f"{library}.libs"} & set(Path(pool["filepath"]).parts)]
    return next(iter(own or pools), {})


def _error(library: str) -> float:
    """The larger one of both dtypes."""
    random = np.random.default_rng(25)
    rows, square = random.uniform(-1, 1, (_COUNT, _DIM)), random.uniform(-1, 1, (_DIM, _DIM))
    triangle = np.tril(square, -1) / 8 + 2 * np.eye(_DIM)
    errors = []
    for dtype in (np.float64, np.float32):
        x, weight, lower = (array.astype(dtype) for array in (rows, square, triangle))
        product, solution = _results(library, x, weight, lower)
        errors.append(error(x, weight, lower, product, solution))
    return float(np.max(errors))


def _results(library: str, x: Array, weight: Array, lower: Array) -> tuple[Array, Array]:
    """x weight, and the rows of x solved for."""
    if library == "numpy":
        return x @ weight, np.linalg.solve(lower, x.T).T
    product = scipy.linalg.get_blas_funcs("gemm", (x, weight))(1.0, x, weight)
    return product, scipy.linalg.solve_triangular(lower, x.T, lower=True).T


def error(x: Array, weight: Array, lower: Array, product: Array, solution: Array) -> float:
    """The largest error of x weight and of lower^-1 x, row by row, over D roundings."""
    columns, triangle = weight.T.tolist(), lower.tolist()
    expected: list[list[list[float]]] = [[], []]
    for row in x[_CHECKED].tolist():
        expected[0].append([sum(map(mul, row, column)) for column in columns])
        solved: list[float] = []
        for value, left in zip(row, triangle, strict=True):
            solved.append((value - sum(map(mul, left, solved))) / left[len(solved)])
        expected[1].append(solved)
    difference = np.abs(np.stack([product, solution])[:, _CHECKED] - np.array(expected))
    return float(np.max(difference) / (_DIM * np.finfo(x.dtype).eps * np.max(np.abs(expected))))
