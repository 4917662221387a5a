"""Every operation, compiled against reference, over dtypes, dimensions and batch sizes."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seqgap.bench.measure.gate import Difference, difference
from seqgap.bench.model.case import Case, Dtype, Operation
from seqgap.bench.model.registry import cases

DIMS = (1, 2, 3, 8, 17, 64)
BATCHES = (0, 1, 2, 5, 33)
_SEED = 2**63 + 5  # needs all 64 bits


class Verdict(NamedTuple):
    """The errors of one operation in one dtype, each the largest over all sizes."""

    name: str  # stem.operation
    dtype: Dtype
    absolute: float
    ulp: float
    used: float  # error over tolerance
    tolerance: float  # at the size where `used` is largest
    size: str  # that size
    reason: str  # of the tolerance

    @property
    def ok(self) -> bool:
        """Whether every size is within its tolerance."""
        return self.used <= 1


def count() -> int:
    """How many verdicts `verify` gives."""
    return sum(len(operation.dtypes) for case in cases().values() for operation in case.operations)


def verify() -> Iterator[Verdict]:
    """One verdict for each operation and dtype."""
    for case in cases().values():
        for operation in case.operations:
            for dtype in operation.dtypes:
                yield _verdict(case, operation, np.dtype(dtype))


def differences(case: Case, operation: Operation, dtype: Dtype) -> Iterator[tuple[str, Difference]]:
    """(size, difference) for every size that the operation takes."""
    dims = [dim for dim in operation.near(DIMS) if dim <= (operation.largest_dim or dim)]
    batches = [batch for batch in BATCHES if batch >= operation.smallest_batch]
    for dim, batch in itertools.product(dims, batches):
        call = operation.inputs(dim, batch, dtype, _SEED)
        actual = call.of(case.kernel(operation.name))()
        expected, relative = case.expected(operation.name, call, dtype), operation.tolerance.of(dim, dtype)
        yield f"D={dim} N={batch}", difference(actual, expected, relative, dtype)


def _verdict(case: Case, operation: Operation, dtype: Dtype) -> Verdict:
    errors = list(differences(case, operation, dtype))
    size, worst = max(errors, key=lambda item: item[1].used)
    absolute, ulp = max(d.absolute for _, d in errors), max(d.ulp for _, d in errors)
    name, reason = f"{case.stem}.{operation.name}", operation.tolerance.reason
    return Verdict(name, dtype, absolute, ulp, worst.used, worst.tolerance, size, reason)
