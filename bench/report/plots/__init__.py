"""The pictures of a run, drawn from its files alone: the same files give the same bytes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seqgap.bench.analysis.curves import kinds
from seqgap.bench.analysis.run import Run, timed
from seqgap.bench.report import unset as unset  # before all that imports matplotlib
from seqgap.bench.report.plots import (
    change,
    compiling,
    curves,
    families,
    forest,
    gap,
    gap_map,
    ladder,
    peers,
    rounds,
    threads,
)
from seqgap.bench.report.plots.style import Picture, house_style, save

_PANELS: tuple[Callable[[Run], Picture | None], ...] = tuple(
    module.picture for module in (gap, ladder, gap_map, forest, families, peers, threads, compiling, rounds)
)


def draw(runs: Sequence[Run], target: Path) -> list[Path]:
    """Write every picture into `target` as PNG, SVG and the CSV behind it, and return their paths.

    Several runs overlay in the curves; two have a picture of what changed between them too. ResultError for a
    run without times.
    """
    for run in runs:
        timed(run)
    with house_style():
        return [path for picture in _pictures(runs) for path in save(picture, target)]


def draw_ladder(run: Run, target: Path) -> list[Path]:
    """Write the picture of a run's ladders and return its paths, as `draw`; none where there is no ladder."""
    with house_style():
        picture = ladder.picture(run)
        return save(picture, target) if picture else []


def _pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    if len(runs) == 1:
        yield from filter(None, (panel(runs[0]) for panel in _PANELS))
    for name in kinds(runs):
        yield curves.picture(runs, name)
    if len(runs) == 2:
        yield from filter(None, [change.picture(*runs)])
