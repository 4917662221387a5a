"""Texts that others wrote, as they can be shown anywhere: on a terminal, in a picture, in a table."""

from typing import Any

_LONGEST = 1000  # characters


def printable(text: str) -> str:
    """The text on one line, cut off where it is too long, with U+FFFD for what cannot be printed.

    That is control characters, and halves of surrogate pairs: bytes of a name that is not UTF-8.
    """
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in cut)


def printable_values(stored: Any) -> Any:
    """A value of JSON with `printable` texts, keys of objects too."""
    if isinstance(stored, str):
        return printable(stored)
    if isinstance(stored, list):
        return [printable_values(value) for value in stored]
    if isinstance(stored, dict):
        return {printable(key): printable_values(value) for key, value in stored.items()}
    return stored
