"""Speed-up of the compiled kernels by threads, and the serial fraction of Amdahl's law."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import lsq_linear

from seqgap.bench.analysis.pairs import threads
from seqgap.bench.analysis.ratio import ratio
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.results.tables import Table, Value

_SIZE = ("operation", "dtype", "dim", "batch", "threads")
_FIGURES = ("speed_up", "speed_up_low", "speed_up_high")
_HEAD = (*_SIZE, *_FIGURES, "base_seconds_per_sample", "serial_fraction", "cores_busy")
FEWEST_COUNTS = 3  # of threads, for a fit


class SpeedUp(NamedTuple):
    """An operation at one size.

    base: on one thread. points: on more, fewest first, each with its speed-up, seconds(1) / seconds(t).
    """

    base: Measured
    points: tuple[tuple[Measured, Interval], ...]
    sequential: bool  # whether its dependent steps grow with D

    @property
    def serial_fraction(self) -> float:
        """Of Amdahl's law, as fitted to the points; NaN below three numbers of threads, 1 among them."""
        if len(self.points) < FEWEST_COUNTS - 1:
            return np.nan  # one point would be solved for, not fitted
        return serial_fraction([m.cell.threads for m, _ in self.points], [i.middle for _, i in self.points])


def serial_fraction(threads: Sequence[int], speed_ups: Sequence[float]) -> float:
    """s of the speed-up 1 / (s + (1 - s) / t), from 0 to 1: least squares of seconds(t) / seconds(1).

    threads: t of each point, above 1. Amdahl (1967), Validity of the single processor approach to achieving
    large scale computing capabilities. What threads cost (starting them, sharing memory) counts as serial.
    """
    ideal = 1 / np.asarray(threads, np.float64)
    solution = lsq_linear((1 - ideal)[:, None], 1 / np.asarray(speed_ups) - ideal, (0, 1))
    return float(np.clip(solution.x[0], 0, 1))


@once
def speed_ups(run: Run) -> list[SpeedUp]:
    """Every operation of `pairs.threads`."""
    return [
        SpeedUp(
            base, tuple((m, ratio(run, base, m)) for m in more), run.operations[base.cell.name].sequential
        )
        for base, *more in threads(run)
    ]


def table(run: Run) -> Table:
    """threads.csv: a line for each number of threads, one thread first."""
    return Table("threads.csv", _HEAD, list(_lines(run)))


def _lines(run: Run) -> Iterator[Sequence[Value]]:
    itself = Interval(np.nan, 1.0, np.nan)
    for of_size in speed_ups(run):
        cost = of_size.base.per_sample.middle, of_size.serial_fraction
        for measured, speed_up in ((of_size.base, itself), *of_size.points):
            yield *measured.cell.columns(*_SIZE), *speed_up.columns, *cost, measured.cpus
