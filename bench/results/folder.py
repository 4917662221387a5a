"""Result folders: written row by row so that a killed run loses nothing.

environment.json: the machine, the versions and the options of the run. operations.json: what its operations
cost. Both are written before the first timing. docs/schema.md describes all files.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.model import outside
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import planned
from seqgap.bench.plan.options import Options
from seqgap.bench.results.operations import Operations
from seqgap.bench.results.printable import printable_values
from seqgap.bench.results.rows import PROBES, ROWS, Probe, ResultError, Row, read_rows, writing

ENVIRONMENT, OPERATIONS = "environment.json", "operations.json"
SCHEMA = 4
_READ = (3, SCHEMA)  # 3 has fewer options, which are as their defaults


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, being written."""

    path: Path

    @classmethod
    def create(cls, path: Path, environment: dict[str, Any], options: Options) -> "RunFolder":
        """A new folder with what is known beforehand; ResultError where something is there already."""
        make_empty(path)
        with writing(path):
            try:
                for source in outside.used():
                    if source.text:
                        (path / f"{source.case.stem}.py").write_bytes(source.text)
                known = {**environment, "own_cases": outside.stored()} if outside.used() else environment
                _store(path / OPERATIONS, Operations.of(planned(options), options.impl).to_json())
                _store(path / ENVIRONMENT, {"schema": SCHEMA, "options": options.to_json(), **known})
                for name in (ROWS, PROBES):
                    (path / name).touch()
            except OSError:
                for file in path.iterdir():
                    file.unlink()  # what is neither empty nor a run could not be used again
                raise
        return cls(path)

    @staticmethod
    def state(path: Path) -> tuple[Options, set[tuple[Cell, int]]]:
        """The options of a run, and what it has already: cells with their process."""
        environment, operations = read_environment(path), read_operations(path)
        rows, _ = read_rows(path, operations)
        return read_options(path, environment, operations), {(row.cell, row.process) for row in rows}

    @classmethod
    def resume(cls, path: Path) -> "RunFolder":
        """An earlier folder, to go on with; ResultError where it cannot be."""
        cls.state(path)
        read_ceilings(path)
        for name in (ROWS, PROBES):
            with writing(path / name):
                (path / name).touch()
                _drop_torn_line(path / name)
        return cls(path)

    def append(self, item: Row | Probe) -> None:
        """Store a row or a probe; it is on disk when this returns."""
        name = ROWS if isinstance(item, Row) else PROBES
        line = json.dumps(asdict(item), allow_nan=False) + "\n"
        advice = f"; all before it is kept, go on with: seqgap run --resume {self.path}"
        with writing(self.path / name, advice), open(self.path / name, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def make_empty(path: Path) -> None:
    """Make a folder; ResultError where something is in it already."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        used = any(path.iterdir())
    if used:
        raise ResultError(f"{path}: not empty; choose another folder, or --resume it")


def _store(file: Path, stored: dict[str, Any]) -> None:
    """All of it or nothing."""
    temporary = file.with_name(f"{file.name}.new")
    temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def _drop_torn_line(file: Path) -> None:
    with open(file, "rb+") as handle:
        handle.truncate(handle.read().rfind(b"\n") + 1)


def _load(file: Path) -> Any:
    try:
        return printable_values(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise ResultError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ResultError(f"{file}: not JSON") from None


def read_environment(path: Path) -> dict[str, Any]:
    """The environment of a result folder."""
    file = path / ENVIRONMENT
    stored = _load(file)
    if not isinstance(stored, dict) or type(stored.get("schema")) is not int:
        raise ResultError(f"{file}: not an environment of schema {SCHEMA}")
    if stored["schema"] not in _READ:
        raise ResultError(
            f"{file}: not of schema {SCHEMA} but {stored['schema']}; measure again,"
            " or read it with the version of seqgap that wrote it"
        )
    return stored


def read_operations(path: Path) -> Operations:
    """What a result folder knows of its operations."""
    file = path / OPERATIONS
    try:
        return Operations.from_json(_load(file))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ResultError(f"{file}: not the operations of a run") from None


def read_options(path: Path, environment: dict[str, Any], operations: Operations) -> Options:
    """The options in an environment; ResultError where they cannot be."""
    try:
        return Options.from_json(environment["options"], operations.implementations)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultError(f"{path / ENVIRONMENT}: no usable options ({error})") from None


def read_ceilings(path: Path, environment: dict[str, Any] | None = None) -> Ceilings | None:
    """The ceilings in the environment of a result folder; None where the run did not measure any."""
    stored = (read_environment(path) if environment is None else environment).get("ceilings")
    try:
        return None if stored is None else Ceilings.from_json(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(f"{path / ENVIRONMENT}: no usable ceilings ({error})") from None
