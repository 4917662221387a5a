"""Where the time goes: one stacked bar a model, from its slowest rung to the parallel direction, by cause."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.patches import Patch

from seqgap.bench.analysis.ladder import Ladder, ladders, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.plots.labels import second_ticks, titled_legend
from seqgap.bench.report.plots.style import (
    COLOURS,
    FAINT,
    FONT,
    GREY,
    Picture,
    captioned,
    cut,
    legible,
    plain_text,
    sheet,
)
from seqgap.bench.report.text import plain_cause, si, threads_text
from seqgap.bench.report.verdict import factor

_ROW = 0.44  # inches
_AXIS = 5.6  # inches, about, that the axis has
_MERGED = "interpreter and its calls"
_COLOURS = {
    "interpreter": COLOURS[1],
    _MERGED: COLOURS[1],
    "repeated work": COLOURS[4],
    "calls": COLOURS[5],
    "vectors": COLOURS[0],
    "forgetting": COLOURS[3],
    "threads": "#004166",
    "order": COLOURS[2],
}
_OTHERS = (COLOURS[3], GREY, "#7A486A", "#8A5F00")
_NOTE = (
    "From the right end, the slowest code, each cause takes its factor off; diamond: all at once."
    " order: what one step at a time itself costs. Intervals: ladder.csv."
)
_FIRST, _OF_NUMPY = "plain Python", "numpy"


class Segment(NamedTuple):
    """A cause, and the natural logarithm of what it brings: below 0 it costs time."""

    cause: str
    log: float


def picture(run: Run) -> Picture | None:
    """A panel for each N, the largest on top, all on one axis of time; None where a run has no ladder."""
    known = ladders(run)
    if not known:
        return None
    batches = sorted({ladder.cell.batch for ladder in known}, reverse=True)
    groups = [[ladder for ladder in known if ladder.cell.batch == batch] for batch in batches]
    counts = [len(group) for group in groups]
    figure = sheet(1.9 + sum(0.6 + _ROW * count for count in counts))
    grid = figure.subplots(len(groups), sharex=True, squeeze=False, height_ratios=counts)[:, 0]
    limits = _limits(known)
    causes: dict[str, str] = {}
    for axes, group in zip(grid, groups, strict=True):
        _panel(axes, group, limits, causes)
    grid[-1].set_xlabel("time of one sample")
    handles = [
        Patch(color=colour, label=plain_text(cause)) for cause, colour in sorted(causes.items(), key=_rank)
    ]
    slower = Patch(
        facecolor="white", edgecolor=GREY, hatch="////", label="hatched, going back: made it slower"
    )
    title = "What makes one step at a time slow: the time of one sample, cause by cause"
    titled_legend(figure, title, [*handles, slower], 4)
    return captioned(figure, table(run), [run], *_notes(known))


def _rank(item: tuple[str, str]) -> tuple[int, str]:
    """Causes in the order of the rungs, those of several rungs last."""
    known = list(_COLOURS)
    return known.index(item[0]) if item[0] in known else len(known), item[0]


def _notes(known: Sequence[Ladder]) -> list[str]:
    notes = [_NOTE]
    if any(ladder.rungs[0].name != _FIRST for ladder in known):
        notes.append("* begins at a faster rung: the slower ones took too long, or there are none.")
    if any(segment.cause == _MERGED for ladder in known for segment in segments(ladder)):
        notes.append(
            "N = 1: a call of NumPy for each step costs more than the interpreter it saves; both are one."
        )
    return notes


def segments(ladder: Ladder) -> list[Segment]:
    """The causes of a ladder; for one sample it is one from plain Python to compiled code, without NumPy."""
    first, *rungs = ladder.rungs
    merged = ladder.cell.batch == 1 and first.measured.cell.impl == "python"
    if merged and any(rung.measured.cell.impl.startswith(_OF_NUMPY) for rung in rungs):
        rungs = [rung for rung in rungs if not rung.measured.cell.impl.startswith(_OF_NUMPY)]
    else:
        merged = False
    seconds = np.log([rung.measured.per_sample.middle for rung in (first, *rungs)])
    causes = [plain_cause(rung.cause) for rung in rungs]
    if merged:
        causes[0] = _MERGED
    return [Segment(cause, float(log)) for cause, log in zip(causes, seconds[:-1] - seconds[1:], strict=True)]


def _limits(known: Sequence[Ladder]) -> tuple[float, float]:
    """Of the axis of time: around all bars, two decades at least."""
    ends = [end for ladder in known for end in _ends(ladder)]
    least, most = np.log10(min(ends)), np.log10(max(ends))
    middle, half = (least + most) / 2, max(1.0, 0.53 * (most - least))
    return 10 ** (middle - half), 10 ** (middle + half)


def _ends(ladder: Ladder) -> tuple[float, float, float]:
    """Seconds of one sample: of the slowest rung, after all causes that help, and of the last rung."""
    start = ladder.rungs[0].measured.per_sample.middle
    helped = sum(max(segment.log, 0) for segment in segments(ladder))
    return start, start * np.exp(-helped), ladder.rungs[-1].measured.per_sample.middle


def _panel(axes: Any, group: Sequence[Ladder], limits: tuple[float, float], causes: dict[str, str]) -> None:
    axes.set(xscale="log", xlim=limits, ylim=(len(group) - 0.45, -0.6))
    for height, ladder in enumerate(group):
        _bar(axes, height, ladder, causes)
    axes.set_yticks(range(len(group)), [_label(ladder) for ladder in group], fontsize=FONT)
    axes.tick_params(axis="y", length=0)
    axes.set_title(_title(group), loc="left")
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    second_ticks(axes.xaxis)


def _title(group: Sequence[Ladder]) -> str:
    batch = group[0].cell.batch
    answer = "Latency" if batch == 1 else "Throughput"
    threads = threads_text(max(rung.measured.cell.threads for ladder in group for rung in ladder.rungs))
    return f"{answer}: calls of N = {batch}, up to {threads}"


def _label(ladder: Ladder) -> str:
    """The model with its size, and the whole factor between the two times."""
    first, last = (rung.measured.per_sample.middle for rung in (ladder.rungs[0], ladder.rungs[-1]))
    dtype = "" if ladder.cell.dtype == "float64" else f", {ladder.cell.dtype}"
    times = f"{si(first)} to {si(last)}: {factor(ladder.total.middle)}x"
    begun = "" if ladder.rungs[0].name == _FIRST else "*"
    name = cut(ladder.cell.name, 26)
    return plain_text(f"{name}, {ladder.cell.dim}{dtype}{begun}\n{times}")


def _bar(axes: Any, height: int, ladder: Ladder, causes: dict[str, str]) -> None:
    """The causes that help from the right to the left; those that do not in a strip below, going back."""
    start, turn, last = _ends(ladder)
    right, left = np.log(start), np.log(turn)
    for segment in segments(ladder):
        colour = causes.setdefault(segment.cause, _COLOURS.get(segment.cause) or _other(causes))
        if segment.log > 0:
            _piece(axes, (right - segment.log, right), height - 0.1, 0.42, segment, colour)
            right -= segment.log
        elif segment.log < 0:
            _piece(axes, (left, left - segment.log), height + 0.26, 0.24, segment, colour)
            left -= segment.log
    lane = height + 0.26 if last > turn * (1 + 1e-9) else height - 0.1
    axes.plot(last, lane, "D", color="black", markersize=4.5, zorder=4, clip_on=False)


def _other(causes: dict[str, str]) -> str:
    """A colour for a cause that a case from outside names."""
    return _OTHERS[len(causes.keys() - _COLOURS.keys()) % len(_OTHERS)]


def _piece(
    axes: Any, ends: tuple[float, float], y: float, tall: float, segment: Segment, colour: str
) -> None:
    """One segment, with its factor where that has room."""
    low, high = np.exp(ends)
    helps = segment.log > 0
    axes.barh(
        y, high - low, left=low, height=tall, linewidth=0.8,
        facecolor=colour if helps else "white", edgecolor="white" if helps else colour,
        hatch=None if helps else "////",
    )  # fmt: skip
    text = factor(float(np.exp(segment.log)))
    room = (ends[1] - ends[0]) / float(np.log(np.divide(*reversed(axes.get_xlim())))) * _AXIS
    if helps and room > 0.09 * len(text):
        axes.text(
            np.exp(sum(ends) / 2), y, text, ha="center", va="center", fontsize=FONT, color=legible(colour)
        )
