"""Sequential against parallel: the ratio of two cells that differ in nothing else."""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison, comparisons
from seqgap.bench.results.run import Measured, Run, paired

MARGIN = 0.05  # two times are called the same where the whole interval of their ratio is so near to 1


def against(ratio: Interval) -> str:
    """Where a ratio lies: above or below 1, the same within the margin, or undecided."""
    if ratio.low >= 1 / (1 + MARGIN) and ratio.high <= 1 + MARGIN:
        return "same"
    return "above" if ratio.low > 1 else "below" if ratio.high < 1 else "undecided"


@dataclass(frozen=True)
class Gap:
    """One comparison at one size. Times are medians in seconds; ratio = sequential / parallel.

    The ratio and its 95% interval, from ratio_low to ratio_high, come from pairs of neighbours in time, one
    for each process; NaN where there was one process only.
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
        """How the sequential operation does: slower, faster, as fast within the margin, or undecided."""
        return {
            "same": "as fast",
            "undecided": "undecided",
            "above": f"{self.ratio:.3g}x slower",
            "below": f"{1 / self.ratio:.3g}x faster",
        }[against(Interval(self.ratio_low, self.ratio, self.ratio_high))]


def pairs(run: Run) -> list[tuple[Comparison, Measured, Measured]]:
    """(comparison, sequential, parallel): every comparison of the registry that both cells were timed for."""
    by_name: dict[str, list[Measured]] = {}
    for measured in run.measured.values():
        by_name.setdefault(measured.cell.name, []).append(measured)
    return [
        (comparison, one, run.measured[other])
        for comparison in comparisons()
        for one in by_name.get(comparison.sequential, [])
        if (other := _like(one.cell, comparison.parallel)) in run.measured
        and len(paired(one, run.measured[other]))
    ]


def _like(cell: Cell, name: str) -> Cell:
    case, operation = name.split(".")
    return replace(cell, case=case, operation=operation)


def gaps(run: Run) -> list[Gap]:
    """Every comparison of a run, in order of D."""
    found = pairs(run)
    ratios = ratio_intervals([paired(one, other) for _, one, other in found])
    made = [
        _gap(comparison.kind, one, other, ratio)
        for (comparison, one, other), ratio in zip(found, ratios, strict=True)
    ]
    key = ("kind", "sequential", "parallel", "impl", "dtype", "threads", "batch", "dim")
    return sorted(made, key=lambda gap: [getattr(gap, name) for name in key])


def _gap(kind: str, sequential: Measured, parallel: Measured, ratio: Interval) -> Gap:
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
        sequential.seconds / cell.batch,
        parallel.seconds / cell.batch,
        sequential.seconds,
        parallel.seconds,
        ratio.middle,
        ratio.low,
        ratio.high,
    )


def write_csv(found: Sequence[Gap], path: Path) -> None:
    """One line for each gap, with the fields of `Gap` and the verdict."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Gap)] + ["verdict"])
        writer.writerows([*astuple(gap), gap.verdict] for gap in found)
