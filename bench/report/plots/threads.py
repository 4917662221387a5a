"""Speed-up against threads, beside Amdahl's law."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from scipy.optimize import lsq_linear

from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import DTYPES
from seqgap.bench.model.registry import compared
from seqgap.bench.report.plots.style import (
    COLOURS,
    FAINT,
    GREY,
    LIGHT,
    MARKERS,
    End,
    Picture,
    footed,
    label_ends,
)
from seqgap.bench.results.run import Measured, Run, paired

_MOST = len(COLOURS)  # curves in a panel: each has a colour of its own
_TICKS = (0.125, 0.25, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_HEAD = (
    "operation", "dtype", "dim", "batch", "threads", "speed_up", "speed_up_low", "speed_up_high",
    "base_seconds_per_sample", "serial_fraction", "cores_busy",
)  # fmt: skip


class Curve(NamedTuple):
    """An operation at one size.

    base: on one thread. points: on more, fewest first, each with its speed-up, seconds(1) / seconds(t).
    """

    base: Measured
    points: tuple[tuple[Measured, Interval], ...]

    @property
    def seconds_per_sample(self) -> float:
        """On one thread."""
        return self.base.seconds / self.base.cell.batch

    @property
    def serial_fraction(self) -> float:
        """Of Amdahl's law, as fitted to the points."""
        return serial_fraction([m.cell.threads for m, _ in self.points], [i.middle for _, i in self.points])


def serial_fraction(threads: Sequence[int], speed_ups: Sequence[float]) -> float:
    """s of the speed-up 1 / (s + (1 - s) / t), from 0 to 1: least squares of seconds(t) / seconds(1).

    threads: t of each point, above 1. Amdahl (1967), Validity of the single processor approach to achieving
    large scale computing capabilities. What threads cost (starting them, sharing memory) counts as serial.
    """
    ideal = 1 / np.asarray(threads, np.float64)
    found = lsq_linear((1 - ideal)[:, None], 1 / np.asarray(speed_ups) - ideal, (0, 1))
    return float(np.clip(found.x[0], 0, 1))


def picture(run: Run) -> Picture | None:
    """One panel for each dtype; None where nothing was timed on one thread and on more."""
    curves = _curves(run)
    if not curves:
        return None
    panels = [
        (dtype, of_dtype) for dtype in DTYPES if (of_dtype := [c for c in curves if _dtype(c) == dtype])
    ]
    figure = Figure(figsize=(10.5, 2 + 3.7 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (dtype, of_dtype) in zip(grid, panels, strict=True):
        _panel(axes, of_dtype[:_MOST], _cores(run))
        axes.set_title(dtype, loc="left", fontsize=9)
    grid[-1].set_xlabel("threads")
    figure.suptitle(
        "Speed-up of the compiled kernels by threads; base: the same kernel, serial, on one thread\n"
        "filled marker: D dependent steps; open marker: all dimensions at once; bars: 95% intervals\n"
        "curve: Amdahl's law 1 / (s + (1 - s) / t) with the fitted serial fraction s",
        fontsize=10,
    )
    return Picture("threads", footed(figure, [run], *_notes(panels)), _HEAD, list(_lines(curves)))


def _dtype(curve: Curve) -> str:
    return curve.base.cell.dtype


def _curves(run: Run) -> list[Curve]:
    """Every operation, those of comparisons first, at the largest N D timed on one thread and on more."""
    largest: dict[tuple[str, str], list[Measured]] = {}
    for sizes in _by_size(run).values():
        kind = sizes[0].cell.name, sizes[0].cell.dtype
        if kind not in largest or _work(sizes) > _work(largest[kind]):
            largest[kind] = sizes
    first = compared()
    chosen = sorted(largest.items(), key=lambda item: (item[0][0] not in first, item[0]))
    groups = [group for _, group in chosen]
    found = iter(ratio_intervals([paired(group[0], measured) for group in groups for measured in group[1:]]))
    return [Curve(base, tuple((m, next(found)) for m in more)) for base, *more in groups]


def _by_size(run: Run) -> dict[tuple[str, str, int, int], list[Measured]]:
    """The compiled cells that differ in threads alone, one thread first; only those compared in a process."""
    groups: dict[tuple[str, str, int, int], list[Measured]] = {}
    for measured in sorted(run.measured.values(), key=lambda m: m.cell.threads):
        cell = measured.cell
        if cell.impl == "numba":
            groups.setdefault((cell.name, cell.dtype, cell.dim, cell.batch), []).append(measured)
    common = {
        size: [base, *(m for m in more if len(paired(base, m)))]
        for size, (base, *more) in groups.items()
        if base.cell.threads == 1
    }
    return {size: group for size, group in common.items() if len(group) > 1}


def _work(group: Sequence[Measured]) -> tuple[int, int, int]:
    """N D; of equal ones the better measured, then the larger D."""
    cell = group[0].cell
    return cell.batch * cell.dim, len(group), cell.dim


def _cores(run: Run) -> int | None:
    """Physical cores, where the environment says."""
    machine = run.environment.get("machine")
    cores = machine.get("cores") if isinstance(machine, dict) else None
    return cores if isinstance(cores, int) and cores > 0 else None


def _notes(panels: Sequence[tuple[str, Sequence[Curve]]]) -> list[str]:
    notes = ["Points of one number of threads are moved apart; long bars may end outside."]
    if any(curve.serial_fraction > 0.999 for _, curves in panels for curve in curves):
        notes.append("s = 1.00: more threads brought nothing, or cost time, which the law does not know.")
    if left_out := sum(max(0, len(curves) - _MOST) for _, curves in panels):
        notes.append(f"Curves in the table alone: {left_out}.")
    return notes


def _panel(axes: Any, curves: Sequence[Curve], cores: int | None) -> None:
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


def _curve(axes: Any, curve: Curve, index: int, shift: float) -> None:
    colour, s = COLOURS[index % len(COLOURS)], curve.serial_fraction
    t = np.geomspace(1, curve.points[-1][0].cell.threads, 50)
    axes.plot(t, 1 / (s + (1 - s) / t), color=colour, linewidth=0.9, alpha=0.7)
    middle = np.array([i.middle for _, i in curve.points])
    low, high = (np.array([getattr(i, end) for _, i in curve.points]) for end in ("low", "high"))
    axes.errorbar(
        [m.cell.threads * shift for m, _ in curve.points], middle, [middle - low, high - middle],
        color=colour, linestyle="none", marker=MARKERS[index % len(MARKERS)], markersize=5, elinewidth=1,
        markerfacecolor=colour if curve.base.cell.lookup()[1].sequential else "white", capsize=2,
    )  # fmt: skip


def _end(curve: Curve, index: int) -> End:
    measured, speed_up = curve.points[-1]
    cell, base = measured.cell, EngFormatter("s", places=1)(curve.seconds_per_sample)
    text = (
        f"{cell.name}, D = {cell.dim}, N = {cell.batch}: {speed_up.middle:.2f}x, "
        f"s = {curve.serial_fraction:.2f}, base {base} a sample"
    )
    return End(cell.threads, speed_up.middle, text, COLOURS[index % len(COLOURS)])


def _lines(curves: Sequence[Curve]) -> Iterator[list[Any]]:
    itself = Interval(np.nan, 1.0, np.nan)
    for curve in curves:
        for measured, i in ((curve.base, itself), *curve.points):
            cell = measured.cell
            size = [cell.name, cell.dtype, cell.dim, cell.batch, cell.threads]
            cost = [curve.seconds_per_sample, curve.serial_fraction]
            yield [*size, i.middle, i.low, i.high, *cost, measured.cpus]
