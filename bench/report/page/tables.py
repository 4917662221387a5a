"""The tables of the page: text in static HTML, so that they can be read without JavaScript and in print."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from seqgap.bench.analysis import gap as gaps_of
from seqgap.bench.analysis.compare import Change
from seqgap.bench.analysis.ladder import Rung, ladders
from seqgap.bench.analysis.ranking import peers_of, rankings
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.report.machine import ceilings_table
from seqgap.bench.report.page import records
from seqgap.bench.report.shapes import nearest_ceilings
from seqgap.bench.report.text import digits, heading, plain_cause, si
from seqgap.bench.results.printable import printable
from seqgap.bench.results.tables import Table


class Figure(NamedTuple):
    """A number as it is read, and what it is sorted by."""

    text: str
    value: float | None


class Link(NamedTuple):
    """A cell by name, which leads to its rounds."""

    cell: str


Entry: TypeAlias = str | Figure | Link


class PageTable(NamedTuple):
    """A table of the page. name: of its element, and of the file that it is saved as."""

    name: str
    caption: str
    head: Sequence[str]
    lines: Sequence[Sequence[Entry]]


def _seconds(value: float) -> Figure:
    return Figure(si(value), records.rounded(value))


def _times(value: float) -> Figure:
    return Figure(digits(value), records.rounded(value))


def _count(value: int) -> Figure:
    return Figure(str(value), value)


def _ends(interval: Interval) -> Entry:
    if not interval.known:
        return ""
    return Figure(f"{digits(interval.low)} to {digits(interval.high)}", records.rounded(interval.low))


def _size(measured: Measured) -> list[Entry]:
    cell = measured.cell
    return [cell.impl, cell.dtype, *map(_count, (cell.threads, cell.batch, cell.dim))]


_SIZE = ("implementation", "dtype", "threads", "N", "D")


def gaps(run: Run) -> PageTable:
    """Every pair of the same weights, and every control."""
    lines = [
        [
            records.pair_name(gap), *_size(gap.sequential), _seconds(gap.sequential.per_sample.middle),
            _seconds(gap.parallel.per_sample.middle), _times(gap.ratio.middle), _ends(gap.ratio), gap.verdict,
        ]
        for gap in gaps_of.gaps(run)
        if gap.kind != "family"
    ]  # fmt: skip
    head = [
        "pair",
        *_SIZE,
        "sample, one at a time",
        "sample, all at once",
        "ratio",
        "95%",
        "one at a time is",
    ]
    return PageTable("gap-table", "Pairs of the same weights, and controls", head, lines)


def causes(run: Run) -> PageTable:
    """Every rung of every ladder."""
    lines = [_rung(heading(ladder), rung) for ladder in ladders(run) for rung in ladder.rungs]
    head = ["of", "rung", "sample", "factor", "95%", "takes away"]
    return PageTable("causes-table", "What each step takes away", head, lines)


def _rung(of: str, rung: Rung) -> list[Entry]:
    factor = [_times(rung.factor.middle), _ends(rung.factor)] if rung.factor else ["", ""]
    return [of, rung.name, _seconds(rung.measured.per_sample.middle), *factor, plain_cause(rung.cause)]


def cells(run: Run) -> PageTable:
    """Every timed cell."""
    head = [
        "cell", *_SIZE, "call", "95%", "sample", "rounds", "processes", "other load", "of the ceiling",
    ]  # fmt: skip
    return PageTable("cells-table", "Every timed cell", head, [_cell(run, m) for m in run.measured.values()])


def _cell(run: Run, measured: Measured) -> list[Entry]:
    low, high = measured.interval.low, measured.interval.high
    ends = Figure(f"{si(low)} to {si(high)}", records.rounded(low)) if measured.interval.known else ""
    bound = run.bounds.get(measured.cell)
    fraction = bound[0] / measured.seconds if bound else None
    return [
        Link(str(measured.cell)), *_size(measured), _seconds(measured.seconds), ends,
        _seconds(measured.per_sample.middle), _count(sum(len(row.rounds) for row in measured.rows)),
        _count(len(measured.rows)), "met" if measured.disturbed else "",
        "" if fraction is None else Figure(f"{fraction:.0%}", records.rounded(fraction)),
    ]  # fmt: skip


def peers(run: Run) -> PageTable:
    """Numba and its peers: seconds of a call, and who is the fastest."""
    names = peers_of(rankings(run))
    lines: list[list[Entry]] = []
    for ranking in rankings(run):
        times = [ranking.medians.get(name) for name in names]
        lines.append(
            [
                *map(str, ranking.cell.columns("operation", "dtype")),
                *map(_count, (ranking.cell.threads, ranking.cell.batch, ranking.cell.dim)),
                *("" if seconds is None else _seconds(seconds) for seconds in times),
                _times(ranking.ratio.middle), _ends(ranking.ratio), ranking.verdict,
            ]
        )  # fmt: skip
    head = ["operation", "dtype", "threads", "N", "D", *names, "fastest peer over numba", "95%", "who wins"]
    return PageTable("peers-table", "Time of one call, and who is faster", head, lines)


def left_out(run: Run) -> PageTable:
    """What was not timed, and why."""
    lines = [[str(row.cell), row.status, printable(row.reason)] for row in run.left_out]
    return PageTable("left-out-table", "Not timed", ["cell", "because", "reason"], lines)


def offsets(run: Run) -> PageTable:
    """The medians of each process about the means of their cells."""
    head = ["process", "cells", "5%", "25%", "50%", "75%", "95%"]
    lines = [[_figure(value) for value in record.values()] for record in records.offsets(run)]
    return PageTable(
        "offsets-table", "Median of a process over the mean of its cell, over the cells", head, lines
    )


def _figure(value: str | float) -> Entry:
    return value if isinstance(value, str) else Figure(f"{value:.4g}", value)


def plain(table: Table, name: str, caption: str) -> PageTable:
    """A table of texts."""
    lines = [["" if value is None else str(value) for value in line] for line in table.lines]
    return PageTable(name, caption, table.head, lines)


def ceilings(run: Run) -> PageTable | None:
    """What the machine can do at best; None where the run did not measure it."""
    if run.ceilings is None:
        return None
    table = ceilings_table(run.ceilings)
    lines = [[*map(str, line[:4]), _rate(line[4], str(line[5]))] for line in table.lines]
    return PageTable("ceilings-table", "What this machine can do at best", [*table.head[:4], "figure"], lines)


def _rate(value: object, unit: str) -> Entry:
    if not isinstance(value, float):
        return ""
    return _seconds(value) if unit == "s" else Figure(f"{value / 1e9:.3g} G{unit}", records.rounded(value))


def fractions(run: Run) -> PageTable:
    """How near the compiled operations come to the ceilings."""
    lines: list[list[Entry]] = []
    for measured in nearest_ceilings(run):
        seconds, ceiling = run.bounds[measured.cell]
        part = seconds / measured.seconds
        lines.append(
            [
                measured.cell.name, *map(_count, (measured.cell.batch, measured.cell.dim)),
                _seconds(measured.seconds), Figure(f"{part:.0%}", records.rounded(part)), ceiling,
            ]
        )  # fmt: skip
    head = ["operation", "N", "D", "call", "of the ceiling", "which is"]
    return PageTable(
        "fractions-table", "How near the compiled operations come, at their largest size", head, lines
    )


def changes(old: Run, new: Run, decided: Iterable[Change]) -> PageTable:
    """Every cell of two runs, the slowest first."""
    lines = [
        [
            Link(str(change.cell)),
            *(_seconds(run.measured[change.cell].seconds) for run in (old, new)),
            _times(change.ratio.middle), _ends(change.ratio), change.verdict,
        ]
        for change in sorted(decided, key=lambda change: -change.ratio.middle)
    ]  # fmt: skip
    return PageTable("changes-table", "Before and after", ["cell", "old", "new", "ratio", "95%", "is"], lines)
