"""Numba against the libraries that users would pick instead: every operation at every size."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqgap.bench.analysis.pairs import OURS, against_peers, fastest
from seqgap.bench.analysis.ratio import ratio, verdict
from seqgap.bench.analysis.run import Measured, Run, once
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.tables import Table

_SIZE = ("operation", "dtype", "threads", "batch", "dim")


class Ranking(NamedTuple):
    """One operation at one size. medians: seconds for one call, of Numba too, by implementation.

    ratio: the fastest peer's time over Numba's, above 1 where Numba is faster, as in a `Gap`.
    """

    cell: Cell  # that of Numba
    medians: dict[str, float]
    peer: str  # the fastest
    ratio: Interval

    @property
    def verdict(self) -> str:
        """Who is faster and how many times, that neither is, or that the interval does not decide."""
        return verdict(self.ratio, f"{OURS} wins, {{}}", f"{self.peer} wins, {{}}", "neither seen to win")


def peers_of(rankings: Iterable[Ranking]) -> list[str]:
    """The implementations that were timed, Numba first."""
    names = dict.fromkeys(name for ranking in rankings for name in ranking.medians)
    return [OURS, *(name for name in names if name != OURS)]


@once
def rankings(run: Run) -> list[Ranking]:
    """Every operation and size that Numba and at least one peer were timed for."""
    unordered = [_ranking(run, ours, peers) for ours, peers in against_peers(run)]
    return sorted(unordered, key=lambda ranking: ranking.cell.columns(*_SIZE))


def _ranking(run: Run, ours: Measured, peers: Sequence[Measured]) -> Ranking:
    peer = fastest(peers)
    medians = {m.cell.impl: m.seconds for m in (ours, *peers)}
    return Ranking(ours.cell, medians, peer.cell.impl, ratio(run, peer, ours))


def table(run: Run) -> Table:
    """peers.csv: the size, each implementation's seconds for one call, who wins."""
    names = peers_of(rankings(run))
    head = [*_SIZE, *names, "fastest_peer", "ratio", "ratio_low", "ratio_high", "verdict"]
    lines = [
        (
            *ranking.cell.columns(*_SIZE), *(ranking.medians.get(name, "") for name in names),
            ranking.peer, *ranking.ratio.columns, ranking.verdict,
        )
        for ranking in rankings(run)
    ]  # fmt: skip
    return Table("peers.csv", head, lines, unknown="nan")
