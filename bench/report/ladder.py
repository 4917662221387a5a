"""The ladder as a table."""

from collections.abc import Sequence
from math import isnan

from rich import box
from rich.console import Console
from rich.table import Table

from seqgap.bench.analysis.ladder import Ladder, Rung
from seqgap.bench.analysis.statistics import METHOD, Interval
from seqgap.bench.report.tables import si


def print_ladders(console: Console, ladders: Sequence[Ladder]) -> None:
    """Each ladder with its total; how to read them comes last."""
    for ladder in ladders:
        console.print(f"\n[bold]{heading(ladder)}[/bold]")
        console.print(_table(ladder))
        console.print(total_line(ladder), soft_wrap=True)
    if ladders:
        console.print(
            "\nfactor: time of the rung before over this one, below 1 where the step made it slower;"
            " cause: what the step changes.\nThe best compiled function checks its arguments, the plain"
            " loops do not: about 2 us a call, which counts at N = 1.",
            soft_wrap=True,
        )
        console.print(f"{METHOD}.", soft_wrap=True)


def heading(ladder: Ladder) -> str:
    """Which question a ladder answers, and of what: latency for one sample, throughput for many."""
    answer = "Latency" if ladder.batch == 1 else "Throughput"
    pair = f"{ladder.case}.{ladder.operation} against {ladder.parallel}"
    return f"{answer}: {pair}, D = {ladder.dim}, N = {ladder.batch}, {ladder.dtype}"


def total_line(ladder: Ladder) -> str:
    """The whole gap, and what of it is left at the last rung."""
    first, last = ladder.rungs[0], ladder.rungs[-1]
    assert last.factor is not None
    whole = f"total {first.cell.impl} -> parallel: {times(ladder.total)}"
    return f"{whole}; of it {last.cause} {times(last.factor)} {ends(last.factor)}".rstrip()


def times(factor: Interval) -> str:
    """A factor, three digits: 1.02x, 1234x."""
    return f"{_digits(factor.middle)}x"


def ends(factor: Interval) -> str:
    """[low, high]; nothing where one process alone was measured."""
    return "" if isnan(factor.low) else f"[{_digits(factor.low)}, {_digits(factor.high)}]"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _table(ladder: Ladder) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("rung", no_wrap=True)
    for name in ("/sample", "factor", "95% interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("cause")
    for rung in ladder.rungs:
        table.add_row(*_row(rung))
    return table


def _row(rung: Rung) -> tuple[str, ...]:
    factor = ("", "") if rung.factor is None else (times(rung.factor), ends(rung.factor))
    return rung.name, si(rung.seconds.middle / rung.cell.batch), *factor, rung.cause
