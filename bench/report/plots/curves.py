"""Speed against dimension: what every operation takes for one sample, its limits, and where curves cross."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgap.bench.analysis.curves import Kind, kinds, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.implementation import MAIN
from seqgap.bench.report.plots.panel import Panel
from seqgap.bench.report.plots.style import Picture, captioned, new_figure, plain_text
from seqgap.bench.report.text import threads_text

_TITLE = 8.6  # inches that the title needs
_NOTE = (
    "bar: 95% interval of the median; band: 5 to 95% of the rounds; x: left out as too slow, estimated;"
    " ring: host disturbed; star: crossover D* whose interval ends within the picture\n"
    "D^k: between the last two D; grey: what this machine cannot beat, the chain where there are D dependent"
    " steps, and where the data of the smallest operation outgrow a cache"
)


def picture(runs: Sequence[Run], name: str) -> Picture:
    """The curves of one or more runs, which are told apart by line style; name: one of `kinds`."""
    kind = kinds(runs)[name]
    cells = [c for run in runs for c in run.measured if (c.dtype, c.threads) == kind]
    shown = _shown(runs, {cell.name for cell in cells})
    batches = sorted({c.batch for c in cells if c.name in shown})
    batches = sorted({batches[0], batches[-1]})
    impls = _impls(runs, kind)
    figure = new_figure(max(1.2 + 4.9 * len(impls), _TITLE), 2 + 4.3 * len(batches))
    grid = figure.subplots(len(batches), len(impls), sharex=True, sharey="row", squeeze=False)
    dims = sorted({c.dim for c in cells})
    for i, batch in enumerate(batches):
        panels = [Panel(grid[i, j], runs, kind, batch, impl, shown) for j, impl in enumerate(impls)]
        for panel in panels:
            panel.draw_curves()
        bottom, top = grid[i, 0].get_ylim()
        grid[i, 0].set_ylim(bottom / 1.5, top * 2)
        for panel in panels:
            panel.finish(dims)
        grid[i, 0].set_ylabel("seconds for one sample")
        right = grid[i, -1].secondary_yaxis("right", functions=(_reciprocal, _reciprocal))
        right.set_ylabel("samples for each second")
    axis = _axis(runs, shown)
    for axes in grid[-1]:
        axes.set_xlabel(plain_text(axis))
    figure.suptitle(
        f"Cost of one sample against {axis.removesuffix(' D')} ({kind.dtype}, {threads_text(kind.threads)})\n"
        "filled marker: D dependent steps; open marker: all dimensions at once; same colour: same model",
        fontsize=11,
    )
    return captioned(figure, table(runs, name), runs, _NOTE)


def _shown(runs: Sequence[Run], names: set[str]) -> list[str]:
    """The operations that take part in a comparison; all where none does."""
    return sorted(names & {name for run in runs for name in run.operations.compared} or names)


def _axis(runs: Sequence[Run], shown: Sequence[str]) -> str:
    """What the sizes of the operations count."""
    known = (run.operations.operations for run in runs)
    axes = sorted({operations[name].axis for operations in known for name in shown if name in operations})
    return ", ".join("dimension D" if axis == "D" else axis for axis in axes)


def _impls(runs: Sequence[Run], kind: Kind) -> list[str]:
    """Those with curves, else all: the others are rungs of the ladder, which has a picture of its own."""
    tried = [c for run in runs for c in (*run.measured, *(row.cell for row in run.left_out))]
    timed = {c.impl for run in runs for c in run.measured if (c.dtype, c.threads) == kind}
    dims = {impl: {c.dim for c in tried if c.impl == impl} for impl in timed}
    kept = {impl for impl in timed if len(dims[impl]) > 1} or timed
    return sorted(kept, key=lambda impl: (MAIN.index(impl) if impl in MAIN else len(MAIN), impl))


def _reciprocal(values: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1 / np.asarray(values, float)
