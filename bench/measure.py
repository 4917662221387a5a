"""One cell: set up, call once, check, then time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numba.core import event
from threadpoolctl import threadpool_limits

from seqgap.bench import peers
from seqgap.bench.ceiling import Ceilings, bound
from seqgap.bench.check import check
from seqgap.bench.plan import Cell
from seqgap.bench.registry import Thunk
from seqgap.bench.results import Row

Timer = Callable[[Thunk], tuple[tuple[float, ...], int]]


def measure(cell: Cell, seed: int, timer: Timer) -> Row:
    """The row of a cell; timer(thunk) returns (seconds for one call in each round, iterations).

    The first call compiles and is timed apart. A wrong result, or an error, is reported as failed and
    not timed.
    """
    try:
        with threadpool_limits(cell.threads, user_api="blas"), peers.settings(cell.impl, cell.threads):
            return _measured(cell, seed, timer)
    except ImportError as error:
        return Row(cell, "failed", reason=str(error))


def _measured(cell: Cell, seed: int, timer: Timer) -> Row:
    try:
        thunk, first_call, compiling = _first_call(cell, seed)
    except Exception as error:  # one broken implementation must not end a run
        return Row(cell, "failed", reason=f"{type(error).__name__}: {error}")
    rounds, iterations = timer(thunk)
    return Row(cell, "ok", rounds, iterations, first_call, compiling)


def with_fraction(row: Row, ceilings: Ceilings | None) -> Row:
    """The row with its fraction of the ceiling, as measured: noise can bring it above 1."""
    if row.status != "ok" or ceilings is None:
        return row
    seconds, name = bound(row.cell, row.cell.lookup()[1], ceilings)
    return replace(row, fraction=seconds / row.median, ceiling=name)


def _first_call(cell: Cell, seed: int) -> tuple[Thunk, float, float]:
    """(what to time, seconds of its first call, seconds of that spent compiling), result checked."""
    case, operation = cell.lookup()
    dtype = np.dtype(cell.dtype)
    call = operation.inputs(cell.dim, cell.batch, dtype, seed)
    thunk = case.setup(operation.name, cell.impl, cell.threads)(call, cell.dim, dtype)
    with _compile_seconds() as compiling:
        start = time.perf_counter()
        output = thunk()
        seconds = time.perf_counter() - start
    own_noise = operation.noise is not None and cell.impl not in ("python", "numba")
    if cell.impl != "python":  # the reference itself
        check(case, operation, output, call, cell.dim, dtype, own_noise=own_noise)
    return thunk, seconds, sum(compiling)


@contextmanager
def _compile_seconds() -> Iterator[list[float]]:
    seconds: list[float] = []

    def note(duration: Any) -> None:
        seconds.append(float(duration))

    with event.install_timer("numba:compile", note):
        yield seconds
