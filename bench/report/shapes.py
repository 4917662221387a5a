"""What the curves of a run say, as tables for the terminal: crossovers, distance from the ceilings."""

from collections.abc import Sequence

from rich.console import Console

from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.scaling import Crossing
from seqgap.bench.report.text import digits, ends, grid, in_groups, show, si, threads_text


def print_crossings(console: Console, crossings: Sequence[Crossing]) -> None:
    """The crossover dimension of the comparisons whose interval ends within the measured range."""
    certain = [(c.sequential, c.parallel, c.at) for c in crossings if c.at is not None and c.certain]
    if not certain:
        return
    console.print(
        "\n[bold]Crossover dimension D*[/bold]: where sequential and parallel take equally long; those whose"
        " 95% interval lies within the measured range"
    )
    for (impl, dtype, threads), group in in_groups(certain, lambda item: item[0][1:4]):
        table = grid("sequential, parallel", ">N", ">D*", ">95%")
        for curve, parallel, at in group:
            table.add_row(f"{curve.name}, {parallel}", str(curve.batch), digits(at.middle), ends(at))
        show(console, table, f"{impl}, {dtype}, {threads_text(threads)}")


def nearest_ceilings(run: Run) -> list[Measured]:
    """The compiled operations whose ceiling is known, each at its largest size."""
    largest: dict[str, Measured] = {}
    for cell in run.bounds:
        if cell.impl == "numba":
            measured = run.measured[cell]
            known = largest.setdefault(cell.name, measured)
            largest[cell.name] = max(known, measured, key=lambda m: m.cell.dim * m.cell.batch)
    return [measured for _, measured in sorted(largest.items())]


def print_fractions(console: Console, run: Run) -> None:
    """How near the compiled operations come to the machine's ceilings, each at its largest size."""
    largest = nearest_ceilings(run)
    if not largest:
        return
    console.print("\n[bold]How near the ceilings[/bold] (numba, largest size timed)")
    table = grid("operation", ">N", ">D", ">/call", ">of the\nceiling", "which is")
    for measured in largest:
        seconds, ceiling = run.bounds[measured.cell]
        size = map(str, measured.cell.columns("operation", "batch", "dim"))
        table.add_row(*size, si(measured.seconds), f"{seconds / measured.seconds:.0%}", ceiling)
    show(console, table)
