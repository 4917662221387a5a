"""The picture of diffusion_digits.py: digits, and how good they are against the time they take."""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from seqgap.bench.machine import processor
from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, MARKERS, Picture, new_figure
from seqgap.bench.results import tables

SHOWN = 14  # digits of each sampler
FAR = 0.1  # names of lines beyond this distance stand above them, other names below


class Point(NamedTuple):
    """One sampler in one library: seconds of one call, and energy distances of samples to the data."""

    name: str
    library: str
    steps: int
    seconds: list[float]
    distances: list[float]


def distance(x: Any, y: Any) -> float:
    """Energy distance, 2 E|X - Y| - E|X - X'| - E|Y - Y'|: Szekely and Rizzo (2013)."""
    return float(2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())


def picture(points: list[Point], images: dict[str, Any]) -> Picture:
    """Digits over quality against time; images: of the data first."""
    figure = new_figure(9, 7)
    above, below = figure.subfigures(2, 1, height_ratios=(2, 4))
    grid = above.subplots(len(images), SHOWN, squeeze=False)
    for line, (name, values) in zip(grid, images.items(), strict=True):
        for axes, image in zip(line, values.reshape(-1, 8, 8), strict=False):
            axes.imshow(image, cmap="gray_r", vmin=-1, vmax=1)
            axes.axis("off")
        line[0].text(-0.3, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    draw_quality(below.subplots(), points, images["data"])
    head = [*Point._fields[:3], "median_seconds", "rounds", "distances"]
    lines = [
        (*p[:3], float(np.median(p.seconds)), *(" ".join(map(str, many)) for many in p[3:])) for p in points
    ]
    return Picture(figure, tables.Table("diffusion_digits.csv", head, lines))


def draw_quality(axes: Any, points: list[Point], data: Any) -> None:
    """A line for each sampler in each library, and how far parts of the data are from the whole."""
    for number, (key, line) in enumerate(itertools.groupby(sorted(points, key=_line), key=_line)):
        _draw(axes, " in ".join(key), list(line), COLOURS[number], MARKERS[number])
    batches = len(points[0].distances)
    parts = np.array_split(np.random.default_rng(1).permutation(data), batches)
    distances = [distance(part, data) for part in parts]
    axes.axhspan(min(distances), max(distances), color=FAINT)
    axes.annotate(
        f"{batches} parts of the digits themselves", (0.99, max(distances)), (0, 3), color=GREY, ha="right",
        xycoords=("axes fraction", "data"), textcoords="offset points",
    )  # fmt: skip
    axes.set(xscale="log", yscale="log", ylabel="energy distance to the digits", ylim=(None, 0.5))
    axes.set_xlabel(
        f"seconds for 128 digits, one thread of {processor.name()}; numbers at the points: steps\n"
        f"medians; across: all {len(points[0].seconds)} rounds; upwards: {batches} batches of {len(parts[0])}"
    )


def _line(point: Point) -> tuple[str, str]:
    return point.name, point.library


def _draw(axes: Any, label: str, line: list[Point], colour: str, marker: str) -> None:
    """Medians, with all rounds across and all batches upwards."""
    x, y = (
        [float(np.median(many)) for many in values] for values in zip(*(p[3:] for p in line), strict=True)
    )
    axes.plot(x, y, color=colour, marker=marker, linewidth=0.8)
    for point, across, upwards in zip(line, x, y, strict=True):
        axes.plot([min(point.seconds), max(point.seconds)], [upwards] * 2, color=colour)
        axes.plot([across] * 2, [min(point.distances), max(point.distances)], color=colour)
        axes.annotate(f"{point.steps}", (across, upwards), (4, 4), textcoords="offset points", color=colour)
    side = 1 if y[-1] > FAR and len(line) > 1 else -1
    beside = "right" if label.endswith("seqgap") else "left"
    axes.annotate(
        label, (x[-1], y[-1]), (0, 20 * side), textcoords="offset points", color=colour, va="center",
        ha=beside if len(line) > 1 else "center",
    )  # fmt: skip
