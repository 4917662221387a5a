"""What the curves of a run say: exponents, crossover dimensions, costs of a call, a step and a flop."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from seqgap.bench.analysis.fits import Fit, crossover, fit, slope
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Array, Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.tables import Table, Value

ASYMPTOTIC = 64  # exponents are fitted from this D on, where calls weigh less, if two D are left

_FEWEST_SIZES = 5  # twice as many as there are costs, nearly


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
def slopes(run: Run) -> dict[Curve, Slope]:
    """The exponent of every curve of at least two D."""
    exponents = {}
    for curve, points in curves(run).items():
        late = [point for point in points if point.cell.dim >= ASYMPTOTIC]
        used = late if len(late) >= 2 else points
        dims, logs = [point.cell.dim for point in used], _logs(used)
        if len(used) >= 2 and logs.size:
            exponents[curve] = Slope(dims[0], dims[-1], slope(dims, logs))
    return exponents


@once
def crossings(run: Run) -> list[Crossing]:
    """Every comparison that was timed at two D or more."""
    crossed = []
    for comparison in run.operations.comparisons:
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


@once
def costs(run: Run) -> dict[Curve, Fit]:
    """seconds of one call = call + step * depth(D) + element * N * flops(D), over all D and N of a run.

    Of every operation, implementation, dtype and number of threads with enough sizes; batch is 0: all.
    """
    groups: dict[Curve, list[Measured]] = {}
    for curve, points in curves(run).items():
        groups.setdefault(curve._replace(batch=0), []).extend(points)
    fits = ((curve, _cost(run, points)) for curve, points in groups.items() if len(points) >= _FEWEST_SIZES)
    return {curve: cost for curve, cost in fits if cost}


def _cost(run: Run, points: Sequence[Measured]) -> Fit | None:
    logs, costs = _logs(points), [(m.cell.batch, run.operations.cost(m.cell)) for m in points]
    if not logs.size:
        return None
    work = [batch * max(cost.flops, 1.0) for batch, cost in costs]
    try:
        return fit([cost.depth for _, cost in costs], work, np.exp(logs))
    except ValueError:  # too few sizes
        return None


def table(run: Run) -> Table:
    """shapes.csv: one line for each exponent, crossover and cost; seconds, and D of crossovers."""
    head = "what operation impl dtype threads batch parallel first_dim last_dim value low high residual"
    return Table("shapes.csv", head.split(), list(_lines(run)))


def _lines(run: Run) -> Iterator[Sequence[Value]]:
    for curve, (first, last, exponent) in slopes(run).items():
        yield "exponent", *curve, "", first, last, *exponent.columns, ""
    for _, sequential, parallel, first, last, at in crossings(run):
        ends = at.columns if at else ("none in range", "", "")
        yield "crossover", *sequential, parallel, first, last, *ends, ""
    for curve, fitted in costs(run).items():
        for name, interval in (("call", fitted.call), ("step", fitted.step), ("flop", fitted.element)):
            if interval is not None:
                yield name, *curve[:-1], "all", "", "", "", *interval.columns, fitted.residual
