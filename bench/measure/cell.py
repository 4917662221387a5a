"""One cell: set up, call once, check, then time."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numba.core import event
from threadpoolctl import ThreadpoolController

from seqgap.bench.machine.limits import free_memory
from seqgap.bench.measure.gate import check, check_outside
from seqgap.bench.model import arrays, outside
from seqgap.bench.model.case import Thunk
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.script import said
from seqgap.bench.plan.cells import data_bytes, expected_seconds, longest_call
from seqgap.bench.plan.options import Options
from seqgap.bench.results.printable import printable
from seqgap.bench.results.rows import Row
from seqgap.kernels._core.cache import LOADING

Timer = Callable[[Thunk, float], tuple[tuple[float, ...], int]]

_TOO_SLOW = 3  # times the allowed seconds for one call: estimates are rough
_ROUGH = 10  # times what is expected of a call: the largest error of the expectation
_CALLS = 3  # of the warm-up, before a call is believed to take longer
_TIME_SLICE = 0.003  # seconds; threads that take turns on one core take a slice of the scheduler each
_SPARE = 1.5  # times the data of a cell: libraries copy some of it
_BEYOND_NUMPY = ("Maximum allowed dimension exceeded", "array is too big", "maximum supported dimension")
_PARTING = 0.15  # seconds after which the scheduler has long moved one of them to another core


def measure(cell: Cell, options: Options, timer: Timer) -> Row:
    """The row of a cell; timer(thunk, estimate) returns (seconds for one call in each round, iterations).

    The first call compiles and is timed apart. A wrong result, or an error, is reported as failed and
    not timed; a call that takes too long, or that memory is too small for, as skipped.
    """
    try:
        with _limited(cell.threads), _settings(cell):
            return _measured(cell, options, timer)
    except MemoryError as error:  # of a further call
        return _too_large(cell, error)
    except BaseException as error:  # of a further call, or of a library that is missing
        if not (cell.own or isinstance(error, Exception | SystemExit)):
            raise
        return _failed(cell, error)  # no Ctrl-C comes here where own cells are measured


def _settings(cell: Cell) -> AbstractContextManager[None]:
    return arrays.settings_outside(cell.threads) if cell.own else arrays.settings(cell.impl, cell.threads)


@contextmanager
def _limited(threads: int) -> Iterator[None]:
    """BLAS on so many threads; its libraries are looked for again only where a module has been loaded."""
    with _blas(len(sys.modules)).limit(limits=threads, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _blas(loaded: int) -> ThreadpoolController:
    return ThreadpoolController()


def _measured(cell: Cell, options: Options, timer: Timer) -> Row:
    try:
        _refuse_beyond_memory(cell)
        thunk, first = _first_call(cell, options.seed)
    except (Exception, SystemExit) as error:  # one broken implementation must not end a run
        large = isinstance(error, MemoryError) or any(text in said(error) for text in _BEYOND_NUMPY)
        return _too_large(cell, error) if large else _failed(cell, error)
    estimate, longest = first.first_call, longest_call(cell, options)
    if cell.impl != "python" or not options.seconds < estimate < longest:
        expected = expected_seconds(cell)  # of a sampler from outside nothing is
        doubted = max(options.seconds, _ROUGH * expected) if expected else math.inf
        estimate = _warm_up(thunk, options.seconds / 10, cell.threads, doubted)
    if estimate > _TOO_SLOW * longest:
        reason = f"{estimate:.2g} s for one call, too far above {longest:g} s"
        return replace(first, status="skipped", reason=reason, expected=estimate)
    started, wall, cpu = time.time(), time.perf_counter(), time.process_time()
    rounds, iterations = timer(thunk, estimate)
    cpus = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return replace(first, rounds=rounds, iterations=iterations, started=started, cpus=cpus)


def _failed(cell: Cell, error: BaseException) -> Row:
    where = outside.line_in(error) if cell.own else ""
    return Row(cell, "failed", reason=printable(f"{said(error)}{where}"))


def _too_large(cell: Cell, error: BaseException) -> Row:
    size = data_bytes(cell)
    known = f"{size:.0f} bytes of data, too many" if size else "too large"
    reason = printable(f"{known} for the memory: {error}")
    return Row(cell, "skipped", reason=reason.removesuffix(": "), expected=expected_seconds(cell))


def _refuse_beyond_memory(cell: Cell) -> None:
    """MemoryError before the system would kill this process, which is what Linux does when it has no more."""
    free = free_memory()
    if _SPARE * data_bytes(cell) > free:
        raise MemoryError(f"{free:.0f} are free")


def _warm_up(thunk: Thunk, seconds: float, threads: int, doubted: float) -> float:
    """Seconds of the fastest of calls for so long: caches, branch predictors and clocks settle meanwhile.

    Slow plain Python does without, there is nothing to settle; of all others the first call may have compiled
    or started threads. Threads that were asleep often wake up on one core and wait for each other in turns:
    calls of 40 microseconds then take 8 milliseconds each, ten in a row. So they get time to part. Where even
    the fastest call took more than `doubted` there are at least `_CALLS`: one may have lost its core.
    """
    last = fastest = float("inf")
    start = time.perf_counter()
    elapsed, calls = 0.0, 0
    while (
        elapsed < seconds
        or (threads > 1 and last > _TIME_SLICE and elapsed < _PARTING)
        or (fastest > doubted and calls < _CALLS)
    ):
        thunk()
        calls += 1
        last = time.perf_counter() - start - elapsed
        elapsed += last
        fastest = min(fastest, last)
    return fastest


def _first_call(cell: Cell, seed: int) -> tuple[Thunk, Row]:
    """What to time, and a row with the figures of its first call; the result is checked."""
    case, operation = cell.lookup()
    dtype = np.dtype(cell.dtype)
    call = operation.inputs(cell.dim, cell.batch, dtype, seed)
    thunk = case.setup(operation.name, cell.impl, cell.threads)(call, cell.dim, dtype)
    with _seconds_of("numba:compile") as compiling, _seconds_of(LOADING) as loading:
        start = time.perf_counter()
        output = thunk()
        seconds = time.perf_counter() - start
    own_noise = operation.noise is not None and cell.impl in operation.implementations
    if cell.own:
        check_outside(operation, output, call, cell.dim, cell.batch)
    elif cell.impl != "python":  # the reference itself
        check(case, operation, output, call, cell.dim, dtype, own_noise=own_noise)
    return thunk, Row(cell, "ok", first_call=seconds, compile=math.fsum(compiling), load=math.fsum(loading))


@contextmanager
def _seconds_of(kind: str) -> Iterator[list[float]]:
    """The durations of Numba's events of one kind."""
    seconds: list[float] = []
    with event.install_timer(kind, seconds.append):
        yield seconds
