"""Texts and ticks on logarithmic axes: names beside the ends of curves, plain numbers, one row an entry."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.report.plots.style import FAINT, FONT, GREY, plain_text, spread
from seqgap.bench.report.text import si

_STEPS, _FINE = (1, 2, 5), (1, 1.5, 2, 3, 5, 7)


class End(NamedTuple):
    """Where a curve ends, and what to write there."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(axes: Any, ends: Sequence[End], x: float, line: float = 0.1) -> None:
    """Name each curve beside its end, at `x`, moved apart; on logarithmic axes whose limits are set.

    line: the height of a line of text, as a part of that of the axes.
    """
    if not ends:
        return
    ends = sorted(ends, key=lambda end: end.y)
    bottom, top = axes.get_ylim()
    gap = np.log(top / bottom) * min(line, 0.97 / len(ends))
    places = spread([np.log(end.y) for end in ends], gap)
    places -= max(0.0, places[-1] - np.log(top) + gap / 2)  # down again where they were pushed off the top
    places += max(0.0, np.log(bottom) + gap / 2 - places[0])
    for end, height in zip(ends, places, strict=True):
        axes.annotate(
            plain_text(end.text), (end.x, end.y), (x, np.exp(height)),
            color=end.colour, fontsize=FONT, va="center",
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.4, "relpos": (0, 0.5)},
        )  # fmt: skip


def ratio_ticks(axis: Any, low: float, high: float, ticks: Sequence[float] = ()) -> None:
    """Plain numbers between the limits of a logarithmic axis: `ticks`, or powers of ten and what fits."""
    steps: Sequence[float] = _FINE if high / low < 6 else _STEPS if high / low < 50 else (1,)
    every = 1 + int(np.log10(high / low)) // 5 if steps == (1,) else 1
    powers = range(-12, 13)
    usual = [step * 10.0**power for power in powers for step in steps if power % every == 0]
    inside = [tick for tick in ticks or usual if low <= tick <= high]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels([f"{tick:,.6g}".replace(",", "") for tick in inside])


def second_ticks(axis: Any) -> None:
    """10 us, 1 ms: units instead of powers."""
    axis.set_major_formatter(FuncFormatter(lambda seconds, _: si(seconds)))
    axis.set_minor_formatter(NullFormatter())


def dim_ticks(axes: Any, dims: Sequence[int], room: float) -> None:
    """The sizes as ticks; a number at every one that has room, from the last one down.

    room: the part of the axis that a digit takes.
    """
    left, right = axes.get_xlim()
    gap = np.log(right / left) * room * (0.6 + len(str(max(dims))))
    named: list[int] = []
    for dim in reversed(dims):
        if not named or np.log(named[-1] / dim) >= gap:
            named.append(dim)
    axes.set_xticks(dims, [str(dim) if dim in named else "" for dim in dims])
    axes.set_xticks([], minor=True)


class DotRow(NamedTuple):
    """A name, and a value with its interval."""

    text: str
    value: Interval
    colour: str
    marker: str = "o"


def draw_rows(axes: Any, rows: Sequence[DotRow]) -> None:
    """One row each, first on top: a dot with its interval, on a logarithmic axis with a line at 1."""
    axes.set_xscale("log")
    for height, (_, value, colour, marker) in enumerate(rows):
        if value.known:
            axes.plot([value.low, value.high], [height] * 2, color=colour, linewidth=1.6, zorder=2)
        axes.plot(value.middle, height, marker, color=colour, markersize=4.5, zorder=3)
    axes.axvline(1, color="black", linewidth=0.8, zorder=1)
    axes.set_yticks(range(len(rows)), [plain_text(row.text) for row in rows], fontsize=FONT)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def limits_of(values: Sequence[Interval], reach: float = 3.0) -> tuple[float, float]:
    """Limits of a logarithmic axis that hold 1 and every value, and intervals as far as `reach`."""
    lows, highs = ([getattr(value, end) for value in values] for end in ("low", "high"))
    middles = [value.middle for value in values]
    least = max(np.nanmin([*lows, *middles]), min(middles) / reach)
    most = min(np.nanmax([*highs, *middles]), max(middles) * reach)
    return min(least / 1.1, 0.6), max(most * 1.3, 1.8)


def empty(axes: Any, text: str) -> None:
    """A panel that has nothing to show, and why."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=FONT)


def titled_legend(figure: Any, title: str, handles: Sequence[Any], columns: int) -> None:
    """A legend above all panels, and the title of the picture above it."""
    figure.legend(
        handles=handles, loc="outside upper center", ncols=columns, frameon=False, fontsize=FONT,
        title=title, title_fontsize=FONT + 1.4, columnspacing=1.4, handletextpad=0.6,
    )  # fmt: skip
