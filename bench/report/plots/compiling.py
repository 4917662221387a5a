"""What a kernel costs before its first result: compiling, or loading from the disk cache."""

from collections.abc import Sequence
from typing import Any

from seqgap.bench.analysis.compiling import Kernel, kernels, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.plots.labels import second_ticks
from seqgap.bench.report.plots.style import (
    COLOURS,
    FAINT,
    FONT,
    Picture,
    captioned,
    cut,
    plain_text,
    sheet,
)

_MOST, _ROW = 40, 0.2  # kernels in the picture; inches of each
_LEAST = 1e-3  # seconds at which the axis begins
_COMPILING, _LOADING = (COLOURS[0], "o", "compiling"), (COLOURS[1], "s", "loading from the cache on disk")


def picture(run: Run) -> Picture | None:
    """The longest on top; None where nothing was compiled or loaded."""
    known = kernels(run)
    if not known:
        return None
    shown = known[:_MOST]
    figure = sheet(1.9 + _ROW * max(len(shown), 5))
    _dots(figure.subplots(), shown)
    figure.suptitle("What comes before the first result of a compiled kernel")
    more = len(known) - len(shown)
    rest = f" {more} more kernels, none slower than these, are in the table alone." if more else ""
    return captioned(figure, table(run), [run], f"{_subtitle(known)}.{rest}")


def _subtitle(shown: Sequence[Kernel]) -> str:
    if all(kernel.compiling is None for kernel in shown):
        return "All came from the cache on disk: median over the processes"
    compiled = "Compiling: the process that took longest"
    if all(kernel.loading is None for kernel in shown):
        return f"{compiled}; nothing came from the cache on disk"
    return f"{compiled}; loading: median over the processes that found all of it in the cache on disk"


def _dots(axes: Any, shown: Sequence[Kernel]) -> None:
    axes.set_xscale("log")
    every = ([kernel.compiling for kernel in shown], [kernel.loading for kernel in shown])
    for seconds, style in zip(every, (_COMPILING, _LOADING), strict=True):
        _dots_of(axes, seconds, style)
    known = [seconds for of_style in every for seconds in of_style if seconds]
    least, longest = max(min(known), _LEAST), max(*known, _LEAST)
    axes.set(xlim=(least / 1.6, max(10 * least, 1.6 * longest)), xlabel="time")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [_name(kernel) for kernel in shown], fontsize=FONT)
    axes.tick_params(axis="y", length=0)
    second_ticks(axes.xaxis)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=FONT)


def _dots_of(axes: Any, seconds: Sequence[float | None], style: tuple[str, str, str]) -> None:
    colour, marker, label = style
    known = [(max(value, _LEAST), height) for height, value in enumerate(seconds) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), marker, color=colour, markersize=5, label=label, clip_on=False)


def _name(kernel: Kernel) -> str:
    threads = f"{kernel.threads} thread{'s' * (kernel.threads != '1')}"
    return plain_text(f"{cut(kernel.operation, 30)}, {kernel.dtype}, {threads}")
