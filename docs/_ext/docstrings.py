"""Docstrings are prose and formulas as plain text, not reStructuredText: what is markup there is escaped."""

import re
from typing import Any

MARKUP = re.compile(r"([\\*_|])")


def prose(line: str) -> str:
    """A line whose `names` are code and in which nothing else is markup."""
    parts = line.split("`")
    parts[::2] = [MARKUP.sub(r"\\\1", text) for text in parts[::2]]
    return "``".join(parts)


def restructured(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText: paragraphs, lists with "- ", and what is indented as it is."""
    result: list[str] = []
    shown = False  # within an indented block that is no part of a list
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and not shown and not lines[number - 1].strip():
            result += ["::", ""]
            shown = True
        elif line.strip() and not indented:
            shown = False
        result.append(line if shown else prose(line))
    return result


def _escape(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    lines[:] = restructured(lines)


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx call it for each docstring."""
    app.connect("autodoc-process-docstring", _escape)
    return {"parallel_read_safe": True}
