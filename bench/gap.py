"""Sequential against parallel: the ratio of two cells that differ in nothing else."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from seqgap.bench.plan import Cell
from seqgap.bench.registry import comparisons
from seqgap.bench.results import Row

# Where the arrays of a cell happen to lie in memory moves its times by a few percent, which the
# spread of rounds in one process does not show; a smaller difference is called none.
_MARGIN = 0.05


def as_fast(ratio_low: float, ratio_high: float) -> bool:
    """Whether a ratio with that spread is 1 within the margin."""
    return ratio_low <= 1 + _MARGIN and ratio_high >= 1 / (1 + _MARGIN)


@dataclass(frozen=True)
class Gap:
    """One comparison at one size. Times are medians in seconds; ratio = sequential / parallel.

    ratio_low and ratio_high come from the quartiles of both: first over third, third over first.
    """

    kind: str
    sequential: str
    parallel: str
    impl: str
    dtype: str
    threads: int
    batch: int
    dim: int
    sequential_per_sample: float
    parallel_per_sample: float
    sequential_per_call: float
    parallel_per_call: float
    ratio: float
    ratio_low: float
    ratio_high: float

    @property
    def verdict(self) -> str:
        """How the sequential operation does: slower, faster, or as fast within spread and margin."""
        if as_fast(self.ratio_low, self.ratio_high):
            return "as fast"
        return f"{self.ratio:.3g}x slower" if self.ratio > 1 else f"{1 / self.ratio:.3g}x faster"


def gaps(rows: Sequence[Row]) -> list[Gap]:
    """Every comparison of the registry that both cells were timed for, in order of D."""
    timed = {row.cell: row for row in rows if row.status == "ok"}
    by_name: dict[str, list[Row]] = {}
    for row in timed.values():
        by_name.setdefault(row.cell.name, []).append(row)
    found = []
    for comparison in comparisons():
        case, operation = comparison.parallel.split(".")
        for row in by_name.get(comparison.sequential, []):
            other = timed.get(_like(row, case, operation))
            if other is not None:
                found.append(_gap(comparison.kind, row, other))
    key = ("kind", "sequential", "parallel", "impl", "dtype", "threads", "batch", "dim")
    return sorted(found, key=lambda gap: [getattr(gap, name) for name in key])


def _like(row: Row, case: str, operation: str) -> Cell:
    return replace(row.cell, case=case, operation=operation)


def _gap(kind: str, sequential: Row, parallel: Row) -> Gap:
    cell = sequential.cell
    return Gap(
        kind,
        cell.name,
        parallel.cell.name,
        cell.impl,
        cell.dtype,
        cell.threads,
        cell.batch,
        cell.dim,
        sequential.median / cell.batch,
        parallel.median / cell.batch,
        sequential.median,
        parallel.median,
        sequential.median / parallel.median,
        sequential.quantile(0.25) / parallel.quantile(0.75),
        sequential.quantile(0.75) / parallel.quantile(0.25),
    )


def write_csv(found: Sequence[Gap], path: Path) -> None:
    """One line for each gap, with the fields of `Gap` and the verdict."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Gap)] + ["verdict"])
        writer.writerows([*astuple(gap), gap.verdict] for gap in found)
