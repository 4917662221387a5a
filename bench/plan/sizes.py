"""The sizes at which a run measures an operation."""

from typing import NamedTuple

from seqgap.bench.model.case import Operation
from seqgap.bench.plan.options import Options


class Sizes(NamedTuple):
    """dtypes, D or what else grows, and N."""

    dtypes: tuple[str, ...]
    dims: tuple[int, ...]
    batches: tuple[int, ...]


def sizes(operation: Operation, options: Options) -> Sizes:
    """Those of the options that it takes, or the batches that it names; from outside, all that it names."""
    if operation.shipped:
        dtypes = tuple(dtype for dtype in operation.dtypes if dtype in options.dtype)
        return Sizes(dtypes, tuple(operation.near(options.dim)), operation.batches or options.batch)
    return Sizes(operation.dtypes, operation.sizes or options.dim, operation.batches or options.batch)
