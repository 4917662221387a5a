"""The ladder: the gap between a sequential sampler in plain Python and the parallel direction, by cause.

Each rung runs the same model with the same weights at one size, and differs from the rung before in one
respect, its cause. The factor of a rung is the time of the rung before over its own; all of them multiply
to the whole gap. A factor below 1 is a step that made it slower: a call of NumPy for each dependent step
costs more than it saves where there is one sample.

The factors belong to this order of the rungs, and a rung may give away what another one brings:
- NumPy's full passes do the work of each step D times. That is in the factor of the interpreter, which they
  replace, and the next rung takes it away again.
- Plain loops are scalar, NumPy's products are not: at a large N, where calls weigh little, the loops can be
  slower than NumPy.
- The best sequential code has wider vectors and a better order of instructions, but it is the public
  function, which checks its arguments, for about 2 microseconds a call; the plain loops check nothing. So for
  one sample that rung can be slower too.
- Of a masked network plain Python uses each weight once, the two rungs of full passes all of them D times.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan
from typing import Any

from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison, matched_pairs
from seqgap.bench.plan.rungs import BEST, Step, ladder_dim, needless, rungs_of, steps_of
from seqgap.bench.results.run import Measured, Run, paired


@dataclass(frozen=True)
class Rung:
    """One measured rung. seconds: of one call. factor: seconds of the rung before over these.

    cause names what the factor removes, several causes where rungs between are missing. The first rung has
    neither.
    """

    name: str
    cause: str
    cell: Cell
    seconds: Interval
    factor: Interval | None


@dataclass(frozen=True)
class Ladder:
    """The rungs of a matched pair at one size; total: seconds of the first over those of the last.

    parallel: the operation, as stem.operation if it is another case's.
    """

    case: str
    operation: str  # the sequential one
    parallel: str
    dtype: str
    dim: int
    batch: int
    rungs: tuple[Rung, ...]
    total: Interval


def ladders(run: Run, batches: Sequence[int] | None = None) -> list[Ladder]:
    """The ladders of a run at its `ladder_dim`, for these batch sizes, else its smallest and largest.

    The smallest (N = 1) is about latency, the largest about throughput. A rung that was not timed is missing.
    A ladder has at least the best compiled rung, the parallel direction and one more; rungs are compared
    within the processes that measured all of them.
    """
    chosen = [
        (pair, found)
        for pair in matched_pairs()
        for dtype, dim, batch in _sizes(run, pair, batches)
        if (found := _common_processes(_present(run, pair, dtype, dim, batch)))
    ]
    logs = [paired(one, other) for _, found in chosen for one, other in _compared(found)]
    factors = iter(ratio_intervals(logs))
    return [_ladder(run, pair, found, factors) for pair, found in chosen]


_Found = list[tuple[Step, Measured]]


def _sizes(run: Run, pair: Comparison, batches: Sequence[int] | None) -> list[tuple[str, int, int]]:
    """(dtype, D, N) that the best rung of a pair was timed at, and that a ladder is wanted for."""
    best = [c for c in run.measured if c.impl == BEST and c.name == pair.sequential and c.threads == 1]
    if not best:
        return []
    dim, found = ladder_dim(c.dim for c in best), sorted({c.batch for c in best})
    wanted = {found[0], found[-1]} if batches is None else set(batches)
    sizes = {(c.dtype, c.dim, c.batch) for c in best if c.dim == dim and c.batch in wanted}
    return sorted(sizes, key=lambda size: (size[0] != "float64", size))


def _present(run: Run, pair: Comparison, dtype: str, dim: int, batch: int) -> _Found:
    """The timed rungs, on as many threads as the parallel direction was timed with; empty if too few."""
    threads = [
        c.threads
        for c in run.measured
        if c.name == pair.parallel and (c.impl, c.dtype, c.dim, c.batch) == (BEST, dtype, dim, batch)
    ]
    if not threads:
        return []
    rungs = rungs_of(pair, dtype, dim, batch, max(threads))
    found = [(step, run.measured[cell]) for step, cell in rungs if cell in run.measured]
    return found if len(found) >= 3 else []


def _common_processes(found: _Found) -> _Found:
    """The same with the rows of the processes that measured every rung; empty where there is none."""
    if not found:
        return []
    common = set.intersection(*({row.process for row in measured.rows} for _, measured in found))
    if not common:
        return []
    return [
        (step, replace(measured, rows=tuple(row for row in measured.rows if row.process in common)))
        for step, measured in found
    ]


def _compared(found: _Found) -> list[tuple[Measured, Measured]]:
    """Each rung with the one before, and the first with the last."""
    measured = [rung for _, rung in found]
    return [*pairwise(measured), (measured[0], measured[-1])]


def _ladder(run: Run, pair: Comparison, found: _Found, factors: Iterator[Interval]) -> Ladder:
    of_rungs = [None, *(next(factors) for _ in found[1:])]
    causes = _causes(steps_of(pair), [step for step, _ in found], found[-1][1].cell.threads)
    rungs = tuple(
        Rung(step.name.format(threads=m.cell.threads), cause, m.cell, run.measured[m.cell].interval, factor)
        for (step, m), cause, factor in zip(found, causes, of_rungs, strict=True)
    )
    stem, operation = pair.sequential.split(".")
    cell = rungs[0].cell
    parallel = pair.parallel.removeprefix(f"{stem}.")
    return Ladder(stem, operation, parallel, cell.dtype, cell.dim, cell.batch, rungs, next(factors))


def _causes(ladder: Sequence[Step], steps: Sequence[Step], threads: int) -> list[str]:
    """What each rung removes, with what the missing rungs before it would have; nothing for the first."""
    known = [step for step in ladder if not needless(step, threads)]
    places = [known.index(step) for step in steps]
    between = [known[before + 1 : place + 1] for before, place in pairwise(places)]
    return ["", *(" + ".join(step.cause for step in group) for group in between)]


def table(found: Sequence[Ladder]) -> Iterator[Sequence[Any]]:
    """The names of the columns, then a line for each rung, times for one sample; what is unknown is empty."""
    head = "case operation parallel dtype dim batch rung cause impl threads"
    numbers = "seconds_per_sample seconds_low seconds_high factor factor_low factor_high"
    yield [*head.split(), *numbers.split()]
    for ladder in found:
        size = (ladder.case, ladder.operation, ladder.parallel, ladder.dtype, ladder.dim, ladder.batch)
        for rung in ladder.rungs:
            seconds = [value / ladder.batch for value in _ends(rung.seconds)]
            kind = (rung.name, rung.cause, rung.cell.impl, rung.cell.threads)
            numbers_of = [*seconds, *(_ends(rung.factor) if rung.factor else [float("nan")] * 3)]
            yield [*size, *kind, *("" if isnan(v) else v for v in numbers_of)]


def _ends(interval: Interval) -> tuple[float, float, float]:
    return interval.middle, interval.low, interval.high
