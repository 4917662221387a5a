"""Intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

METHOD = "95% intervals: Student t on the logarithms of the processes' medians"


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval; low and high are NaN where one process alone was measured."""

    low: float
    middle: float
    high: float


def intervals(samples: Sequence[NDArray[Any]]) -> list[Interval]:
    """exp of the mean of each sample of logarithms (one for each process), with its interval."""
    return [_interval(np.asarray(sample)) for sample in samples]


def _interval(sample: NDArray[Any]) -> Interval:
    count, middle = len(sample), float(sample.mean())
    if count < 2:
        return Interval(np.nan, float(np.exp(middle)), np.nan)
    half = float(stats.t.ppf(0.975, count - 1) * sample.std(ddof=1) / np.sqrt(count))
    return Interval(*(float(v) for v in np.exp([middle - half, middle, middle + half])))
