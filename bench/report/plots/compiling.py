"""What a kernel costs before its first result: compiling, or loading from the disk cache."""

from collections.abc import Sequence
from typing import Any

from matplotlib.ticker import EngFormatter, NullFormatter

from seqgap.bench.analysis.compiling import Kernel, kernels, table
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.plots.style import COLOURS, FAINT, Picture, captioned, new_figure, plain_text

_MOST = 40  # kernels in the picture
_LEAST = 1e-3  # seconds at which the axis begins
_COMPILING, _LOADING = (COLOURS[0], "o", "compiling"), (COLOURS[1], "s", "loading from the cache on disk")


def picture(run: Run) -> Picture | None:
    """The longest on top; None where nothing was compiled or loaded."""
    if not kernels(run):
        return None
    shown = kernels(run)[:_MOST]
    figure = new_figure(10, 1.8 + 0.26 * max(len(shown), 4))
    _bars(figure.subplots(), shown)
    figure.suptitle(
        f"What comes before the first result of a compiled kernel\n{_subtitle(kernels(run))}", fontsize=10
    )
    more = len(kernels(run)) - len(shown)
    notes = [f"{more} more kernels, none slower than these, are in the table alone."] if more else []
    return captioned(figure, table(run), [run], *notes)


def _subtitle(shown: Sequence[Kernel]) -> str:
    if all(kernel.compiling is None for kernel in shown):
        return "all came from the cache on disk: median over the processes"
    compiled = "compiling: the process that took longest"
    if all(kernel.loading is None for kernel in shown):
        return f"{compiled}; nothing came from the cache on disk"
    return f"{compiled}; loading: median over the processes that found all of it in the cache on disk"


def _bars(axes: Any, shown: Sequence[Kernel]) -> None:
    compiling, loading = [kernel.compiling for kernel in shown], [kernel.loading for kernel in shown]
    apart = 0.2 if any(compiling) and any(loading) else 0.0
    _bars_of(axes, compiling, _COMPILING, -apart)
    _bars_of(axes, loading, _LOADING, apart)
    longest = max(kernel.longest for kernel in shown)
    axes.set(xscale="log", xlim=(_LEAST, max(10 * _LEAST, 1.8 * longest)), xlabel="seconds")
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [_name(kernel) for kernel in shown], fontsize=7.5)
    axes.xaxis.set_major_formatter(EngFormatter("s"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)


def _bars_of(axes: Any, seconds: Sequence[float | None], style: tuple[str, str, str], offset: float) -> None:
    colour, marker, label = style
    known = [(height + offset, value) for height, value in enumerate(seconds) if value is not None]
    if not known:
        return
    places, ends = [height for height, _ in known], [max(value, _LEAST) for _, value in known]
    axes.hlines(places, _LEAST, ends, color=colour, linewidth=2.5)
    axes.plot(ends, places, marker, color=colour, markersize=4.5, label=label, clip_on=False)
    for (height, value), end in zip(known, ends, strict=True):
        axes.annotate(
            EngFormatter("s", places=1 if value < 1 else 2)(value), (end, height),
            xytext=(5, 0), textcoords="offset points", fontsize=6.5, va="center", color=colour,
        )  # fmt: skip


def _name(kernel: Kernel) -> str:
    threads = f"{kernel.threads} thread{'s' * (kernel.threads != '1')}"
    return plain_text(f"{kernel.operation}, {kernel.dtype}, {threads}")
