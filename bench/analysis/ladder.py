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
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison
from seqgap.bench.plan.options import LADDER
from seqgap.bench.plan.rungs import BEST, Step, ladder_dim, needless, rungs_of, steps_of
from seqgap.bench.results.tables import Table, Value

_FEWEST = 3  # rungs of a ladder


class Rung(NamedTuple):
    """One measured rung. factor: seconds of the rung before over these.

    cause names what the factor removes, several causes where rungs between are missing. The first rung has
    neither.
    """

    name: str
    cause: str
    measured: Measured
    factor: Interval | None


class Ladder(NamedTuple):
    """The rungs of a matched pair at one size; total: seconds of the first over those of the last."""

    pair: Comparison
    rungs: tuple[Rung, ...]
    total: Interval

    @property
    def cell(self) -> Cell:
        """Of the first rung: its case, dtype, D and N are those of all."""
        return self.rungs[0].measured.cell

    @property
    def parallel(self) -> str:
        """The parallel operation, as stem.operation if it is another case's."""
        return self.pair.parallel.removeprefix(f"{self.cell.case}.")


_Timed: TypeAlias = list[tuple[Step, Measured]]


@once
def ladders(run: Run) -> list[Ladder]:
    """The ladders of a run at its `ladder_dim`, for its smallest and largest batch size.

    A run of ladders alone has them for all of its batch sizes. The smallest (N = 1) is about latency, the
    largest about throughput. A rung that was not timed is missing. A ladder has at least the best compiled
    rung, the parallel direction and one more; rungs are compared within the processes that measured all.
    """
    chosen = [
        (pair, timed)
        for pair in run.operations.matched
        for dtype, dim, batch in _sizes(run, pair)
        if (timed := _common_processes(_timed(run, pair, dtype, dim, batch)))
    ]
    logs = [before.over(after) for _, timed in chosen for before, after in _compared(timed)]
    factors = iter(ratio_intervals(logs))
    return [_ladder(run, pair, timed, factors) for pair, timed in chosen]


def _sizes(run: Run, pair: Comparison) -> list[tuple[str, int, int]]:
    """(dtype, D, N) that the best rung of a pair was timed at, and that a ladder is wanted for."""
    best = [c for c in run.measured if c.impl == BEST and c.name == pair.sequential and c.threads == 1]
    if not best:
        return []
    dim, timed = ladder_dim(c.dim for c in best), {c.batch for c in best}
    wanted = timed if run.options.profile == LADDER else {min(timed), max(timed)}
    sizes = {(c.dtype, c.dim, c.batch) for c in best if c.dim == dim and c.batch in wanted}
    return sorted(sizes, key=lambda size: (size[0] != "float64", size))


def _timed(run: Run, pair: Comparison, dtype: str, dim: int, batch: int) -> _Timed:
    """The timed rungs, on as many threads as the parallel direction was timed with; empty if too few."""
    threads = [
        c.threads
        for c in run.measured
        if c.name == pair.parallel and (c.impl, c.dtype, c.dim, c.batch) == (BEST, dtype, dim, batch)
    ]
    if not threads:
        return []
    rungs = rungs_of(pair, _steps(run, pair), dtype, dim, batch, max(threads))
    timed = [(step, run.measured[cell]) for step, cell in rungs if cell in run.measured]
    return timed if len(timed) >= _FEWEST else []


def _steps(run: Run, pair: Comparison) -> Sequence[Step]:
    return steps_of(run.operations[pair.sequential].implementations)


def _common_processes(timed: _Timed) -> _Timed:
    """The same with the rows of the processes that measured every rung; empty where there is none."""
    processes = [{row.process for row in measured.rows} for _, measured in timed]
    common = set.intersection(*processes) if processes else set()
    rows = [tuple(row for row in measured.rows if row.process in common) for _, measured in timed]
    return [(step, replace(m, rows=own)) for (step, m), own in zip(timed, rows, strict=True) if common]


def _compared(timed: _Timed) -> list[tuple[Measured, Measured]]:
    """Each rung with the one before, and the first with the last."""
    measured = [rung for _, rung in timed]
    return [*pairwise(measured), (measured[0], measured[-1])]


def _ladder(run: Run, pair: Comparison, timed: _Timed, factors: Iterator[Interval]) -> Ladder:
    of_rungs = [None, *(next(factors) for _ in timed[1:])]
    causes = _causes(_steps(run, pair), [step for step, _ in timed], timed[-1][1].cell.threads)
    rungs = tuple(
        Rung(step.name.format(threads=m.cell.threads), cause, run.measured[m.cell], factor)
        for (step, m), cause, factor in zip(timed, causes, of_rungs, strict=True)
    )
    return Ladder(pair, rungs, next(factors))


def _causes(ladder: Sequence[Step], steps: Sequence[Step], threads: int) -> list[str]:
    """What each rung removes, with what the missing rungs before it would have; nothing for the first."""
    known = [step for step in ladder if not needless(step, threads)]
    ranks = [known.index(step) for step in steps]
    between = [known[before + 1 : rank + 1] for before, rank in pairwise(ranks)]
    return ["", *(" + ".join(step.cause for step in group) for group in between)]


def table(run: Run) -> Table:
    """ladder.csv: a line for each rung, times for one sample; what is unknown is empty."""
    head = "case operation parallel dtype dim batch rung cause impl threads"
    figures = "seconds_per_sample seconds_low seconds_high factor factor_low factor_high"
    return Table("ladder.csv", f"{head} {figures}".split(), list(_lines(ladders(run))))


def _lines(ladders: Sequence[Ladder]) -> Iterator[Sequence[Value]]:
    for ladder in ladders:
        of = ladder.cell
        for name, cause, measured, factor in ladder.rungs:
            factors = factor.columns if factor else ("", "", "")
            yield (
                of.case, of.operation, ladder.parallel, of.dtype, of.dim, of.batch, name, cause,
                measured.cell.impl, measured.cell.threads, *measured.per_sample.columns, *factors,
            )  # fmt: skip
