"""Every round against the clock: drift, disturbances, and processes that differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqgap.bench.analysis import rounds as analysis
from seqgap.bench.analysis.rounds import Rounds, Sample
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import Array
from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, Picture, captioned, new_figure
from seqgap.bench.results.run import DISTURBED

_LOWEST, _HIGHEST = 0.7, 1.5
_TICKS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
_OF_PROCESSES, _SLOW = (COLOURS[0], COLOURS[5]), COLOURS[1]
_HIGHEST_PROBE = 2.0  # probes above are drawn there
_SHORTEST = 51  # rounds in a running median


def picture(run: Run) -> Picture | None:
    """Rounds above, probes of the host below; processes count from 1, in the table too. None where no row."""
    if not run.measured:
        return None
    rounds, probes = analysis.rounds(run), analysis.probes(run)
    figure = new_figure(10, 6.4 if probes else 5)
    grid = figure.subplots(
        1 + bool(probes), sharex=True, squeeze=False, height_ratios=[4, 1] if probes else None
    )[:, 0]
    _points(grid[0], analysis.shown(run))
    _medians(grid[0], rounds)
    if probes:
        _strip(grid[1], probes)
    grid[-1].set_xlabel("minutes since the first timing")
    _boundaries(list(grid), rounds)
    figure.suptitle(
        "Every round against the clock: drift of the machine would bend the line\n"
        "point: one round; line: running median in each process; orange: the host was slow before or after",
        fontsize=10,
    )
    return captioned(figure, analysis.table(run), [run], _note(rounds, analysis.step(run)))


def _joined(rounds: Sequence[Rounds]) -> tuple[Array, Array]:
    """Minutes and ratios of all rounds."""
    return np.concatenate([r.minutes for r in rounds]), np.concatenate([r.ratios for r in rounds])


def _note(rounds: Sequence[Rounds], step: int) -> str:
    _, ratios = _joined(rounds)
    above, below = int(np.sum(ratios > _HIGHEST)), int(np.sum(ratios < _LOWEST))
    text = f"{len(ratios)} rounds, {above} above {_HIGHEST} and {below} below {_LOWEST}, outside the picture"
    return f"{text}; {f'one in {step}' if step > 1 else 'all'} drawn, the medians of all."


def _points(axes: Any, rounds: Sequence[Rounds]) -> None:
    for colour in (*_OF_PROCESSES, _SLOW):
        chosen = [of_row for of_row in rounds if _colour(of_row) == colour]
        if chosen:
            axes.plot(*_joined(chosen), ".", markersize=1.8, color=colour, rasterized=True)
    axes.set(yscale="log", ylim=(_LOWEST, _HIGHEST), ylabel="round / median of its cell, all processes")
    axes.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.minorticks_off()
    axes.grid(color=FAINT, linewidth=0.5)


def _colour(of_row: Rounds) -> str:
    return _SLOW if of_row.disturbed else _OF_PROCESSES[of_row.row.process % 2]


def _medians(axes: Any, rounds: Sequence[Rounds]) -> None:
    for process in sorted({of_row.row.process for of_row in rounds}):
        joined = _joined([of_row for of_row in rounds if of_row.row.process == process])
        count = len(joined[0])
        width = min(max(1, count // 2), max(_SHORTEST, count // 20))
        windows = (sliding_window_view(values, width)[:: max(1, width // 10)] for values in joined)
        axes.plot(*(np.median(window, axis=1) for window in windows), color="black", linewidth=1.2)


def _strip(axes: Any, probes: Sequence[Sample]) -> None:
    _, minutes, ratios = np.array(probes).T
    slow = ratios > DISTURBED
    shown = np.minimum(ratios, _HIGHEST_PROBE)
    axes.plot(minutes[~slow], shown[~slow], ".", color=GREY, markersize=2, rasterized=True)
    axes.plot(minutes[slow], shown[slow], "D", color=_SLOW, markersize=3, rasterized=True)
    axes.axhline(DISTURBED, color=_SLOW, linewidth=0.8, linestyle="--")
    axes.set_ylim(min(0.9, ratios.min() * 0.98), max(1.2, shown.max() * 1.05))
    axes.set_ylabel("fixed work /\nits median")
    axes.annotate(
        f"slow above {DISTURBED:g}", (1, DISTURBED), (4, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=_SLOW, fontsize=7.5, va="center", annotation_clip=False,
    )  # fmt: skip
    axes.grid(color=FAINT, linewidth=0.5)


def _boundaries(grid: Sequence[Any], rounds: Sequence[Rounds]) -> None:
    """A line where each process begins, named where there is room."""
    starts: dict[int, float] = {}
    for of_row in rounds:
        starts.setdefault(of_row.row.process, float(of_row.minutes[0]))
    last, named = float(rounds[-1].minutes[-1]), -np.inf
    for process, start in starts.items():
        for axes in grid:
            axes.axvline(start, color=GREY, linewidth=0.7, linestyle=":")
        if start - named >= 0.09 * last:
            named = start
            grid[0].annotate(
                f"process {process + 1}", (start, 1), (2, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7.5, color=GREY, va="bottom",
            )  # fmt: skip
