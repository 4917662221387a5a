"""`seqgap verify`."""

import sys
from typing import TYPE_CHECKING

import click

from seqgap.bench.cli.console import make_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from seqgap.bench.measure.verify import Verdict


@click.command()
def verify() -> None:
    """Compare every operation with its plain-Python reference; exit code 1 if one is wrong."""
    from rich.progress import track

    from seqgap.bench.measure.verify import count
    from seqgap.bench.measure.verify import verify as verdicts

    console = make_console()
    compared = list(track(verdicts(), "Comparing", count(), console=console, transient=True))
    _print(console, compared)
    if not all(verdict.ok for verdict in compared):
        sys.exit(1)


def _print(console: "Console", verdicts: "Sequence[Verdict]") -> None:
    from seqgap.bench.report.text import grid

    table = grid("operation", ">dtype", ">error", ">ULP", ">tolerance", ">used", ">size", "")
    for v in verdicts:
        table.add_row(
            v.name, v.dtype.name, f"{v.absolute:.1e}", f"{v.ulp:.1e}", f"{v.tolerance:.1e}",
            f"{v.used:.0%}", v.size, "ok" if v.ok else "[bold]WRONG[/bold]",
        )  # fmt: skip
    console.print(table)
    console.print(
        "\nerror, ULP: the largest over all sizes; ULP counts values near 0 that are differences of larger"
        " ones.\ntolerance, used: at the size that uses most of its tolerance. Why it is what it is:"
    )
    for reason in dict.fromkeys(v.reason for v in verdicts):
        console.print(f"- {reason}")
    console.print(f"{sum(v.ok for v in verdicts)} of {len(verdicts)} within tolerance.")
