"""`seqgap verify`."""

import sys

import click

from seqgap.bench.cli.console import make_console


@click.command()
def verify() -> None:
    """Compare every operation with its plain-Python reference; exit code 1 if one is wrong."""
    from rich.progress import track

    from seqgap.bench.measure.verify import count
    from seqgap.bench.measure.verify import verify as verdicts
    from seqgap.bench.report.tables import print_verdicts

    console = make_console()
    found = list(track(verdicts(), "Comparing", count(), console=console, transient=True))
    if not print_verdicts(console, found):
        sys.exit(1)
