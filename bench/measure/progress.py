"""How far a run is: a bar with the time left on a terminal, elsewhere a line now and then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from seqgap.bench.plan.estimate import duration

_SILENCE = 15.0  # seconds, at least, between two lines


class Advance(Protocol):
    """What to call after each cell."""

    def __call__(self, text: str, once: float = 0.0, again: bool = False) -> object:
        """text: which cell; once: seconds of it that no later one takes, of compiling say; again: not new."""


@contextmanager
def progress(notes: Console, total: int) -> Iterator[Advance]:
    """What to call after each of `total` cells."""
    if not notes.is_terminal:
        yield _lines(notes, total)
        return
    columns = [
        BarColumn(10), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(),
        # The text alone is cut where a terminal is narrow, never a figure.
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True)),
    ]  # fmt: skip
    # No refresh thread: it would take time from what is measured.
    with Progress(*columns, console=notes, auto_refresh=False, transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=total)

        def advance(text: str, once: float = 0.0, again: bool = False) -> None:
            bar.update(task, advance=not again, description=text, refresh=True)

        yield advance


def _lines(notes: Console, total: int) -> Advance:
    told, done, usual = time.monotonic(), 0, 0.0
    last = told

    def advance(text: str, once: float = 0.0, again: bool = False) -> None:
        nonlocal told, done, usual, last
        now = time.monotonic()
        done, usual, last = done + (not again), usual + now - last - once, now
        if now - told >= _SILENCE:
            told = now
            left = duration(usual / max(1, done) * (total - done))
            ahead = "once more, since other load was met" if again else f"about {left} left"
            notes.print(f"{done} of {total} ({done / total:.0%}), {ahead}; {text}")

    return advance
