"""What the curves of a run say: exponents, crossover dimensions, costs of a call, a step and a flop."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.analysis.statistics import Array, Interval, crossover, fit, slope
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import comparisons
from seqgap.bench.results.run import Measured, Run

ASYMPTOTIC = 64  # exponents are fitted from this D on, where calls weigh less, if two D are left

_FEWEST_SIZES = 5  # twice as many as there are costs, nearly


class Curve(NamedTuple):
    """What the cells of a curve share; D varies."""

    name: str  # stem.operation
    impl: str
    dtype: str
    threads: int
    batch: int


@dataclass(frozen=True)
class Slope:
    """seconds ∝ D^exponent from D = first to D = last."""

    curve: Curve
    first: int
    last: int
    exponent: Interval


@dataclass(frozen=True)
class Crossing:
    """Where the sequential operation passes the parallel one; at is None where it does not in the range."""

    kind: str
    sequential: Curve
    parallel: str
    first: int
    last: int
    at: Interval | None


@dataclass(frozen=True)
class Cost:
    """seconds of one call = call + step * depth(D) + flop * N * flops(D), over all D and N of a run.

    step: None where the depth does not vary, or not otherwise than the work. residual: the largest relative
    error of the model; a large one means that the model explains nothing.
    """

    curve: Curve  # its batch is 0: all
    sizes: int
    call: Interval
    step: Interval | None
    flop: Interval
    residual: float


def curves(run: Run) -> dict[Curve, list[Measured]]:
    """The timed cells by curve, in order of D."""
    found: dict[Curve, list[Measured]] = {}
    for measured in sorted(run.measured.values(), key=lambda m: m.cell.dim):
        found.setdefault(_curve(measured.cell), []).append(measured)
    return found


def _curve(cell: Cell) -> Curve:
    return Curve(cell.name, cell.impl, cell.dtype, cell.threads, cell.batch)


def _logs(points: Sequence[Measured]) -> Array:
    """(processes, points): log seconds, of the processes that measured all points."""
    common = set.intersection(*({row.process for row in m.rows} for m in points))
    return np.array([[np.log(row.median) for row in m.rows if row.process in common] for m in points]).T


def slopes(run: Run) -> list[Slope]:
    """The exponent of every curve of at least two D."""
    found = []
    for curve, points in curves(run).items():
        late = [point for point in points if point.cell.dim >= ASYMPTOTIC]
        used = late if len(late) >= 2 else points
        dims, logs = [point.cell.dim for point in used], _logs(used)
        if len(used) >= 2 and logs.size:
            found.append(Slope(curve, dims[0], dims[-1], slope(dims, logs)))
    return found


def crossings(run: Run) -> list[Crossing]:
    """Every comparison of the registry that was timed at two D or more."""
    known = curves(run)
    found = []
    for comparison in comparisons():
        for curve, points in known.items():
            if curve.name != comparison.sequential:
                continue
            others = {m.cell.dim: m for m in known.get(curve._replace(name=comparison.parallel), [])}
            shared = [(m, others[m.cell.dim]) for m in points if m.cell.dim in others]
            if len(shared) >= 2:
                found.append(_crossing(comparison.kind, curve, comparison.parallel, shared))
    return found


def _crossing(kind: str, curve: Curve, parallel: str, shared: list[tuple[Measured, Measured]]) -> Crossing:
    dims = [one.cell.dim for one, _ in shared]
    logs = _logs([measured for pair in shared for measured in pair])
    at = crossover(dims, logs[:, ::2] - logs[:, 1::2]) if logs.size else None
    return Crossing(kind, curve, parallel, dims[0], dims[-1], at)


def costs(run: Run) -> list[Cost]:
    """The fit of every operation, implementation, dtype and number of threads with enough sizes."""
    groups: dict[Curve, list[Measured]] = {}
    for curve, points in curves(run).items():
        groups.setdefault(curve._replace(batch=0), []).extend(points)
    return [cost for curve, points in groups.items() if (cost := _cost(curve, points))]


def _cost(curve: Curve, points: Sequence[Measured]) -> Cost | None:
    logs = _logs(points)
    if len(points) < _FEWEST_SIZES:
        return None
    depth = [m.cell.cost.depth for m in points]
    work = [m.cell.batch * max(m.cell.cost.flops, 1.0) for m in points]
    if not logs.size:
        return None
    try:
        found = fit(depth, work, np.exp(logs))
    except ValueError:  # too few sizes
        return None
    return Cost(curve, len(points), found.call, found.step, found.element, found.residual)


def write_csv(run: Run, path: Path) -> None:
    """One line for each exponent, crossover and cost; seconds, and D of crossovers."""
    head = "what operation impl dtype threads batch parallel first_dim last_dim value low high residual"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head.split())
        writer.writerows(_lines(run))


def _lines(run: Run) -> Iterator[Sequence[Any]]:
    for slope_ in slopes(run):
        place = ("", slope_.first, slope_.last)
        yield "exponent", *slope_.curve, *place, *_ends(slope_.exponent), ""
    for crossing in crossings(run):
        place = (crossing.parallel, crossing.first, crossing.last)
        ends = ("none in range", "", "") if crossing.at is None else _ends(crossing.at)
        yield "crossover", *crossing.sequential, *place, *ends, ""
    for cost in costs(run):
        for name, interval in (("call", cost.call), ("step", cost.step), ("flop", cost.flop)):
            if interval is not None:
                yield name, *cost.curve[:-1], "all", "", "", "", *_ends(interval), cost.residual


def _ends(interval: Interval) -> list[float | str]:
    values = (interval.middle, interval.low, interval.high)
    return ["" if np.isnan(value) else value for value in values]
