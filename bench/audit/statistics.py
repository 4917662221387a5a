"""The checks of rules 5, 6 and 8: intervals, the assumption behind them, and what a median hides."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.signal import find_peaks
from threadpoolctl import threadpool_limits

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import METHOD, PROCESSES
from seqgap.bench.audit import Outcome, judge, some

_REJECTED = 0.2  # of the cells: see `normality`
_TAIL = 2.0  # times the median


def intervals_given(run: Run) -> Outcome:
    """Times are not deterministic: each has an interval over enough processes."""
    few = [cell for cell, measured in run.measured.items() if len(measured.rows) < PROCESSES]
    widths = [
        (math.sqrt(measured.interval.high / measured.interval.low) - 1, str(cell))
        for cell, measured in run.measured.items()
        if measured.interval.low > 0 and math.isfinite(measured.interval.high)
    ]
    missing = len(run.measured) - len(widths)
    return judge(
        [
            f"{run.processes} processes; {PROCESSES} needed" if run.processes < PROCESSES
            else some(few, f"cells timed by fewer than {PROCESSES} processes"),
            f"{missing} cells without an interval" if missing else "",
        ],
        f"{run.processes} processes",
        f"95% intervals of {len(widths)} cells: plus or minus {np.median([w for w, _ in widths]):.1%} in the"
        f" middle, {max(widths)[0]:.1%} at most ({max(widths)[1]})" if widths else "",
    )  # fmt: skip


def normality(run: Run) -> Outcome:
    """What the intervals assume of the logarithms of the processes' medians is looked at.

    Shapiro and Wilk's test on each cell, after what a process is slower or faster by in all its cells is
    taken out. Of normal ones it rejects 5%. Student's t keeps its coverage under moderate skewness, so only
    a share that is several times larger is a failure.
    """
    complete = [measured.logs for measured in run.measured.values() if len(measured.rows) == run.processes]
    if run.processes < 3 or not complete:
        return judge(
            ["3 processes are needed to look at the distribution" if "Student" in METHOD else ""], METHOD
        )
    logs = np.array(complete)
    own = logs - logs.mean(axis=0) if len(logs) > 1 else logs
    varying = [cell for cell in own if np.ptp(cell) > 1e-9]
    rejected = float(np.mean([stats.shapiro(cell).pvalue < 0.05 for cell in varying])) if varying else 0.0
    problem = f"the distribution is not what {METHOD} assumes" if rejected > _REJECTED else ""
    return judge(
        [problem if "Student" in METHOD else ""],
        METHOD,
        f"Shapiro-Wilk rejects normal logarithms at 5% in {rejected:.1%} of {len(varying)} cells"
        f" ({_REJECTED:.0%} allowed)",
    )


def meaningful_centre(run: Run) -> Outcome:
    """All rounds are kept, so that the spread and the shape around a median can be seen."""
    lonely = [row.cell for measured in run.measured.values() for row in measured.rows if len(row.rounds) < 2]
    spread, tails, bimodal = [], [], []
    with threadpool_limits(1):  # of tiny systems: two threads wait for each other, up to ten times as long
        for cell, measured in run.measured.items():
            rounds = np.concatenate([np.log(row.rounds) - math.log(row.median) for row in measured.rows])
            spread.append(np.exp(np.quantile(rounds, [0.05, 0.95, 0.99])))
            tails.append((float(spread[-1][2]), str(cell)))
            if _modes(rounds) > 1:
                bimodal.append(cell)
    counts = sorted(sum(len(row.rounds) for row in measured.rows) for measured in run.measured.values())
    typical = np.median(spread, axis=0)
    heavy = [cell for tail, cell in tails if tail > _TAIL]
    return judge(
        [some(lonely, "rows of one round, which has no median")],
        f"{counts[0]} to {counts[-1]} rounds kept of each cell; the 5, 95 and 99% quantiles are"
        f" {typical[0]:.2f}, {typical[1]:.2f} and {typical[2]:.2f} times the median in the middle of the"
        f" cells, the 99% is {max(tails)[0]:.3g} times in the worst ({max(tails)[1]})",
        some(heavy, f"cells above {_TAIL:g} times") or f"none above {_TAIL:g} times",
        some(bimodal, "cells whose rounds have more than one mode") or "no cell with more than one mode",
    )


def _modes(values: NDArray[np.float64]) -> int:
    """The modes of a kernel density estimate of what lies between the 1 and 95% quantiles.

    Silverman's bandwidth; a mode is at least a tenth of the highest above what separates it from the others.
    Skewness and long tails alone, which timings have, make no second mode.
    """
    middle = np.quantile(values, np.linspace(0.01, 0.95, 100))
    width = np.ptp(middle)
    if width < 1e-9:
        return 1
    grid = np.linspace(middle[0] - width / 10, middle[-1] + width / 10, 64)
    density = stats.gaussian_kde(middle, "silverman")(grid)
    return len(find_peaks(np.pad(density, 1), prominence=density.max() / 10)[0])
