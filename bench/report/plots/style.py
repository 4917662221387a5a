"""What all pictures share: palette, footer, labels, and files that come out the same byte for byte."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.results.folder import ENVIRONMENT
from seqgap.bench.results.printable import printable
from seqgap.bench.results.rows import ResultError, writing
from seqgap.bench.results.tables import Table, write_table

# Okabe and Ito's palette, legible with the common colour-vision deficiencies; yellow left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHADES = (*COLOURS, "#004166", "#7A3600", "#005F46", "#7A486A", "#8A5F00", "#2F6A8A")  # and darker ones
MARKERS = "os^vDPX<>*hd"
LINES = ("-", "--", ":", "-.")
_DPI = 130
_LETTERS = 16  # of the footer, in an inch
GREY, LIGHT, FAINT = "#555555", "#999999", "#dddddd"
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "seqgap",
}


class Picture(NamedTuple):
    """A figure, and the table behind it, whose name is that of all its files."""

    figure: Figure
    table: Table


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save within it: matplotlib's own defaults and the house style, nothing of the user's."""
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a folder's name may be in any script
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)  # of a default
        with matplotlib.rc_context(defaults | _STYLE):
            yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, which finds room for all that is put on it."""
    return Figure(figsize=(width, height), layout="constrained")


def save(picture: Picture, target: Path) -> list[Path]:
    """Write the picture as PNG and SVG, and its table as CSV."""
    picture.figure.set_dpi(_DPI)  # the layout hangs on it
    picture.figure.draw_without_rendering()
    picture.figure.set_layout_engine(None)  # it has done its work; saving would do it twice more
    written = []
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        path = (target / picture.table.name).with_suffix(f".{suffix}")
        with writing(path):
            picture.figure.savefig(path, dpi=_DPI, metadata=metadata)
        written.append(path)
    return [*written, write_table(picture.table, target)]


def footed(figure: Figure, runs: Sequence[Run], *notes: str) -> Figure:
    """The figure with its footer: machine, versions, commit, sizes of the samples, method, drift."""
    text = "\n".join([*notes, *(_footer(run, len(runs) > 1, i) for i, run in enumerate(runs)), METHOD])
    width = int(_LETTERS * figure.get_figwidth())
    lines = [part for line in text.splitlines() for part in wrap(line, width)]
    figure.supxlabel(plain_text("\n".join(lines)), fontsize=7, color=GREY)
    return figure


def plain_text(text: str) -> str:
    """Text in which a dollar is a dollar."""
    return text.replace("$", r"\$")


def _footer(run: Run, several: bool, index: int) -> str:
    try:
        machine, versions = run.environment["machine"], run.environment["versions"]
        where = "{cpu}, {cores} cores, {threads} threads, {system}".format_map(machine)
        what = "Python {python}, NumPy {numpy}, Numba {numba}, llvmlite {llvmlite}".format_map(versions)
        clock = [f"{key} {machine[key]}" for key in ("governor", "turbo") if machine.get(key) is not None]
        parts = [where, *clock, what, *_commit(run), str(run.environment["started"])]
    except (KeyError, TypeError, AttributeError):
        raise ResultError(f"{run.path / ENVIRONMENT}: no machine or versions") from None
    name = f"{run.name} ({LINES[index % len(LINES)]}): " if several else ""
    return f"{name}{printable(' · '.join(parts))}\n{_sampling(run)}"


def _commit(run: Run) -> list[str]:
    source = run.environment.get("source") or {}
    dirty = "-dirty" * bool(source.get("dirty"))
    return [f"commit {source['commit'][:10]}{dirty}"] if source.get("commit") else []


def _sampling(run: Run) -> str:
    rounds = {len(row.rounds) for measured in run.measured.values() for row in measured.rows}
    counts = " to ".join(map(str, sorted({min(rounds), max(rounds)})))
    text = f"{run.processes} process{'es' * (run.processes > 1)}, {counts} rounds each"
    if run.probes:
        least, most = run.drift()
        text += f" · 98% of the probes of the host {least:+.0%} to {most:+.0%} off their median"
    return text


def spread(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """`heights`, in rising order, moved as little as needed to lie at least `gap` apart."""
    ramp = gap * np.arange(len(heights))
    moved: NDArray[np.float64] = isotonic_regression(np.asarray(heights) - ramp).x + ramp
    return moved


class End(NamedTuple):
    """Where a curve ends, and what to write there."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(axes: Any, ends: Sequence[End], x: float) -> None:
    """Name each curve beside its end, at `x`, moved apart; on logarithmic axes whose limits are set."""
    if not ends:
        return
    ends = sorted(ends, key=lambda end: end.y)
    bottom, top = axes.get_ylim()
    gap = np.log(top / bottom) * min(0.05, 0.97 / len(ends))
    places = spread([np.log(end.y) for end in ends], gap)
    places -= max(0.0, places[-1] - np.log(top) + gap / 2)  # down again where they were pushed off the top
    places += max(0.0, np.log(bottom) + gap / 2 - places[0])
    for end, height in zip(ends, places, strict=True):
        axes.annotate(
            plain_text(end.text), (end.x, end.y), (x, np.exp(height)),
            color=end.colour, fontsize=7.5, va="center",
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.4, "relpos": (0, 0.5)},
        )  # fmt: skip
