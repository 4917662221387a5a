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
from itertools import pairwise
from typing import NamedTuple

from seqgap.bench.analysis.pairs import Timed, neighbours, rungs, steps_of_pair
from seqgap.bench.analysis.ratio import ratio
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison
from seqgap.bench.plan.rungs import Step, needless
from seqgap.bench.results.tables import Table, Value


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


@once
def ladders(run: Run) -> list[Ladder]:
    """The ladders of a run at its `ladder_dim`, for its smallest and largest batch size.

    A run of ladders alone has them for all of its batch sizes. The smallest (N = 1) is about latency, the
    largest about throughput. A rung that was not timed is missing. A ladder has at least the best compiled
    rung, the parallel direction and one more. The factors multiply to the total where every process has
    timed every rung.
    """
    return [_ladder(run, pair, timed) for pair, timed in rungs(run)]


def _ladder(run: Run, pair: Comparison, timed: Timed) -> Ladder:
    *factors, total = (ratio(run, before, after) for before, after in neighbours(timed))
    causes = _causes(steps_of_pair(run, pair), [step for step, _ in timed], timed[-1][1].cell)
    steps = zip(timed, causes, [None, *factors], strict=True)
    return Ladder(
        pair,
        tuple(Rung(step.name.format(threads=m.cell.threads), cause, m, f) for (step, m), cause, f in steps),
        total,
    )


def _causes(ladder: Sequence[Step], steps: Sequence[Step], cell: Cell) -> list[str]:
    """What each rung removes, with what the missing rungs before it would have; nothing for the first."""
    known = [step for step in ladder if not needless(step, cell.threads, cell.dim)]
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
