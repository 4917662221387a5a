"""`seqgap list`."""

import click

from seqgap.bench.cli.console import make_console


@click.command(name="list")
@click.option(
    "--dim", type=click.IntRange(1, 2**24), default=64, show_default=True, help="Dimension of the costs."
)
def list_cases(dim: int) -> None:
    """List the operations with their depth, flops and implementations."""
    from seqgap.bench.model.outside import installed
    from seqgap.bench.model.registry import cases
    from seqgap.bench.report.text import grid

    title = f"Cost of one sample at D = {dim}; bytes in float64, parameters not counted"
    table = grid("operation", ">kind", ">depth", ">flops", ">bytes", "implementations", title=title)
    table.columns[-1].no_wrap = False  # of some operations there are ten
    for case in cases().values():
        for op in case.operations:
            cost = op.cost(dim)
            table.add_row(
                f"{case.stem}.{op.name}", "seq." if op.sequential else "par.",
                *(f"{figure:g}" for figure in (cost.depth, cost.flops, 8 * cost.elements)),
                ", ".join(op.implementation_names) + ("" if op.timed else " *"),
            )  # fmt: skip
    console = make_console()
    console.print(table)
    for name, distribution in installed().items():
        click.echo(f"{name}: of {distribution}, seqgap run --case {name}")
    console.print("seq.: the depth grows with D; par.: it does not. * verified, not timed")
