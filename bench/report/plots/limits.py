"""What the machine sets a limit to, as grey lines under the curves."""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np

from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.scaling import Curve
from seqgap.bench.machine.ceilings import PRIVATE, Ceilings, memory_seconds, working_bytes
from seqgap.bench.model.case import Cost
from seqgap.bench.model.cell import Cell
from seqgap.bench.report.plots.style import LIGHT

CALL, BANDWIDTH, CHAIN = "call of a compiled function", "bandwidth", "chain of D multiply-adds"
_LINES = {BANDWIDTH: "-", CALL: "--", CHAIN: "-."}


class Limits:
    """The ceilings of a machine for curves of one implementation, dtype, batch and number of threads."""

    def __init__(self, run: Run, ceilings: Ceilings, curves: Collection[Curve]) -> None:
        self._run = run
        self._ceilings = ceilings
        self._curves = [curve for curve in curves if curve.name in run.operations.operations]

    def _needs(self, dim: int) -> Iterator[tuple[Cell, Cost]]:
        for name, impl, dtype, threads, batch in self._curves:
            case, operation = name.split(".")
            cell = Cell(case, operation, impl, dtype, dim, batch, threads)
            yield cell, self._run.operations.cost(cell)

    def lines(self, dims: Sequence[int]) -> dict[str, list[float]]:
        """Seconds for one sample that no operation can beat; at N = 1 the chain too, for D dependent steps.

        Samples are independent, so that the chains of a batch go side by side.
        """
        curve, ceilings = self._curves[0], self._ceilings
        seconds = [min(memory_seconds(*need, ceilings)[0] for need in self._needs(dim)) for dim in dims]
        heights = {
            CALL: [ceilings.call_arrays / curve.batch] * len(dims),
            BANDWIDTH: [of_call / curve.batch for of_call in seconds],
        }
        if curve.batch == 1:
            heights[CHAIN] = [dim * ceilings.fma_latency[curve.dtype] for dim in dims]
        return heights

    def outgrown(self, dims: Sequence[int]) -> Iterator[tuple[str, int]]:
        """(level, D): the first D of which no operation fits into a level of the cache, if in range."""

        def least(dim: int) -> int:
            return ceil(min(working_bytes(*need) for need in self._needs(dim)))

        between = range(dims[0], dims[-1] + 1)
        for level in self._ceilings.bandwidth:
            copies = self._curves[0].threads if level.level in PRIVATE else 1
            above = bisect_right(between, copies * level.capacity, key=least)
            if level.capacity and 0 < above < len(between):
                yield level.level, between[above]


def draw_limits(axes: Any, run: Run, curves: Collection[Curve], dims: Sequence[int]) -> bool:
    """The ceilings of the machine, and the D at which the smallest operation outgrows a cache; if known.

    axes: seconds for one sample against D, both logarithmic, whose limits are set. dims: measured, rising.
    """
    if run.ceilings is None:
        return False
    limits = Limits(run, run.ceilings, curves)
    grid = np.unique(np.geomspace(dims[0], dims[-1], 60).astype(int)).tolist()
    for text, values in limits.lines(grid).items():
        axes.plot(grid, values, _LINES[text], color=LIGHT, linewidth=1, zorder=0.5, label=text)
    for level, dim in limits.outgrown(dims):
        axes.axvline(dim, color=LIGHT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0.5, label=level)
    return True
