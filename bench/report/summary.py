"""The end of a run: its tables and pictures in files, then its verdict."""

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.tables import REPORTED
from seqgap.bench.report import tables
from seqgap.bench.report.notes import print_checked, print_other_rows, tell_wrong
from seqgap.bench.report.page import PAGE, write_page
from seqgap.bench.report.plots import draw
from seqgap.bench.report.text import tell_damaged
from seqgap.bench.report.verdict import verdict_lines
from seqgap.bench.results.tables import Table, write_table

_NARROWEST = 20  # columns that a line is folded to


def report(
    path: Path,
    notes: Console,
    tables_on: Console | None = None,
    audited: Callable[[Run], Table] | None = None,
) -> bool:
    """The files of a run, then its verdict; False if a cell was wrong or a line damaged.

    All files are written before anything is printed: the reader of the output may go away.
    notes: where to say what goes on. tables_on: where to print every table first. audited: makes the table
    of the audit for the page, once the other files are there.
    """
    run = read_run(path)
    notes.print("Drawing the pictures and the page ...")
    for make in REPORTED:
        write_table(make(run), path)
    if run.measured:
        draw([run], path)
        write_page(run, path / PAGE, audited(run) if audited else None)
    wrong, damaged = tell_wrong(run), tell_damaged(run)
    print_checked(notes, run)
    notes.print(f"Open {run.path / PAGE if run.measured else run.path}; pictures and tables are beside it.")
    if tables_on:
        print_tables(tables_on, run)
    print_verdict(run)
    return not wrong and not damaged


def print_verdict(run: Run) -> None:
    """The verdict, on standard output; its lines are folded where there is less room than they have."""
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    for line in verdict_lines(run):
        folded = textwrap.wrap(line, width, subsequent_indent=6 * " ", break_on_hyphens=False)
        click.echo(line if len(line) <= width else "\n".join(folded))


def print_tables(console: Console, run: Run) -> None:
    """Every table, and what was not timed."""
    tables.print_all(console, run)
    print_other_rows(console, run)
