"""What the curves of a run say: local exponents, and the dimensions where two of them cross."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqgap.bench.analysis.fits import crossover, slope
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Array, Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.tables import Table, Value


class Curve(NamedTuple):
    """What the cells of a curve share; D varies."""

    name: str  # stem.operation
    impl: str
    dtype: str
    threads: int
    batch: int

    @classmethod
    def of(cls, cell: Cell) -> "Curve":
        """The curve that a cell lies on."""
        return cls(cell.name, cell.impl, cell.dtype, cell.threads, cell.batch)


class Slope(NamedTuple):
    """seconds ∝ D^exponent from D = first to D = last."""

    first: int
    last: int
    exponent: Interval


class Crossing(NamedTuple):
    """Where the sequential operation passes the parallel one; at is None where it does not in the range."""

    kind: str
    sequential: Curve
    parallel: str
    first: int
    last: int
    at: Interval | None

    @property
    def certain(self) -> bool:
        """Whether the interval ends within the range: curves that lie on each other cross by chance."""
        return self.at is not None and bool(0 < self.at.low <= self.at.high < np.inf)


@once
def curves(run: Run) -> dict[Curve, list[Measured]]:
    """The timed cells by curve, in order of D."""
    groups: dict[Curve, list[Measured]] = {}
    for measured in sorted(run.measured.values(), key=lambda m: m.cell.dim):
        groups.setdefault(Curve.of(measured.cell), []).append(measured)
    return groups


def _logs(points: Sequence[Measured]) -> Array:
    """(processes, points): log seconds, of the processes that measured all points."""
    common = set.intersection(*({row.process for row in m.rows} for m in points))
    return np.array([[np.log(row.median) for row in m.rows if row.process in common] for m in points]).T


@once
def slopes(run: Run) -> dict[Curve, list[Slope]]:
    """The local exponents of every curve, one for each two neighbouring D of which processes have both."""
    return {
        curve: list(filter(None, map(_slope, points, points[1:]))) for curve, points in curves(run).items()
    }


def _slope(before: Measured, after: Measured) -> Slope | None:
    dims, logs = (before.cell.dim, after.cell.dim), _logs((before, after))
    return Slope(*dims, slope(dims, logs)) if logs.size else None


@once
def crossings(run: Run) -> list[Crossing]:
    """Every comparison that was timed at two D or more; but for controls, whose curves cross by chance."""
    crossed = []
    for comparison in run.operations.comparisons:
        if comparison.kind == "control":
            continue
        for curve, points in curves(run).items():
            if curve.name != comparison.sequential:
                continue
            others = {m.cell.dim: m for m in curves(run).get(curve._replace(name=comparison.parallel), [])}
            shared = [(m, others[m.cell.dim]) for m in points if m.cell.dim in others]
            if len(shared) >= 2:
                crossed.append(_crossing(comparison.kind, curve, comparison.parallel, shared))
    return crossed


def _crossing(kind: str, curve: Curve, parallel: str, shared: list[tuple[Measured, Measured]]) -> Crossing:
    dims = [point.cell.dim for point, _ in shared]
    logs = _logs([measured for pair in shared for measured in pair])
    at = crossover(dims, logs[:, ::2] - logs[:, 1::2]) if logs.size else None
    return Crossing(kind, curve, parallel, dims[0], dims[-1], at)


def table(run: Run) -> Table:
    """shapes.csv: one line for each local exponent, and for the D of each crossover."""
    head = "what operation impl dtype threads batch parallel first_dim last_dim value low high"
    return Table("shapes.csv", head.split(), list(_lines(run)))


def _lines(run: Run) -> Iterator[Sequence[Value]]:
    for curve, exponents in slopes(run).items():
        for first, last, exponent in exponents:
            yield "exponent", *curve, "", first, last, *exponent.columns
    for _, sequential, parallel, first, last, at in crossings(run):
        yield (
            "crossover",
            *sequential,
            parallel,
            first,
            last,
            *(at.columns if at else ("none in range", "", "")),
        )
