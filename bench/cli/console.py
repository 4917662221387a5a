"""Where the commands print: data on standard output, all that is told beside it on standard error."""

import os
import re
import sys
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

BROKEN_PIPE = 141  # the exit code of what is ended by SIGPIPE
_PIPED_WIDTH = 100  # of what goes to no terminal, unless COLUMNS is set
_NARROWEST = 60  # tables of figures need it: on a narrower terminal their lines wrap


class _Trimmed:
    """A stream without the blanks that tables have at the ends of their lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def make_console() -> "Console":
    """Standard output, as wide as its terminal or COLUMNS, else 100."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    # The stream as it is now: pytest's output is sent elsewhere later.
    console = Output(file=sys.stdout, highlight=False, emoji=False)
    if not console.is_terminal:
        console.file = cast("TextIO", _Trimmed(sys.stdout))
        if not os.environ.get("COLUMNS", "").isdigit():
            console.width = _PIPED_WIDTH
    console.width = max(console.width, _NARROWEST)
    return console


def make_notes(*, quiet: bool = False) -> "Console":
    """Standard error, for what a command tells of its work; lines stay whole, so that paths can be copied.

    Where nobody reads it any more the work goes on.
    """
    from rich.console import Console

    class Notes(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            to_nowhere(sys.stderr)

    return Notes(file=sys.stderr, highlight=False, emoji=False, markup=False, soft_wrap=True, quiet=quiet)


def to_nowhere(stream: TextIO) -> None:
    """Send what is still in a stream, and all that comes, nowhere: its reader is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
