"""Time of one sample against the dimension, pair by pair: every implementation in both directions."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.lines import Line2D

from seqgap.bench.analysis.curves import Kind, kinds, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.plots.labels import titled_legend
from seqgap.bench.report.plots.looks import batch_text, look
from seqgap.bench.report.plots.panel import Panel
from seqgap.bench.report.plots.style import Picture, captioned, cut, plain_text, sheet
from seqgap.bench.report.text import threads_text

_COLUMNS, _MOST = 3, 12  # models
_NOTE = (
    "Bar: 95% interval. D^k: between the last two D. x: left out as too slow, estimated."
    " Ring: host disturbed. Star: where two curves cross for certain."
)
_LIMITS = (
    "Grey: what the machine cannot beat: memory (line), the call (dashed), the dependent steps (dash-dot);"
    " dotted: the data outgrow a cache."
)


class Model(NamedTuple):
    """What a column shows: the two directions of a pair, or an operation that has none."""

    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """Both names, the second in short where it is of the same family."""
        stem = f"{self.names[0].split('.')[0]}."
        return plain_text(
            cut(" / ".join((self.names[0], *(n.removeprefix(stem) for n in self.names[1:]))), 36)
        )


def picture(runs: Sequence[Run], name: str) -> Picture:
    """The curves of one or more runs, which are told apart by line style; name: one of `kinds`."""
    kind = kinds(runs)[name]
    cells = [c for run in runs for c in run.measured if (c.dtype, c.threads) == kind]
    models = list(_models(runs, {cell.name for cell in cells}))
    shown = models[:_MOST]
    names = {name for model in shown for name in model.names}
    batches = sorted({c.batch for c in cells if c.name in names})
    batches = sorted({batches[0], batches[-1]})
    impls = _impls(runs, kind)
    columns = min(_COLUMNS, len(shown))
    groups, rows = -(-len(shown) // columns), len(batches)
    figure = sheet(1.8 + groups * (0.3 + 2.15 * rows))
    grid = figure.subplots(rows * groups, columns, squeeze=False)
    limited = False
    for place, model in enumerate(shown):
        first = place // columns * rows
        for axes, batch in zip(grid[first : first + rows, place % columns], batches, strict=True):
            panel = Panel(axes, runs, kind, batch, model.names)
            panel.draw(impls)
            limited = limited or panel.limited
            if place % columns == 0:
                axes.set_ylabel(batch_text(batch, batches[-1]))
        grid[first, place % columns].set_title(model.title)
        grid[first + rows - 1, place % columns].set_xlabel(_axis(runs, model), labelpad=0)
    for axes in grid[-rows:, (len(shown) - 1) % columns + 1 :].flat:
        axes.set_visible(False)
    title = f"Time of one sample ({kind.dtype}, {threads_text(kind.threads)})"
    titled_legend(figure, title, list(_handles(impls)), 5)
    more = len(models) - len(shown)
    notes = [_NOTE, *([_LIMITS] if limited else [])]
    notes += [f"{more} more operations are in the table alone."] if more else []
    return captioned(figure, table(runs, name), runs, *notes)


def _models(runs: Sequence[Run], names: set[str]) -> Iterator[Model]:
    """The matched pairs; where there is none, the operations that are compared, or all."""
    matched = {(c.sequential, c.parallel): None for run in runs for c in run.operations.matched}
    pairs = [tuple(name for name in pair if name in names) for pair in matched if names.issuperset(pair)]
    compared = names & {name for run in runs for name in run.operations.compared}
    alone = [(name,) for name in sorted(compared or names)]
    yield from map(Model, pairs or alone)


def _handles(impls: Sequence[str]) -> Iterator[Line2D]:
    for impl in impls:
        seen = look(impl, impls)
        yield Line2D([], [], color=seen.colour, marker=seen.marker, markersize=5, label=plain_text(seen.name))
    for text, face in (("one step at a time", "black"), ("all at once", "white")):
        yield Line2D(
            [], [], color="black", marker="o", markersize=5, markerfacecolor=face, linestyle="", label=text
        )


def _axis(runs: Sequence[Run], model: Model) -> str:
    """What the sizes of the operations count."""
    known = (run.operations.operations for run in runs)
    axes = {operations[name].axis for operations in known for name in model.names if name in operations}
    return plain_text(", ".join(sorted(axes)))


def _impls(runs: Sequence[Run], kind: Kind) -> list[str]:
    """Those with curves, else all: the others are rungs of the ladder, which has a picture of its own."""
    tried = [c for run in runs for c in (*run.measured, *(row.cell for row in run.left_out))]
    timed = {c.impl for run in runs for c in run.measured if (c.dtype, c.threads) == kind}
    dims = {impl: {c.dim for c in tried if c.impl == impl} for impl in timed}
    kept = {impl for impl in timed if len(dims[impl]) > 1} or timed
    return in_order(list(kept))
