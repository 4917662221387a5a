"""A result folder, read: every cell over the processes that measured it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqgap.bench.analysis.statistics import Interval, intervals
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.results.rows import (
    ROWS,
    Probe,
    ResultError,
    Row,
    read_environment,
    read_options,
    read_probes,
    read_rows,
)

DISTURBED = 1.15  # a probe that took so many times the median of the run's


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
    def logs(self) -> NDArray[np.float64]:
        """Natural logarithms of the processes' medians."""
        return _logs(self.rows)

    @property
    def cpus(self) -> float:
        """Cores that were busy during the timing, the mean of the processes."""
        return float(np.mean([row.cpus for row in self.rows]))

    def quantile(self, q: float) -> float:
        """A quantile of the rounds of all processes together."""
        return float(np.quantile(np.concatenate([row.rounds for row in self.rows]), q))


def _logs(rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.log([row.median for row in rows])


def paired(one: Measured, other: Measured) -> NDArray[np.float64]:
    """log(one / other) for each process that measured both: they were neighbours in time there."""
    first, second = ({row.process: row.median for row in m.rows} for m in (one, other))
    return np.log([first[process] / second[process] for process in first if process in second])


@dataclass(frozen=True)
class Run:
    """All that a result folder holds.

    rows: as stored, repeated ones too. measured: every timed cell. left_out: the rows that were skipped or
    failed, each cell once. damaged: one line for each line of the files that could not be used.
    """

    path: Path
    environment: dict[str, Any]
    options: Options
    rows: tuple[Row, ...]
    probes: tuple[Probe, ...]
    measured: dict[Cell, Measured]
    left_out: tuple[Row, ...]
    damaged: tuple[str, ...]

    @property
    def processes(self) -> int:
        """How many processes have measured."""
        return len({row.process for row in self.rows if row.status == "ok"})


def read_run(path: Path) -> Run:
    """A result folder; ResultError where it is none. Damaged lines are left out, and named in the Run."""
    environment = read_environment(path)
    rows, damaged = read_rows(path)
    probes, more = read_probes(path)
    return make_run(path, environment, read_options(path, environment), rows, probes, (*damaged, *more))


def make_run(
    path: Path,
    environment: dict[str, Any],
    options: Options,
    rows: Sequence[Row],
    probes: Sequence[Probe] = (),
    damaged: Sequence[str] = (),
) -> Run:
    """A Run of rows and probes, wherever they come from."""
    measured, left_out = _measured(rows, probes), _left_out(rows)
    return Run(path, environment, options, tuple(rows), tuple(probes), measured, left_out, tuple(damaged))


def timed_run(path: Path) -> Run:
    """As `read_run`; ResultError where nothing was timed."""
    run = read_run(path)
    if not run.measured:
        raise ResultError(f"{path / ROWS}: no timed cells")
    return run


def _measured(rows: Sequence[Row], probes: Sequence[Probe]) -> dict[Cell, Measured]:
    last = {(row.cell, row.process): row for row in rows if row.status == "ok"}
    left_out = {row.cell for row in rows if row.status != "ok"}
    slow = disturbance(probes)
    groups: dict[Cell, list[Row]] = {}
    for row in sorted(last.values(), key=lambda row: row.process):
        if row.cell not in left_out:  # wrong in one process is wrong, too slow in one is too slow
            groups.setdefault(row.cell, []).append(row)
    found = intervals([_logs(group) for group in groups.values()])
    return {
        cell: Measured(cell, tuple(group), interval, any(map(slow, group)))
        for (cell, group), interval in zip(groups.items(), found, strict=True)
    }


def _left_out(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple({row.cell: row for row in rows if row.status != "ok"}.values())


def drift(probes: Sequence[Probe]) -> tuple[float, float]:
    """Between which deviations from their median 98% of the probes lie: -0.03 is 3% faster."""
    seconds = np.array([probe.seconds for probe in probes])
    low, high = np.quantile(seconds, [0.01, 0.99]) / np.median(seconds) - 1
    return float(low), float(high)


def disturbance(probes: Sequence[Probe]) -> Callable[[Row], bool]:
    """Whether the probe before or after a row was slow, against the median of all."""
    usual = np.median([probe.seconds for probe in probes]) if probes else 1.0
    by_process: dict[int, tuple[NDArray[np.float64], NDArray[np.bool_]]] = {}
    for process in {probe.process for probe in probes}:
        of_process = sorted((p for p in probes if p.process == process), key=lambda p: p.at)
        slow = np.array([p.seconds for p in of_process]) > DISTURBED * usual
        by_process[process] = (np.array([p.at for p in of_process]), slow)

    def disturbed(row: Row) -> bool:
        if row.process not in by_process:
            return False
        times, slow = by_process[row.process]
        after = int(np.searchsorted(times, row.started))
        return bool(slow[max(after - 1, 0) : after + 1].any())

    return disturbed
