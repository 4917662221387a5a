"""The answer of a run in figures: how much slower one step at a time is, why, and how sure that is."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from seqgap.bench.analysis.gap import Gap, gaps
from seqgap.bench.analysis.ladder import Ladder, ladders
from seqgap.bench.analysis.run import Run, once
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.implementation import MAIN

MOST_PAIRS = 5
_NARROW, _WIDE = 0.03, 0.10  # half the width of the interval in the middle: below is good, above is poor
_BUSY = 0.1  # a larger share of disturbed cells is no good


class Answer(NamedTuple):
    """The gaps of a pair in one implementation, over its sizes.

    largest: the largest ratio. slower, faster: the largest of those whose interval lies above 1, the smallest
    of those below; None where there is none. at_most: the largest upper end; NaN from one process.
    """

    largest: Interval
    slower: Interval | None
    faster: Interval | None
    at_most: float

    @classmethod
    def of(cls, ratios: Sequence[Interval]) -> "Answer":
        """Of at least one ratio."""
        above = [ratio for ratio in ratios if ratio.low > 1]
        below = [ratio for ratio in ratios if ratio.high < 1]
        return cls(
            max(ratios, key=_middle),
            max(above, key=_middle, default=None),
            min(below, key=_middle, default=None),
            max(ratio.high for ratio in ratios),
        )


class PairVerdict(NamedTuple):
    """A matched pair in its main dtype, on its fewest threads. ladder: at the largest N, if there is one."""

    names: tuple[str, str]
    title: str
    answers: dict[str, Answer]  # by implementation
    gaps: tuple[Gap, ...]
    ladder: Ladder | None

    @property
    def own(self) -> bool:
        """Whether it is of a case from outside."""
        return self.gaps[0].cell.own

    @property
    def largest(self) -> float:
        """The largest ratio in any implementation."""
        return max(answer.largest.middle for answer in self.answers.values())


class Certainty(NamedTuple):
    """How sure the ratios of all pairs are.

    half_widths: of their intervals, relative, sorted; those without ends are left out. grade: Good, Fair or
    Poor, by the one in the middle and the share of disturbed cells.
    """

    grade: str
    half_widths: list[float]
    disturbed: int
    skipped: int
    failed: int

    @property
    def visible(self) -> float:
        """The smallest relative difference that can be told in the middle of the ratios; NaN if unknown."""
        return float(np.median(self.half_widths)) if self.half_widths else math.nan


def _middle(ratio: Interval) -> float:
    return ratio.middle


@once
def pairs(run: Run) -> list[PairVerdict]:
    """The matched pairs, own ones first, then by their largest ratio."""
    groups: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps(run):
        if gap.kind == "matched":
            groups.setdefault(gap.names, []).append(gap)
    verdicts = [_pair(run, names, _main(of_pair)) for names, of_pair in groups.items()]
    return sorted(verdicts, key=lambda pair: (not pair.own, -pair.largest))


@once
def controls(run: Run) -> list[Gap]:
    """Each control at one size, whatever its ratio: the largest N D of its main dtype, on its fewest threads.

    In the compiled code if that was timed, else in what comes next to it.
    """
    groups: dict[tuple[str, str], list[Gap]] = {}
    for gap in gaps(run):
        if gap.kind == "control":
            groups.setdefault(gap.names, []).append(gap)
    return [max(_main(of_control), key=_weight) for of_control in groups.values()]


def _weight(gap: Gap) -> tuple[int, int, int]:
    cell = gap.cell
    return MAIN.index(cell.impl) if cell.impl in MAIN else -1, cell.batch * cell.dim, cell.dim


def _main(of_pair: Iterable[Gap]) -> list[Gap]:
    """Those of float64 if there are any, on the fewest threads."""
    known = list(of_pair)
    main = min(known, key=lambda gap: (gap.cell.dtype != "float64", gap.cell.threads)).cell
    return [gap for gap in known if (gap.cell.dtype, gap.cell.threads) == (main.dtype, main.threads)]


def _pair(run: Run, names: tuple[str, str], of_pair: list[Gap]) -> PairVerdict:
    ratios: dict[str, list[Interval]] = {}
    for gap in of_pair:
        ratios.setdefault(gap.cell.impl, []).append(gap.ratio)
    cell = of_pair[0].cell
    title = run.operations[names[0]].title or (cell.case if cell.own else cell.name)
    answers = {impl: Answer.of(of_impl) for impl, of_impl in ratios.items()}
    return PairVerdict(names, title, answers, tuple(of_pair), _throughput(run, names, cell.dtype))


def _throughput(run: Run, names: tuple[str, str], dtype: str) -> Ladder | None:
    """The ladder of the largest N."""
    of_pair = [
        ladder
        for ladder in ladders(run)
        if (ladder.pair.sequential, ladder.pair.parallel) == names and ladder.cell.dtype == dtype
    ]
    return max(of_pair, key=lambda ladder: ladder.cell.batch, default=None)


@once
def certainty(run: Run) -> Certainty:
    """How sure the ratios of all matched pairs of a run are."""
    ratios = [gap.ratio for gap in gaps(run) if gap.kind == "matched" and gap.ratio.known]
    widths = sorted(math.sqrt(ratio.high / ratio.low) - 1 for ratio in ratios)
    disturbed = sum(measured.disturbed for measured in run.measured.values())
    skipped = sum(row.status == "skipped" for row in run.left_out)
    grade = _grade(widths, disturbed / max(len(run.measured), 1))
    return Certainty(grade, widths, disturbed, skipped, len(run.left_out) - skipped)


def _grade(widths: Sequence[float], disturbed: float) -> str:
    middle = float(np.median(widths)) if widths else math.inf
    rank = (middle > _NARROW) + (middle > _WIDE) + (disturbed > _BUSY)
    return ("Good", "Fair", "Poor")[min(rank, 2)]
