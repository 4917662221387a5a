"""Where the commands print: data on standard output, all that is told beside it on standard error."""

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

_BROKEN_PIPE = 141  # the exit code of what is ended by SIGPIPE
_PIPED_WIDTH = 100  # of what goes to no terminal, unless COLUMNS is set
_NARROWEST = 60  # tables of figures need it: on a narrower terminal their lines wrap


class _Standard:
    """A standard stream that calls `refused` with the error where the system does not take its text."""

    def __init__(self, stream: TextIO, refused: Callable[[OSError], None]) -> None:
        self._stream, self._refused = stream, refused

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._refused(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._refused(error)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class _Trimmed:
    """A stream without the blanks that tables have at the ends of their lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def use_standard_streams() -> None:
    """Have an error of standard output name it, and none of standard error end the work.

    Where nobody reads the output any more the program ends as others do. Streams that are closed, as by
    `>&-`, lead nowhere: else a file of results would have their number.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    out = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    err = sys.stderr or open(os.devnull, "w")  # noqa: SIM115

    def fail(error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            _to_nowhere(out)
            sys.exit(_BROKEN_PIPE)
        error.filename = "standard output"
        raise error

    if sys.stdout is sys.__stdout__:  # not those of a test
        sys.stdout = cast("TextIO", _Standard(out, fail))
    if sys.stderr is sys.__stderr__:
        sys.stderr = cast("TextIO", _Standard(err, lambda error: _to_nowhere(err)))


def make_console() -> "Console":
    """Standard output, as wide as its terminal or COLUMNS, else 100."""
    from rich.console import Console

    # The stream as it is now: pytest's output is sent elsewhere later.
    console = Console(file=sys.stdout, highlight=False, emoji=False)
    if not console.is_terminal:
        console.file = cast("TextIO", _Trimmed(sys.stdout))
        if not os.environ.get("COLUMNS", "").isdigit():
            console.width = _PIPED_WIDTH
    console.width = max(console.width, _NARROWEST)
    return console


def make_notes(*, quiet: bool = False) -> "Console":
    """Standard error, for what a command tells of its work; lines stay whole, so that paths can be copied."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False, emoji=False, markup=False, soft_wrap=True, quiet=quiet)


def _to_nowhere(stream: TextIO) -> None:
    """Send what is still in a stream, and all that comes, nowhere: its reader is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
