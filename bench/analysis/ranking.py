"""Numba against the libraries that users would pick instead: every operation at every size."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqgap.bench.analysis.gap import against
from seqgap.bench.analysis.statistics import Interval, ratio_intervals
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.run import Measured, Run, paired

_OURS = "numba"
_NOT_PEERS = re.compile(rf"python|numpy-passes|{_OURS}(-.*)?")  # what we wrote to explain or to compare


@dataclass(frozen=True)
class Ranking:
    """One operation at one size. cell: that of Numba. medians: seconds for one call, of Numba too.

    ratio: the fastest peer's time over Numba's, above 1 where Numba is faster; ratio_low and ratio_high
    as those of a `Gap`.
    """

    cell: Cell
    medians: Mapping[str, float]
    peer: str  # the fastest
    ratio: float
    ratio_low: float
    ratio_high: float

    @property
    def verdict(self) -> str:
        """Who is faster and how many times, that neither is, or that the interval does not decide."""
        return {
            "same": "as fast",
            "undecided": "undecided",
            "above": f"{_OURS} wins, {self.ratio:.3g}x",
            "below": f"{self.peer} wins, {1 / self.ratio:.3g}x",
        }[against(Interval(self.ratio_low, self.ratio, self.ratio_high))]


def peers_of(found: Iterable[Ranking]) -> list[str]:
    """The implementations that were timed, Numba first."""
    names = dict.fromkeys(name for ranking in found for name in ranking.medians)
    return [_OURS, *(name for name in names if name != _OURS)]


def rankings(run: Run) -> list[Ranking]:
    """Every operation and size that Numba and at least one peer were timed for."""
    groups: dict[Cell, list[Measured]] = {}
    for cell, measured in run.measured.items():
        if not _NOT_PEERS.fullmatch(cell.impl):
            groups.setdefault(replace(cell, impl=_OURS), []).append(measured)
    found = [(run.measured[cell], peers) for cell, peers in groups.items() if cell in run.measured]
    fastest = [min(peers, key=lambda peer: peer.seconds) for _, peers in found]
    ratios = ratio_intervals([paired(peer, ours) for (ours, _), peer in zip(found, fastest, strict=True)])
    made = [
        Ranking(
            ours.cell,
            {measured.cell.impl: measured.seconds for measured in (ours, *peers)},
            peer.cell.impl,
            ratio.middle,
            ratio.low,
            ratio.high,
        )
        for (ours, peers), peer, ratio in zip(found, fastest, ratios, strict=True)
    ]
    key = ("name", "dtype", "threads", "batch", "dim")
    return sorted(made, key=lambda ranking: [getattr(ranking.cell, name) for name in key])


def write_csv(found: Sequence[Ranking], path: Path) -> None:
    """One line for each ranking: the size, each implementation's seconds for one call, who wins."""
    names = peers_of(found)
    head = ["operation", "dtype", "threads", "batch", "dim", *names]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "fastest_peer", "ratio", "ratio_low", "ratio_high", "verdict"])
        for ranking in found:
            cell = ranking.cell
            size = (cell.name, cell.dtype, cell.threads, cell.batch, cell.dim)
            times = (ranking.medians.get(name, "") for name in names)
            ratios = (ranking.ratio, ranking.ratio_low, ranking.ratio_high)
            writer.writerow([*size, *times, ranking.peer, *ratios, ranking.verdict])
