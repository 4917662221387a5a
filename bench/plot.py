"""Speed against dimension, drawn from result files alone."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from seqgap.bench.registry import cases, comparisons
from seqgap.bench.results import ENVIRONMENT, ROWS, ResultError, Row, read_environment, read_rows

# Okabe and Ito's palette, legible with the common colour-vision deficiencies; yellow left out.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "os^vDPX<>*hd"
_LINES = ("-", "--", ":", "-.")
_FIRST = ("python", "numpy")  # panels from slow to fast, as far as anyone can tell beforehand
_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "seqgap",
}


def draw(folders: Sequence[Path], target: Path) -> list[Path]:
    """Write curves.png and curves.svg into `target`, further pairs for other dtypes and threads.

    Several folders overlay, told apart by line style. Raises ResultError for a folder that cannot be
    used or that has nothing to draw.
    """
    runs = []
    for folder in folders:
        environment = read_environment(folder)
        rows = [row for row in read_rows(folder)[0] if row.status == "ok" and row.process == 0]
        if not rows:
            raise ResultError(f"{folder / ROWS}: no timed cells to draw")
        runs.append((folder, environment, rows))
    kinds = sorted({(r.cell.dtype, r.cell.threads) for _, _, rows in runs for r in rows}, key=_kind_order)
    written = []
    for dtype, threads in kinds:
        chosen = [
            (folder, environment, [r for r in rows if (r.cell.dtype, r.cell.threads) == (dtype, threads)])
            for folder, environment, rows in runs
        ]
        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a folder's name may be in any script
            figure = _figure(chosen, f"{dtype}, {threads} thread{'s' * (threads > 1)}")
            suffix = "" if (dtype, threads) == kinds[0] else f"-{dtype}-t{threads}"
            for kind, metadata in (("png", {}), ("svg", {"Date": None})):
                path = target / f"curves{suffix}.{kind}"
                figure.savefig(path, dpi=130, metadata=metadata)
                written.append(path)
    return written


def _kind_order(kind: tuple[str, int]) -> tuple[int, bool]:
    return kind[1], kind[0] != "float64"


def _shown(rows: Sequence[Row]) -> list[str]:
    """The operations that take part in a comparison; all where none does."""
    names = sorted({row.cell.name for row in rows})
    compared = {name for c in comparisons() for name in (c.sequential, c.parallel)}
    return [name for name in names if name in compared] or names


def _figure(runs: Sequence[tuple[Path, dict[str, Any], list[Row]]], kind: str) -> Figure:
    rows = [row for _, _, of_run in runs for row in of_run]
    names = _shown(rows)
    batches = sorted({row.cell.batch for row in rows})
    found = {row.cell.impl for row in rows}
    impls = sorted(found, key=lambda impl: (impl not in _FIRST, impl != "python", impl))
    figure = Figure(figsize=(1.2 + 4.9 * len(impls), 1.6 + 4.1 * len(batches)), layout="constrained")
    grid = figure.subplots(len(batches), len(impls), sharex=True, sharey="row", squeeze=False)
    for i, batch in enumerate(batches):
        for j, impl in enumerate(impls):
            _panel(grid[i, j], runs, names, batch, impl)
            if j == 0:
                grid[i, j].set_ylabel("seconds for one sample")
            if j == len(impls) - 1:
                right = grid[i, j].secondary_yaxis("right", functions=(_reciprocal, _reciprocal))
                right.set_ylabel("samples for each second")
            if i == len(batches) - 1:
                grid[i, j].set_xlabel("dimension D")
    for row in grid:
        bottom, top = row[0].get_ylim()
        row[0].set_ylim(bottom / 1.3, top * 2)  # room for labels that are moved apart
        for axes in row:
            _label_ends(axes)
    figure.suptitle(
        f"Cost of one sample against dimension ({kind})\n"
        "filled marker: D dependent steps; open marker: all dimensions at once; same colour: same model",
        fontsize=11,
    )
    figure.supxlabel(_footer(runs).replace("$", r"\$"), fontsize=7, color="#555555")
    return figure


def _reciprocal(values: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1 / np.asarray(values, float)


def _panel(axes: Any, runs: Sequence[Any], names: Sequence[str], batch: int, impl: str) -> None:
    axes.set(xscale="log", yscale="log", title=f"{impl}, batch N = {batch}".replace("$", r"\$"))
    stems = sorted({name.split(".")[0] for name in names})
    labelled: set[str] = set()
    for line, (_, _, rows) in zip(_LINES * len(runs), runs, strict=False):
        for index, name in enumerate(names):
            points = sorted(
                (r for r in rows if (r.cell.name, r.cell.batch, r.cell.impl) == (name, batch, impl)),
                key=lambda r: r.cell.dim,
            )
            if not points:
                continue
            stem, operation = name.split(".")
            colour = _COLOURS[stems.index(stem) % len(_COLOURS)]
            sequential = cases()[stem].operation(operation).sequential
            dims = [r.cell.dim for r in points]
            low, middle, high = ([r.quantile(q) / batch for r in points] for q in (0.05, 0.5, 0.95))
            axes.fill_between(dims, low, high, color=colour, alpha=0.2, linewidth=0)
            axes.plot(
                dims, middle, line, color=colour, marker=_MARKERS[index % len(_MARKERS)], markersize=5,
                markerfacecolor=colour if sequential else "white", linewidth=1.3,
                label="_again" if name in labelled else name,
            )  # fmt: skip
            labelled.add(name)
    dims = sorted({r.cell.dim for _, _, rows in runs for r in rows})
    axes.set_xticks(dims, [str(d) for d in dims])
    axes.set_xticks([], minor=True)
    axes.set_xlim(dims[0] / 1.3, dims[-1] * (dims[-1] / dims[0]) ** 0.45 * 1.6)  # room for the labels
    axes.grid(color="#dddddd", linewidth=0.5)


def _label_ends(axes: Any) -> None:
    """Name each line beside its end, and draw the slope guides, once the limits are known."""
    lines = axes.get_lines()
    if not lines:
        axes.text(0.5, 0.5, "left out:\ntoo slow", transform=axes.transAxes, ha="center", color="#777777")
        return
    bottom, top = axes.get_ylim()
    named = [line for line in lines if not line.get_label().startswith("_")]
    ends = sorted(named, key=lambda line: line.get_ydata()[-1])
    heights = [np.log(line.get_ydata()[-1]) for line in ends]
    column = max(axes.get_xticks()) * 1.35
    places = _spread(heights, np.log(top / bottom) * 0.045)
    places -= max(0.0, places[-1] - np.log(top / 1.1))  # down again where they were pushed off the top
    for line, height in zip(ends, places, strict=True):
        axes.annotate(
            line.get_label(), (line.get_xdata()[-1], line.get_ydata()[-1]), (column, np.exp(height)),
            color=line.get_color(), fontsize=7.5, va="center",
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.4},
        )  # fmt: skip
    _slope_guides(axes)
    axes.set_ylim(bottom, top)


def _slope_guides(axes: Any) -> None:
    first, last = min(axes.get_xticks()), max(axes.get_xticks())
    bottom, top = axes.get_ylim()
    start, highest = bottom * 1.5, top / 1.5
    for power, text in ((1, "∝ D"), (2, "∝ D²")):
        end = min(last, first * (highest / start) ** (1 / power))
        if end <= first:
            continue
        height = start * (end / first) ** power
        axes.plot([first, end], [start, height], ":", color="#999999", linewidth=1)
        axes.text(end, height, text, color="#777777", fontsize=7.5, ha="right", va="bottom")


def _spread(heights: Sequence[float], gap: float) -> NDArray[np.float64]:
    """`heights`, in rising order, moved as little as needed to lie at least `gap` apart."""
    ramp = gap * np.arange(len(heights))
    moved: NDArray[np.float64] = isotonic_regression(np.asarray(heights) - ramp).x + ramp
    return moved


def _footer(runs: Sequence[tuple[Path, dict[str, Any], list[Row]]]) -> str:
    lines = []
    for style, (folder, environment, rows) in zip(_LINES * len(runs), runs, strict=False):
        try:
            machine, versions = environment["machine"], environment["versions"]
            text = (
                f"{machine['cpu']}, {machine['threads']} threads, {machine['system']}"
                f" · Python {versions['python']}, NumPy {versions['numpy']}, Numba {versions['numba']}"
                f" · {environment['started']}"
            )
        except (KeyError, TypeError):
            raise ResultError(f"{folder / ENVIRONMENT}: no machine or versions") from None
        rounds = [len(row.rounds) for row in rows]
        count = f"{min(rounds)} to {max(rounds)} rounds" if rounds else "no rounds"
        name = f"{folder.name} ({style}): " if len(runs) > 1 else ""
        lines.append(f"{name}{text} · median and 5 to 95% of {count}")
    return "\n".join(lines)
