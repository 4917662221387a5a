"""The gap over dimension and batch: where taking one dimension at a time costs time, and where not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from seqgap.bench.analysis.gap import FELT, Gap, map_table, mapped
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.implementation import MAIN
from seqgap.bench.report.plots.style import GREY, LIGHT, Picture, captioned, new_figure, plain_text
from seqgap.bench.report.text import threads_text

_COLOURS = "PuOr_r"  # orange: the sequential direction is slower; told apart by all eyes
_NOTE = (
    f"thick line: where the sequential direction stops being {FELT} times slower; hatched: not timed;"
    " small figures: "
)
_KNOWN = f"95% interval, * where it contains {FELT}"
_UNKNOWN = "none, one process has no 95% intervals"


def picture(run: Run) -> Picture | None:
    """Ratio of the directions of each matched pair, on the fewest threads; None where there is no pair."""
    shown = mapped(run)
    if not shown:
        return None
    pairs = sorted({gap.names for gap in shown})
    impls = [impl for impl in MAIN if any(gap.cell.impl == impl for gap in shown)]
    dims, batches = (sorted({getattr(gap.cell, size) for gap in shown}) for size in ("dim", "batch"))
    width = 1.8 + len(impls) * max(1.2 + 0.62 * len(dims), 2.6)  # a title needs as much
    figure = new_figure(max(width, 8.0), 1.9 + len(pairs) * (0.9 + 0.62 * len(batches)))
    grid = figure.subplots(len(pairs), len(impls), squeeze=False)
    largest = max(*(abs(np.log(gap.ratio.middle)) for gap in shown), np.log(2.0))
    norm = TwoSlopeNorm(0.0, -largest, largest)
    for axes_of_pair, pair in zip(grid, pairs, strict=True):
        for axes, impl in zip(axes_of_pair, impls, strict=True):
            of_panel = [gap for gap in shown if (*gap.names, gap.cell.impl) == (*pair, impl)]
            chosen = {(gap.cell.batch, gap.cell.dim): gap for gap in of_panel}
            _panel(axes, chosen, dims, batches, norm)
            parallel = pair[1].removeprefix(f"{pair[0].split('.')[0]}.")
            axes.set_title(plain_text(f"{pair[0]} / {parallel}, {impl}"), fontsize=9)
        axes_of_pair[0].set_ylabel("batch N")
        axes_of_pair[0].set_yticks(np.arange(len(batches)) + 0.5, _answers(batches))
    for axes in grid[-1]:
        axes.set_xlabel("dimension D")
    _colour_bar(figure, grid, norm, largest)
    first = shown[0].cell
    figure.suptitle(
        "The gap: time of the sequential direction over that of the parallel one"
        f" ({first.dtype}, {threads_text(first.threads)})",
        fontsize=10,
    )
    known = any(gap.ratio.known for gap in shown)
    return captioned(figure, map_table(run), [run], _NOTE + (_KNOWN if known else _UNKNOWN))


def _answers(batches: Sequence[int]) -> list[str]:
    """Labels of the rows: one sample is about latency, the most samples are about throughput."""
    most = max(batches)
    names = {1: "N = 1:\nlatency"} | ({most: f"{most}:\nthroughput"} if most > 1 else {})
    return [names.get(n, str(n)) for n in batches]


def _panel(axes: Any, chosen: dict[tuple[int, int], Gap], dims: Any, batches: Any, norm: Any) -> None:
    ratios = np.array(
        [[chosen[n, d].ratio.middle if (n, d) in chosen else np.nan for d in dims] for n in batches]
    )
    axes.set_facecolor("#eeeeee")
    axes.pcolormesh(np.log(ratios), cmap=_COLOURS, norm=norm, edgecolors="white", linewidth=0.5)
    for row, n in enumerate(batches):
        for column, d in enumerate(dims):
            gap = chosen.get((n, d))
            if gap is None:
                axes.fill_between(
                    [column, column + 1], row, row + 1, facecolor="none", edgecolor=LIGHT, hatch="///", lw=0
                )
            else:
                _value(axes, column, row, gap, float(norm(np.log(gap.ratio.middle))))
    for (x0, y0), (x1, y1) in border(ratios):
        axes.plot([x0, x1], [y0, y1], color="black", linewidth=2.5, solid_capstyle="butt", zorder=3)
    axes.set_xticks(np.arange(len(dims)) + 0.5, [str(d) for d in dims])
    axes.set_yticks(np.arange(len(batches)) + 0.5, [str(n) for n in batches])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _value(axes: Any, column: int, row: int, gap: Gap, shade: float) -> None:
    """The ratio, and below it its interval."""
    colour = _legible(shade)
    ratio, low, high = gap.ratio.columns
    text = _short(ratio) + "*" * (low <= FELT <= high)
    axes.text(column + 0.5, row + 0.58, text, ha="center", va="center", fontsize=8, color=colour)
    if gap.ratio.known:
        ends = f"{_short(low)}-{_short(high)}"
        axes.text(column + 0.5, row + 0.26, ends, ha="center", va="center", fontsize=6, color=colour)


def _legible(shade: float) -> str:
    """Black or white, whichever contrasts more (WCAG 2.2, relative luminance) with a colour of the scale."""
    rgb = np.array(colormaps[_COLOURS](shade)[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 99.95 else f"{ratio:#.3g}"


def border(ratios: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The sides between neighbouring cells of which one is at least FELT and the other below; (x, y) corners.

    ratios: (rows, columns), NaN where there is no cell: it has no border.
    """
    rows, columns = ratios.shape
    beside = [((x, y), (x - 1, y), ((x, y), (x, y + 1))) for y in range(rows) for x in range(1, columns)]
    upon = [((x, y), (x, y - 1), ((x, y), (x + 1, y))) for y in range(1, rows) for x in range(columns)]

    def felt(cell: tuple[int, int]) -> bool | None:
        ratio = ratios[cell[1], cell[0]]
        return None if np.isnan(ratio) else bool(ratio >= FELT)

    return [side for a, b, side in (*beside, *upon) if {felt(a), felt(b)} == {True, False}]


def _colour_bar(figure: Figure, grid: Any, norm: Any, largest: float) -> None:
    bar = figure.colorbar(ScalarMappable(norm, _COLOURS), ax=grid.ravel().tolist(), shrink=0.8, pad=0.02)
    above_one = [t * 10**k for k in range(5) for t in (1, 2, 5) if np.log(t * 10**k) <= largest]
    ticks = [*(1 / t for t in reversed(above_one[1:])), *above_one]
    bar.set_ticks(np.log(ticks).tolist(), labels=[f"{t:.4g}" for t in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(plain_text("ratio: above 1 the sequential direction is slower"), color=GREY, fontsize=8)
