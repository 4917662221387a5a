"""Tables as text that other programs read: JSON, CSV, and Markdown for a comment or a page."""

import json
import math
from collections.abc import Sequence
from typing import Any

from seqgap.bench.results.tables import Table, Value

FORMATS = ("json", "csv", "markdown")


def formatted(tables: Sequence[Table], name: str) -> str:
    """Tables in one of FORMATS, without a newline at the end.

    json: a list with an object for each line; of several tables, an object of such lists by their names. What
    is not known, or not finite, is null. csv: RFC 4180, several tables with an empty line between. markdown:
    as GitHub has them, six digits, several below their names.
    """
    if name == "json":
        stored = {table.name: _objects(table) for table in tables}
        return json.dumps(stored if len(tables) != 1 else _objects(tables[0]), indent=1, allow_nan=False)
    if name == "csv":
        return "\r\n".join(table.text() for table in tables).removesuffix("\r\n")
    titles = [f"### {table.name}\n\n" if len(tables) > 1 else "" for table in tables]
    return "\n\n".join(title + _markdown(table) for title, table in zip(titles, tables, strict=True))


def _objects(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.head, map(_plain, line), strict=False)) for line in table.lines]


def _plain(value: Value) -> Any:
    if isinstance(value, float):  # those of NumPy too
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else int(value)


def _markdown(table: Table) -> str:
    columns = range(len(table.head))
    lines = [[*line, *[""] * (len(columns) - len(line))] for line in table.lines]
    right = [all(not isinstance(line[k], str) or line[k] == "" for line in lines) for k in columns]
    rule = ["---:" if figures else "---" for figures in right]
    rows = [table.head, rule, *([_cell(value, table.unknown) for value in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(value: Value, unknown: str) -> str:
    if isinstance(value, str):
        return " ".join(value.replace("\\", "\\\\").replace("|", "\\|").split())
    return unknown if value is None or math.isnan(value) else f"{value:.6g}"
