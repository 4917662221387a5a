"""Steps of expectation and maximisation for mixtures of Gaussians, where they start, and when they fail.

Bishop (2006), section 9.2.2: with the responsibilities r_nk of component k and N_k = sum over n of r_nk,

    w_k = N_k / N, mean_k = sum of r_nk x_n / N_k, S_k = sum of r_nk (x_n - mean_k)(x_n - mean_k)^T / N_k.

The sums are taken about the old means, so that rows far from 0 keep their variance. Where a mean moves by
many standard deviations, they are taken once more about the new one.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.mixture_tables import Arrays, tables
from seqgap.kernels._nets.moments import moments

_FAR = 1e4  # squared move of a mean over the variance: more would cost more than 4 digits
_FEWEST = 1e-3  # rows that a component must hold
_UNIT = float(np.finfo(float).eps)


class Components(NamedTuple):
    """A mixture between two steps, in float64."""

    weight: Array  # (K,)
    mean: Array  # (K, D)
    scale: Array  # (K, D), or (K, D, D) lower Cholesky factors


class Run(NamedTuple):
    """What steps have led to."""

    components: Components
    history: list[float]  # of the mean of log p(x), from the start on
    settled: bool


class Spread(NamedTuple):
    """What the sums of a step are."""

    size: Array  # (K,): N_k
    move: Array  # (K, D): mean_k less what the sums were taken about
    covariance: Array  # (K, D) variances, or (K, D, D) of which the lower triangles hold


class Pass(NamedTuple):
    """What one pass over the rows finds."""

    arrays: Arrays
    shift: Array  # (K, D): what sums are taken about, the old means
    spread: Spread
    density: float  # the mean of log p(x)


def passed(x: Array, old: Components, threads: int, where: str) -> Pass:
    """The sums of a step. where: of a message, "at step 3"; ValueError for rows without a density."""
    arrays, shift = tables(old, x.dtype), old.mean.astype(x.dtype)
    spread, total = _spread(x, arrays, shift, old.scale.ndim == 3, threads)
    if not np.isfinite(total):
        _refuse_rows(x, where)
    return Pass(arrays, shift, spread, total / len(x))


def maximised(x: Array, found: Pass, floor: float, threads: int, where: str) -> Components:
    """The mixture after a step. Raises ValueError for components without rows, and singular covariances."""
    shift, spread = found.shift, found.spread
    _refuse_empty(spread.size, where)
    with np.errstate(over="ignore", invalid="ignore"):
        far = spread.move**2 > _FAR * _variances(spread.covariance)
    if far.any():
        shift = (shift + spread.move).astype(x.dtype)
        spread, _ = _spread(x, found.arrays, shift, spread.covariance.ndim == 3, threads)
    mean = shift + spread.move
    scale = factors(spread.covariance, mean, (floor, x.dtype), where)
    return Components(spread.size / spread.size.sum(), mean, scale)


def run(x: Array, start: Components, limits: tuple[int, float, float], threads: int) -> Run:
    """Steps until one changes the mean of log p(x) by less than a tolerance.

    limits: (the most steps, the tolerance, the floor). The step that finds so is not taken.
    """
    steps, tolerance, floor = limits
    state, history, settled = start, list[float](), False
    for step in range(steps + 1):
        found = passed(x, state, threads, f"after step {step}")
        history.append(found.density)
        settled = step > 0 and abs(found.density - history[-2]) < tolerance
        if settled or step == steps:
            break
        state = maximised(x, found, floor, threads, f"at step {step + 1}")
    return Run(state, history, settled)


def _spread(x: Array, arrays: Arrays, shift: Array, full: bool, threads: int) -> tuple[Spread, float]:
    """(what the sums about `shift` are, the sum of log p(x))."""
    sums, total = moments(x, arrays, shift, threads)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return (_full if full else _diagonal)(sums, shift.shape[1]), total


def spread_of(x: Array, full: bool) -> tuple[Array, Array]:
    """(mean, covariance) of rows: those of one component that has them all, about the mean itself."""
    dim = x.shape[1]
    scale = np.eye(dim)[None] if full else np.ones((1, dim))
    shift = x[:1]
    for _ in range(2):
        arrays = tables(Components(np.ones(1), shift, scale), x.dtype)
        spread, _ = _spread(x, arrays, shift, full, 1)
        shift = shift + spread.move
    return shift[0], spread.covariance[0]


def _diagonal(sums: Array, dim: int) -> Spread:
    size = sums[:, 0]
    move, square = sums[:, 1 : dim + 1] / size[:, None], sums[:, dim + 1 :] / size[:, None]
    return Spread(size, move, square - move * move)


def _full(sums: Array, dim: int) -> Spread:
    square = np.zeros((len(sums), dim + 1, dim + 1))
    square[:, np.tri(dim + 1, dtype=bool)] = sums / sums[:, :1]
    move = square[:, 1:, 0]
    return Spread(sums[:, 0], move, square[:, 1:, 1:] - move[:, :, None] * move[:, None, :])


def _variances(covariance: Array) -> Array:
    return covariance if covariance.ndim == 2 else np.diagonal(covariance, axis1=1, axis2=2)


def _refuse_rows(x: Array, where: str) -> None:
    check.finite("x", x)
    expected = "rows so near to a component that their density is above 0"
    raise ValueError(f"x: expected {expected}, got rows whose squared distances overflow {where}")


def _refuse_empty(size: Array, where: str) -> None:
    if not (size >= _FEWEST).all():
        k = int(np.argmin(size))
        got = f"{size[k]:.3g} for component {k} {where}"
        raise ValueError(f"x: expected at least {_FEWEST:g} rows for each component, got {got}")


def most_floor(dtype: np.dtype[Any]) -> float:
    """The variance that no component may reach."""
    return check.squarable(dtype)[1] ** 2


def factors(covariance: Array, mean: Array, limits: tuple[float, np.dtype[Any]], where: str) -> Array:
    """Deviations, or Cholesky factors, of covariances with a floor added to their diagonals.

    limits: (floor, dtype), of which the latter bounds deviations and pivots, as it does those of Params.
    A covariance is singular where a deviation, or a pivot, is no more than rounding: of the mean, or for a
    full one of the deviation itself.
    """
    floor, dtype = limits
    variance = _variances(covariance) + floor
    _refuse_wide(variance, dtype, where)
    with np.errstate(over="ignore"):
        least = (_UNIT * mean) ** 2 + check.squarable(dtype)[0] ** 2
    if covariance.ndim == 2:
        _refuse_singular(variance, least, floor, where)
        return np.sqrt(variance)
    dim = covariance.shape[1]
    factor = _cholesky(covariance + floor * np.eye(dim))
    pivots = np.diagonal(factor, axis1=1, axis2=2) ** 2
    _refuse_singular(pivots, least + 4 * dim * _UNIT * variance, floor, where)
    return factor


def _cholesky(matrices: Array) -> Array:
    """The lower factors, zeros for those that have none."""
    try:
        return np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        if matrices.ndim == 2:
            return np.zeros_like(matrices)
        return np.array([_cholesky(matrix) for matrix in matrices])


def _refuse_wide(variance: Array, dtype: np.dtype[Any], where: str) -> None:
    most = most_floor(dtype)
    wide = ~(variance < most).all(1)  # NaN is a sum that overflowed
    if wide.any():
        expected = f"rows whose variances are below {most:.3g}, for {dtype}"
        raise ValueError(f"x: expected {expected}, got larger ones of component {np.argmax(wide)} {where}")


def _refuse_singular(variance: Array, least: Array, floor: float, where: str) -> None:
    wrong = ~(least < variance).all(1)
    if wrong.any():
        got = f"{floor:g}: that of component {int(np.argmax(wrong))} {where} is singular"
        raise ValueError(f"floor: expected a number that keeps covariances regular, got {got}")


def collapsed(components: Components, floor: float) -> Array:
    """(K,): whether the variance of a component is at least half made of `floor` in some direction."""
    scale = components.scale
    if scale.ndim == 2:
        return np.asarray((scale**2 <= 2 * floor).any(1))
    smallest: Array = np.linalg.svd(scale, compute_uv=False)[:, -1]
    return np.asarray(smallest**2 <= 2 * floor)
