"""Every table of a result folder, made anew from its rows."""

from seqgap.bench.analysis import compiling, curves, families, gap, ladder, ranking, rounds, scaling, speedup
from seqgap.bench.analysis.run import Run, once
from seqgap.bench.results.tables import Table

REPORTED = (
    gap.table,
    ranking.table,
    scaling.table,
)  # those that a run has even where no picture can be drawn
_BEHIND_PICTURES = (
    gap.map_table,
    gap.forest_table,
    families.table,
    ladder.table,
    speedup.table,
    compiling.table,
    rounds.table,
)


@once
def tables(run: Run) -> dict[str, Table]:
    """By the name of the file; those behind pictures too."""
    every = [make(run) for make in (*REPORTED, *_BEHIND_PICTURES)]
    every += [curves.table([run], name) for name in curves.kinds([run])]
    return {table.name: table for table in every}
