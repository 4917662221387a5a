"""Where tables and progress of the commands go."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 180  # of tables that do not go to a terminal


def make_console() -> "Console":
    """Standard output, wide enough for the tables where it is no terminal."""
    from rich.console import Console

    # The stream as it is now: pytest's output is sent elsewhere later, the progress is not.
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console
