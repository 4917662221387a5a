"""Intervals over the processes of a run, which are few: 2 to 10.

Order statistics have no 95% interval below 6 processes. In simulations with normal logarithms, a bootstrap
over processes that claims 95% covered 74% with 3 of them and 84% with 5, Student t 95%; but its factor of
4.3 for 3 processes makes the interval wide. So the cells of a run lend each other their variances (moderated
t): as many degrees of freedom as the data support, and on average over the cells the same coverage, skewed
and unequally noisy ones included. A cell noisier than its fellows is covered less often (85% for the
noisiest tenth where the noise of cells varies by a factor of 1.6 and 3 processes ran), a quiet one more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

METHOD = (
    "95% intervals: Student t on the logarithms of the processes' medians, variances moderated over cells"
)
LEVEL = 0.95
ROUNDING = 1e-20  # a variance of logarithms below it is rounding error
PROCESSES = 5  # Kalibera and Jones (ISMM 2013): at least as many repetitions at the top level
FEWEST = 5  # samples that can lend each other their variances: of fewer a prior is guesswork

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval; low and high are NaN where one process alone was measured."""

    low: float
    middle: float
    high: float

    def __truediv__(self, count: float) -> "Interval":
        """Of one of so many."""
        return Interval(self.low / count, self.middle / count, self.high / count)

    @property
    def inverse(self) -> "Interval":
        """Of 1 / x."""
        return Interval(1 / self.high, 1 / self.middle, 1 / self.low)

    @property
    def known(self) -> bool:
        """Whether it has ends."""
        return not np.isnan(self.low)

    @property
    def columns(self) -> tuple[float, float, float]:
        """(middle, low, high), as tables have them."""
        return self.middle, self.low, self.high


@dataclass(frozen=True)
class Part:
    """A part of the variances of some estimates, and the degrees of freedom it was estimated with."""

    variance: Array
    freedom: float

    def __truediv__(self, count: float) -> "Part":
        """Of a mean of so many."""
        return Part(self.variance / count, self.freedom)


def intervals(samples: Sequence[NDArray[Any]]) -> list[Interval]:
    """exp of the mean of each sample of logarithms (one for each process), with its interval.

    Samples of the same length belong together: their values come from the same processes in the same order,
    and they lend each other their variances (`split`, `moderate`). Fewer than 5 of one length stand alone,
    each with its plain Student t. Samples of one process have no interval; where nothing varies it has
    width zero.
    """
    return _by_length(samples, shared=True)


def ratio_intervals(samples: Sequence[NDArray[Any]]) -> list[Interval]:
    """As `intervals`, for logarithms of ratios of neighbours in time: a slow process has both of them slow.

    So there is no part of the variance that all samples share.
    """
    return _by_length(samples, shared=False)


def _by_length(samples: Sequence[NDArray[Any]], shared: bool) -> list[Interval]:
    arrays = [np.asarray(sample, np.float64) for sample in samples]
    known: dict[int, Interval] = {}
    for count in {len(array) for array in arrays}:
        members = [k for k, array in enumerate(arrays) if len(array) == count]
        logs = np.array([arrays[k] for k in members])
        half = half_widths(_parts(logs, shared)) if count > 1 else np.full(len(logs), np.nan)
        known |= zip(members, around(logs.mean(axis=1), half), strict=True)
    return [known[k] for k in range(len(arrays))]


def _parts(logs: Array, shared: bool) -> list[Part]:
    """Of the means of logs, (samples, processes); shared: with the part that all samples have in common."""
    count = logs.shape[1]
    own, common = split(logs) if shared else (logs.var(axis=1, ddof=1), None)
    return [moderate(own, count - 1) / count, *([common / count] if common else [])]


def around(middle: Array, half: Array) -> list[Interval]:
    """exp of the middles, with intervals that reach so far on the logarithmic scale."""
    return [Interval(*ends) for ends in np.exp([middle - half, middle, middle + half]).T.tolist()]


def split(logs: Array) -> tuple[Array, Part]:
    """The variances between processes, split: of each sample alone, and what all share, a fast process say.

    logs: (samples, processes), at least 2 processes. The shared part has the few degrees of freedom of the
    processes, however many samples there are. It is zero for fewer than 5 samples, which cannot show it.
    """
    samples, processes = logs.shape
    freedom = processes - 1
    centred = logs - logs.mean(axis=1, keepdims=True)
    if samples < FEWEST:
        return np.sum(centred**2, axis=1) / freedom, Part(np.zeros(1), freedom)
    shared = centred.mean(axis=0)
    own = np.sum((centred - shared) ** 2, axis=1) / freedom * samples / (samples - 1)
    common = float(np.sum(shared**2) / freedom - own.mean() / samples)
    return own, Part(np.array([max(common, 0.0)]), freedom)


def moderate(variances: Array, freedom: int) -> Part:
    """Variances with d degrees of freedom each, shrunk: (d0 s0² + d s²) / (d0 + d), which has d0 + d.

    d0 and s0² are fitted to the mean and variance of log s². Smyth (2004), Linear models and empirical Bayes
    methods for assessing differential expression in microarray experiments, sections 3 and 6.2. Fewer than
    5 variances above rounding error stay as they are.
    """
    used = variances[variances > ROUNDING]
    if len(used) < FEWEST:
        return Part(variances, freedom)
    prior, typical = _prior(used, freedom)
    total = min(prior + freedom, freedom * (len(used) - 1))  # no more than there were to begin with
    if np.isinf(prior):
        return Part(np.full_like(variances, typical), total)
    return Part((prior * typical + freedom * variances) / (prior + freedom), total)


def log_variances(variances: Array, freedom: int) -> Array:
    """log s², free of the bias that it has as an estimate of log sigma²."""
    return np.asarray(np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2))


def _prior(variances: Array, freedom: int) -> tuple[float, float]:
    """d0 and s0² of Smyth (2004), section 6.2."""
    logs = log_variances(variances, freedom)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedom / 2))
    if excess <= special.polygamma(1, 1e6):  # no more variation than chance alone gives
        return np.inf, float(np.exp(logs.mean()))
    half = float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-6, 1e6))
    return 2 * half, float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))


def half_widths(parts: Sequence[Part], level: float = LEVEL) -> Array:
    """Half the widths of the intervals of estimates whose variance is the sum of the parts.

    The t quantile is the mean of the parts' quantiles, weighted by their variances (Cochran and Cox 1957,
    Experimental Designs). Satterthwaite's degrees of freedom cover too little (89 to 94% in simulations)
    where the part with the fewest is the largest: it looks small just when it was estimated too small.
    """
    return np.asarray(_critical(parts, np.array([1 - level]))[:, 0] * np.sqrt(_total(parts)))


def p_values(estimates: Array, parts: Sequence[Part]) -> Array:
    """Two-sided p-values of estimates being zero: the p whose interval of level 1 - p just reaches zero.

    Not below 1e-20, and to about 4 digits.
    """
    levels = np.geomspace(1.0, 1e-20, 500)
    error = np.sqrt(_total(parts))
    distance = np.divide(abs(estimates), error, out=np.zeros_like(estimates), where=error > 0)
    rows = zip(distance, _critical(parts, levels), strict=True)
    p = np.exp([np.interp(value, row, np.log(levels)) for value, row in rows])
    return np.where(error > 0, p, np.where(estimates == 0, 1.0, levels[-1]))


def _total(parts: Sequence[Part]) -> Array:
    return np.asarray(np.sum(np.broadcast_arrays(*(part.variance for part in parts)), axis=0))


def _critical(parts: Sequence[Part], alphas: Array) -> Array:
    """(estimates, alphas): by how many standard errors an estimate may be off, two-sided."""
    total = _total(parts)[:, None]
    products = [part.variance[:, None] * stats.t.isf(alphas / 2, part.freedom) for part in parts]
    summed = np.asarray(np.sum(np.broadcast_arrays(*products), axis=0))
    return np.asarray(np.divide(summed, total, out=np.zeros_like(summed), where=total > 0))
