"""Timing in turns, and the rows of a table of targets: shared by what writes docs/performance.md."""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.bench.model.case import Call
from seqgap.bench.model.implementation import left_out
from seqgap.bench.model.registry import cases
from seqgap.bench.report.tables import si

Thunk = Callable[[], Any]
PEERS = ("numpy", "scipy", "torch", "torch-compile", "jax", "zuko", "nflows", "flowjax")


def medians(contenders: dict[str, Thunk], seconds: float = 0.8) -> dict[str, float]:
    """Median seconds for one call of each, timed in turns."""
    calls = {}
    for name, thunk in contenders.items():
        thunk()  # compiles
        start = time.perf_counter()
        thunk()
        calls[name] = max(1, int(2e-3 / max(time.perf_counter() - start, 1e-7)))
    found: dict[str, list[float]] = {name: [] for name in contenders}
    end = time.perf_counter() + seconds * len(contenders)
    while time.perf_counter() < end or len(next(iter(found.values()))) < 7:
        for name, thunk in contenders.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                thunk()
            found[name].append((time.perf_counter() - start) / calls[name])
    return {name: float(np.median(times)) for name, times in found.items()}


def installed() -> list[str]:
    """The peers that can run here."""
    missing = {name for names in left_out(PEERS).values() for name in names}
    return [name for name in PEERS if name not in missing]


def contenders(case: str, operation: str, call: Call, dim: int, dtype: Any) -> dict[str, Thunk]:
    """The kernel and every installed peer, on one thread."""
    found = cases()[case]
    names = [name for name in found.operation(operation).implementation_names if name in installed()]
    return {name: found.setup(operation, name)(call, dim, dtype) for name in ("numba", *names)}


class Report:
    """Rows of the target table, printed as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def row(
        self, work: str, dtype: Any, times: dict[str, float], against: str, ratio: float, limit: float,
        at_least: bool | None = None,
    ) -> None:  # fmt: skip
        """at_least: what the limit is; left out, it is the least where it is above 1.45, else the most."""
        at_least = limit > 1.45 if at_least is None else at_least
        met = ratio >= limit if at_least else ratio <= limit
        sense = "at least" if at_least else "at most"
        shown = ", ".join(f"{name} {si(seconds)}" for name, seconds in times.items())
        cells = (
            work,
            dtype,
            against,
            f"{ratio:.2f}",
            f"{sense} {limit:g}",
            "yes" if met else "**no**",
            shown,
        )
        line = f"| {' | '.join(map(str, cells))} |"
        self.lines.append(line)
        print(line, file=sys.stderr, flush=True)

    def faster(
        self, work: str, dtype: Any, times: dict[str, float], limit: float, ours: str = "numba",
        at_least: bool | None = None,
    ) -> None:  # fmt: skip
        """Ours against the fastest other."""
        others = {name: t for name, t in times.items() if not name.startswith("numba")}
        fastest = min(others, key=lambda name: others[name])
        self.row(work, dtype, times, f"{fastest} / {ours}", others[fastest] / times[ours], limit, at_least)
