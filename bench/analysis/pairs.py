"""Which cells of a run are compared: the directions, the rungs of a ladder, threads, peers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison
from seqgap.bench.plan.options import LADDER
from seqgap.bench.plan.rungs import BEST, STEPS, Step, ladder_dim, rungs_of, steps_of

Pair: TypeAlias = tuple[Measured, Measured]  # the ratio is that of the first over the second
Timed: TypeAlias = list[tuple[Step, Measured]]

OURS = "numba"  # what peers are compared with

_FEWEST = 3  # rungs of a ladder
_ONE_THREAD_COUNT = ("operation", "dtype", "dim", "batch")


def every_pair(run: Run) -> Iterator[Pair]:
    """All pairs of the run; some come more than once, and in either order."""
    for _, sequential, parallel in directions(run):
        yield sequential, parallel
    for _, timed in rungs(run):
        yield from neighbours(timed)
    for base, *more in threads(run):
        yield from ((base, measured) for measured in more)
    for ours, peers in against_peers(run):
        yield fastest(peers), ours


@once
def directions(run: Run) -> list[tuple[str, Measured, Measured]]:
    """(kind, sequential, parallel) of every comparison, where some process timed both."""
    by_name: dict[str, list[Measured]] = {}
    for measured in run.measured.values():
        by_name.setdefault(measured.cell.name, []).append(measured)
    return [
        (comparison.kind, sequential, run.measured[parallel])
        for comparison in run.operations.comparisons
        for sequential in by_name.get(comparison.sequential, [])
        if (parallel := _like(sequential.cell, comparison.parallel)) in run.measured
        and len(sequential.over(run.measured[parallel]))
    ]


def _like(cell: Cell, name: str) -> Cell:
    case, operation = name.split(".")
    return replace(cell, case=case, operation=operation)


def neighbours(timed: Timed) -> list[Pair]:
    """Each rung with the one before, and the first with the last."""
    measured = [rung for _, rung in timed]
    return [*pairwise(measured), (measured[0], measured[-1])]


@once
def rungs(run: Run) -> list[tuple[Comparison, Timed]]:
    """The timed rungs of every matched pair, at the sizes that have a ladder."""
    ladders = [
        (pair, _timed(run, pair, dtype, dim, batch))
        for pair in run.operations.matched
        for dtype, dim, batch in _sizes(run, pair)
    ]
    return [
        (pair, timed)
        for pair, timed in ladders
        if len(timed) >= _FEWEST and all(len(a.over(b)) for a, b in neighbours(timed))
    ]


def _sizes(run: Run, pair: Comparison) -> list[tuple[str, int, int]]:
    """(dtype, D, N) that the best rung of a pair was timed at, and that a ladder is wanted for."""
    ways = (*BEST, STEPS)
    best = [c for c in run.measured if c.impl in ways and c.name == pair.sequential and c.threads == 1]
    if not best:
        return []
    dim, timed = ladder_dim(c.dim for c in best), {c.batch for c in best}
    wanted = timed if run.options.profile == LADDER else {min(timed), max(timed)}
    sizes = {(c.dtype, c.dim, c.batch) for c in best if c.dim == dim and c.batch in wanted}
    return sorted(sizes, key=lambda size: (size[0] != "float64", size))


def _timed(run: Run, pair: Comparison, dtype: str, dim: int, batch: int) -> Timed:
    """The timed rungs, on as many threads as the parallel direction was timed with; empty without it."""
    counts = [
        c.threads
        for c in run.measured
        if c.impl in BEST and (c.name, c.dtype, c.dim, c.batch) == (pair.parallel, dtype, dim, batch)
    ]
    if not counts:
        return []
    steps = rungs_of(pair, steps_of_pair(run, pair), dtype, dim, batch, max(counts))
    return [(step, run.measured[cell]) for step, cell in steps if cell in run.measured]


def steps_of_pair(run: Run, pair: Comparison) -> Sequence[Step]:
    """The ladder that the sequential operation of a pair has."""
    return steps_of(run.operations[pair.sequential].implementations)


@once
def threads(run: Run) -> list[list[Measured]]:
    """Every operation, those of comparisons first, at the largest N D timed on one thread and on more."""
    largest: dict[tuple[str, str], list[Measured]] = {}
    for sizes in _by_size(run):
        key = sizes[0].cell.name, sizes[0].cell.dtype
        if key not in largest or _work(sizes) > _work(largest[key]):
            largest[key] = sizes
    first = run.operations.compared
    return [largest[key] for key in sorted(largest, key=lambda key: (key[0] not in first, key))]


def _by_size(run: Run) -> Iterator[list[Measured]]:
    """The compiled cells that differ in threads alone, one thread first; only those compared in a process."""
    groups: dict[tuple[str | int, ...], list[Measured]] = {}
    for measured in sorted(run.measured.values(), key=lambda m: m.cell.threads):
        if measured.cell.impl in BEST:
            groups.setdefault(measured.cell.columns(*_ONE_THREAD_COUNT), []).append(measured)
    for base, *more in groups.values():
        group = [base, *(m for m in more if len(base.over(m)))]
        if base.cell.threads == 1 and len(group) > 1:
            yield group


def _work(group: Sequence[Measured]) -> tuple[int, int, int]:
    """N D; of equal ones the better measured, then the larger D."""
    cell = group[0].cell
    return cell.batch * cell.dim, len(group), cell.dim


@once
def against_peers(run: Run) -> list[tuple[Measured, list[Measured]]]:
    """Every operation and size that ours and at least one peer were timed for."""
    groups: dict[Cell, list[Measured]] = {}
    for cell, measured in run.measured.items():
        if run.operations.implementations[cell.impl].peer:
            groups.setdefault(replace(cell, impl=OURS), []).append(measured)
    return [(run.measured[cell], peers) for cell, peers in groups.items() if cell in run.measured]


def fastest(peers: Sequence[Measured]) -> Measured:
    """The peer of the least time."""
    return min(peers, key=lambda peer: peer.seconds)
