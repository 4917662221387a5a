"""One panel of the curves: a batch size and the two directions of a model, in every implementation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgap.bench.analysis.curves import Kind, too_slow
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.scaling import Curve, Slope, crossings, curves, slopes
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.report.plots.labels import End, dim_ticks, empty, label_ends, second_ticks
from seqgap.bench.report.plots.limits import draw_limits
from seqgap.bench.report.plots.looks import Look, look
from seqgap.bench.report.plots.style import FAINT, GREY, LINES

_LINE = 0.085  # of the height of a panel: a line of text
_COMPILED = "numba"


class Panel:
    """The curves of all runs in one dtype and number of threads. names: the operations.

    limited: whether the limits of the machine are drawn in it.
    """

    def __init__(self, axes: Any, runs: Sequence[Run], kind: Kind, batch: int, names: Sequence[str]) -> None:
        self._axes = axes
        self._runs = runs
        self._kind = kind
        self._batch = batch
        self._names = names
        self._dims: set[int] = set()
        self._ends: dict[Curve, End] = {}
        self.limited = False

    def draw(self, impls: Sequence[str]) -> None:
        """Everything; impls: in the order of their looks."""
        self._axes.set(xscale="log", yscale="log")
        for impl in impls:
            for name in self._names:
                self._direction(Curve(name, impl, *self._kind, self._batch), look(impl, impls))
        if self._dims:
            self._finish(sorted(self._dims))
        else:
            empty(self._axes, "left out:\ntoo slow")
            self._axes.set(xticks=[], yticks=[])
            self._axes.minorticks_off()

    def _direction(self, curve: Curve, seen: Look) -> None:
        """A curve of every run."""
        for index, run in enumerate(self._runs):
            points = curves(run).get(curve)
            if points:
                self._curve(points, LINES[index % len(LINES)], seen, run.operations[curve.name].sequential)
                local = slopes(run)[curve]
                text = _power(local[-1]) if local and not index else ""
                last = points[-1]
                self._ends.setdefault(curve, End(last.cell.dim, last.per_sample.middle, text, seen.colour))
            rows = too_slow(run).get(curve, ())
            dims, seconds = [r.cell.dim for r in rows], [r.expected / self._batch for r in rows]
            self._axes.plot(dims, seconds, "x", color=seen.colour, markersize=4, alpha=0.5)
            self._dims |= {m.cell.dim for m in points or ()} | ({*dims} if points else set())

    def _curve(self, points: Sequence[Measured], line: str, seen: Look, filled: bool) -> None:
        dims = [m.cell.dim for m in points]
        middle = np.array([m.per_sample.middle for m in points])
        bars = [_bar(m.interval) for m in points]
        self._axes.errorbar(
            dims, middle, np.transpose(bars) / self._batch, linestyle=line, color=seen.colour, linewidth=1.2,
            marker=seen.marker, markersize=4.5, markerfacecolor=seen.colour if filled else "white",
            capsize=1.5, elinewidth=0.9,
        )  # fmt: skip
        noisy = [(d, s) for d, s, m in zip(dims, middle, points, strict=True) if m.disturbed]
        self._axes.plot(*np.reshape(noisy, (-1, 2)).T, "o", mfc="none", mec=GREY, ms=9, mew=0.8)

    def _finish(self, dims: Sequence[int]) -> None:
        """All that needs the limits of the axes."""
        axes = self._axes
        wide = max(dims[-1] / dims[0], 2.0)
        axes.set_xlim(dims[0] / wide**0.06, dims[-1] * wide**1.0)  # room for the labels
        dim_ticks(axes, dims, 0.03)
        second_ticks(axes.yaxis)
        axes.grid(color=FAINT, linewidth=0.5)
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom / 1.3, top * 1.3)
        compiled = [curve for curve in self._ends if curve.impl == _COMPILED]
        if compiled and len(self._runs) == 1:
            self.limited = draw_limits(axes, self._runs[0], compiled, dims)
        for run in self._runs:
            self._crossovers(run)
        label_ends(axes, [end for end in self._ends.values() if end.text], dims[-1] * wide**0.1, _LINE)
        axes.set_ylim(bottom / 1.3, top * 1.3)

    def _crossovers(self, run: Run) -> None:
        """A star where a sequential curve passes a parallel one for certain, with the interval of D*."""
        for crossing in crossings(run):
            _, curve, parallel, _, _, at = crossing
            if at is None or not crossing.certain or curve not in self._ends or parallel not in self._names:
                continue
            points = curves(run)[curve]
            heights = np.log([m.per_sample.middle for m in points])
            height = np.exp(np.interp(np.log(at.middle), np.log([m.cell.dim for m in points]), heights))
            self._axes.plot([at.low, at.high], [height] * 2, color="black", linewidth=1.5, alpha=0.6)
            colour = self._ends[curve].colour
            self._axes.plot(at.middle, height, "*", color=colour, mec="black", mew=0.6, ms=9, zorder=5)


def _bar(interval: Interval) -> tuple[float, float]:
    """Its lengths below and above the middle; none from one process."""
    ends = (interval.middle - interval.low, interval.high - interval.middle)
    return tuple(np.nan_to_num(np.maximum(ends, 0.0)).tolist())


def _power(slope: Slope) -> str:
    """The local exponent with half the width of its interval; without it from one process."""
    exponent = slope.exponent
    half = (exponent.high - exponent.low) / 2
    return f"D^{exponent.middle:z.2f}" + ("" if np.isnan(half) else f"±{half:.2f}")
