"""A result folder with what its times say; each figure is computed once and looked up by all who show it."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqgap.bench.analysis.statistics import Array, Interval, intervals
from seqgap.bench.machine.ceilings import bound
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.rows import ROWS, ResultError, Row
from seqgap.bench.results.run import Results

Figures = TypeVar("Figures")


@dataclass(frozen=True)
class Measured:
    """One cell over the processes of a run.

    rows: the last of each process, in their order. interval: of the seconds of one call. disturbed: a
    probe before or after it was slow, in some process.
    """

    cell: Cell
    rows: tuple[Row, ...]
    interval: Interval
    disturbed: bool

    @property
    def seconds(self) -> float:
        """Seconds of one call: the median of the rounds of each process, averaged (geometric mean)."""
        return self.interval.middle

    @property
    def per_sample(self) -> Interval:
        """Seconds of one sample."""
        return self.interval / self.cell.batch

    @property
    def logs(self) -> Array:
        """Natural logarithms of the processes' medians."""
        return np.log([row.median for row in self.rows])

    @property
    def cpus(self) -> float:
        """Cores that were busy during the timing, the mean of the processes."""
        return float(np.mean([row.cpus for row in self.rows]))

    def quantile(self, q: float) -> float:
        """A quantile of the rounds of all processes together."""
        return float(np.quantile(np.concatenate([row.rounds for row in self.rows]), q))

    def over(self, other: "Measured") -> Array:
        """log(self / other) for each process that measured both: they were neighbours in time there."""
        first, second = ({row.process: row.median for row in m.rows} for m in (self, other))
        return np.log([first[process] / second[process] for process in first if process in second])


@dataclass(frozen=True, eq=False)
class Run(Results):
    """A result folder and the intervals of its cells. figures: what `once` has computed of it."""

    figures: dict[Callable[["Run"], Any], Any] = field(default_factory=dict, init=False, repr=False)

    @functools.cached_property
    def measured(self) -> dict[Cell, Measured]:
        """Every timed cell."""
        logs = [np.log([row.median for row in rows]) for rows in self.timed.values()]
        return {
            cell: Measured(cell, tuple(rows), interval, any(map(self.disturbed, rows)))
            for (cell, rows), interval in zip(self.timed.items(), intervals(logs), strict=True)
        }

    @functools.cached_property
    def bounds(self) -> dict[Cell, tuple[float, str]]:
        """The least seconds that each timed cell could need, and what sets them; none without ceilings."""
        ceilings = self.ceilings
        if ceilings is None:
            return {}
        return {cell: bound(cell, self.operations.cost(cell), ceilings) for cell in self.measured}


def once(function: Callable[[Run], Figures]) -> Callable[[Run], Figures]:
    """The function, which computes its figures for each run at the first call."""

    @functools.wraps(function)
    def looked_up(run: Run) -> Figures:
        if function not in run.figures:
            run.figures[function] = function(run)
        figures: Figures = run.figures[function]
        return figures

    return looked_up


def read_run(path: str | os.PathLike[str]) -> Run:
    """A result folder; ResultError where it is none. Damaged lines are left out, and named in the Run."""
    return Run.read(Path(path))


def timed(run: Run) -> Run:
    """The run; ResultError where nothing was timed."""
    if not run.timed:
        raise ResultError(f"{run.path / ROWS}: no timed cells")
    return run


def timed_run(path: Path) -> Run:
    """As `read_run`; ResultError where nothing was timed."""
    return timed(read_run(path))
