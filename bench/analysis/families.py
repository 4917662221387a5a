"""Families side by side: what different models take for one sample at equal D, in the compiled code."""

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.model.cell import COLUMNS
from seqgap.bench.plan.rungs import BEST
from seqgap.bench.results.tables import Table


@once
def families(run: Run) -> list[Measured]:
    """The operations that are compared across families: float64 if there is any, on the fewest threads."""
    sides = [
        side
        for gap in gaps(run) if gap.kind == "family" and gap.cell.impl in BEST
        for side in (gap.sequential, gap.parallel)
    ]  # fmt: skip
    if not sides:
        return []
    main = min(sides, key=lambda side: (side.cell.dtype != "float64", side.cell.threads)).cell
    kept = {m.cell: m for m in sides if (m.cell.dtype, m.cell.threads) == (main.dtype, main.threads)}
    return sorted(kept.values(), key=lambda measured: measured.cell.columns())


def table(run: Run) -> Table:
    """families.csv: one line for each operation and size."""
    head = [*COLUMNS, "seconds_per_sample", "low", "high", "dependent_steps"]
    lines = [
        (*m.cell.columns(), *m.per_sample.columns, "yes" if run.operations[m.cell.name].sequential else "no")
        for m in families(run)
    ]
    return Table("families.csv", head, lines)
