"""All ratios of the compiled code with their intervals, sorted: how sure in one look."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgap.bench.analysis.gap import Gap, compiled, forest_table
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.report.plots.labels import DotRow, draw_rows, limits_of, ratio_ticks
from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, Picture, captioned, cut, sheet
from seqgap.bench.report.text import threads_text

_ABOVE, _BELOW, _UNSEEN = COLOURS[1], COLOURS[0], GREY
_MOST = 36  # ratios with a name
_ROW = 0.2  # inches


def picture(run: Run) -> Picture | None:
    """All ratios; where they are too many for names, those at the ends of each pair by name beside them."""
    gaps = compiled(run)
    if not gaps:
        return None
    many = len(gaps) > _MOST
    named = _extremes(gaps) if many else gaps
    figure = sheet(1.5 + _ROW * max(len(named), 5))
    panels = figure.subplots(1, 1 + many, squeeze=False, width_ratios=[1, 1.3][-1 - many :])[0]
    limits = limits_of([gap.ratio for gap in gaps])
    if many:
        _every(panels[0], [gap.ratio for gap in gaps])
        panels[0].set_title(f"all {len(gaps)} ratios, sorted")
        panels[1].set_title("the largest and the smallest of each pair")
    several = len({gap.cell.threads for gap in gaps}) > 1
    draw_rows(panels[-1], [DotRow(_name(gap, several), gap.ratio, _colour(gap.ratio)) for gap in named])
    for axes in panels:
        axes.set_xlim(limits)
        ratio_ticks(axes.xaxis, *limits)
    figure.suptitle(_title(gaps))
    note = "Dot: ratio; line: its 95% interval. All by name: forest.csv."
    return captioned(figure, forest_table(run), [run], note)


def _extremes(gaps: Sequence[Gap]) -> list[Gap]:
    """The largest and the smallest of each pair, sorted; of too many pairs those at the ends."""
    of_pairs: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps:
        of_pairs.setdefault(gap.names, []).append(gap)
    ends = {id(gap) for of_pair in of_pairs.values() for gap in (of_pair[0], of_pair[-1])}
    chosen = [gap for gap in gaps if id(gap) in ends]
    return chosen if len(chosen) <= _MOST else [*chosen[: _MOST // 2], *chosen[-_MOST // 2 :]]


def _title(gaps: Sequence[Gap]) -> str:
    above, below = (sum(_colour(gap.ratio) == colour for gap in gaps) for colour in (_ABOVE, _BELOW))
    rest = len(gaps) - above - below
    return (
        "Compiled code: one step at a time over all at once, times\n"
        f"{above} above 1 (orange), {below} below (blue), {rest} whose interval contains 1 (grey)"
    )


def _colour(ratio: Interval) -> str:
    return _ABOVE if ratio.low > 1 else _BELOW if ratio.high < 1 else _UNSEEN


def _name(gap: Gap, several: bool) -> str:
    cell = gap.cell
    threads = f", {threads_text(cell.threads)}" if several else ""
    dtype = "" if cell.dtype == "float64" else f", {cell.dtype}"
    return f"{cut(cell.name, 24)}, {cell.dim}, N = {cell.batch}{threads}{dtype}"


def _every(axes: Any, ratios: Sequence[Interval]) -> None:
    """A line for each interval and a curve for the ratios, too many for names."""
    axes.set_xscale("log")
    heights = np.arange(len(ratios))
    for colour in (_UNSEEN, _ABOVE, _BELOW):
        chosen = [k for k, ratio in enumerate(ratios) if _colour(ratio) == colour]
        ends = np.array([[ratios[k].low, ratios[k].high] for k in chosen]).reshape(-1, 2)
        axes.hlines(heights[chosen], *ends.T, color=colour, linewidth=0.6, alpha=0.6)
        axes.plot([ratios[k].middle for k in chosen], heights[chosen], ".", color=colour, markersize=2)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(ylim=(len(ratios), -1), yticks=[])
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
