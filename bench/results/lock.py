"""One run at a time into a folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from seqgap.bench.results.rows import ResultError


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a folder against other runs; ResultError where another one has it, or where it is none.

    The lock is on the folder itself and ends with its process, so that a killed run leaves nothing behind.
    Only this machine knows of it. Where the file system has no locks the run goes on without.
    """
    try:
        folder = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ResultError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        with contextlib.suppress(OSError):
            _lock(folder, path)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, path: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResultError(f"{path}: another run measures into it; wait for its end, or stop it") from None
