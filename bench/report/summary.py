"""The end of a run: its tables and pictures in files, then its verdict."""

from pathlib import Path

import click
from rich.console import Console

from seqgap.bench.analysis import gap, ranking, scaling
from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.tables import REPORTED
from seqgap.bench.report import tables
from seqgap.bench.report.notes import print_other_rows
from seqgap.bench.report.plots import draw
from seqgap.bench.report.text import tell_damaged
from seqgap.bench.report.verdict import verdict_lines
from seqgap.bench.results.tables import write_table


def report(path: Path) -> bool:
    """Write all files of a run, then print the verdict; False if a cell was wrong or a line damaged."""
    run = read_run(path)
    click.echo("Drawing the pictures", err=True)
    for make in REPORTED:
        write_table(make(run), path)
    if run.measured:
        draw([run], path)
    print_verdict(run)
    return not tell_damaged(run) and all(row.status != "failed" for row in run.left_out)


def print_verdict(run: Run) -> None:
    """The verdict on standard output; before it the folder on standard error."""
    click.echo(f"Pictures and tables in {run.path}", err=True)
    for line in verdict_lines(run):
        click.echo(line)


def print_tables(console: Console, run: Run) -> None:
    """Every table, and what was not timed."""
    tables.print_gaps(console, gap.gaps(run))
    tables.print_peers(console, ranking.rankings(run))
    tables.print_ladders(console, ladders(run))
    tables.print_crossings(console, scaling.crossings(run))
    tables.print_fractions(console, run)
    print_other_rows(console, run)
