"""Sequential against parallel: the ratio of two cells that differ in nothing else."""

from typing import NamedTuple

from seqgap.bench.analysis.pairs import directions
from seqgap.bench.analysis.ratio import ratio, verdict
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.implementation import MAIN
from seqgap.bench.plan.rungs import BEST
from seqgap.bench.results.tables import Table

FELT = 1.1  # a ratio below it is no gap to speak of


class Gap(NamedTuple):
    """One comparison at one size.

    ratio: seconds of the sequential operation over those of the parallel one, from pairs of neighbours in
    time, one for each process.
    """

    kind: str
    sequential: Measured
    parallel: Measured
    ratio: Interval

    @property
    def cell(self) -> Cell:
        """The cell of the sequential operation."""
        return self.sequential.cell

    @property
    def names(self) -> tuple[str, str]:
        """The two operations, as stem.operation."""
        return self.cell.name, self.parallel.cell.name

    @property
    def verdict(self) -> str:
        """How the sequential operation does: slower, faster, as fast within the margin, or no gap seen."""
        return verdict(self.ratio, "{} slower", "{} faster", "no gap seen")

    @property
    def felt(self) -> str:
        """Whether the ratio is above FELT: yes, no, or undecided: the interval contains it or is unknown."""
        low, high = self.ratio.low, self.ratio.high
        return "yes" if low > FELT else "no" if high < FELT else "undecided"


@once
def gaps(run: Run) -> list[Gap]:
    """Every comparison that both cells were timed for in some process, in order of D."""
    unordered = [Gap(*pair, ratio(run, *pair[1:])) for pair in directions(run)]
    return sorted(unordered, key=lambda gap: (gap.kind, *gap.names, *gap.cell.columns(*_SIZE)))


_SIZE = ("impl", "dtype", "threads", "batch", "dim")


def table(run: Run) -> Table:
    """gap.csv: one line for each gap."""
    sides = [f"{side}_per_{unit}" for unit in ("sample", "call") for side in ("sequential", "parallel")]
    head = ["kind", "sequential", "parallel", *_SIZE, *sides, "ratio", "ratio_low", "ratio_high", "verdict"]
    lines = [
        (
            gap.kind, *gap.names, *gap.cell.columns(*_SIZE),
            gap.sequential.per_sample.middle, gap.parallel.per_sample.middle,
            gap.sequential.seconds, gap.parallel.seconds, *gap.ratio.columns, gap.verdict,
        )
        for gap in gaps(run)
    ]  # fmt: skip
    return Table("gap.csv", head, lines, unknown="nan")


@once
def mapped(run: Run) -> list[Gap]:
    """The gaps of the map: matched pairs in what everybody knows, in one dtype, on its fewest threads."""
    pairs = [gap for gap in gaps(run) if gap.kind == "matched" and gap.cell.impl in MAIN]
    dtype = min((gap.cell.dtype for gap in pairs), key=lambda name: name != "float64", default="")
    threads = min((gap.cell.threads for gap in pairs if gap.cell.dtype == dtype), default=1)
    return [gap for gap in pairs if (gap.cell.threads, gap.cell.dtype) == (threads, dtype)]


def map_table(run: Run) -> Table:
    """gap-map.csv: one line for each gap of the map."""
    head = ["sequential", "parallel", *_SIZE, "ratio", "low", "high", f"above_{FELT}"]
    lines = [(*g.names, *g.cell.columns(*_SIZE), *g.ratio.columns, g.felt) for g in mapped(run)]
    return Table("gap-map.csv", head, lines)


@once
def compiled(run: Run) -> list[Gap]:
    """The gaps of all matched pairs in the compiled code, or of a case from outside, largest first."""
    matched = [gap for gap in gaps(run) if gap.kind == "matched" and gap.cell.impl in BEST]
    return sorted(matched, key=lambda gap: -gap.ratio.middle)


def forest_table(run: Run) -> Table:
    """forest.csv: one line for each compiled gap."""
    head = ["sequential", "parallel", *_SIZE, "ratio", "low", "high", "verdict"]
    lines = [(*g.names, *g.cell.columns(*_SIZE), *g.ratio.columns, g.verdict) for g in compiled(run)]
    return Table("forest.csv", head, lines)
