"""Result folders: written cell by cell so that a killed run loses nothing, and read back checked.

rows.jsonl: one JSON object for each finished cell, with the keys of `Row`. environment.json: the
machine, the versions and the options of the run.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np

from seqgap.bench.ceiling import Ceilings
from seqgap.bench.plan import DTYPES, Cell, Options

ROWS, ENVIRONMENT = "rows.jsonl", "environment.json"
_SCHEMA = 1
_SHORTEST, _LONGEST = 1e-12, 1e9  # seconds that a round can last


class ResultError(click.ClickException):
    """A result folder that cannot be used; the message is one line and names the file."""


@dataclass(frozen=True)
class Row:
    """One finished cell."""

    cell: Cell
    status: str  # ok, failed (wrong result, not timed), skipped (too slow or too large)
    rounds: tuple[float, ...] = ()  # seconds for one call, each the mean of `iterations` calls
    iterations: int = 0
    first_call: float = 0.0  # seconds of the first call, before the timing
    compile: float = 0.0  # seconds of it that Numba spent compiling
    reason: str = ""  # why failed or skipped
    fraction: float = 0.0  # of the ceiling: least possible seconds over the median; 0 where unknown
    ceiling: str = ""  # what sets the least possible seconds

    def quantile(self, q: float) -> float:
        """A quantile of the seconds for one call."""
        return float(np.quantile(self.rounds, q))

    @property
    def median(self) -> float:
        """Median seconds for one call."""
        return self.quantile(0.5)


class RunFolder:
    """The folder of one run, being written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, environment: dict[str, Any], options: Options) -> "RunFolder":
        """A new folder with its environment file; ResultError where something is there already."""
        make_empty(path)
        try:
            stored = {"schema": _SCHEMA, "options": options.to_json(), **environment}
            temporary = path / f"{ENVIRONMENT}.new"
            temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path / ENVIRONMENT)
            (path / ROWS).touch()
        except OSError as error:
            raise ResultError(f"{path}: cannot be written ({error.strerror})") from None
        return cls(path)

    @classmethod
    def resume(cls, path: Path) -> tuple["RunFolder", Options, set[Cell]]:
        """An earlier folder, its options, and the cells that it has already."""
        environment = read_environment(path)
        try:
            options = Options.from_json(environment["options"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ResultError(f"{path / ENVIRONMENT}: no usable options ({error})") from None
        rows = read_rows(path)
        _drop_torn_line(path / ROWS)
        return cls(path), options, {row.cell for row in rows}

    def append(self, row: Row) -> None:
        """Store one finished cell; it is on disk when this returns."""
        with open(self.path / ROWS, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(row), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())


def make_empty(path: Path) -> None:
    """Make a folder; ResultError where something is in it already."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        used = any(path.iterdir())
    except OSError as error:
        raise ResultError(f"{path}: cannot be written ({error.strerror})") from None
    if used:
        raise ResultError(f"{path}: not empty; choose another folder, or --resume it")


def read_ceilings(path: Path) -> Ceilings | None:
    """The ceilings of a result folder; None where the run did not measure any."""
    stored = read_environment(path).get("ceilings")
    try:
        return None if stored is None else Ceilings.from_json(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{path / ENVIRONMENT}: no usable ceilings ({error})") from None


def read_environment(path: Path) -> dict[str, Any]:
    """The environment of a result folder."""
    file = path / ENVIRONMENT
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ResultError(f"{file}: not JSON") from None
    if not isinstance(stored, dict) or stored.get("schema") != _SCHEMA:
        raise ResultError(f"{file}: not an environment of schema {_SCHEMA}")
    return stored


def read_rows(path: Path) -> list[Row]:
    """The rows of a result folder; a last line that was cut off by a kill is left out."""
    file = path / ROWS
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ResultError(f"{file}: not UTF-8 text") from None
    lines = text.split("\n")[:-1]
    return [_parse(line, f"{file}:{number}") for number, line in enumerate(lines, 1)]


def _parse(line: str, place: str) -> Row:
    names = {field.name for field in fields(Row)}
    try:
        stored = json.loads(line)
        if not isinstance(stored, dict) or not {"cell", "status"} <= set(stored) <= names:
            raise ValueError
        row = Row(**{**stored, "cell": _cell(stored["cell"]), "rounds": tuple(stored["rounds"])})
        if row.status not in ("ok", "failed", "skipped") or (row.status == "ok") != bool(row.rounds):
            raise ValueError
        if not all(isinstance(r, float) and _SHORTEST < r < _LONGEST for r in row.rounds):
            raise ValueError
        if not isinstance(row.reason, str) or not isinstance(row.ceiling, str):
            raise TypeError
        if not isinstance(row.fraction, float) or not 0 <= row.fraction < float("inf"):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ResultError(f"{place}: not a result row") from None
    return row


def _cell(stored: dict[str, Any]) -> Cell:
    cell = Cell(**stored)
    cell.lookup()
    sizes = (cell.dim, cell.batch, cell.threads)
    if not all(type(size) is int and 1 <= size < 2**31 for size in sizes):
        raise ValueError
    if cell.dtype not in DTYPES or not isinstance(cell.impl, str):
        raise ValueError
    return cell


def _drop_torn_line(file: Path) -> None:
    with open(file, "rb+") as handle:
        handle.truncate(handle.read().rfind(b"\n") + 1)
