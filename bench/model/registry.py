"""The cases, found and never listed, and the comparisons between their operations.

Cases from outside the package are there once `use` has been called: see `model/outside.py`.
"""

import functools
import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from seqgap.bench.model.case import Case, Operation

_OUTSIDE: dict[str, Case] = {}
_CACHES: list[Any] = []  # of what follows from the cases
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Comparison:
    """A sequential and a parallel operation, as `stem.operation`.

    matched: the same weights and the same arithmetic, run in either direction; of a case from outside what
    its author compares. family: different models, at equal D or what else their sizes count. control: two
    operations with equally many steps and the same arithmetic; the first stands in the place of the
    sequential one.
    """

    kind: Literal["matched", "family", "control"]
    sequential: str
    parallel: str


def stems(package: str) -> list[str]:
    """The public modules of seqgap.<package>, found, never listed; a folder in it is no family."""
    path = importlib.import_module(f"seqgap.{package}").__path__
    names = (module.name for module in pkgutil.iter_modules(path) if not module.ispkg)
    return sorted(name for name in names if not name.startswith("_"))


@functools.cache
def _shipped() -> dict[str, Case]:
    return {stem: importlib.import_module(f"seqgap.bench.cases.{stem}").CASE for stem in stems("bench.cases")}


def cases() -> dict[str, Case]:
    """Every case by stem, those from outside last."""
    return {**_shipped(), **_OUTSIDE}


def use(outside: Iterable[Case]) -> None:
    """Have these cases besides the shipped ones, in place of those that an earlier call brought."""
    _OUTSIDE.clear()
    _OUTSIDE.update({case.stem: case for case in outside})
    for cache in _CACHES:
        cache.cache_clear()


def of_cases(function: _Function) -> _Function:
    """The function, which keeps its latest results as long as the cases are the same."""
    cached: Any = functools.lru_cache(maxsize=8)(function)
    _CACHES.append(cached)
    kept: _Function = cached
    return kept


def operation_of(name: str) -> Operation:
    """The operation of a name, stem.operation; KeyError where there is none."""
    stem, operation = name.split(".")
    return cases()[stem].operation(operation)


@of_cases
def implementation_names() -> tuple[str, ...]:
    """Every implementation that some operation has."""
    operations = (operation for case in cases().values() for operation in case.operations)
    return tuple(dict.fromkeys(name for op in operations for name in op.implementation_names))


@of_cases
def comparisons() -> tuple[Comparison, ...]:
    """Matched pairs and controls as the cases declare; families: sequential and parallel samplers."""
    matched = [
        Comparison(
            "matched", f"{case.stem}.{sequential}", parallel if "." in parallel else f"{case.stem}.{parallel}"
        )
        for case in cases().values()
        for sequential, parallel in case.matched
    ]
    samplers = {
        f"{case.stem}.{case.sampler}": case.operation(case.sampler)
        for case in cases().values()
        if case.sampler
    }
    families = [
        Comparison("family", a, b)
        for (a, first), (b, second) in itertools.product(samplers.items(), repeat=2)
        if first.sequential and not second.sequential and first.axis == second.axis
    ]
    controls = [
        Comparison("control", *(f"{case.stem}.{name}" for name in case.control))
        for case in cases().values()
        if case.control
    ]
    return (*matched, *families, *controls)


@of_cases
def matched_pairs() -> tuple[Comparison, ...]:
    """The comparisons of the same weights and the same arithmetic, which have a ladder."""
    return tuple(comparison for comparison in comparisons() if comparison.kind == "matched")


@of_cases
def quick() -> tuple[str, ...]:
    """The operations of the quick profile: both directions of the pairs of the cases that say so."""
    pairs = (pair for pair in matched_pairs() if cases()[pair.sequential.split(".")[0]].quick)
    return tuple(sorted({name for pair in pairs for name in (pair.sequential, pair.parallel)}))


@of_cases
def paired() -> frozenset[str]:
    """The operations that take part in a matched pair, as `stem.operation`."""
    return frozenset(name for pair in matched_pairs() for name in (pair.sequential, pair.parallel))
