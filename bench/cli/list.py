"""`seqgap list`."""

import click

from seqgap.bench.cli.console import make_console


@click.command(name="list")
@click.option(
    "--dim",
    type=click.IntRange(1, 2**24),
    default=64,
    show_default=True,
    help="Dimension of the costs.",
)
def list_cases(dim: int) -> None:
    """List the operations with their depth, flops and implementations."""
    from seqgap.bench.report.tables import print_cases

    print_cases(make_console(), dim)
