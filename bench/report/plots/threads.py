"""Speed-up against threads, beside Amdahl's law."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import EngFormatter

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.speedup import SpeedUp, speed_ups, table
from seqgap.bench.model.cell import DTYPES
from seqgap.bench.report.plots.labels import End, label_ends
from seqgap.bench.report.plots.style import (
    COLOURS,
    FAINT,
    GREY,
    LIGHT,
    MARKERS,
    Picture,
    captioned,
    new_figure,
)

_MOST = len(COLOURS)  # curves in a panel: each has a colour of its own
_TICKS = (0.125, 0.25, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def picture(run: Run) -> Picture | None:
    """One panel for each dtype; None where nothing was timed on one thread and on more."""
    by_dtype = {dtype: [c for c in speed_ups(run) if c.base.cell.dtype == dtype] for dtype in DTYPES}
    panels = [(dtype, curves) for dtype, curves in by_dtype.items() if curves]
    if not panels:
        return None
    figure = new_figure(10.5, 2 + 3.7 * len(panels))
    grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (dtype, curves) in zip(grid, panels, strict=True):
        _panel(axes, curves[:_MOST], _cores(run))
        axes.set_title(dtype, loc="left", fontsize=9)
    grid[-1].set_xlabel("threads")
    figure.suptitle(
        "Speed-up of the compiled kernels by threads; base: the same kernel, serial, on one thread\n"
        "filled marker: D dependent steps; open marker: all dimensions at once; bars: 95% intervals\n"
        "curve: Amdahl's law 1 / (s + (1 - s) / t) with the fitted serial fraction s",
        fontsize=10,
    )
    return captioned(figure, table(run), [run], *_notes(panels))


def _cores(run: Run) -> int | None:
    """Physical cores, where the environment says."""
    machine = run.environment.get("machine")
    cores = machine.get("cores") if isinstance(machine, dict) else None
    return cores if isinstance(cores, int) and cores > 0 else None


def _notes(panels: Sequence[tuple[str, Sequence[SpeedUp]]]) -> list[str]:
    notes = ["Points of one number of threads are moved apart; long bars may end outside."]
    if any(curve.serial_fraction > 0.999 for _, curves in panels for curve in curves):
        notes.append("s = 1.00: more threads brought nothing, or cost time, which the law does not know.")
    if left_out := sum(max(0, len(curves) - _MOST) for _, curves in panels):
        notes.append(f"Curves in the table alone: {left_out}.")
    return notes


def _panel(axes: Any, curves: Sequence[SpeedUp], cores: int | None) -> None:
    threads = sorted({m.cell.threads for curve in curves for m in (curve.base, *dict(curve.points))})
    last = threads[-1]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.plot([1, last], [1, last], color=LIGHT, linewidth=1)
    for index, curve in enumerate(curves):
        _curve(axes, curve, index, last ** (0.008 * (index - (len(curves) - 1) / 2)))
    middle = [speed_up.middle for curve in curves for _, speed_up in curve.points]
    bottom, top = min(1, *middle) / 1.4, max(last, *middle) * 1.2  # wider intervals reach beyond
    axes.set(xlim=(last**-0.06, last**1.08), ylim=(bottom, top), ylabel="speed-up")
    axes.set_xticks(threads, [str(t) for t in threads])
    ticks = [tick for tick in _TICKS if bottom <= tick <= top]
    ticks = ticks if len(ticks) <= _MOST else [2.0**k for k in range(-9, 9) if bottom <= 2.0**k <= top]
    axes.set_yticks(ticks, [f"{tick:g}x" for tick in ticks])
    axes.minorticks_off()
    axes.grid(color=FAINT, linewidth=0.5)
    axes.text(last**0.72, last**0.75, "ideal ", color=GREY, fontsize=7.5, ha="right", va="bottom")
    if cores is not None and 1 <= cores <= last:
        axes.axvline(cores, color=GREY, linestyle=":", linewidth=1)
        text = f"{cores} physical core{'s' * (cores > 1)} "
        axes.text(cores, bottom, text, color=GREY, fontsize=7.5, ha="right", va="bottom")
    label_ends(axes, [_end(curve, index) for index, curve in enumerate(curves)], last**1.12)


def _curve(axes: Any, curve: SpeedUp, index: int, shift: float) -> None:
    colour, s = COLOURS[index % len(COLOURS)], curve.serial_fraction
    t = np.geomspace(1, curve.points[-1][0].cell.threads, 50)
    axes.plot(t, 1 / (s + (1 - s) / t), color=colour, linewidth=0.9, alpha=0.7)
    middle = np.array([i.middle for _, i in curve.points])
    low, high = (np.array([getattr(i, end) for _, i in curve.points]) for end in ("low", "high"))
    axes.errorbar(
        [m.cell.threads * shift for m, _ in curve.points], middle, [middle - low, high - middle],
        color=colour, linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=5, elinewidth=1,
        markerfacecolor=colour if curve.sequential else "white", capsize=2,
    )  # fmt: skip


def _end(curve: SpeedUp, index: int) -> End:
    measured, speed_up = curve.points[-1]
    cell, base = measured.cell, EngFormatter("s", places=1)(curve.base.per_sample.middle)
    text = (
        f"{cell.name}, D = {cell.dim}, N = {cell.batch}: {speed_up.middle:.2f}x, "
        f"s = {curve.serial_fraction:.2f}, base {base} a sample"
    )
    return End(cell.threads, speed_up.middle, text, COLOURS[index % len(COLOURS)])
