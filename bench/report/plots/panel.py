"""One panel of the curves: a batch size and an implementation."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from seqgap.bench.analysis.curves import Kind, too_slow
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.scaling import Curve, Slope, crossings, curves, slopes
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.report.plots.labels import End, label_ends
from seqgap.bench.report.plots.limits import draw_limits
from seqgap.bench.report.plots.style import (
    FAINT,
    GREY,
    LIGHT,
    LINES,
    MARKERS,
    SHADES,
    plain_text,
)


class Panel:
    """The curves of all runs in one dtype and number of threads. shown: the operations, one curve each."""

    def __init__(
        self, axes: Any, runs: Sequence[Run], kind: Kind, batch: int, impl: str, shown: Sequence[str]
    ) -> None:
        self._axes = axes
        self._runs = runs
        self._batch = batch
        self._curves = {name: Curve(name, impl, *kind, batch) for name in shown}
        self._markers = dict(zip(shown, cycle(MARKERS)))
        self._colours = _colours(runs, shown)
        self._ends: dict[str, End] = {}
        alone = len(runs) == 1
        self._limited = alone and runs[0].operations.implementations[impl].language == "numba"
        axes.set(xscale="log", yscale="log", title=plain_text(f"{impl}, batch N = {batch}"))

    def draw_curves(self) -> None:
        """The curves of all runs; limits come after them."""
        for index, run in enumerate(self._runs):
            for name, curve in self._curves.items():
                points = curves(run).get(curve)
                if points:
                    filled = run.operations[name].sequential
                    self._curve(name, points, LINES[index % len(LINES)], filled)
                    local = slopes(run)[curve]
                    text = f"{name} {_power(local[-1])}" if local and not index else name
                    last = points[-1]
                    end = End(last.cell.dim, last.per_sample.middle, text, self._colours[name])
                    self._ends.setdefault(name, end)
                rows = too_slow(run).get(curve, ())
                dims, seconds = [r.cell.dim for r in rows], [r.expected / self._batch for r in rows]
                self._axes.plot(dims, seconds, "x", color=self._colours[name], markersize=6, alpha=0.7)

    def _curve(self, name: str, points: Sequence[Measured], line: str, filled: bool) -> None:
        colour, batch = self._colours[name], self._batch
        dims = [m.cell.dim for m in points]
        middle = np.array([m.per_sample.middle for m in points])
        band = [[m.quantile(q) / batch for m in points] for q in (0.05, 0.95)]
        self._axes.fill_between(dims, *band, color=colour, alpha=0.15, linewidth=0)
        bars = [_bar(m.interval) for m in points]
        self._axes.errorbar(
            dims, middle, np.transpose(bars) / batch, linestyle=line, color=colour, linewidth=1.3,
            marker=self._markers[name], markersize=5, markerfacecolor=colour if filled else "white",
            capsize=2, elinewidth=1,
        )  # fmt: skip
        noisy = [(d, s) for d, s, m in zip(dims, middle, points, strict=True) if m.disturbed]
        self._axes.plot(*np.reshape(noisy, (-1, 2)).T, "o", mfc="none", mec=GREY, ms=10, mew=0.8)

    def finish(self, dims: Sequence[int]) -> None:
        """All that needs the limits of the axes."""
        axes = self._axes
        wide = max(dims[-1] / dims[0], 2.0)
        left, right = dims[0] / 1.3, dims[-1] * wide**0.95 * 1.6  # room for the labels
        axes.set_xlim(left, right)
        axes.set_xticks(dims, _tick_labels(dims, right / left))
        axes.set_xticks([], minor=True)
        axes.grid(color=FAINT, linewidth=0.5)
        bottom, top = axes.get_ylim()
        if not self._ends:
            axes.text(0.5, 0.5, "left out:\ntoo slow", transform=axes.transAxes, ha="center", color=LIGHT)
            return
        _slope_guides(axes, dims[0], dims[-1])
        if self._limited:
            draw_limits(axes, self._runs[0], self._curves.values(), dims)
        for run in self._runs:
            self._crossovers(run)
        label_ends(axes, list(self._ends.values()), dims[-1] * wide**0.05 * 1.1)
        axes.set_ylim(bottom, top)

    def _crossovers(self, run: Run) -> None:
        """A star where a sequential curve passes a parallel one for certain, with the interval of D*."""
        for crossing in crossings(run):
            _, curve, parallel, _, _, at = crossing
            if at is None or not crossing.certain or curve not in self._curves.values():
                continue
            points = curves(run)[curve]
            heights = np.log([m.per_sample.middle for m in points])
            height = np.exp(np.interp(np.log(at.middle), np.log([m.cell.dim for m in points]), heights))
            self._axes.plot([at.low, at.high], [height] * 2, color="black", linewidth=1.5, alpha=0.6)
            self._axes.plot(
                at.middle, height, "*", color=self._colours[parallel], mec="black", mew=0.6, ms=11, zorder=5
            )


def _colours(runs: Sequence[Run], shown: Sequence[str]) -> Mapping[str, str]:
    """One for each model: both directions of a matched pair are one."""
    pairs = {
        frozenset(name.split(".")[0] for name in (pair.sequential, pair.parallel))
        for run in runs for pair in run.operations.matched
    }  # fmt: skip
    stems = {name: name.split(".")[0] for name in shown}
    models = {n: min([s, *(min(pair) for pair in pairs if s in pair)]) for n, s in stems.items()}
    ordered = sorted(set(models.values()))
    return {name: SHADES[ordered.index(model) % len(SHADES)] for name, model in models.items()}


def _tick_labels(dims: Sequence[int], wide: float) -> list[str]:
    """Every D that has room on an axis whose ends have this ratio, from the last one down; else empty."""
    gap = np.log(wide) * (0.012 + 0.019 * len(str(dims[-1])))  # of the font, in a panel of 4 inches
    named: list[int] = []
    for dim in reversed(dims):
        if not named or np.log(named[-1] / dim) >= gap:
            named.append(dim)
    return [str(dim) if dim in named else "" for dim in dims]


def _bar(interval: Interval) -> tuple[float, float]:
    """Its lengths below and above the middle; none from one process."""
    ends = (interval.middle - interval.low, interval.high - interval.middle)
    return tuple(np.nan_to_num(np.maximum(ends, 0.0)).tolist())


def _power(slope: Slope) -> str:
    """The local exponent with half the width of its interval; without it from one process."""
    exponent = slope.exponent
    half = (exponent.high - exponent.low) / 2
    return f"D^{exponent.middle:z.2f}" + ("" if np.isnan(half) else f"±{half:.2f}")


def _slope_guides(axes: Any, first: int, last: int) -> None:
    bottom, top = axes.get_ylim()
    start, highest = bottom * 1.5, top / 1.5
    for power, text in ((1, "∝ D"), (2, "∝ D²")):
        end = min(last, first * (highest / start) ** (1 / power))
        if end < 2 * first:  # too steep for these limits
            continue
        height = start * (end / first) ** power
        axes.plot([first, end], [start, height], ":", color=LIGHT, linewidth=1, zorder=0.5)
        axes.text(end, height, text, color=GREY, fontsize=7.5, ha="right", va="bottom")
