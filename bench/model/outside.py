"""Cases from outside the package: files of users, and entry points of the group `seqgap.cases`.

In a run and in its results they are called `own-NAME`, as no shipped case can be.
"""

import hashlib
import os
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from seqgap.bench.model import registry, script
from seqgap.bench.model.adopted import adopted
from seqgap.bench.model.case import OUTSIDE, Case
from seqgap.bench.model.script import CaseError

GROUP = "seqgap.cases"
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
    case = adopted(getattr(module, "CASE", None), where)
    if case.stem in installed():
        raise CaseError(f"{where}: {case.stem} is the name of an installed case; choose another")
    return Outside(case, {"file": str(path), "sha256": digest}, text)


def installed() -> dict[str, str]:
    """What the cases of entry points are called in a run -> distribution and version; none is loaded."""
    points = entry_points(group=GROUP)
    return {f"{OUTSIDE}{point.name}": " ".join(_distribution(point)) for point in points}


def from_entry_point(stem: str) -> Outside:
    """The case of an entry point, by what it is called in a run; CaseError where it has none."""
    point, *more = (point for point in entry_points(group=GROUP) if f"{OUTSIDE}{point.name}" == stem)
    distribution, version = _distribution(point)
    where = f"entry point {point.name} of {distribution} {version}"
    if more:
        raise CaseError(f"{where}: {_distribution(more[0])[0]} has one of that name, too")
    try:
        loaded = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CaseError(f"{where}: {script.said(error)}{script.innermost(error)}") from None
    case = adopted(getattr(loaded, "CASE", loaded), where)
    if case.stem != stem:
        raise CaseError(
            f"{where}: its case is called {case.stem.removeprefix(OUTSIDE)!r}; expected the same name"
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


def restored(known: Any) -> list[Outside]:
    """The cases of a run, for a process that measures them; CaseError where one is not what it was."""
    try:
        return [_restored(stem, source) for stem, source in known.items()]
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
