"""Ctrl-C and SIGTERM, which batch systems send: both end a run in one way, and it can be resumed."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 5.0  # seconds after a signal for which others are ignored


class Stopped(KeyboardInterrupt):
    """A signal asked this program to end; code: the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextlib.contextmanager
def heeding_signals() -> Iterator[None]:
    """Raise `Stopped` at a signal, but not at an impatient second one, which could leave processes behind.

    A signal that is ignored already, as nohup has it, stays so. After a stop the handlers stay, or a further
    signal would end this program in a traceback.
    """
    stopped = -_PATIENCE

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if time.monotonic() - stopped >= _PATIENCE:
            stopped = time.monotonic()
            raise Stopped(number)

    before = {
        number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, stop)
    yield
    if stopped < 0:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """Say how to go on with a run that was stopped; exit code 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        yield
    except KeyboardInterrupt as error:
        _exit(f"Stopped. Go on with: seqgap run --resume {folder}", error)


@contextlib.contextmanager
def nothing_measured(folder: Path) -> Iterator[None]:
    """Say so where a run is stopped before its first cell; an error leaves no empty folder either."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    except BaseException as error:
        for path in made:
            with contextlib.suppress(OSError):  # not empty, or never made
                path.rmdir()
        if isinstance(error, KeyboardInterrupt):
            _exit("Stopped; nothing was measured yet", error)
        raise


def _exit(message: str, error: KeyboardInterrupt) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(error.code if isinstance(error, Stopped) else 130)
