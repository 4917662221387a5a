"""Which cells a run measures, and what is too slow to be worth its time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from seqgap.bench.model.case import DTYPES, Operation
from seqgap.bench.model.cell import Cell, matches
from seqgap.bench.model.implementation import implementation
from seqgap.bench.model.registry import cases, of_cases, paired
from seqgap.bench.plan import rungs
from seqgap.bench.plan.options import LADDER, Options
from seqgap.bench.plan.sizes import sizes

_LARGEST_BYTES = 2**31  # of input, output and parameters
_LIST_BYTES = 40  # of one parameter in the lists that the check hands to the reference


@of_cases
def planned(options: Options) -> tuple[Cell, ...]:
    """Every cell of a run: the combinations of its options and the ladders; or the ladders alone."""
    if options.profile == LADDER:
        return tuple(rungs.planned(options))
    return tuple(dict.fromkeys([*plan(options), *rungs.of_run(options)]))


def plan(options: Options) -> list[Cell]:
    """Every combination of the options, those that share D, N and threads next to each other."""
    cells = dict.fromkeys(
        cell
        for case in cases().values()
        for operation in case.operations
        if operation.timed and matches(f"{case.stem}.{operation.name}", options.case)
        for cell in _cells(case.stem, operation, options)
    )
    return sorted(cells, key=lambda cell: (DTYPES.index(cell.dtype), cell.threads, cell.batch, cell.dim))


def _cells(stem: str, operation: Operation, options: Options) -> Iterator[Cell]:
    if f"{stem}.{operation.name}" in paired():
        dims, batches = (*options.dim, *options.curve), (*options.batch, *options.map)
        options = replace(options, dim=dims, batch=batches)
    dtypes, dims, batches = sizes(operation, options)
    impls = [impl for impl in operation.implementation_names if impl in options.impl]
    for dtype, threads, batch, dim, impl in product(dtypes, options.threads, batches, dims, impls):
        if implementation(impl).takes(dtype, threads):
            yield Cell(stem, operation.name, impl, dtype, dim, batch, threads)


def expected_seconds(cell: Cell) -> float:
    """Estimated seconds of one call; rough, but never more than an order of magnitude off."""
    _, operation = cell.lookup()
    cost, known = operation.cost(cell.dim), implementation(cell.impl)
    full = known.full_passes == "always" or (known.full_passes == "sequential" and operation.sequential)
    work = (cell.dim if full else 1) * known.rate * (cost.flops + cost.elements)
    return cell.batch * (work + known.normal * cost.normals)


def too_slow(cell: Cell, options: Options) -> str | None:
    """Why a cell is left out, or None."""
    expected, longest = expected_seconds(cell), longest_call(cell, options)
    if expected > longest:
        return f"about {expected:.2g} s for one call, above {longest:g} s"
    size = data_bytes(cell)
    return f"{size / 2**30:.1f} GiB of data, above 2 GiB" if size > _LARGEST_BYTES else None


def longest_call(cell: Cell, options: Options) -> float:
    """Seconds of one call above which a cell is left out: more for a rung, whose ladder would have a hole."""
    return max(options.longest, options.longest_rung) if cell in _rungs(options) else options.longest


@of_cases
def _rungs(options: Options) -> frozenset[Cell]:
    return frozenset(rungs.of_run(options))


def data_bytes(cell: Cell) -> float:
    """Bytes of input, output and parameters, with the lists of these that the check makes."""
    cost, itemsize = cell.cost, np.dtype(cell.dtype).itemsize
    return cell.batch * cost.elements * itemsize + cost.parameters * (itemsize + _LIST_BYTES)
