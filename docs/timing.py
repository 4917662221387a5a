"""Timing in turns, and the rows of a table of targets: shared by what writes docs/performance.md."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from seqgap.bench.machine.turns import calls_in_turns
from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call
from seqgap.bench.model.implementation import PEERS, implementation, left_out
from seqgap.bench.model.registry import cases, operation_of
from seqgap.bench.report.text import si

Thunks: TypeAlias = dict[str, Callable[[], Any]]
Work: TypeAlias = tuple[str, Thunks, list[str]]  # its name, what does it, and what is wanted
HEAD = ("work", "dtype", "ratio of", "is", "wanted", "met", "medians")


def installed() -> list[str]:
    """The peers that can run here."""
    missing = {name for names in left_out(PEERS).values() for name in names}
    return [name for name in PEERS if name not in missing]


@contextmanager
def on_one_thread() -> Iterator[None]:
    """The BLAS and every peer."""
    with ExitStack() as settings:
        settings.enter_context(threadpool_limits(1, user_api="blas"))
        for name in installed():
            settings.enter_context(arrays.settings(name, 1))
        yield


def call_of(name: str, count: int, dim: int, dtype: Any, params: Any = None) -> Call:
    """The call of stem.operation that its case makes, or that with other parameters."""
    call = operation_of(name).inputs(dim, count, dtype, 1)
    return call if params is None else Call((call.args[0], params))


def contenders(name: str, count: int, dim: int, dtype: Any, params: Any = None) -> Thunks:
    """The kernel and every installed peer, on one thread."""
    stem, operation = name.split(".")
    takes = [peer for peer in installed() if implementation(peer).takes(np.dtype(dtype).name, 1)]
    names = [peer for peer in operation_of(name).implementation_names if peer in takes]
    call = call_of(name, count, dim, dtype, params)
    return {peer: cases()[stem].setup(operation, peer)(call, dim, dtype) for peer in ("numba", *names)}


def medians(thunks: Thunks, seconds: float = 0.8) -> dict[str, float]:
    """Median seconds for one call of each, timed in turns."""
    rounds = calls_in_turns(thunks, 7, seconds * len(thunks))
    return {name: float(np.median(times)) for name, times in rounds.items()}


class Report:
    """Rows of the target table, printed as they come."""

    def __init__(self) -> None:
        self.lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]

    def compare(self, dtype: Any, works: Iterable[Work]) -> None:
        """Rows for each work, one for each target.

        A target is such as "numpy / numba >= 4.5". `fastest` stands for the fastest of the peers,
        `fastest but scipy` for that of the others; what stands before ": " is added to the work.
        """
        for work, thunks, targets in works:
            times = medians(thunks)
            for target in targets:
                more, _, wanted = target.rpartition(": ")
                ratio, sense, limit = wanted.rsplit(maxsplit=2)
                over, under = ratio.split(" / ")
                if over.startswith("fastest"):
                    others = [n for n in times if n.split("-")[0] in PEERS and n not in over.split()]
                    over = min(others, key=lambda name: times[name])
                name, value = f"{over} / {under}", times[over] / times[under]
                self.row(f"{work}, {more}" if more else work, dtype, times, name, value, sense, limit)

    def row(
        self, work: str, dtype: Any, times: dict[str, float], name: str, value: float, sense: str, limit: str
    ) -> None:
        """One value with what is wanted of it; sense: >= or <=."""
        met = value >= float(limit) if sense == ">=" else value <= float(limit)
        wanted = f"at {'least' if sense == '>=' else 'most'} {limit}"
        shown = ", ".join(f"{contender} {si(seconds)}" for contender, seconds in times.items())
        cells = (work, dtype, name, f"{value:.2f}", wanted, "yes" if met else "**no**", shown)
        self.lines.append(f"| {' | '.join(map(str, cells))} |")
        print(self.lines[-1], file=sys.stderr, flush=True)
