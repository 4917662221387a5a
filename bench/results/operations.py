"""What analysis needs to know of the operations of a run, stored with it.

Cases change, operations are renamed or go; a result folder stays readable: it is never looked up in them.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import Cost
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.implementation import implementation
from seqgap.bench.model.registry import Comparison, cases, comparisons

_IMPLEMENTATION = r"[\w-]{1,100}"
_OPERATION = rf"{_IMPLEMENTATION}\.{_IMPLEMENTATION}"  # stem.operation
_ZERO = 1e-300  # stands for 0 on a logarithmic scale


class StoredOperation(NamedTuple):
    """An operation at the sizes of a run."""

    axis: str  # what a size counts
    sequential: bool  # whether the dependent steps grow with the size
    implementations: list[str]
    costs: dict[int, Cost]  # by size
    title: str = ""  # what a reader calls its family; empty in folders of before there were any

    def cost(self, size: int) -> Cost:
        """Of a size of the run; between two of them a straight line on logarithmic scales."""
        if size in self.costs:
            return self.costs[size]
        sizes = sorted(self.costs)
        logs = np.log(np.maximum([self.costs[known] for known in sizes], _ZERO)).T
        between = np.exp([np.interp(np.log(size), np.log(sizes), column) for column in logs])
        return Cost(*np.where(between < 2 * _ZERO, 0.0, between).tolist())


class StoredImplementation(NamedTuple):
    """What a name stands for."""

    language: str  # what it is written in
    peer: bool  # whether users would pick it instead of ours


@dataclass(frozen=True)
class Operations:
    """What a run was to measure, and what its figures are computed with.

    operations: by stem.operation. implementations: by name. comparisons: those that one of the operations is
    part of. cells: the names of all that the run was to measure. available: the number of operations that
    could have been.
    """

    operations: Mapping[str, StoredOperation]
    implementations: Mapping[str, StoredImplementation]
    comparisons: tuple[Comparison, ...]
    cells: tuple[str, ...]
    available: int

    @classmethod
    def of(cls, cells: Sequence[Cell], implementations: Iterable[str] = ()) -> "Operations":
        """Those of the cells that a run is to measure; implementations: further ones, that were asked for."""
        sizes: dict[str, dict[int, Cell]] = {}
        for cell in cells:
            sizes.setdefault(cell.name, {}).setdefault(cell.dim, cell)
        operations = {name: _stored(of_size) for name, of_size in sizes.items()}
        names = (name for operation in operations.values() for name in operation.implementations)
        return cls(
            operations,
            {
                known.name: StoredImplementation(known.language, known.peer)
                for known in map(implementation, (*names, *implementations))
            },
            tuple(c for c in comparisons() if {c.sequential, c.parallel} & operations.keys()),
            tuple(map(str, cells)),
            sum(operation.timed for case in cases().values() for operation in case.operations),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "operations": {
                name: {**operation._asdict(), "costs": {n: c._asdict() for n, c in operation.costs.items()}}
                for name, operation in self.operations.items()
            },
            "implementations": {name: known._asdict() for name, known in self.implementations.items()},
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "cells": self.cells,
            "available": self.available,
        }

    @classmethod
    def from_json(cls, stored: Any) -> "Operations":
        """Those of `to_json`; KeyError, TypeError, ValueError or AttributeError where they cannot be."""
        operations = {name: _operation(**operation) for name, operation in stored["operations"].items()}
        implementations = {n: StoredImplementation(**known) for n, known in stored["implementations"].items()}
        compared = tuple(Comparison(**comparison) for comparison in stored["comparisons"])
        pairs = (name for comparison in compared for name in (comparison.sequential, comparison.parallel))
        _refuse_unless_names(_OPERATION, (*operations, *pairs))
        _refuse_unless_names(_IMPLEMENTATION, implementations)
        return cls(
            operations, implementations, compared, tuple(_texts(stored["cells"])), int(stored["available"])
        )

    @cached_property
    def matched(self) -> tuple[Comparison, ...]:
        """The comparisons of the same weights and the same arithmetic."""
        return tuple(comparison for comparison in self.comparisons if comparison.kind == "matched")

    @cached_property
    def compared(self) -> frozenset[str]:
        """The operations that take part in a comparison, as `stem.operation`."""
        return frozenset(name for c in self.comparisons for name in (c.sequential, c.parallel))

    def __getitem__(self, name: str) -> StoredOperation:
        return self.operations[name]

    def cost(self, cell: Cell) -> Cost:
        """What the operation of a cell needs at its size."""
        return self.operations[cell.name].cost(cell.dim)

    def hold(self, cell: Cell) -> bool:
        """Whether they say what analysis has to know of a cell."""
        known = self.operations.get(cell.name)
        return known is not None and cell.dim in known.costs and cell.impl in self.implementations


def _stored(of_size: Mapping[int, Cell]) -> StoredOperation:
    case, operation = next(iter(of_size.values())).lookup()
    costs = {size: operation.cost(size) for size in sorted(of_size)}
    names = operation.implementation_names
    return StoredOperation(operation.axis, operation.sequential, names, costs, case.title)


def _refuse_unless_names(pattern: str, names: Iterable[str]) -> None:
    """ValueError for a name that would not come out of a table or a picture as it is."""
    for name in names:
        if not re.fullmatch(pattern, name):
            raise ValueError(f"{name!r}: not a name")


def _texts(stored: Any) -> list[str]:
    if not isinstance(stored, list) or not all(isinstance(text, str) for text in stored):
        raise TypeError("expected texts")
    return stored


def _operation(
    axis: Any, sequential: Any, implementations: Any, costs: Any, title: Any = ""
) -> StoredOperation:
    by_size = {int(size): Cost(**cost) for size, cost in costs.items()}
    if not all(math.isfinite(figure) and figure >= 0 for cost in by_size.values() for figure in cost):
        raise ValueError("costs")
    if not by_size or not isinstance(axis, str) or not isinstance(sequential, bool):
        raise TypeError("expected an axis, costs, and whether the steps depend on each other")
    return StoredOperation(axis, sequential, _texts(implementations), by_size, *_texts([title]))
