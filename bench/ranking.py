"""Numba against the libraries that users would pick instead: every operation at every size."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqgap.bench.gap import as_fast
from seqgap.bench.plan import Cell
from seqgap.bench.results import Row

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
        """Who is faster and how many times, or that neither is."""
        if as_fast(self.ratio_low, self.ratio_high):
            return "as fast"
        if self.ratio > 1:
            return f"{_OURS} wins, {self.ratio:.3g}x"
        return f"{self.peer} wins, {1 / self.ratio:.3g}x"


def peers_of(found: Iterable[Ranking]) -> list[str]:
    """The implementations that were timed, Numba first."""
    names = dict.fromkeys(name for ranking in found for name in ranking.medians)
    return [_OURS, *(name for name in names if name != _OURS)]


def rankings(rows: Sequence[Row]) -> list[Ranking]:
    """Every operation and size that Numba and at least one peer were timed for."""
    timed = {row.cell: row for row in rows if row.status == "ok"}
    groups: dict[Cell, list[Row]] = {}
    for cell, row in timed.items():
        if not _NOT_PEERS.fullmatch(cell.impl):
            groups.setdefault(replace(cell, impl=_OURS), []).append(row)
    found = [_ranking(timed[cell], peers) for cell, peers in groups.items() if cell in timed]
    key = ("name", "dtype", "threads", "batch", "dim")
    return sorted(found, key=lambda ranking: [getattr(ranking.cell, name) for name in key])


def _ranking(ours: Row, peers: list[Row]) -> Ranking:
    fastest = min(peers, key=lambda row: row.median)
    return Ranking(
        ours.cell,
        {row.cell.impl: row.median for row in (ours, *peers)},
        fastest.cell.impl,
        fastest.median / ours.median,
        fastest.quantile(0.25) / ours.quantile(0.75),
        fastest.quantile(0.75) / ours.quantile(0.25),
    )


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
