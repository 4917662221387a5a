"""How an implementation, a pair and a size look and are called in every picture."""

from collections.abc import Sequence
from typing import NamedTuple

from seqgap.bench.analysis.verdict import PairVerdict
from seqgap.bench.report.plots.style import COLOURS, GREY, cut, plain_text
from seqgap.bench.results.printable import printable


class Look(NamedTuple):
    """Of an implementation; short: its name beside a curve."""

    name: str
    short: str
    colour: str
    marker: str


_LOOKS = {
    "python": Look("plain Python", "Python", GREY, "^"),
    "numpy": Look("NumPy", "NumPy", COLOURS[1], "s"),
    "numba": Look("compiled (Numba)", "compiled", COLOURS[0], "o"),
    "own": Look("own sampler", "own", COLOURS[2], "D"),
}
_OTHERS = tuple(
    zip((COLOURS[3], COLOURS[4], COLOURS[5], COLOURS[2], "#7A3600", "#004166"), "vPX<>*", strict=True)
)


def look(impl: str, others: Sequence[str] = ()) -> Look:
    """Of a name; others: all those of the picture that have no look of their own, in their order."""
    if impl in _LOOKS:
        return _LOOKS[impl]
    place = others.index(impl) if impl in others else 0
    return Look(impl, impl, *_OTHERS[place % len(_OTHERS)])


def titles(pairs: Sequence[PairVerdict], letters: int) -> list[str]:
    """What readers call the pairs, in so many letters; of two that are called the same their operations."""
    known = [pair.title for pair in pairs]
    unique = [pair.title if known.count(pair.title) == 1 else pair.names[0] for pair in pairs]
    return [plain_text(cut(printable(text), letters)) for text in unique]


def batch_text(batch: int, most: int) -> str:
    """N, and which question it answers: latency for one sample, throughput for the most."""
    answer = "\nlatency" if batch == 1 else "\nthroughput" if batch == most else ""
    return f"N = {batch}{answer}"
