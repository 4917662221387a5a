"""How far a run is: a bar with the time left on a terminal, elsewhere a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seqgap.bench.plan.estimate import duration

_SILENCE = 15.0  # seconds, at least, between two lines

Advance = Callable[[str], None]  # one more is done; the text says what


@contextmanager
def progress(notes: Console, total: int) -> Iterator[Advance]:
    """What to call after each of `total` cells."""
    if not notes.is_terminal:
        yield _lines(notes, total)
        return
    columns = [
        BarColumn(30), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn(),
        TextColumn("{task.description}"),
    ]  # fmt: skip
    # No refresh thread: it would take time from what is measured.
    with Progress(*columns, console=notes, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("starting", total=total)
        yield lambda text: bar.update(task, advance=1, description=text, refresh=True)


def _lines(notes: Console, total: int) -> Advance:
    started = told = time.monotonic()
    done = 0

    def advance(text: str) -> None:
        nonlocal told, done
        done += 1
        now = time.monotonic()
        if now - told >= _SILENCE:
            told = now
            left = duration((now - started) / done * (total - done))
            notes.print(f"{done} of {total} ({done / total:.0%}), about {left} left; {text}")

    return advance
