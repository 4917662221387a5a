"""One ratio has one interval, and one verdict: computed once for a run, looked up by all who show it."""

from typing import Literal, TypeAlias

from seqgap.bench.analysis.pairs import every_pair
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import Cell

AS_FAST_MARGIN = 0.05  # two times are called the same where the whole interval of their ratio is so near to 1

Side: TypeAlias = Literal["same", "above", "below", "undecided"]


def ratio(run: Run, first: Measured, second: Measured) -> Interval:
    """Seconds of the first over those of the second, from the processes that timed both.

    KeyError where `every_pair` does not have them.
    """
    return _ratios(run)[first.cell, second.cell]


@once
def _ratios(run: Run) -> dict[tuple[Cell, Cell], Interval]:
    """Of every pair of a run, and of its reverse; all of them lend each other their variances."""
    pairs: dict[frozenset[Cell], tuple[Measured, Measured]] = {}
    for first, second in every_pair(run):
        pairs.setdefault(frozenset((first.cell, second.cell)), (first, second))
    known = {}
    computed = ratio_intervals([first.over(second) for first, second in pairs.values()])
    for (first, second), interval in zip(pairs.values(), computed, strict=True):
        known[first.cell, second.cell] = interval
        known[second.cell, first.cell] = interval.inverse
    return known


def side(ratio: Interval, margin: float = AS_FAST_MARGIN) -> Side:
    """Where a ratio lies: above or below 1, the same within the margin, or undecided."""
    if ratio.low >= 1 / (1 + margin) and ratio.high <= 1 + margin:
        return "same"
    return "above" if ratio.low > 1 else "below" if ratio.high < 1 else "undecided"


def verdict(ratio: Interval, above: str, below: str, unseen: str) -> str:
    """What to say of a ratio; above, below: with a {} for how many times it is; unseen: where 1 is within."""
    texts: dict[Side, str] = {
        "same": "as fast",
        "above": above.format(f"{ratio.middle:.3g}x"),
        "below": below.format(f"{1 / ratio.middle:.3g}x"),
        "undecided": f"{unseen}, at most {ratio.high:.3g}x" if ratio.known else "no interval",
    }
    return texts[side(ratio)]
