"""A case that a user wrote, checked, as one that is measured from outside the package."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from seqgap.bench.model import script
from seqgap.bench.model.case import OUTSIDE, Case, Cost, Operation
from seqgap.bench.model.pair import named, whole
from seqgap.bench.model.script import CaseError


def adopted(case: Any, where: str) -> Case:
    """The case as one from outside; CaseError where it cannot be measured."""
    expected = "expected CASE = seqgap.bench.pair(...)"
    if case is None:
        raise CaseError(f"{where}: no CASE; {expected}")
    if not isinstance(case, Case):
        raise CaseError(f"{where}: {expected}, got {type(case).__name__}")
    try:
        stem = f"{OUTSIDE}{named(case.stem)}"
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
        *(case.control or ()),
    ):
        if name not in names:
            raise ValueError(f"matched, sampler, control: expected some of {', '.join(names)}, got {name!r}")
