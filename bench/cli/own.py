"""Cases from outside in `--case`: a value that ends in .py is a file, own-NAME an entry point."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqgap.bench.model.case import Operation
    from seqgap.bench.model.outside import Outside

_FILE = ".py"


def loaded(patterns: Iterable[str], own: Sequence[str] = ("dim", "batch")) -> tuple[str, ...]:
    """The patterns with the names of the cases for the files; both they and entry points are in use then.

    own: which of their own sizes hold. CaseError where a file or an entry point has no case.
    """
    from dataclasses import replace

    from seqgap.bench.model import outside
    from seqgap.bench.model.script import CaseError

    known: dict[str, outside.Outside] = {}
    names = []
    for pattern in patterns:
        sources = _sources(pattern)
        names.append(sources[0].case.stem if pattern.endswith(_FILE) else pattern)
        for source in sources:
            other = known.setdefault(source.case.stem, source)
            if other.origin != source.origin:
                both = f"{other.origin['file']} and {source.origin['file']}"
                raise CaseError(f"{both} have the same name, {source.case.stem}; choose another")
    outside.use(replace(source, own=tuple(own)) for source in known.values())
    return tuple(dict.fromkeys(names))


def _sources(pattern: str) -> "list[Outside]":
    """The cases of a file, or of the entry points that a pattern names."""
    from fnmatch import fnmatchcase
    from pathlib import Path

    from seqgap.bench.model import outside
    from seqgap.bench.model.case import OUTSIDE

    if pattern.endswith(_FILE):
        return [outside.from_file(Path(pattern))]
    stem = pattern.split(".")[0]
    if not stem.startswith(OUTSIDE):  # `*` means the shipped ones
        return []
    return [outside.from_entry_point(name) for name in outside.installed() if fnmatchcase(name, stem)]


def with_own_cases(chosen: dict[str, Any]) -> dict[str, Any]:
    """The choices of a run, with the cases from outside among them loaded.

    Where no other case was chosen, theirs are all implementations; `own` is one of them in any case.
    """
    from seqgap.bench.model import outside
    from seqgap.bench.model.case import OUTSIDE
    from seqgap.bench.model.implementation import OWN
    from seqgap.bench.plan.options import Options

    patterns = loaded(chosen.get("case", ()), [size for size in ("dim", "batch") if size not in chosen])
    operations = [operation for source in outside.used() for operation in source.case.operations]
    if not operations:
        return chosen
    names = [name for operation in operations for name in operation.implementation_names]
    alone = all(pattern.startswith(OUTSIDE) for pattern in patterns)
    wanted = chosen.get("impl", names if alone else [*Options().impl, *names])
    impl = dict.fromkeys([*wanted, *(name for name in names if name == OWN)])
    sizes = _sizes(operations) if alone else {}
    return {**sizes, **chosen, "case": patterns, "impl": tuple(impl)}


def _sizes(operations: "Sequence[Operation]") -> dict[str, Any]:
    """The sizes of a run that has these operations alone, as far as they all name some."""
    own: dict[str, list[tuple[Any, ...]]] = {
        "dim": [operation.sizes for operation in operations],
        "batch": [operation.batches for operation in operations],
        "dtype": [operation.dtypes for operation in operations],
    }
    return {key: tuple(sorted(set().union(*sizes))) for key, sizes in own.items() if all(sizes)}
