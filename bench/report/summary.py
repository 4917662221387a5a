"""The end of a run: its tables on the console and in files, and its pictures."""

from pathlib import Path

import click
from rich.console import Console

from seqgap.bench.analysis import gap, ranking, scaling
from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.tables import REPORTED
from seqgap.bench.report import tables
from seqgap.bench.report.notes import print_other_rows
from seqgap.bench.report.plots import draw
from seqgap.bench.report.text import tell_damaged
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import PROBES, ROWS
from seqgap.bench.results.tables import write_table


def report(console: Console, path: Path) -> bool:
    """Tables and pictures of a run, from its files; False if a cell was wrong or a line damaged."""
    run = read_run(path)
    tables.print_gaps(console, gap.gaps(run))
    tables.print_peers(console, ranking.rankings(run))
    tables.print_ladders(console, ladders(run))
    tables.print_crossings(console, scaling.crossings(run))
    compared = run.operations.compared
    tables.print_costs(console, [cost for cost in scaling.costs(run).items() if cost[0].name in compared])
    tables.print_fractions(console, run)
    print_other_rows(console, run)
    written = [write_table(make(run), path) for make in REPORTED]
    written += draw([run], path) if run.measured else []
    names = [ROWS, PROBES, ENVIRONMENT, OPERATIONS, *(file.name for file in written)]
    click.echo(f"Written to {path}: {', '.join(names)}")
    return not tell_damaged(run) and all(row.status != "failed" for row in run.left_out)
