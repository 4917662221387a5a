"""How steady the host was, by process: probes against the clock, rounds, and the processes' medians."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from seqgap.bench.analysis import rounds as analysis
from seqgap.bench.analysis.rounds import Rounds, Sample
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import Array
from seqgap.bench.report.plots.labels import empty, ratio_ticks
from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, Picture, captioned, sheet
from seqgap.bench.results.run import DISTURBED

_LOWEST, _HIGHEST = 0.7, 1.5
_TICKS = (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2)
_HIGHEST_PROBE = 2.0  # probes above are drawn there
_USUAL, _SLOW = COLOURS[0], COLOURS[1]
_MOST = 5  # processes beside each other
_PARTS = 40  # of the rounds of a process, in the order of time
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS = 41
_HEADS = ("probes of the host", "rounds of\nall cells", "medians of\nthe cells")


def picture(run: Run) -> Picture | None:
    """A column for each process, which count from 1, in the table too. None where no row."""
    if not run.measured:
        return None
    rounds, probes = analysis.rounds(run), analysis.probes(run)
    processes = sorted({of_row.row.process for of_row in rounds})
    shown = processes[:_MOST]
    figure = sheet(7.2)
    grid = figure.subplots(3, len(shown), squeeze=False, sharey="row")
    for column, process in zip(grid.T, shown, strict=True):
        of_process = [of_row for of_row in rounds if of_row.row.process == process]
        _probes(column[0], [probe for probe in probes if probe.process == process + 1])
        _rounds(column[1], of_process)
        _offsets(column[2], offsets(run, process))
        column[0].set_title(f"process {process + 1}")
        column[0].set_xlabel("minutes")
        column[1].set_xlabel("rounds, in their order")
        column[2].set_xlabel("cells")
    for axes, head in zip(grid[:, 0], _HEADS, strict=True):
        axes.set_ylabel(head)
    figure.suptitle("How steady the timings were: all over their own medians, process by process")
    return captioned(figure, analysis.table(run), [run], *_notes(rounds, len(processes) - len(shown)))


def offsets(run: Run, process: int) -> Array:
    """The median of each cell in a process over the cell's geometric mean of all processes."""
    ratios = [
        row.median / measured.seconds
        for measured in run.measured.values() for row in measured.rows if row.process == process
    ]  # fmt: skip
    return np.array(ratios)


def _notes(rounds: Sequence[Rounds], more: int) -> list[str]:
    ratios = np.concatenate([of_row.ratios for of_row in rounds])
    above, below = int(np.sum(ratios > _HIGHEST)), int(np.sum(ratios < _LOWEST))
    slow = sum(of_row.disturbed for of_row in rounds)
    probes = f"orange above {DISTURBED:g}: the host was slow; {slow} of {len(rounds)} blocks were beside one"
    outside = f"{len(ratios)} rounds, {above} above {_HIGHEST:g} and {below} below {_LOWEST:g}"
    texts = [
        f"Top: fixed work over its median, {probes}.",
        f"Middle: 5, 25, 50, 75 and 95% of the rounds; {outside}.",
        "Bottom: what the intervals are made of, cells by their offset; line: the median.",
    ]
    return [*texts, *([f"{more} more processes are in the table alone."] if more else [])]


def _probes(axes: Any, probes: Sequence[Sample]) -> None:
    _frame(axes, _LOWEST, _HIGHEST_PROBE)
    if not probes:
        empty(axes, "no probes")
        return
    _, minutes, ratios = np.array(probes).T
    shown = np.clip(ratios, _LOWEST, _HIGHEST_PROBE)
    slow = ratios > DISTURBED
    axes.plot(minutes[~slow], shown[~slow], ".", color=GREY, markersize=2, rasterized=True)
    axes.plot(minutes[slow], shown[slow], "D", color=_SLOW, markersize=3, rasterized=True)
    axes.axhline(DISTURBED, color=_SLOW, linewidth=0.8, linestyle="--")


def _rounds(axes: Any, rounds: Sequence[Rounds]) -> None:
    """Quantiles of the rounds in parts of as many each: without the time that compiling took between them."""
    _frame(axes, _LOWEST, _HIGHEST)
    ratios = np.concatenate([of_row.ratios for of_row in rounds])
    parts = np.array_split(np.arange(len(ratios)), min(_PARTS, len(ratios)))
    times = [float(np.median(part)) for part in parts]
    lines = np.array([np.quantile(ratios[part], _QUANTILES) for part in parts]).T
    lowest, low, middle, high, highest = lines
    axes.fill_between(times, lowest, highest, color=_USUAL, alpha=0.18, linewidth=0)
    axes.fill_between(times, low, high, color=_USUAL, alpha=0.35, linewidth=0)
    axes.plot(times, middle, color="black", linewidth=1.2, marker="" if len(times) > 1 else "o")


def _offsets(axes: Any, ratios: Array) -> None:
    _frame(axes, 1 / 1.25, 1.25)
    edges = np.geomspace(1 / 1.25, 1.25, _BINS)
    inside = np.clip(ratios, edges[0], edges[-1])
    axes.hist(inside, edges, orientation="horizontal", color=_USUAL, alpha=0.7)
    axes.axhline(float(np.median(ratios)), color="black", linewidth=1.2)


def _frame(axes: Any, low: float, high: float) -> None:
    axes.set(yscale="log", ylim=(low, high))
    ratio_ticks(axes.yaxis, low, high, _TICKS)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.axhline(1, color="black", linewidth=0.5)
    axes.grid(color=FAINT, linewidth=0.5)
