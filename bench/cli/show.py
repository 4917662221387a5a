"""`seqgap show`."""

from pathlib import Path

import click

from seqgap.bench.cli.console import make_console


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option("--tables", is_flag=True, help="Every table instead.")
def show(results: Path, tables: bool) -> None:
    """Show the verdict of a result folder, or its tables, from its files alone."""
    from seqgap.bench.analysis.run import read_run
    from seqgap.bench.report.summary import print_tables, print_verdict
    from seqgap.bench.report.text import tell_damaged

    run = read_run(results)
    if tables:
        print_tables(make_console(), run)
    else:
        print_verdict(run)
    if tell_damaged(run):
        raise click.exceptions.Exit(2)
