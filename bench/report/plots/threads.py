"""Speed-up by threads: a row an operation, or from three numbers of threads on curves beside Amdahl's law."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.speedup import FEWEST_COUNTS, SpeedUp, speed_ups, table
from seqgap.bench.model.cell import DTYPES
from seqgap.bench.report.plots.labels import (
    DotRow,
    End,
    draw_rows,
    label_ends,
    limits_of,
    ratio_ticks,
)
from seqgap.bench.report.plots.style import (
    COLOURS,
    FAINT,
    FONT,
    GREY,
    LIGHT,
    MARKERS,
    Picture,
    captioned,
    cut,
    sheet,
)
from seqgap.bench.report.text import threads_text

_MOST = len(COLOURS)  # curves in a panel: each has a colour of its own
_MOST_ROWS, _ROW = 40, 0.2  # inches
_SEQUENTIAL, _PARALLEL = COLOURS[1], COLOURS[0]
_TITLE = "Speed-up of the compiled kernels by threads, each at its largest size, over one thread"


def picture(run: Run) -> Picture | None:
    """None where nothing was timed on one thread and on more."""
    known = speed_ups(run)
    if not known:
        return None
    fitted = any(len(curve.points) >= FEWEST_COUNTS - 1 for curve in known)
    return _curves(run, known) if fitted else _rows(run, known)


def _rows(run: Run, known: Sequence[SpeedUp]) -> Picture:
    """A dot for each operation, the largest speed-up on top."""
    shown = sorted(known[:_MOST_ROWS], key=lambda one: -one.points[-1][1].middle)
    figure = sheet(1.8 + _ROW * max(len(shown), 5))
    axes = figure.subplots()
    draw_rows(axes, [_row(one) for one in shown])
    counts = sorted({measured.cell.threads for one in shown for measured, _ in one.points})
    for count in counts:
        axes.axvline(count, color=GREY, linestyle="--", linewidth=1)
    low, high = limits_of([one.points[-1][1] for one in shown])
    limits = min(low, 0.9), max(high, counts[-1] * 1.1)
    axes.set_xlim(limits)
    ratio_ticks(axes.xaxis, *limits)
    axes.set_xlabel(f"times as fast on {' or '.join(map(threads_text, counts))} (dashed: ideal)")
    figure.suptitle(_TITLE)
    notes = [
        "Orange: D dependent steps; blue: all at once. Line: 95% interval.",
        *_more(len(known) - len(shown)),
    ]
    return captioned(figure, table(run), [run], *notes)


def _row(one: SpeedUp) -> DotRow:
    cell, speed_up = one.base.cell, one.points[-1][1]
    dtype = "" if cell.dtype == "float64" else f", {cell.dtype}"
    name = f"{cut(cell.name, 30)}, {cell.dim}, N = {cell.batch}{dtype}"
    return DotRow(name, speed_up, _SEQUENTIAL if one.sequential else _PARALLEL)


def _more(count: int) -> list[str]:
    return [f"Operations in the table alone: {count}."] if count else []


def _curves(run: Run, known: Sequence[SpeedUp]) -> Picture:
    """One panel for each dtype."""
    by_dtype = {dtype: [one for one in known if one.base.cell.dtype == dtype] for dtype in DTYPES}
    panels = [(dtype, curves) for dtype, curves in by_dtype.items() if curves]
    figure = sheet(1.7 + 3.4 * len(panels))
    grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (dtype, curves) in zip(grid, panels, strict=True):
        _panel(axes, curves[:_MOST], _cores(run))
        axes.set_title(dtype, loc="left")
    grid[-1].set_xlabel("threads")
    figure.suptitle(_TITLE)
    left_out = sum(max(0, len(curves) - _MOST) for _, curves in panels)
    note = (
        "Filled: D dependent steps; open: all at once. Bar: 95% interval. Curve: Amdahl's law"
        " 1 / (s + (1 - s) / t), fitted. Points of one number of threads are moved apart."
    )
    return captioned(figure, table(run), [run], note, *_more(left_out))


def _cores(run: Run) -> int | None:
    """Physical cores, where the environment says."""
    machine = run.environment.get("machine")
    cores = machine.get("cores") if isinstance(machine, dict) else None
    return cores if isinstance(cores, int) and cores > 0 else None


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
    axes.set(xlim=(last**-0.06, last**1.75), ylim=(bottom, top), ylabel="times as fast")
    axes.set_xticks(threads, [str(t) for t in threads])
    axes.minorticks_off()
    ratio_ticks(axes.yaxis, bottom, top)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.text(last**0.72, last**0.75, "ideal ", color=GREY, fontsize=FONT, ha="right", va="bottom")
    if cores is not None and 1 <= cores <= last:
        axes.axvline(cores, color=GREY, linestyle=":", linewidth=1)
        text = f"{cores} physical core{'s' * (cores > 1)} "
        axes.text(cores, bottom, text, color=GREY, fontsize=FONT, ha="right", va="bottom")
    label_ends(axes, [_end(curve, index) for index, curve in enumerate(curves)], last**1.06, 0.07)


def _curve(axes: Any, curve: SpeedUp, index: int, shift: float) -> None:
    colour, s = COLOURS[index % len(COLOURS)], curve.serial_fraction
    t = np.geomspace(1, curve.points[-1][0].cell.threads, 50)
    axes.plot(t, 1 / (s + (1 - s) / t), color=colour, linewidth=0.9, alpha=0.7)  # nothing where s is NaN
    middle = np.array([i.middle for _, i in curve.points])
    low, high = (np.array([getattr(i, end) for _, i in curve.points]) for end in ("low", "high"))
    axes.errorbar(
        [m.cell.threads * shift for m, _ in curve.points], middle, [middle - low, high - middle],
        color=colour, linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=5, elinewidth=1,
        markerfacecolor=colour if curve.sequential else "white", capsize=2,
    )  # fmt: skip


def _end(curve: SpeedUp, index: int) -> End:
    measured, speed_up = curve.points[-1]
    s = "" if np.isnan(curve.serial_fraction) else f", s = {curve.serial_fraction:.2f}"
    text = f"{cut(measured.cell.name, 26)} {speed_up.middle:.2f}x{s}"
    return End(measured.cell.threads, speed_up.middle, text, COLOURS[index % len(COLOURS)])
