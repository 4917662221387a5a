"""The tables of a result folder: ratios as its CSV files give them, and as its rows do."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.plan.options import LADDER
from seqgap.bench.results.run import Run

GAPS, PEERS = "gap.csv", "peers.csv"
_TOLERANCE = 1e-3  # relative, of numbers in tables


@dataclass(frozen=True)
class Ratio:
    """One comparison: `ratio` of the first time over the second, each in seconds for one call."""

    name: str
    first: float
    second: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """A CSV file."""

    path: Path
    columns: tuple[str, ...]
    lines: Sequence[dict[str, str]]


def near(one: float, other: float) -> bool:
    """Whether two numbers of tables are the same but for rounding; NaN is no number."""
    return math.isclose(one, other, rel_tol=_TOLERANCE)


def number(text: str | None) -> float:
    """The number in a field; NaN where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def read_table(path: Path) -> Table | None:
    """A CSV file with its header; None where it is not there or cannot be read."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            return Table(path, tuple(reader.fieldnames or ()), list(reader))
    except (OSError, ValueError, csv.Error):
        return None


def tables(folder: Path) -> list[Table]:
    """All that can be read, by name."""
    found = (read_table(path) for path in sorted(folder.glob("*.csv")))
    return [table for table in found if table is not None]


def given_ratios(run: Run) -> dict[str, Ratio]:
    """The ratios of gap.csv and peers.csv, by name."""
    found = []
    for line in _lines(run, GAPS):
        sides = ("sequential", "parallel", "impl", "dtype", "dim", "batch", "threads")
        name = _gap_name(*(str(line.get(key)) for key in sides))
        found.append(_ratio(name, line, "sequential_per_call", "parallel_per_call"))
    for line in _lines(run, PEERS):
        peer = str(line.get("fastest_peer"))
        size = (str(line.get(key)) for key in ("operation", "dtype", "dim", "batch", "threads"))
        found.append(_ratio(_peer_name(peer, *size), line, peer, "numba"))
    return {ratio.name: ratio for ratio in found}


def expected_ratios(run: Run) -> dict[str, Ratio]:
    """The same ratios, computed from the rows; a run of ladders alone has neither table."""
    if run.options.profile == LADDER:
        return {}
    found = []
    for g in gaps(run):
        name = _gap_name(g.sequential, g.parallel, g.impl, g.dtype, g.dim, g.batch, g.threads)
        times = g.sequential_per_call, g.parallel_per_call
        found.append(Ratio(name, *times, g.ratio, g.ratio_low, g.ratio_high))
    for r in rankings(run):
        name = _peer_name(r.peer, r.cell.name, r.cell.dtype, r.cell.dim, r.cell.batch, r.cell.threads)
        times = r.medians[r.peer], r.medians["numba"]
        found.append(Ratio(name, *times, r.ratio, r.ratio_low, r.ratio_high))
    return {ratio.name: ratio for ratio in found}


def _lines(run: Run, name: str) -> Sequence[dict[str, str]]:
    table = read_table(run.path / name)
    return table.lines if table else ()


def _ratio(name: str, line: dict[str, str], first: str, second: str) -> Ratio:
    columns = (first, second, "ratio", "ratio_low", "ratio_high")
    return Ratio(name, *(number(line.get(column)) for column in columns))


def _gap_name(one: str, other: str, impl: str, *size: object) -> str:
    return f"{one} / {other}, {impl}, {_size(*size)}"


def _peer_name(peer: str, operation: str, *size: object) -> str:
    return f"{operation}, {peer} / numba, {_size(*size)}"


def _size(dtype: object, dim: object, batch: object, threads: object) -> str:
    return f"{dtype}, D={dim}, N={batch}, t={threads}"
