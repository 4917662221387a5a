"""`seqgap verify`."""

import sys
from typing import TYPE_CHECKING

import click

from seqgap.bench.cli.console import make_console, make_notes
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, format_option, print_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqgap.bench.measure.verify import Verdict
    from seqgap.bench.results.tables import Table


@click.command(
    short_help="Compare every operation with its reference.",
    epilog=examples(
        "seqgap verify                   half a minute; several the first time",
        "seqgap verify --format json     for a program",
    ),
)
@format_option
def verify(style: str) -> None:
    """Compare every operation with its plain-Python reference; exit code 1 if one is wrong."""
    from seqgap.bench.measure.progress import progress
    from seqgap.bench.measure.verify import count
    from seqgap.bench.measure.verify import verify as verdicts

    compared = []
    with progress(make_notes(), count()) as advance:
        for verdict in verdicts():
            compared.append(verdict)
            advance(f"{verdict.name} {verdict.dtype}")
    if style == TABLE:
        _print(compared)
    else:
        print_tables([_table(compared)], style)
    if not all(verdict.ok for verdict in compared):
        sys.exit(1)


def _table(verdicts: "Sequence[Verdict]") -> "Table":
    from seqgap.bench.results.tables import Table

    head = ["operation", "dtype", "error", "ulp", "tolerance", "used", "size", "verdict", "reason"]
    lines = [
        (
            v.name,
            v.dtype.name,
            v.absolute,
            v.ulp,
            v.tolerance,
            v.used,
            v.size,
            "ok" if v.ok else "wrong",
            v.reason,
        )
        for v in verdicts
    ]
    return Table("verify", head, lines)


def _print(verdicts: "Sequence[Verdict]") -> None:
    from seqgap.bench.report.text import grid

    console = make_console()
    table = grid("operation", "dtype", ">error", ">ULP", ">tolerance", ">used", ">size", "")
    for v in verdicts:
        errors = (f"{v.absolute:.1e}", f"{v.ulp:.1e}", f"{v.tolerance:.1e}", f"{v.used:.0%}")
        table.add_row(v.name, v.dtype.name, *errors, v.size, "" if v.ok else "[bold]WRONG[/bold]")
    console.print(table)
    console.print(
        "\nerror, ULP: the largest over all sizes; ULP counts values near 0 that are differences of larger"
        " ones. tolerance, used: at the size that uses most of its tolerance. Why it is what it is:"
    )
    for reason in dict.fromkeys(v.reason for v in verdicts):
        console.print(f"- {reason}")
    console.print(f"{sum(v.ok for v in verdicts)} of {len(verdicts)} within tolerance.")
