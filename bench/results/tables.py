"""The tables of a result folder: CSV files with a header, UTF-8, one writer and one reader for all."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from seqgap.bench.results.rows import writing

Value: TypeAlias = str | float | None


class Table(NamedTuple):
    """The name of its file, its columns, and its lines, which may end early.

    unknown: what stands for a number that is not known, None or NaN.
    """

    name: str
    head: Sequence[str]
    lines: Sequence[Sequence[Value]]
    unknown: str = ""

    def text(self) -> str:
        """What the file holds."""
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(self.head)
        writer.writerows([self._known(value) for value in line] for line in self.lines)
        return file.getvalue()

    def read_back(self) -> list[list[str]]:
        """The lines of the file, as `read_table` reads them."""
        return list(csv.reader(io.StringIO(self.text(), newline="")))

    def _known(self, value: Value) -> Value:
        return self.unknown if value is None or (isinstance(value, float) and math.isnan(value)) else value


def write_table(table: Table, folder: Path) -> Path:
    """Write a table into a folder and return its path."""
    path = folder / table.name
    with writing(path):
        path.write_text(table.text(), encoding="utf-8", newline="")
    return path


def read_table(path: Path) -> list[list[str]] | None:
    """The lines of a CSV file, its header first; None where it is not there or cannot be read."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.reader(file))
    except (OSError, ValueError, csv.Error):
        return None
