"""A cell: one operation in one implementation, at one size."""

import fnmatch
from dataclasses import dataclass

from seqgap.bench.model.case import DTYPES as DTYPES
from seqgap.bench.model.case import OUTSIDE, Case, Cost, Operation
from seqgap.bench.model.registry import cases

COLUMNS = ("operation", "impl", "dtype", "threads", "batch", "dim")  # of tables; operation: stem.operation


@dataclass(frozen=True)
class Cell:
    """One measured point.

    dim: the size along the axis of the operation: D, or what else it counts (`Operation.axis`).
    """

    case: str
    operation: str
    impl: str
    dtype: str
    dim: int
    batch: int
    threads: int

    def __str__(self) -> str:
        return f"{self.name}-{self.impl}-{self.dtype}-D{self.dim}-N{self.batch}-t{self.threads}"

    @property
    def name(self) -> str:
        """stem.operation."""
        return f"{self.case}.{self.operation}"

    @property
    def own(self) -> bool:
        """Whether it is of a sampler from outside, see `model/outside.py`."""
        return self.case.startswith(OUTSIDE)

    def columns(self, *names: str) -> tuple[str | int, ...]:
        """What a table has in these of its COLUMNS, in all of them by default."""
        values = {**vars(self), "operation": self.name}
        return tuple(values[name] for name in names or COLUMNS)

    @property
    def cost(self) -> Cost:
        """What the operation needs at the size of this cell."""
        return self.lookup()[1].cost(self.dim)

    def lookup(self) -> tuple[Case, Operation]:
        """The case and the operation of this cell."""
        case = cases()[self.case]
        return case, case.operation(self.operation)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether `stem.operation` fits a glob on it or on its stem."""
    return any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(name.split(".")[0], p) for p in patterns)
