"""The ladder as a waterfall: from plain Python to the parallel direction, one cause at a time."""

from itertools import pairwise
from typing import Any

import numpy as np

from seqgap.bench.analysis.ladder import Ladder, Rung, ladders, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, Picture, footed, new_figure, plain_text
from seqgap.bench.report.text import ends, heading, si, times, total_line

_FASTER, _SLOWER, _LEFT = COLOURS[0], COLOURS[1], COLOURS[2]
_NOTE = (
    "bar: from the time of the rung above to its own; whisker: 95% interval; blue: faster, orange: slower,"
    " green: what remains between the two directions, true data dependence where it is one model"
)


def picture(run: Run) -> Picture | None:
    """The ladders of a run, one panel each; None where it has none."""
    if not ladders(run):
        return None
    models = sorted({_model(ladder) for ladder in ladders(run)}, key=lambda m: (m[0], m[1] != "float64"))
    batches = sorted({ladder.cell.batch for ladder in ladders(run)})
    figure = new_figure(1 + 7 * len(batches), 1.4 + 3.7 * len(models))
    grid = figure.subplots(len(models), len(batches), squeeze=False)
    for axes in grid.flat:
        axes.set_visible(False)
    for ladder in ladders(run):
        axes = grid[models.index(_model(ladder)), batches.index(ladder.cell.batch)]
        axes.set_visible(True)
        _panel(axes, ladder)
    figure.suptitle(
        "The ladder: from sequential code to the parallel direction, what each step brings", fontsize=11
    )
    return Picture(footed(figure, [run], _NOTE), table(run))


def _model(ladder: Ladder) -> tuple[str, str]:
    return ladder.cell.case, ladder.cell.dtype


def _panel(axes: Any, ladder: Ladder) -> None:
    seconds = [rung.measured.per_sample.middle for rung in ladder.rungs]
    places = -np.arange(len(ladder.rungs))
    axes.set_xscale("log")
    axes.set_xlim(_limits(ladder))
    for height, (before, after) in zip(places[1:], pairwise(seconds), strict=True):
        last = height == places[-1]
        colour = _LEFT if last else _FASTER if after < before else _SLOWER
        axes.barh(height, abs(before - after), left=min(before, after), height=0.55, color=colour, alpha=0.8)
        axes.plot([before, before], [height + 1, height], ":", color=GREY, linewidth=0.8)
    for height, rung, time in zip(places, ladder.rungs, seconds, strict=True):
        _, low, high = rung.measured.per_sample.columns
        axes.plot([low, high], [height, height], color="black", linewidth=1.2)
        axes.plot(time, height, "o", color="black", markersize=4)
        axes.text(
            1.02, height, _beside(rung, time), va="center", fontsize=7.5, transform=axes.get_yaxis_transform()
        )
    axes.set_yticks(places, [rung.name for rung in ladder.rungs])
    axes.set_ylim(places[-1] - 0.6, 0.6)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds for one sample")
    axes.set_title(plain_text(f"{heading(ladder)}\n{total_line(ladder)}"), fontsize=8.5, loc="left")


def _limits(ladder: Ladder) -> tuple[float, float]:
    """Around all whiskers, and two decades at least: less has tick labels that overlap."""
    logs = np.log10([rung.measured.per_sample.columns for rung in ladder.rungs])
    least, most = float(np.nanmin(logs)), float(np.nanmax(logs))
    middle, half = (least + most) / 2, max(1.0, 0.53 * (most - least))
    return 10 ** (middle - half), 10 ** (middle + half)


def _beside(rung: Rung, seconds: float) -> str:
    if rung.factor is None:
        return si(seconds)
    return f"{times(rung.factor)} {ends(rung.factor)}\n{rung.cause}"
