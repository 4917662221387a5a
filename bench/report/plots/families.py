"""Families side by side: the time of one sample from the smallest to the largest D, one row an operation."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from seqgap.bench.analysis.families import families, table
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.report.plots.labels import second_ticks, titled_legend
from seqgap.bench.report.plots.looks import batch_text
from seqgap.bench.report.plots.style import COLOURS, FAINT, FONT, Picture, captioned, cut, plain_text, sheet
from seqgap.bench.report.text import threads_text

_MOST, _ROW = 40, 0.2  # operations; inches of each
_SEQUENTIAL, _PARALLEL = COLOURS[1], COLOURS[0]
_MARKERS = "osD"  # of the smallest, the middle and the largest D
_NOTE = (
    "Different models: their work differs, not only its order. Line: from the smallest to the largest D."
    " Every D, with intervals: families.csv."
)


def picture(run: Run) -> Picture | None:
    """A panel for the smallest and one for the largest N; None where no families were compared."""
    known = families(run)
    if not known:
        return None
    batches = sorted({m.cell.batch for m in known})
    batches = sorted({batches[0], batches[-1]})
    names = _sorted_names([m for m in known if m.cell.batch == batches[-1]])[:_MOST]
    dims = _chosen([m.cell.dim for m in known])
    figure = sheet(2.0 + _ROW * max(len(names), 5))
    grid = figure.subplots(1, len(batches), squeeze=False, sharey=True)[0]
    for axes, batch in zip(grid, batches, strict=True):
        _panel(axes, run, [m for m in known if m.cell.batch == batch], names, dims)
        axes.set_title(batch_text(batch, batches[-1]).replace("\n", ", "))
    grid[0].set_yticks(range(len(names)), [plain_text(cut(name, 30)) for name in names], fontsize=FONT)
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    cell = known[0].cell
    title = f"Families in compiled code: time of one sample ({cell.dtype}, {threads_text(cell.threads)})"
    titled_legend(figure, title, _handles(dims), 5)
    more = len({m.cell.name for m in known}) - len(names)
    return captioned(figure, table(run), [run], _NOTE, *([f"In the table alone: {more}."] if more else []))


def _sorted_names(measured: Sequence[Measured]) -> list[str]:
    """Of the operations, the slowest first, by their time for each dimension."""
    rates: dict[str, list[float]] = {}
    for m in measured:
        rates.setdefault(m.cell.name, []).append(float(np.log(m.per_sample.middle / m.cell.dim)))
    return sorted(rates, key=lambda name: -float(np.mean(rates[name])))


def _chosen(timed: Sequence[int]) -> list[int]:
    """Of the D that most operations were timed at: the smallest, the one in the middle, the largest."""
    counts = Counter(timed)
    dims = sorted(dim for dim in counts if counts[dim] == max(counts.values()))
    return sorted({dims[0], dims[len(dims) // 2], dims[-1]})


def _panel(
    axes: Any, run: Run, measured: Sequence[Measured], names: Sequence[str], dims: Sequence[int]
) -> None:
    axes.set_xscale("log")
    for height, name in enumerate(names):
        seconds = {m.cell.dim: m.per_sample.middle for m in measured if m.cell.name == name}
        if not seconds:
            continue
        colour = _SEQUENTIAL if run.operations[name].sequential else _PARALLEL
        axes.plot([min(seconds.values()), max(seconds.values())], [height] * 2, color=colour, linewidth=1.2)
        for dim, marker in zip(dims, _MARKERS, strict=False):
            if dim in seconds:
                axes.plot(seconds[dim], height, marker, color=colour, markersize=5, mec="white", mew=0.5)
    second_ticks(axes.xaxis)
    axes.tick_params(axis="y", length=0)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _handles(dims: Sequence[int]) -> list[Line2D]:
    sizes = [
        Line2D([], [], color="black", marker=marker, linestyle="", markersize=5, label=f"D = {dim}")
        for dim, marker in zip(dims, _MARKERS, strict=False)
    ]
    kinds = (("D dependent steps", _SEQUENTIAL), ("all at once", _PARALLEL))
    return [*sizes, *(Line2D([], [], color=colour, linewidth=2, label=text) for text, colour in kinds)]
