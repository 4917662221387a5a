"""Result folders: written row by row so that a killed run loses nothing, and read back checked.

rows.jsonl: one JSON object for each cell that a process finished, with the keys of `Row`.
probes.jsonl: one for each probe of the host, with the keys of `Probe`. environment.json: the machine, the
versions and the options of the run. docs/schema.md describes all three.
"""

import functools
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.model.cell import DTYPES, Cell
from seqgap.bench.plan.options import Options

ROWS, PROBES, ENVIRONMENT = "rows.jsonl", "probes.jsonl", "environment.json"
SCHEMA = 2
_SHORTEST, _LONGEST = 1e-12, 1e9  # seconds that a round can last


class ResultError(click.ClickException):
    """A result folder that cannot be used; the message is one line and names the file."""


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
    fraction: float = 0.0  # of the ceiling: least possible seconds over the median; 0 where unknown
    ceiling: str = ""  # what sets the least possible seconds

    def quantile(self, q: float) -> float:
        """A quantile of the seconds for one call."""
        return float(np.quantile(self.rounds, q))

    @functools.cached_property
    def median(self) -> float:
        """Median seconds for one call."""
        return self.quantile(0.5)


@dataclass(frozen=True)
class Probe:
    """A fixed piece of work, timed between the cells of a process: how fast the host was then."""

    process: int
    at: float  # seconds since 1970 (UTC)
    seconds: float


class RunFolder:
    """The folder of one run, being written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, environment: dict[str, Any], options: Options) -> "RunFolder":
        """A new folder with its environment file; ResultError where something is there already."""
        make_empty(path)
        try:
            stored = {"schema": SCHEMA, "options": options.to_json(), **environment}
            temporary = path / f"{ENVIRONMENT}.new"
            temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
            temporary.replace(path / ENVIRONMENT)
            for name in (ROWS, PROBES):
                (path / name).touch()
        except OSError as error:
            raise ResultError(f"{path}: cannot be written ({error.strerror})") from None
        return cls(path)

    @staticmethod
    def state(path: Path) -> tuple[Options, set[tuple[Cell, int]]]:
        """The options of a run, and what it has already: cells with their process."""
        rows, _ = read_rows(path)
        return read_options(path, read_environment(path)), {(row.cell, row.process) for row in rows}

    @classmethod
    def resume(cls, path: Path) -> "RunFolder":
        """An earlier folder, to go on with."""
        cls.state(path)
        for name in (ROWS, PROBES):
            (path / name).touch()
            _drop_torn_line(path / name)
        return cls(path)

    def append(self, item: Row | Probe) -> None:
        """Store a row or a probe; it is on disk when this returns."""
        name = ROWS if isinstance(item, Row) else PROBES
        with open(self.path / name, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(item), allow_nan=False) + "\n")
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
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise ResultError(f"{file}: not an environment of schema {SCHEMA}")
    return stored


def read_options(path: Path, environment: dict[str, Any]) -> Options:
    """The options in an environment; ResultError where they cannot be."""
    try:
        return Options.from_json(environment["options"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultError(f"{path / ENVIRONMENT}: no usable options ({error})") from None


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a result folder, and one message for each line that holds none."""
    return _read_lines(path / ROWS, _row, "a result row")


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
    found, damaged = [], []
    for number, line in enumerate(lines, 1):
        try:
            found.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            damaged.append(f"{file}:{number}: not {wanted}")
    return found, damaged


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
    for name in ("started", "cpus", "first_call", "compile", "load", "expected", "fraction"):
        value = getattr(row, name)
        if not isinstance(value, float) or not 0 <= value < float("inf"):
            raise ValueError
    if not all(type(count) is int and 0 <= count < 2**31 for count in (row.iterations, row.process)):
        raise ValueError
    if not isinstance(row.reason, str) or not isinstance(row.ceiling, str):
        raise TypeError
    "".join((row.reason, row.ceiling, row.cell.impl)).encode()  # half a surrogate pair cannot be printed
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
