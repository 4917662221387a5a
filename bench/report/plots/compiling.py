"""What a kernel costs before its first result: compiling, or loading from the disk cache."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from seqgap.bench.report.plots.style import COLOURS, FAINT, Picture, footed, plain_text
from seqgap.bench.results.rows import Row
from seqgap.bench.results.run import Run

_MOST = 40  # kernels in the picture
_LEAST = 1e-3  # seconds at which the axis begins
_COMPILING, _LOADING = (COLOURS[0], "o", "compiling"), (COLOURS[1], "s", "loading from the cache on disk")
_HEAD = ("operation", "dtype", "threads", "compile_seconds", "load_seconds")


class Kernel(NamedTuple):
    """Seconds of a compiled kernel's first call that were no computing; None where there were none.

    threads: "1", or "2 or more", which is a compiled function of its own.
    """

    operation: str
    dtype: str
    threads: str
    compiling: float | None
    loading: float | None

    @property
    def longest(self) -> float:
        """The longer of the two."""
        return max(self.compiling or 0, self.loading or 0)


def picture(run: Run) -> Picture | None:
    """The longest on top; None where nothing was compiled or loaded."""
    kernels = sorted(_kernels(run), key=lambda kernel: (-kernel.longest, kernel[:3]))
    if not kernels:
        return None
    shown = kernels[:_MOST]
    figure = Figure(figsize=(10, 1.8 + 0.26 * max(len(shown), 4)), layout="constrained")
    _bars(figure.subplots(), shown)
    figure.suptitle(
        f"What comes before the first result of a compiled kernel\n{_subtitle(kernels)}", fontsize=10
    )
    more = len(kernels) - len(shown)
    notes = [f"{more} more kernels, none slower than these, are in the table alone."] if more else []
    return Picture("compile", footed(figure, [run], *notes), _HEAD, kernels)


def _subtitle(kernels: Sequence[Kernel]) -> str:
    if all(kernel.compiling is None for kernel in kernels):
        return "all came from the cache on disk: median over the processes"
    compiled = "compiling: the process that took longest"
    if all(kernel.loading is None for kernel in kernels):
        return f"{compiled}; nothing came from the cache on disk"
    return f"{compiled}; loading: median over the processes that found all of it in the cache on disk"


def _kernels(run: Run) -> list[Kernel]:
    """Those of which some row spent time on compiling or loading."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in run.rows:  # all visits: a further one, after a disturbance, finds the kernel compiled
        cell = row.cell
        if row.status == "ok" and cell.impl == "numba":
            threads = "1" if cell.threads == 1 else "2 or more"
            groups.setdefault((cell.name, cell.dtype, threads), []).append(row)
    found = [Kernel(*kind, _compiling(rows), _loading(rows)) for kind, rows in groups.items()]
    return [kernel for kernel in found if kernel.longest]


def _compiling(rows: Iterable[Row]) -> float | None:
    return max(row.compile for row in rows) or None


def _loading(rows: Iterable[Row]) -> float | None:
    """The median over processes of each one's longest."""
    loaded = sorted((row for row in rows if row.load and not row.compile), key=lambda row: row.process)
    longest = [max(row.load for row in of_one) for _, of_one in groupby(loaded, lambda row: row.process)]
    return float(np.median(longest)) if longest else None


def _bars(axes: Any, kernels: Sequence[Kernel]) -> None:
    compiling, loading = [kernel.compiling for kernel in kernels], [kernel.loading for kernel in kernels]
    apart = 0.2 if any(compiling) and any(loading) else 0.0
    _bars_of(axes, compiling, _COMPILING, -apart)
    _bars_of(axes, loading, _LOADING, apart)
    longest = max(kernel.longest for kernel in kernels)
    axes.set(xscale="log", xlim=(_LEAST, max(10 * _LEAST, 1.8 * longest)), xlabel="seconds")
    axes.set_ylim(len(kernels) - 0.4, -0.6)
    axes.set_yticks(range(len(kernels)), [_name(kernel) for kernel in kernels], fontsize=7.5)
    axes.xaxis.set_major_formatter(EngFormatter("s"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)


def _bars_of(axes: Any, seconds: Sequence[float | None], kind: tuple[str, str, str], offset: float) -> None:
    colour, marker, label = kind
    known = [(place + offset, value) for place, value in enumerate(seconds) if value is not None]
    if not known:
        return
    places, ends = [place for place, _ in known], [max(value, _LEAST) for _, value in known]
    axes.hlines(places, _LEAST, ends, color=colour, linewidth=2.5)
    axes.plot(ends, places, marker, color=colour, markersize=4.5, label=label, clip_on=False)
    for (place, value), end in zip(known, ends, strict=True):
        axes.annotate(
            EngFormatter("s", places=1 if value < 1 else 2)(value), (end, place),
            xytext=(5, 0), textcoords="offset points", fontsize=6.5, va="center", color=colour,
        )  # fmt: skip


def _name(kernel: Kernel) -> str:
    threads = f"{kernel.threads} thread{'s' * (kernel.threads != '1')}"
    return plain_text(f"{kernel.operation}, {kernel.dtype}, {threads}")
