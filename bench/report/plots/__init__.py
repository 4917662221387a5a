"""The pictures of a run, drawn from its files alone: the same files give the same bytes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from seqgap.bench.report.plots import compiling, curves, gap_map, ladder, rounds, threads
from seqgap.bench.report.plots.style import Picture, house_style, save
from seqgap.bench.results.run import Run, timed_run

_PANELS: tuple[Callable[[Run], Picture | None], ...] = (
    gap_map.picture,
    ladder.picture,
    threads.picture,
    compiling.picture,
    rounds.picture,
)


def draw(folders: Sequence[Path], target: Path) -> list[Path]:
    """Write every picture into `target` as PNG, SVG and the CSV behind it, and return their paths.

    Several folders overlay in the curves, the only pictures then. Raises ResultError for a folder that
    cannot be used or that has nothing to draw.
    """
    runs = [timed_run(folder) for folder in folders]
    with _drawing():
        return [path for picture in _pictures(runs) for path in save(picture, target)]


def draw_ladder(run: Run, batches: Sequence[int] | None, target: Path) -> list[Path]:
    """Write the picture of a run's ladders and return its paths, as `draw`; none where there is no ladder."""
    with _drawing():
        picture = ladder.picture(run, batches)
        return save(picture, target) if picture else []


@contextmanager
def _drawing() -> Iterator[None]:
    with house_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a folder's name may be in any script
        yield


def _pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    for index, kind in enumerate(curves.kinds(runs)):
        suffix = f"-{kind.dtype}-t{kind.threads}" if index else ""
        yield curves.picture(runs, kind, f"curves{suffix}")
    if len(runs) == 1:
        for panel in _PANELS:
            picture = panel(runs[0])
            if picture is not None:
                yield picture
