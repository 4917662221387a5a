"""Every round against the clock."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from seqgap.bench.analysis.run import Run, once
from seqgap.bench.analysis.statistics import Array
from seqgap.bench.results.rows import Row
from seqgap.bench.results.tables import Table, Value

_MOST = 20_000  # points


class Rounds(NamedTuple):
    """The rounds of one row.

    minutes: since the first row of the run. ratios: over the median of the cell's rounds of all processes.
    """

    row: Row
    minutes: Array
    ratios: Array
    disturbed: bool


class Sample(NamedTuple):
    """The minute of a probe, or a round, and its ratio to the median."""

    process: int  # from 1
    minute: float
    ratio: float


@once
def rounds(run: Run) -> list[Rounds]:
    """Of every row, in the order of time; the rounds of a row evenly over the seconds they took together."""
    pairs = [(row, m.quantile(0.5)) for m in run.measured.values() for row in m.rows]
    pairs.sort(key=lambda pair: (pair[0].started, pair[0].process))
    timed = []
    for row, median in pairs:
        parts = (np.arange(len(row.rounds)) + 0.5) / len(row.rounds)
        seconds = row.started - pairs[0][0].started + parts * sum(row.rounds) * row.iterations
        timed.append(Rounds(row, seconds / 60, np.array(row.rounds) / median, run.disturbed(row)))
    return timed


@once
def step(run: Run) -> int:
    """Every so many rounds of the run are shown."""
    return ceil(sum(len(of_row.ratios) for of_row in rounds(run)) / _MOST)


@once
def shown(run: Run) -> list[Rounds]:
    """One in `step` rounds of the run."""
    drawn, before = [], 0
    for of_row in rounds(run):
        chosen = slice(-before % step(run), None, step(run))
        drawn.append(of_row._replace(minutes=of_row.minutes[chosen], ratios=of_row.ratios[chosen]))
        before += len(of_row.ratios)
    return drawn


@once
def probes(run: Run) -> list[Sample]:
    """The probes of the host: seconds over the median of all."""
    usual = np.median([probe.seconds for probe in run.probes]) if run.probes else 1.0
    first = rounds(run)[0].row.started if run.measured else 0.0
    return [
        _sample(p.process, (p.at - first) / 60, p.seconds / usual)
        for p in sorted(run.probes, key=lambda p: (p.at, p.process))
    ]


def _sample(process: int, minute: float, ratio: float) -> Sample:
    return Sample(process + 1, round(float(minute), 6), round(float(ratio), 6))


def table(run: Run) -> Table:
    """rounds.csv: a line for each round that is shown, then for each probe; processes count from 1."""
    return Table("rounds.csv", ("kind", "process", "cell", "minute", "ratio"), list(_lines(run)))


def _lines(run: Run) -> Iterator[Sequence[Value]]:
    for of_row in shown(run):
        for minute, ratio in zip(of_row.minutes, of_row.ratios, strict=True):
            process, *figures = _sample(of_row.row.process, minute, ratio)
            yield "round", process, str(of_row.row.cell), *figures
    for process, minute, ratio in probes(run):
        yield "probe", process, "", minute, ratio
