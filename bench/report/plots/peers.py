"""Numba and the libraries that users would pick instead: times over the fastest, size by size."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.lines import Line2D

from seqgap.bench.analysis.pairs import OURS
from seqgap.bench.analysis.ranking import Ranking, peers_of, rankings, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.plots.labels import dim_ticks, ratio_ticks, titled_legend
from seqgap.bench.report.plots.looks import look
from seqgap.bench.report.plots.style import FAINT, Picture, captioned, cut, sheet
from seqgap.bench.report.text import in_groups, threads_text

_COLUMNS, _MOST = 3, 24  # panels
_KNOWN = {OURS, "numpy"}  # every run has them: the gap and the curves show them
_NOTE = (
    "1: the fastest at that size. Bar: 95% interval of numba against the fastest other library."
    " All sizes: peers.csv."
)
_Key: TypeAlias = tuple[str, str, int, int]  # operation, dtype, threads, batch


def picture(run: Run) -> Picture | None:
    """A panel for each operation at its smallest and largest N; None where NumPy alone is beside ours."""
    known = rankings(run)
    impls = peers_of(known)
    if not known or set(impls) <= _KNOWN:
        return None
    panels = _panels(run, known)
    shown = panels[:_MOST]
    rows = -(-len(shown) // _COLUMNS)
    figure = sheet(1.7 + 2.0 * rows)
    columns = min(_COLUMNS, len(shown))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    others = [impl for impl in in_order(impls) if impl not in _KNOWN]
    top = 1.3 * max(max(r.medians.values()) / min(r.medians.values()) for _, group in shown for r in group)
    for axes, (key, group) in zip(grid.flat, shown, strict=False):
        _panel(axes, group, others, max(top, 2.0))
        axes.set_title(_title(key))
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    titled_legend(
        figure,
        "Time over that of the fastest, for each operation and size",
        [_handle(impl, others) for impl in in_order(impls)],
        6,
    )
    more = len(panels) - len(shown)
    notes = [_NOTE, *([f"{more} more panels are in the table alone."] if more else [])]
    return captioned(figure, table(run), [run], *notes)


def _panels(run: Run, known: Sequence[Ranking]) -> list[tuple[_Key, list[Ranking]]]:
    """Those of a library beside NumPy, operations of comparisons first, in order of D."""
    groups = in_groups(known, _key)
    batches: dict[tuple[str, str, int], set[int]] = {}
    for (*setting, batch), _ in groups:
        batches.setdefault(tuple(setting), set()).add(batch)  # type: ignore[arg-type]
    ends = {setting: {min(known), max(known)} for setting, known in batches.items()}
    chosen = [
        (key, group)
        for key, group in groups
        if key[3] in ends[key[:3]] and any(set(ranking.medians) - _KNOWN for ranking in group)
    ]
    return sorted(chosen, key=lambda item: (item[0][0] not in run.operations.compared, item[0]))


def _key(ranking: Ranking) -> _Key:
    cell = ranking.cell
    return cell.name, cell.dtype, cell.threads, cell.batch


def _title(key: _Key) -> str:
    name, dtype, threads, batch = key
    setting = [f"N = {batch}", *([threads_text(threads)] if threads > 1 else [])]
    setting += [dtype] if dtype != "float64" else []
    return f"{cut(name, 30)}\n{', '.join(setting)}"


def _handle(impl: str, others: Sequence[str]) -> Line2D:
    seen = look(impl, others)
    return Line2D([], [], color=seen.colour, marker=seen.marker, markersize=5, label=seen.name)


def _panel(axes: Any, group: Sequence[Ranking], others: Sequence[str], top: float) -> None:
    dims = [ranking.cell.dim for ranking in group]
    wide = max(dims[-1] / dims[0], 2.0)
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(1 / top**0.06, top),
        xlim=(dims[0] / wide**0.08, dims[-1] * wide**0.08),
    )
    for impl in {name: None for ranking in group for name in ranking.medians}:
        seen = look(impl, others)
        points = [(r.cell.dim, r.medians[impl] / min(r.medians.values())) for r in group if impl in r.medians]
        axes.plot(
            *zip(*points, strict=True), color=seen.colour, marker=seen.marker, markersize=4.5, linewidth=1.2
        )
    for ranking in group:
        _interval(axes, ranking, others)
    ratio_ticks(axes.yaxis, *axes.get_ylim())
    dim_ticks(axes, dims, 0.03)
    axes.grid(color=FAINT, linewidth=0.5)


def _interval(axes: Any, ranking: Ranking, others: Sequence[str]) -> None:
    """Of the slower one of numba and the fastest peer; the other one is the fastest of all."""
    ours_wins = ranking.ratio.middle >= 1
    slower, ratio = (ranking.peer, ranking.ratio) if ours_wins else (OURS, ranking.ratio.inverse)
    if ratio.known:
        colour = look(slower, others).colour
        ends = np.clip([ratio.low, ratio.high], *axes.get_ylim())
        axes.plot([ranking.cell.dim] * 2, ends, color=colour, linewidth=1.2)
