"""The gap over dimension and batch: where taking one dimension at a time costs time, and where not."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch

from seqgap.bench.analysis.gap import FELT, Gap, map_table, mapped
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.verdict import pairs
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.plots.labels import titled_legend
from seqgap.bench.report.plots.looks import look, titles
from seqgap.bench.report.plots.style import FONT, LIGHT, Picture, captioned, legible, plain_text, sheet
from seqgap.bench.report.text import threads_text
from seqgap.bench.report.verdict import factor

_COLUMNS = 2
_ROW = 0.225  # inches
_MOST = 11  # sizes that have room for their ratios
_SLOWEST = "python"
_BOUNDS = (0.95, 1.05, 1.25, 2, 10, 100)
_COLOURS = ("#b2abd2", "#f2f2f2", "#fee0b6", "#fdb863", "#e08214", "#b35806", "#7f3b08")  # of all eyes
_NORM = BoundaryNorm([0, *_BOUNDS, np.inf], len(_COLOURS))
_NOTE = (
    f"Bold: the 95% interval excludes 1. Thick line: its lower end is above {FELT} on one side."
    " Hatched: not timed. Rows: N, 1 for latency, many for throughput. Intervals: gap-map.csv."
)
_UNKNOWN = "One process has no intervals: nothing is bold, and there is no line."


class _Panel(NamedTuple):
    title: str
    gaps: list[Gap]


def picture(run: Run) -> Picture | None:
    """Ratio of the directions of each matched pair, on the fewest threads; None where there is no pair."""
    shown = mapped(run)
    if not shown:
        return None
    plain = [gap for gap in shown if gap.cell.impl == _SLOWEST]
    told = bool(plain) and len(plain) < len(shown) and not any(gap.felt == "yes" for gap in plain)
    panels = list(_panels(run, [gap for gap in shown if not (told and gap.cell.impl == _SLOWEST)]))
    columns = min(_COLUMNS, len(panels))
    rows = [panels[k : k + columns] for k in range(0, len(panels), columns)]
    heights = [max(len({gap.cell.batch for gap in panel.gaps}) for panel in row) for row in rows]
    figure = sheet(1.9 + sum(0.52 + _ROW * height for height in heights))
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    cell = shown[0].cell
    setting = f"({cell.dtype}, {threads_text(cell.threads)})"
    title = f"One step at a time over all at once: ratio of the times {setting}"
    titled_legend(figure, title, _classes(), len(_COLOURS))
    known = any(gap.ratio.known for gap in shown)
    notes = [_NOTE if known else _UNKNOWN, *([_plain_python(plain)] if told else [])]
    return captioned(figure, map_table(run), [run], *notes)


def _panels(run: Run, shown: Sequence[Gap]) -> Iterator[_Panel]:
    """By pair and implementation, those of plain Python last."""
    known = [pair for pair in pairs(run) if any(gap.names == pair.names for gap in shown)]
    named = {pair.names: title for pair, title in zip(known, titles(known, 32), strict=True)}
    impls = in_order([gap.cell.impl for gap in shown])
    for group in ([impl for impl in impls if impl != _SLOWEST], [_SLOWEST]):
        for names, title in named.items():
            for impl in group:
                gaps = [gap for gap in shown if (gap.names, gap.cell.impl) == (names, impl)]
                if gaps:
                    axis = plain_text(run.operations[names[0]].axis)
                    yield _Panel(f"{title}, {look(impl).short}, over {axis}", gaps)


def _plain_python(gaps: Sequence[Gap]) -> str:
    most = max(gap.ratio.high if gap.ratio.known else gap.ratio.middle for gap in gaps)
    return f"Plain Python: none of {len(gaps)} ratios is above {FELT} for certain, at most {factor(most)}."


def _classes() -> list[Patch]:
    names = [f"< {_BOUNDS[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(_BOUNDS)), f"> {_BOUNDS[-1]:g}"]
    return [Patch(facecolor=c, edgecolor=LIGHT, label=name) for c, name in zip(_COLOURS, names, strict=True)]


def _draw(axes: Any, panel: _Panel) -> None:
    dims, batches = (sorted({getattr(gap.cell, size) for gap in panel.gaps}) for size in ("dim", "batch"))
    chosen = {(batches.index(gap.cell.batch), dims.index(gap.cell.dim)): gap for gap in panel.gaps}
    ratios, lows = np.full((2, len(batches), len(dims)), np.nan)
    for place, gap in chosen.items():
        ratios[place], lows[place] = gap.ratio.middle, gap.ratio.low
    axes.pcolormesh(ratios, cmap=ListedColormap(_COLOURS), norm=_NORM, edgecolors="white", linewidth=0.5)
    for row, column in np.argwhere(np.isnan(ratios)):
        axes.fill_between(
            [column, column + 1], row, row + 1, facecolor="none", edgecolor=LIGHT, hatch="////", lw=0
        )
    if len(dims) <= _MOST:
        for (row, column), gap in chosen.items():
            _value(axes, column, row, gap)
    for (x0, y0), (x1, y1) in border(lows):
        axes.plot([x0, x1], [y0, y1], color="black", linewidth=2.5, solid_capstyle="butt", zorder=3)
    every = -(-len(dims) // _MOST)
    axes.set_xticks(
        np.arange(len(dims)) + 0.5, [str(d) if k % every == 0 else "" for k, d in enumerate(dims)]
    )
    axes.set_yticks(np.arange(len(batches)) + 0.5, [str(n) for n in batches])
    axes.tick_params(length=0)
    axes.set_title(panel.title, pad=3)
    for side in axes.spines.values():
        side.set_visible(False)


def _value(axes: Any, column: int, row: int, gap: Gap) -> None:
    """The ratio: bold where it is not 1 for certain, else faint."""
    colour = legible(_COLOURS[int(_NORM(gap.ratio.middle))])
    certain = gap.ratio.low > 1 or gap.ratio.high < 1
    axes.text(
        column + 0.5, row + 0.47, factor(gap.ratio.middle), ha="center", va="center", fontsize=FONT,
        color=colour, weight="bold" if certain else "normal", alpha=1 if certain else 0.65,
    )  # fmt: skip


def border(lows: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The sides between neighbouring cells of which one is above FELT and the other not; (x, y) corners.

    lows: lower ends of the ratios, (rows, columns), NaN where there is none: it has no border.
    """
    rows, columns = lows.shape
    beside = [((x, y), (x - 1, y), ((x, y), (x, y + 1))) for y in range(rows) for x in range(1, columns)]
    upon = [((x, y), (x, y - 1), ((x, y), (x + 1, y))) for y in range(1, rows) for x in range(columns)]

    def felt(cell: tuple[int, int]) -> bool | None:
        low = lows[cell[1], cell[0]]
        return None if np.isnan(low) else bool(low > FELT)

    return [side for a, b, side in (*beside, *upon) if {felt(a), felt(b)} == {True, False}]
