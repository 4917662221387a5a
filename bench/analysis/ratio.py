"""One ratio has one interval, and one verdict."""

from typing import Literal, TypeAlias

from seqgap.bench.analysis.statistics import Interval

AS_FAST_MARGIN = 0.05  # two times are called the same where the whole interval of their ratio is so near to 1

Side: TypeAlias = Literal["same", "above", "below", "undecided"]


def side(ratio: Interval, margin: float = AS_FAST_MARGIN) -> Side:
    """Where a ratio lies: above or below 1, the same within the margin, or undecided."""
    if ratio.low >= 1 / (1 + margin) and ratio.high <= 1 + margin:
        return "same"
    return "above" if ratio.low > 1 else "below" if ratio.high < 1 else "undecided"


def verdict(ratio: Interval, above: str, below: str) -> str:
    """What to say of a ratio; above, below: with a {} for how many times it is."""
    texts: dict[Side, str] = {
        "same": "as fast",
        "above": above.format(f"{ratio.middle:.3g}x"),
        "below": below.format(f"{1 / ratio.middle:.3g}x"),
        "undecided": "undecided",
    }
    return texts[side(ratio)]
