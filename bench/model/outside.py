"""Cases from outside the package: files of users, and entry points of the group `seqgap.cases`.

In a run and in its results they are called `own-NAME`, as no shipped case can be.
"""

import hashlib
import math
import os
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from seqgap.bench.model import registry, script
from seqgap.bench.model.case import Case, Cost, Operation
from seqgap.bench.model.implementation import OWN
from seqgap.bench.model.pair import named, whole
from seqgap.bench.model.script import CaseError

GROUP = "seqgap.cases"
PREFIX = f"{OWN}-"
_BENCH = Path(__file__).parents[1]

_used: list["Outside"] = []


@dataclass(frozen=True)
class Outside:
    """A case from outside, and where it comes from.

    origin: file and sha256 of a file, entry_point, distribution and version of another. text: of the file.
    own: which of its sizes, of dim and batch, hold; the run has others instead.
    """

    case: Case
    origin: Mapping[str, str]
    text: bytes = b""
    own: tuple[str, ...] = ("dim", "batch")

    @property
    def stored(self) -> dict[str, Any]:
        """What `restored` needs, as plain values. checked: the operations with a reference."""
        checked = [operation.name for operation in self.case.operations if operation.reference]
        return {**self.origin, "own": list(self.own), "checked": checked}

    @property
    def measured(self) -> Case:
        """The case, with the sizes that hold."""
        dim, batch = "dim" in self.own, "batch" in self.own
        operations = (
            replace(o, sizes=o.sizes if dim else (), batches=o.batches if batch else ())
            for o in self.case.operations
        )
        return replace(self.case, operations=tuple(operations))


def use(outside: Iterable[Outside]) -> None:
    """Have these cases, and no others from outside."""
    _used[:] = outside
    registry.use(source.measured for source in _used)


def used() -> list[Outside]:
    """The cases from outside that are in use."""
    return list(_used)


def from_file(path: Path, sha256: str | None = None) -> Outside:
    """The case of a Python file, which is executed; CaseError where there is none.

    sha256: of the text that it must have; another is not executed.
    """
    path = Path(os.path.realpath(path))
    if not str(path).isprintable():
        raise CaseError(f"{str(path)!r}: expected a path that can be printed")
    text = script.read(path)
    digest = hashlib.sha256(text).hexdigest()
    if sha256 not in (None, digest):
        raise CaseError(
            f"{path}: changed since the run was started; its folder keeps the text that was measured"
        )
    module = script.execute(path, text, f"seqgap_case_{digest[:16]}")
    where = f"{path}:{script.line_of_assignment('CASE', text)}"
    case = _adopted(getattr(module, "CASE", None), where)
    if case.stem in installed():
        raise CaseError(f"{where}: {case.stem} is the name of an installed case; choose another")
    return Outside(case, {"file": str(path), "sha256": digest}, text)


def installed() -> dict[str, str]:
    """What the cases of entry points are called in a run -> distribution and version; none is loaded."""
    points = entry_points(group=GROUP)
    return {f"{PREFIX}{point.name}": " ".join(_distribution(point)) for point in points}


def from_entry_point(stem: str) -> Outside:
    """The case of an entry point, by what it is called in a run; CaseError where it has none."""
    point, *more = (point for point in entry_points(group=GROUP) if f"{PREFIX}{point.name}" == stem)
    distribution, version = _distribution(point)
    where = f"entry point {point.name} of {distribution} {version}"
    if more:
        raise CaseError(f"{where}: {_distribution(more[0])[0]} has one of that name, too")
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:  # whatever it does, but Ctrl-C
        raise CaseError(f"{where}: {script.said(error)}{script.innermost(error)}") from None
    case = _adopted(getattr(loaded, "CASE", loaded), where)
    if case.stem != stem:
        raise CaseError(
            f"{where}: its case is called {case.stem.removeprefix(PREFIX)!r}; expected the same name"
        )
    return Outside(case, {"entry_point": point.name, "distribution": distribution, "version": version})


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")


def line_in(error: BaseException) -> str:
    """The innermost line of a user's file that an error came through, as ` (FILE:LINE)`.

    Where it came through none, that of what is not below `seqgap.bench`; nothing where there is none.
    """
    frames = traceback.extract_tb(error.__traceback__)
    files = {source.origin.get("file") for source in _used}
    lines = [frame for frame in frames if frame.filename in files]
    lines = lines or [frame for frame in frames if not Path(frame.filename).is_relative_to(_BENCH)]
    return f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""


def stored() -> dict[str, Any]:
    """What `restored` needs of the cases that are in use, as plain values."""
    return {source.case.stem: source.stored for source in _used}


def restored(stored: Any) -> list[Outside]:
    """The cases of a run, for a process that measures them; CaseError where one is not what it was."""
    try:
        return [_restored(stem, known) for stem, known in stored.items()]
    except (KeyError, TypeError, AttributeError):
        raise CaseError("environment.json: the cases from outside are not those of a run") from None


def _restored(stem: str, known: Mapping[str, Any]) -> Outside:
    if "file" in known:
        source = from_file(Path(known["file"]), known["sha256"])
    elif stem not in installed():
        raise CaseError(f"{stem}: {known['distribution']} {known['version']} is not installed")
    else:
        source = from_entry_point(stem)
        if source.origin["version"] != known["version"]:
            raise CaseError(
                f"{stem}: measured with {known['distribution']} {known['version']}; start a new run"
            )
    return replace(source, own=tuple(known["own"]))


def _adopted(case: Any, where: str) -> Case:
    """The case as one from outside; CaseError where it cannot be measured."""
    expected = "expected CASE = seqgap.bench.pair(...)"
    if case is None:
        raise CaseError(f"{where}: no CASE; {expected}")
    if not isinstance(case, Case):
        raise CaseError(f"{where}: {expected}, got {type(case).__name__}")
    try:
        stem = f"{PREFIX}{named(case.stem)}"
        operations = tuple(_operation(operation, f"{where}: cost") for operation in case.operations)
        _refuse_unknown_pairs(case)
    except (TypeError, ValueError) as error:
        raise CaseError(f"{where}: {error}") from None
    return replace(case, stem=stem, operations=operations)


def _operation(operation: Operation, where: str) -> Operation:
    """The operation as one that is not shipped; TypeError or ValueError where it cannot be."""
    if not isinstance(operation, Operation):
        raise TypeError(f"operations: expected a tuple of Operation, got one {type(operation).__name__}")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,60}", operation.name):
        raise ValueError(f"operation: expected a name of letters, digits and _, got {operation.name!r}")
    if not operation.implementations or not all(map(callable, operation.implementations.values())):
        raise TypeError(f"{operation.name}: expected implementations, got {operation.implementations!r}")
    cost, sizes = _checked(operation.cost, where), whole("sizes", operation.sizes)
    for size in sizes or (1, 2):
        cost(size)  # before anything is measured
    batches = whole("batches", operation.batches)
    return replace(operation, shipped=False, cost=cost, sizes=sizes, batches=batches)


def _checked(cost: Callable[[int], Cost], where: str) -> Callable[[int], Cost]:
    """The cost, which is asked for while a run is planned; CaseError where it has none of a size."""

    def checked(size: int) -> Cost:
        try:
            figures = Cost(*(float(figure) for figure in cost(size)))
        except (Exception, SystemExit) as error:
            raise CaseError(f"{where}({size}): {script.said(error)}") from None
        if not all(0 <= figure < math.inf for figure in figures):
            raise CaseError(f"{where}({size}): expected figures of 0 or more, got {figures}")
        return figures

    return checked


def _refuse_unknown_pairs(case: Case) -> None:
    names = [operation.name for operation in case.operations]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"operations: expected one or more of different names, got {names}")
    for name in (
        *(name for pair in case.matched for name in pair),
        *([case.sampler] if case.sampler else []),
    ):
        if name not in names:
            raise ValueError(f"matched, sampler: expected some of {', '.join(names)}, got {name!r}")
