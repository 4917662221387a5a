"""Words and figures as every report has them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table

from seqgap.bench.analysis.ladder import Ladder
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import Interval

Item = TypeVar("Item")
Key = TypeVar("Key")
_FEW = 3
_CAUSES = {
    "redundant work": "repeated work",
    "call overhead": "calls",
    "vector width, checks": "vectors",
    "true data dependence": "order",
}


def si(seconds: float) -> str:
    """Seconds with a unit, three digits."""
    if seconds == 0:
        return "0"
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def plain_cause(cause: str) -> str:
    """The cause of a rung in plain words; several causes where rungs between are missing."""
    return " and ".join(_CAUSES.get(part, part) for part in cause.split(" + "))


def threads_text(count: int) -> str:
    """1 thread, 2 threads."""
    return f"{count} thread{'s' * (count > 1)}"


def times(factor: Interval) -> str:
    """A factor, three digits: 1.02x, 1234x."""
    return f"{digits(factor.middle)}x"


def ends(factor: Interval) -> str:
    """(low to high); nothing where one process alone was measured."""
    return f"({digits(factor.low)} to {digits(factor.high)})" if factor.known else ""


def digits(value: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def heading(ladder: Ladder) -> str:
    """Which question a ladder answers, and of what: latency for one sample, throughput for many."""
    cell = ladder.cell
    answer = "Latency" if cell.batch == 1 else "Throughput"
    return f"{answer}: {cell.name} against {ladder.parallel}, D = {cell.dim}, N = {cell.batch}, {cell.dtype}"


def total_line(ladder: Ladder) -> str:
    """The whole gap, and what of it is left at the last rung."""
    first, last = ladder.rungs[0], ladder.rungs[-1]
    assert last.factor is not None
    whole = f"total {first.measured.cell.impl} -> parallel: {times(ladder.total)}"
    return f"{whole}; of it {last.cause} {times(last.factor)} {ends(last.factor)}".rstrip()


def grid(*heads: str) -> Table:
    """A table; heads that begin with > are of figures, aligned right and never cut: the others give way."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for head in heads:
        right = head.startswith(">")
        table.add_column(
            head.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold"
        )
    return table


def show(console: Console, table: Table, title: str = "") -> None:
    """Print a table below its title, and an empty line."""
    if title:
        console.print(title)
    console.print(table)
    console.print()


def in_groups(items: Iterable[Item], key: Callable[[Item], Key]) -> list[tuple[Key, list[Item]]]:
    """The items in groups of the same key, the groups in the order of their first items."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.items())


def tell_damaged(run: Run) -> bool:
    """Name the lines of a result folder that could not be used, on standard error; whether there were any."""
    for line in run.damaged[:_FEW]:
        click.echo(f"seqgap: {line}; left out", err=True)
    if len(run.damaged) > _FEW:
        click.echo(f"seqgap: {len(run.damaged) - _FEW} further damaged lines left out", err=True)
    return bool(run.damaged)
