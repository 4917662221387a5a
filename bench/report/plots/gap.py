"""The gap against D: how many times as long one step at a time takes as all at once, by implementation."""

from collections.abc import Sequence
from typing import Any

from seqgap.bench.analysis.gap import Gap, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.verdict import PairVerdict, pairs
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.plots.labels import End, dim_ticks, label_ends, limits_of, ratio_ticks
from seqgap.bench.report.plots.looks import batch_text, look, titles
from seqgap.bench.report.plots.style import FAINT, Picture, captioned, plain_text, sheet
from seqgap.bench.report.text import threads_text
from seqgap.bench.report.verdict import factor

_COLUMNS = 3
_LINE = 0.115  # of the height of a panel: a line of text
_NOTE = "Above 1 one step at a time is slower. Ribbon: 95% interval. All numbers of threads: gap.csv."


def picture(run: Run) -> Picture | None:
    """A panel for each matched pair at its smallest and its largest N; None where there is no pair."""
    known = pairs(run)
    if not known:
        return None
    columns = min(_COLUMNS, len(known))
    rows = max(len(_ends_of_batches(pair)) for pair in known)
    groups = -(-len(known) // columns)
    figure = sheet(1.0 + groups * (0.2 + 1.75 * rows))
    grid = figure.subplots(rows * groups, columns, squeeze=False, sharey=True)
    limits = limits_of([gap.ratio for pair in known for gap in pair.gaps])
    for place, (pair, title) in enumerate(zip(known, titles(known, 105 // columns), strict=True)):
        first = place // columns * rows
        panels = list(grid[first : first + rows, place % columns])
        _pair(panels, pair, limits)
        panels[0].set_title(title)
        panels[len(_ends_of_batches(pair)) - 1].set_xlabel(
            plain_text(run.operations[pair.names[0]].axis), labelpad=0
        )
        if place % columns:
            for axes in panels:
                axes.set_ylabel("")
    for axes in grid[-rows:, (len(known) - 1) % columns + 1 :].flat:
        axes.set_visible(False)
    cell = known[0].gaps[0].cell
    setting = f"({cell.dtype}, {threads_text(cell.threads)})"
    figure.suptitle(f"How many times as long one step at a time takes as all at once {setting}")
    return captioned(figure, table(run), [run], _NOTE)


def _ends_of_batches(pair: PairVerdict) -> list[int]:
    """The smallest and the largest N."""
    batches = {gap.cell.batch for gap in pair.gaps}
    return sorted({min(batches), max(batches)})


def _pair(panels: Sequence[Any], pair: PairVerdict, limits: tuple[float, float]) -> None:
    batches = _ends_of_batches(pair)
    for axes, batch in zip(panels, batches, strict=False):
        _panel(axes, [gap for gap in pair.gaps if gap.cell.batch == batch], limits)
        axes.set_ylabel(batch_text(batch, batches[-1]))
    for axes in panels[len(batches) :]:
        axes.set_visible(False)


def _panel(axes: Any, gaps: Sequence[Gap], limits: tuple[float, float]) -> None:
    dims = sorted({gap.cell.dim for gap in gaps})
    axes.set(xscale="log", yscale="log", ylim=limits)
    wide = max(dims[-1] / dims[0], 4.0)
    axes.set_xlim(dims[0] / wide**0.05, dims[-1] * wide**0.95)
    axes.plot([axes.get_xlim()[0], dims[-1]], [1, 1], color="black", linewidth=0.8)
    impls = in_order([gap.cell.impl for gap in gaps])
    ends = [_curve(axes, impl, [gap for gap in gaps if gap.cell.impl == impl], dims[-1]) for impl in impls]
    ratio_ticks(axes.yaxis, *limits)
    dim_ticks(axes, dims, 0.05)
    axes.grid(color=FAINT, linewidth=0.5)
    label_ends(axes, ends, dims[-1] * wide**0.09, _LINE)


def _curve(axes: Any, impl: str, gaps: Sequence[Gap], last: int) -> End:
    """Draws the ratios of an implementation, in order of D; where they end before the last D, it is told."""
    seen = look(impl)
    dims = [gap.cell.dim for gap in gaps]
    low, middle, high = ([getattr(gap.ratio, part) for gap in gaps] for part in ("low", "middle", "high"))
    axes.fill_between(dims, low, high, color=seen.colour, alpha=0.2, linewidth=0)
    axes.plot(dims, middle, color=seen.colour, marker=seen.marker, markersize=4, linewidth=1.4)
    where = f" at {dims[-1]}" if dims[-1] < last else ""
    return End(dims[-1], middle[-1], f"{seen.short} {factor(middle[-1])}{where}", seen.colour)
