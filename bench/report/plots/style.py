"""What all pictures share: size, palette, caption, and files that come out the same byte for byte."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

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
_PIXELS, _SHOWN = 1200, 838  # the width of a picture, and the one at which GitHub shows it in a README
WIDTH = _PIXELS / _DPI  # inches
FONT = 9.6  # points: 9 of them at the width that is shown, the least that is legible
_LETTERS = 12.5  # of the caption, in an inch
GREY, LIGHT, FAINT = "#555555", "#999999", "#dddddd"
_STYLE: Any = {
    "font.size": FONT,
    "axes.titlesize": "medium",
    "figure.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "seqgap",
}


class Picture(NamedTuple):
    """A figure, and the table behind it, whose name is that of all its files.

    about: what the files say of it where it is not seen: machine, versions, method.
    """

    figure: Figure
    table: Table
    about: str = ""


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


def sheet(height: float) -> Figure:
    """An empty figure of the width of all pictures."""
    return new_figure(WIDTH, height)


def shown_points(points: float, width: float) -> float:
    """The size of a text in a figure of so many inches, where a README shows it: CSS points, 96 in 72."""
    shrunk = min(1.0, _SHOWN / (width * _DPI))
    return points / 72 * _DPI * shrunk * 72 / 96


def save(picture: Picture, target: Path) -> list[Path]:
    """Write the picture as PNG and SVG, and its table as CSV."""
    figure, table, about = picture
    figure.set_dpi(_DPI)  # the layout hangs on it
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # it has done its work; saving would do it twice more
    png, svg = ((target / table.name).with_suffix(suffix) for suffix in (".png", ".svg"))
    with writing(png):
        figure.savefig(png, dpi=_DPI, metadata={"Description": about} if about else {})
    with writing(svg):
        svg.write_text(_svg(figure, about), encoding="utf-8", newline="")
    return [png, svg, write_table(table, target)]


def _svg(figure: Figure, about: str) -> str:
    """The picture as SVG; what it is about is its description, which screen readers read out."""
    text = io.StringIO()
    figure.savefig(text, format="svg", dpi=_DPI, metadata={"Date": None})
    described = f"<desc>{escape(about)}</desc>\n <metadata>" if about else "<metadata>"
    return text.getvalue().replace("<metadata>", described, 1)


def captioned(figure: Figure, table: Table, runs: Sequence[Run], *notes: str) -> Picture:
    """The picture with notes and a line for each run below it; its files hold versions and method too."""
    several = len(runs) > 1
    names = [f"{run.name} ({LINES[k % len(LINES)]}): " if several else "" for k, run in enumerate(runs)]
    about = [*notes, *(f"{name}{_about(run)}" for name, run in zip(names, runs, strict=True)), METHOD]
    width = int(_LETTERS * figure.get_figwidth())
    lines = [part for note in notes for part in wrap(note, width)]
    lines += [cut(f"{name}{_short(run)}", width) for name, run in zip(names, runs, strict=True)]
    figure.supxlabel(plain_text("\n".join(lines)), fontsize=FONT, color=GREY)
    return Picture(figure, table, "\n".join(about))


def legible(colour: str) -> str:
    """Black or white, whichever contrasts more (WCAG 2.2, relative luminance) with a colour."""
    rgb = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"


def cut(text: str, letters: int) -> str:
    """The text in so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def plain_text(text: str) -> str:
    """Text in which a dollar is a dollar."""
    return text.replace("$", r"\$")


def _short(run: Run) -> str:
    """What a reader of the picture has to know of the run."""
    machine, day = run.environment["machine"], str(run.environment["started"])[:10]
    processes = f"{run.processes} process{'es' * (run.processes != 1)}"
    intervals = "95% intervals" if run.processes > 1 else "no intervals"
    cpu = cut(printable(str(machine["cpu"])), 50)
    return printable(f"{cpu}, {machine['cores']} cores · {day} · {processes}, {intervals}")


def _about(run: Run) -> str:
    try:
        machine, versions = run.environment["machine"], run.environment["versions"]
        where = "{cpu}, {cores} cores, {threads} threads, {system}".format_map(machine)
        what = "Python {python}, NumPy {numpy}, Numba {numba}, llvmlite {llvmlite}".format_map(versions)
        clock = [f"{key} {machine[key]}" for key in ("governor", "turbo") if machine.get(key) is not None]
        parts = [where, *clock, what, *_commit(run), str(run.environment["started"])]
    except (KeyError, TypeError, AttributeError):
        raise ResultError(f"{run.path / ENVIRONMENT}: no machine or versions") from None
    return f"{printable(' · '.join(parts))}\n{_sampling(run)}"


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
