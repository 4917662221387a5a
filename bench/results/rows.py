"""Rows and probes: one line of JSON for each, written as they come and read back checked.

rows.jsonl: one object for each cell that a process finished, with the keys of `Row`. probes.jsonl: one for
each probe of the host, with the keys of `Probe`. docs/schema.md describes them.
"""

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from seqgap.bench.model.cell import DTYPES, Cell
from seqgap.bench.results.operations import Operations

ROWS, PROBES = "rows.jsonl", "probes.jsonl"
_SHORTEST, _LONGEST = 1e-12, 1e9  # seconds that a round can last


class ResultError(click.ClickException):
    """A result folder that cannot be used; the message is one line and names the file."""


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """ResultError that names a file or folder where the system refuses to write it, as on a full disk."""
    try:
        yield
    except OSError as error:
        raise ResultError(f"{path}: cannot be written ({error.strerror or error}){advice}") from None


@dataclass(frozen=True)
class Row:
    """One cell, finished by one process."""

    cell: Cell
    status: str  # ok, failed (wrong result, not timed), skipped (too slow or too large)
    rounds: tuple[float, ...] = ()  # seconds for one call, each the mean of `iterations` calls
    iterations: int = 0
    process: int = 0  # which of the run's processes, from 0
    started: float = 0.0  # when its timing began, seconds since 1970 (UTC)
    cpus: float = 0.0  # processor seconds for each second of the timing: the cores that were busy
    first_call: float = 0.0  # seconds of the first call, before the timing
    compile: float = 0.0  # seconds of it that Numba spent compiling
    load: float = 0.0  # seconds of it that went into loading compiled kernels from disk
    reason: str = ""  # why failed or skipped
    expected: float = 0.0  # of a cell that was too slow: estimated seconds of one call

    @functools.cached_property
    def median(self) -> float:
        """Median seconds for one call."""
        return float(np.quantile(self.rounds, 0.5))


@dataclass(frozen=True)
class Probe:
    """A fixed piece of work, timed between the cells of a process: how fast the host was then."""

    process: int
    at: float  # seconds since 1970 (UTC)
    seconds: float


def read_rows(path: Path, operations: Operations) -> tuple[list[Row], list[str]]:
    """The rows of a result folder with these operations, and one message for each line that holds none."""

    def row(stored: Any) -> Row:
        parsed = _row(stored)
        if not operations.hold(parsed.cell):
            raise ValueError
        return parsed

    return _read_lines(path / ROWS, row, "a result row")


def read_probes(path: Path) -> tuple[list[Probe], list[str]]:
    """The probes of a result folder, none where it has no file of them, and messages as of `read_rows`."""
    if not (path / PROBES).exists():
        return [], []
    return _read_lines(path / PROBES, _probe, "a probe")


_Line = TypeVar("_Line", Row, Probe)


def _read_lines(file: Path, parse: Callable[[Any], _Line], wanted: str) -> tuple[list[_Line], list[str]]:
    """What a file of JSON lines holds; a last line that was cut off by a kill is left out."""
    try:
        lines = file.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise ResultError(f"{file}: cannot be read ({error.strerror})") from None
    items, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            items.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            damaged.append(f"{file}:{number}: not {wanted}")
    return items, damaged


def parse_item(stored: Any) -> Row | Probe:
    """A row or a probe from its JSON object; an exception where it is neither."""
    return _row(stored) if "cell" in stored else _probe(stored)


def _row(stored: Any) -> Row:
    if not {"cell", "status"} <= set(stored) <= {field.name for field in fields(Row)}:
        raise ValueError
    row = Row(**{**stored, "cell": _cell(stored["cell"]), "rounds": tuple(stored["rounds"])})
    if row.status not in ("ok", "failed", "skipped") or (row.status == "ok") != bool(row.rounds):
        raise ValueError
    if not all(isinstance(r, float) and _SHORTEST < r < _LONGEST for r in row.rounds):
        raise ValueError
    for name in ("started", "cpus", "first_call", "compile", "load", "expected"):
        value = getattr(row, name)
        if not isinstance(value, float) or not 0 <= value < float("inf"):
            raise ValueError
    if not all(type(count) is int and 0 <= count < 2**31 for count in (row.iterations, row.process)):
        raise ValueError
    if not isinstance(row.reason, str):
        raise TypeError
    row.reason.encode()  # half a surrogate pair cannot be printed
    return row


def _probe(stored: Any) -> Probe:
    probe = Probe(**stored)
    if type(probe.process) is not int or probe.process < 0:
        raise ValueError
    if not all(isinstance(v, float) and 0 < v < float("inf") for v in (probe.at, probe.seconds)):
        raise ValueError
    return probe


def _cell(stored: dict[str, Any]) -> Cell:
    cell = Cell(**stored)
    sizes = (cell.dim, cell.batch, cell.threads)
    if not all(type(size) is int and 1 <= size < 2**31 for size in sizes):
        raise ValueError
    if cell.dtype not in DTYPES or not all(
        isinstance(v, str) for v in (cell.case, cell.operation, cell.impl)
    ):
        raise ValueError
    str(cell).encode()  # as above
    return cell
