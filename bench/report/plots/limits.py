"""What the machine sets a limit to, as grey lines under the curves."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.machine.ceilings import PRIVATE, Ceilings, memory_seconds, working_bytes
from seqgap.bench.model.cell import Cell
from seqgap.bench.report.plots.style import GREY, LIGHT

CellsAt: TypeAlias = Callable[[int], Sequence[Cell]]  # D to the cells of a panel, which differ in operation


def draw_limits(axes: Any, ceilings: Ceilings, cells_at: CellsAt, dims: Sequence[int]) -> None:
    """The ceilings of the machine, and the D at which the smallest operation outgrows a cache.

    axes: seconds for one sample against D, both logarithmic, whose limits are set. dims: measured, rising.
    """
    grid = np.unique(np.geomspace(dims[0], dims[-1], 60).astype(int)).tolist()
    bottom = axes.get_ylim()[0]
    for text, values in ceilings_at(ceilings, cells_at, grid).items():
        axes.plot(grid, values, color=LIGHT, linewidth=1, zorder=0.5)
        visible = [(dim, value) for dim, value in zip(grid, values, strict=True) if value >= bottom]
        if visible:
            axes.text(*visible[0], text, color=GREY, fontsize=6.5, va="bottom", ha="left")
    for level, dim in outgrown(ceilings, cells_at, dims):
        axes.axvline(dim, color=LIGHT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0.5)
        axes.text(
            dim, 0.995, f" {level}", transform=axes.get_xaxis_transform(), color=GREY, fontsize=6.5, va="top"
        )


def ceilings_at(ceilings: Ceilings, cells_at: CellsAt, dims: Sequence[int]) -> dict[str, list[float]]:
    """Seconds for one sample that no operation can beat; at N = 1 the chain too, for D dependent steps.

    Samples are independent, so that the chains of a batch go side by side.
    """
    cell = cells_at(dims[0])[0]
    found = {
        "call of a compiled function": [ceilings.call_arrays / cell.batch] * len(dims),
        "bandwidth": [
            min(memory_seconds(c, c.cost, ceilings)[0] for c in cells_at(dim)) / cell.batch for dim in dims
        ],
    }
    if cell.batch == 1:
        found["chain of D multiply-adds"] = [dim * ceilings.fma_latency[cell.dtype] for dim in dims]
    return found


def outgrown(ceilings: Ceilings, cells_at: CellsAt, dims: Sequence[int]) -> Iterator[tuple[str, int]]:
    """(level, D): the first D of which no operation fits into a level of the cache, where it is in range."""

    def least(dim: int) -> int:
        return ceil(min(working_bytes(cell, cell.cost) for cell in cells_at(dim)))

    threads = cells_at(dims[0])[0].threads
    between = range(dims[0], dims[-1] + 1)
    for level in ceilings.bandwidth:
        copies = threads if level.level in PRIVATE else 1
        above = bisect_right(between, copies * level.capacity, key=least)
        if level.capacity and 0 < above < len(between):
            yield level.level, between[above]
