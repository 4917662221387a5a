"""`seqgap show`."""

import sys
from pathlib import Path

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.folders import complete_folder, to_folder
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, format_option
from seqgap.bench.cli.tables import print_tables as print_formatted


@click.command(
    short_help="Show the verdict of a run, or its tables.",
    epilog=examples(
        "seqgap show                     the verdict of the newest run, two seconds",
        "seqgap show --tables            every table of it",
        "seqgap show latest~1 --format json     all tables, for a program",
    ),
)
@click.argument(
    "results", callback=to_folder, shell_complete=complete_folder, metavar="[DIR]", default="latest"
)
@click.option("--tables", is_flag=True, help="Every table instead.")
@format_option
def show(results: Path, tables: bool, style: str) -> None:
    """Show the verdict of a result folder, by default the newest, or its tables, from its files alone.

    Exit code 2 when lines of the files were damaged.
    """
    from seqgap.bench.analysis.run import read_run
    from seqgap.bench.analysis.tables import tables as tables_of
    from seqgap.bench.report.summary import print_tables, print_verdict
    from seqgap.bench.report.text import tell_damaged

    run = read_run(results)
    damaged = tell_damaged(run)
    if style != TABLE:
        print_formatted(list(tables_of(run).values()), style)
    elif tables:
        print_tables(make_console(), run)
    else:
        print_verdict(run)
    if damaged:
        sys.exit(2)
