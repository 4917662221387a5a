"""`seqgap list`."""

from typing import TYPE_CHECKING

import click

from seqgap.bench.cli.console import make_console
from seqgap.bench.cli.options import examples
from seqgap.bench.cli.tables import TABLE, format_option, print_tables

if TYPE_CHECKING:
    from seqgap.bench.results.tables import Table

_MANY = 1e6  # flops or bytes; more are rounded


@click.command(
    name="list",
    short_help="List the operations and their implementations.",
    epilog=examples(
        "seqgap list                     three seconds",
        "seqgap list --dim 256           costs of a sample of 256 dimensions",
        "seqgap list --format json       for a program",
    ),
)
@click.option(
    "--dim", type=click.IntRange(1, 2**24), default=64, show_default=True, metavar="D",
    help="Dimension of the costs.",
)  # fmt: skip
@format_option
def list_cases(dim: int, style: str) -> None:
    """List the operations with their depth, flops and implementations."""
    if style == TABLE:
        _print(dim)
    else:
        print_tables([_table(dim)], style)


def _table(dim: int) -> "Table":
    from seqgap.bench.model.registry import cases
    from seqgap.bench.results.tables import Table

    head = ["operation", "kind", "depth", "flops", "bytes", "timed", "implementations"]
    lines = []
    for case in cases().values():
        for op in case.operations:
            cost, kind = op.cost(dim), "sequential" if op.sequential else "parallel"
            figures = (cost.depth, cost.flops, 8 * cost.elements)
            names = " ".join(op.implementation_names)
            lines.append((f"{case.stem}.{op.name}", kind, *figures, "yes" if op.timed else "no", names))
    return Table("operations", head, lines)


def _print(dim: int) -> None:
    from seqgap.bench.model.outside import installed
    from seqgap.bench.report.text import grid, show

    table = grid("operation", "kind", ">depth", ">flops", ">bytes", "runs in")
    for name, kind, depth, flops, size, timed, implementations in _table(dim).lines:
        figures = (
            f"{value:g}" if float(value or 0) < _MANY else f"{value:.3g}" for value in (depth, flops, size)
        )
        names = str(implementations).replace(" ", ", ")
        table.add_row(str(name), f"{str(kind)[:3]}.", *figures, names + ("" if timed == "yes" else " *"))
    console = make_console()
    show(console, table, f"Cost of one sample at D = {dim}; bytes in float64, parameters not counted")
    for name, distribution in installed().items():
        console.print(f"{name}: of {distribution}, seqgap run --case {name}", markup=False)
    console.print("seq.: the depth grows with D; par.: it does not. * verified, not timed")
