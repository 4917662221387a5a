"""Where Picard's sweeps win on a CPU: steps one after the other over sweeps, in float32.

`python docs/picard_map.py` writes picard_map.csv, .png and .svg beside this file, in about a minute. Euler
steps of flow matching by a network of three hidden layers with random weights.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgap import Chain
from seqgap.bench.machine.processor import cache_sizes
from seqgap.bench.machine.processor import name as processor_name
from seqgap.bench.machine.turns import calls_in_turns
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.report.plots.style import (
    COLOURS,
    GREY,
    MARKERS,
    Picture,
    house_style,
    new_figure,
    save,
    spread,
)
from seqgap.bench.results.tables import Table
from seqgap.kernels import flow_matching
from seqgap.kernels.normal import standard_normal

DIM, DEPTH, MIB = 64, 3, 2**20
WIDTHS, STEPS, TOLERANCES = (32, 64, 128, 256, 512, 1024, 1700), (16, 64, 256), (1e-2, 1e-3, 1e-5)
ROUNDS, SECONDS = 7, 0.3  # of each cell
WIDEST = 30  # MiB of weights shown


class Cell(NamedTuple):
    """One point of the map; ratio: time of the steps over that of the sweeps, of neighbouring rounds."""

    width: int
    weights: int  # bytes
    steps: int
    tolerance: float
    rows: int
    threads: int
    sweeps: int  # of the slowest row
    apart: float  # largest difference of a number
    seconds_steps: float
    seconds_picard: float
    ratio: float
    low: float  # one in ten of the rounds is below
    high: float


def measured() -> Iterator[Cell]:
    """One row on one thread for all sizes, and two rows on one thread and two for the middle ones."""
    for width in WIDTHS:
        params = flow_matching.random_params(DIM, 1, depth=DEPTH, width=width, dtype=np.float32)
        for steps in STEPS:
            chain = Chain(params, steps=steps)
            sizes = itertools.product(TOLERANCES, ((1, 1),)) if steps != 64 else _all_sizes()
            for tolerance, (rows, threads) in sizes:
                yield _cell(chain, width, tolerance, rows, threads)


def _all_sizes() -> Iterator[tuple[float, tuple[int, int]]]:
    yield from itertools.product(TOLERANCES, ((1, 1),))
    yield from itertools.product(TOLERANCES[-1:], ((2, 1), (2, 2)))


def _cell(chain: Chain, width: int, tolerance: float, rows: int, threads: int) -> Cell:
    x = standard_normal(rows, DIM, 3, dtype=np.float32)
    states, sweeps = chain.picard(x, 1, tolerance=tolerance, threads=threads)
    apart = float(np.abs(states - chain.run(x, 1)).max())
    calls = {
        "steps": partial(chain.run, x, 1, threads=threads),
        "picard": partial(chain.picard, x, 1, tolerance=tolerance, threads=threads),
    }
    times = {name: np.array(rounds) for name, rounds in calls_in_turns(calls, ROUNDS, SECONDS).items()}
    ratios = np.quantile(times["steps"] / times["picard"], (0.5, 0.1, 0.9))
    weights = 4 * width * (2 * DIM + (DEPTH - 1) * width)
    seconds = (float(np.median(times[name])) for name in ("steps", "picard"))
    cell = Cell(
        width, weights, chain.length, tolerance, rows, threads, int(sweeps.max()), apart, *seconds, *ratios
    )
    print(*(f"{value:.3g}" for value in cell), flush=True)
    return cell


def drawn(cells: list[Cell]) -> Picture:
    """A panel for each number of steps, one more for two rows."""
    figure = new_figure(10, 6.2)
    panels: Any = figure.subplots(2, 2, sharex=True, sharey=True).flat
    for axes, steps in zip(panels, STEPS, strict=False):
        lines = {
            f"to {tolerance:g}": [c for c in cells if c[2:6] == (steps, tolerance, 1, 1)]
            for tolerance in TOLERANCES
        }
        _panel(axes, f"{steps} steps, one row, one thread", lines)
    last = [c for c in cells if (c.steps, c.tolerance) == (64, TOLERANCES[-1])]
    lines = {
        f"{rows} row{'s' * (rows > 1)}, {threads} thread{'s' * (threads > 1)}": [
            c for c in last if (c.rows, c.threads) == (rows, threads)
        ]
        for rows, threads in ((1, 1), (2, 1), (2, 2))
    }
    _panel(panels[3], f"64 steps, to {TOLERANCES[-1]:g}", lines)
    figure.supylabel("time step by step / time of Picard's sweeps", fontsize=9)
    figure.supxlabel("weights, MiB", fontsize=9)
    title = "Picard's sweeps pay for many steps, and where weights lie beyond the second-level cache"
    machine = f"{processor_name()}; medians, bars hold 8 of 10 rounds; sweeps of the widest network"
    figure.suptitle(f"{title}\n{machine}", fontsize=10)
    return Picture(figure, Table("picard_map.csv", list(Cell._fields), [tuple(cell) for cell in cells]))


def _panel(axes: Any, title: str, lines: dict[str, list[Cell]]) -> None:
    for line, colour, marker in zip(lines.values(), COLOURS, MARKERS, strict=False):
        x, ratio = [c.weights / MIB for c in line], np.array([c.ratio for c in line])
        bars = [ratio - [c.low for c in line], [c.high for c in line] - ratio]
        axes.errorbar(x, ratio, bars, color=colour, marker=marker, markersize=5, capsize=2)
    axes.axhline(1, color=GREY, linewidth=1)
    for level, size in cache_sizes().items():
        if size / MIB < WIDEST:
            axes.axvline(size / MIB, color=GREY, linewidth=1, linestyle=":")
            axes.text(size / MIB, 0.02, f" {level}", color=GREY, transform=axes.get_xaxis_transform())
    axes.set(xscale="log", yscale="log", title=title, xlim=(0.02, 20 * WIDEST), ylim=(0.1, 8))
    _named(axes, lines)
    axes.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
    axes.minorticks_off()


def _named(axes: Any, lines: dict[str, list[Cell]]) -> None:
    """The name of each line and its sweeps beside its end, moved apart."""
    ends = sorted(zip(lines, lines.values(), COLOURS, strict=False), key=lambda end: end[1][-1].ratio)
    heights = np.exp(spread([np.log(line[-1].ratio) for _, line, _ in ends], 0.28))
    for (label, line, colour), height in zip(ends, heights, strict=True):
        text = f"{label}: {line[-1].sweeps} sweeps"
        axes.text(1.4 * line[-1].weights / MIB, height, text, color=colour, va="center")


if __name__ == "__main__":
    restart_without()
    with house_style():
        save(drawn(list(measured())), Path(__file__).parent)
