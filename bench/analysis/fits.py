"""What a curve says in each process: local exponents and crossovers; intervals over the processes."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from seqgap.bench.analysis.statistics import LEVEL, Array, Interval


def _student(values: Array) -> Interval:
    """The mean of values, one for each process, with its plain t interval."""
    count, middle = len(values), float(values.mean())
    if count < 2:
        return Interval(np.nan, middle, np.nan)
    half = float(stats.t.isf((1 - LEVEL) / 2, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return Interval(middle - half, middle, middle + half)


def slope(dims: ArrayLike, logs: ArrayLike) -> Interval:
    """The exponent k of seconds ∝ D^k between the first and the last D, with its t interval over processes.

    dims: (dims,), increasing, at least two. logs: (processes, dims), of seconds. ValueError for other shapes.
    """
    x, y = _curve(dims, logs)
    return _student((y[:, -1] - y[:, 0]) / (x[-1] - x[0]))


def crossover(dims: ArrayLike, log_ratios: ArrayLike) -> Interval | None:
    """D*, where the ratio of two curves passes 1; the last where it does so more than once; None if nowhere.

    dims: (dims,), increasing. log_ratios: (processes, dims). Between the measured D the mean logarithm is a
    straight line over log D. low and high: the nearest D below and above at which the 95% t interval of
    the ratio, interpolated in each process, no longer contains 1; 0 and inf where it does up to that end of
    the measured range. A ratio of exactly 1 counts as above 1.
    """
    x, y = _curve(dims, log_ratios)
    mean = y.mean(axis=0)
    changes = np.flatnonzero(np.diff(mean >= 0))
    if not len(changes):
        return None
    last = int(changes[-1])
    at = last + float(mean[last] / (mean[last] - mean[last + 1]))

    def dim(position: float) -> float:
        return float(np.exp(np.interp(position, np.arange(len(x)), x)))

    def excluded(position: float) -> float:
        """Above zero where the interval of the ratio does not contain 1."""
        before = min(int(position), len(x) - 2)
        there = _student(y[:, before] + (position - before) * (y[:, before + 1] - y[:, before]))
        return max(there.low, -there.high)

    if len(y) < 2:
        return Interval(np.nan, dim(at), np.nan)
    below, above = _reach(excluded, at, range(last, -1, -1)), _reach(excluded, at, range(last + 1, len(x)))
    return Interval(0.0 if below is None else dim(below), dim(at), np.inf if above is None else dim(above))


def _reach(excluded: Callable[[float], float], start: float, stations: Sequence[int]) -> float | None:
    """Where `excluded` first becomes positive on the way from start along the stations; None if nowhere."""
    for station in stations:
        if excluded(station) > 0:
            return start if excluded(start) >= 0 else float(optimize.brentq(excluded, start, station))
        start = station
    return None


def _curve(dims: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    x, y = np.log(np.asarray(dims, np.float64)), np.asarray(values, np.float64)
    if x.ndim != 1 or len(x) < 2 or not np.all(np.diff(x) > 0):
        raise ValueError(f"dims: expected at least two increasing, got {dims!r}")
    if y.ndim != 2 or not len(y) or y.shape[1] != len(x):
        raise ValueError(f"expected one row for each process of {len(x)} values, got shape {y.shape}")
    return x, y
