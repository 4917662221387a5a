"""Rows of a batch: in parts on several threads, and in chunks through one kernel after another.

A row kernel is a jitted `rows(lo, hi, *arrays)` that does rows lo to hi - 1 of a batch. That of a flow is
`rows(lo, hi, source, target, log_det, *arrays)`; a `Step` is one with its arrays. Results do not depend on
how a batch is cut.
"""

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit, jit_exact, threads_available
from seqgap.kernels._core.philox import fill

# Elements of a batch that are worth a thread of their own: to wake one takes 50 microseconds.
WORTH_LIGHT = 131072  # a coupling takes 0.25 to 0.5 ns for each
WORTH_HEAVY = 32768  # normals take 1.5 to 2.5 ns for each, networks more
TOGETHER = 64  # rows that kernels take side by side at most: parts and chunks are multiples of it
_CHUNK = 524288  # bytes of a scratch array, that it stays in a second-level cache
_TURNS = 8  # parts for each thread
_LOG_2_PI = math.log(2 * math.pi)
_STREAM = np.uint32(0)  # of the normals that samples are made of


class RowsError(ValueError):
    """Some rows of a batch cannot be done. rows: their numbers in the batch that the user passed."""

    def __init__(self, reason: str, rows: Array) -> None:
        super().__init__(reason, rows)
        self.reason, self.rows = reason, rows

    def __str__(self) -> str:
        numbers, more = ", ".join(map(str, self.rows[:8])), len(self.rows) - 8
        return f"{self.reason} rows {numbers}{f' and {more} others' if more > 0 else ''}"


@contextlib.contextmanager
def part_from(row: int) -> Iterator[None]:
    """Of a part of a batch that starts at a row: its errors name the rows of the batch."""
    try:
        yield
    except RowsError as error:
        raise RowsError(error.reason, error.rows + row) from None


@functools.cache
def _pool() -> ThreadPoolExecutor:
    """Threads, kept since to start one takes 90 microseconds; a forked child has none."""
    return ThreadPoolExecutor(threads_available())


os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parts(
    work: Callable[[int, int], None], threads: int, shape: tuple[int, ...], worth: int,
    together: int = TOGETHER,
) -> None:  # fmt: skip
    """work(lo, hi) for all rows of a batch of this shape, in parts that at most `threads` threads take.

    Each thread has `worth` elements at least. A thread that slept is slow at first, so parts are smaller than
    its share; they are multiples of `together` rows. An error in any part is raised.
    """
    count, dim = shape
    workers = min(threads, count * dim // worth)
    if workers < 2:
        work(0, count)
        return
    size = max(count // (_TURNS * workers), worth // (2 * dim), 1)
    parts = range(0, count, -(-size // together) * together)
    starts, outcomes = iter(parts), SimpleQueue[BaseException | None]()

    def take_turns() -> None:
        for lo in starts:
            outcomes.put(_outcome(work, lo, min(lo + parts.step, count)))

    with contextlib.suppress(RuntimeError):  # no thread can be had, as where the interpreter ends
        for _ in range(min(workers, len(parts)) - 1):
            _pool().submit(take_turns)
    take_turns()
    for error in [outcomes.get() for _ in parts]:
        if error is not None:
            raise error


def _outcome(work: Callable[[int, int], None], lo: int, hi: int) -> BaseException | None:
    """The error that work(lo, hi) ends in, if it does: the caller raises it when all parts are done."""
    try:
        work(lo, hi)
    except BaseException as error:  # also KeyboardInterrupt: nobody writes once it is raised
        return error
    return None


class RowKernel:
    """Runs `rows(lo, hi, *arrays)` over a batch.

    worth: elements that are worth a thread. together: every lo is a multiple of it.
    """

    def __init__(self, rows: Callable[..., Any], worth: int = WORTH_LIGHT, together: int = TOGETHER) -> None:
        self.rows = rows
        self._worth, self._together = worth, together

    def __call__(self, threads: int, count: int, dim: int, *arrays: Any) -> None:
        """Do rows 0 to count - 1 of width `dim` on at most `threads` threads."""
        if threads == 1:
            self.rows(0, count, *arrays)
        else:
            shape, together = (count, dim), self._together
            in_parts(lambda lo, hi: self.rows(lo, hi, *arrays), threads, shape, self._worth, together)


class SharedRows:
    """A row kernel that gives several threads parts of a single row."""

    def __call__(self, lo: int, hi: int, *arrays: Any) -> None:
        """Rows lo to hi - 1 on this thread."""
        raise NotImplementedError

    def on_threads(self, threads: int, *arrays: Any) -> None:
        """All rows on at most so many."""
        raise NotImplementedError

    def forgetting(self, threads: int, source: Array, *arrays: Any) -> Any:
        """What it took to make a single row in parts."""
        raise NotImplementedError


class FewRowKernel(NamedTuple):
    """A kernel for batches smaller than the lanes of a vector, which does its rows one by one.

    rows(lo, hi, source, target, log_det, scored, *arrays): if scored, log_det has log N(target; 0, I) added,
    since one more call would take as long as a row. most(*arrays): for how many rows it is faster than the
    usual kernel with these arrays.
    """

    rows: Callable[..., Any]
    most: Callable[..., int]


class FewRows(NamedTuple):
    """Those of both directions, with the arrays packed(*arrays). A row has the same bits by either kernel."""

    packed: Callable[..., tuple[Any, ...]]
    forward: FewRowKernel
    inverse: FewRowKernel

    def swapped(self) -> "FewRows":
        """Those of the inverse."""
        return FewRows(self.packed, self.inverse, self.forward)


class Step(NamedTuple):
    """A row kernel of a flow with its checked arrays, and that for few rows where there is one.

    tables: of a step whose rows have contexts, what its kernels need of an array (B, C) of them; before such
    a step runs it takes `of_contexts`.
    """

    rows: Callable[..., Any]
    arrays: tuple[Any, ...]
    worth: int = WORTH_LIGHT
    together: int = TOGETHER  # rows: parts of a batch are multiples of so many
    most: int = -1  # rows that `few` takes
    few: Callable[..., Any] | None = None  # as the rows of a `FewRowKernel`
    few_arrays: tuple[Any, ...] = ()
    tables: Callable[[Array], tuple[Any, ...]] | None = None
    unscored: Callable[..., Any] | None = None  # as rows, but log_det is left out

    def drawing(self) -> "Step":
        """The step for samples, whose log_det nobody reads."""
        return self if self.unscored is None else self._replace(rows=self.unscored)

    def of_contexts(self, contexts: Array, index: Array) -> "Step":
        """The step for rows that have contexts[index]; index: (N,), or (1,) for all rows."""
        return self if self.tables is None else self.with_lookup((*self.tables(contexts), index))

    def with_lookup(self, lookup: tuple[Any, ...]) -> "Step":
        """The step with what its kernels need of contexts."""
        return self._replace(
            arrays=(*self.arrays, lookup), few_arrays=(*self.few_arrays, lookup), tables=None
        )

    def with_few(self, kernel: FewRowKernel, arrays: tuple[Any, ...]) -> "Step":
        """The step with a kernel for few rows."""
        return self._replace(most=kernel.most(*self.arrays), few=kernel.rows, few_arrays=arrays)

    def __call__(self, source: Array, target: Array, log_det: Array) -> None:
        """Write target and log_det."""
        count = len(source)
        if self.few is None or count > self.most:
            self.rows(0, count, source, target, log_det, *self.arrays)
        else:
            self.few(0, count, source, target, log_det, False, *self.few_arrays)

    def score(self, source: Array, target: Array, density: Array) -> None:
        """Write target and the log density of source."""
        count = len(source)
        if self.few is None or count > self.most:
            self.rows(0, count, source, target, density, *self.arrays)
            add_base(target, density)
        else:
            self.few(0, count, source, target, density, True, *self.few_arrays)


@jit_exact
def _scaled_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, factor: Any) -> None:
    """target = factor source; log_det = 0, since nobody reads it."""
    isolate()
    scale = source.dtype.type(factor)
    for n in range(lo, hi):
        log_det[n] = 0
        for j in range(source.shape[1]):
            target[n, j] = scale * source[n, j]


def tempered(steps: Sequence[Step], temperature: float) -> Sequence[Step]:
    """The steps for samples, with noise of this deviation."""
    return steps if temperature == 1 else (Step(_scaled_rows, (temperature,)), *steps)


def transform(steps: Sequence[Step], source: Array, target: Array, log_det: Array, threads: int) -> None:
    """The steps one after another, from source to target; log_det is the sum of theirs."""
    if threads == 1:
        _run(steps, source, target, log_det)
        return
    if len(steps) == 1 and isinstance(steps[0].rows, SharedRows):
        steps[0].rows.on_threads(threads, source, target, log_det, *steps[0].arrays)
        return

    def part(lo: int, hi: int) -> None:
        with part_from(lo):
            _run(steps, source[lo:hi], target[lo:hi], log_det[lo:hi])

    in_parts(part, threads, source.shape, *_cut(steps))


def score(steps: Sequence[Step], x: Array, density: Array, threads: int) -> None:
    """density = log N(z; 0, I) + log_det of the z that the steps make of x."""
    if threads == 1:
        _score(steps, x, density)
        return

    def part(lo: int, hi: int) -> None:
        with part_from(lo):
            _score(steps, x[lo:hi], density[lo:hi])

    in_parts(part, threads, x.shape, *_cut(steps))


def _score(steps: Sequence[Step], x: Array, density: Array) -> None:
    if len(steps) == 1 and x.nbytes <= _CHUNK:  # views of everything take longer than a kernel for one row
        steps[0].score(x, np.empty(x.shape, x.dtype), density)
        return
    z = np.empty((chunk_rows(x), x.shape[1]), x.dtype)
    for lo, hi, latent in _chunks(len(x), z):
        total = density[lo:hi]
        with part_from(lo):
            _run(steps, x[lo:hi], latent, total)
        add_base(latent, total)


def draw(steps: Sequence[Step], x: Array, key: np.uint64, first_row: np.int64, threads: int) -> None:
    """x = what the steps make of the normals of a key, from row first_row on."""
    if threads == 1:
        _draw(steps, x, key, first_row)
        return

    def part(lo: int, hi: int) -> None:
        with part_from(lo):
            _draw(steps, x[lo:hi], key, first_row + lo)

    worth, together = _cut(steps)
    in_parts(part, threads, x.shape, min(worth, WORTH_HEAVY), together)


def _draw(steps: Sequence[Step], x: Array, key: np.uint64, first_row: np.int64) -> None:
    size = chunk_rows(x)
    z = np.empty((size, x.shape[1]), x.dtype)
    log_det = np.empty(size, x.dtype)
    if size == len(x):
        normal_rows(0, size, z, first_row, key, _STREAM)
        _run(steps, z, x, log_det)
        return
    for lo, hi, latent in _chunks(len(x), z):
        normal_rows(0, hi - lo, latent, first_row + lo, key, _STREAM)
        with part_from(lo):
            _run(steps, latent, x[lo:hi], log_det[: hi - lo])


def _run(steps: Sequence[Step], source: Array, target: Array, log_det: Array) -> None:
    """On this thread; several steps take a chunk through all of them while it is in the cache."""
    if len(steps) == 1:
        steps[0](source, target, log_det)
        return
    size = chunk_rows(source)
    scratch, added = np.empty((2, size, source.shape[1]), source.dtype), np.empty(size, source.dtype)
    if size == len(source):  # views of everything take longer than a kernel for a few rows
        _run_chunk(steps, source, target, log_det, (*scratch, added))
        return
    for lo in range(0, len(source), size):
        rows, some = slice(lo, lo + size), slice(min(size, len(source) - lo))
        spare = scratch[0, some], scratch[1, some], added[some]
        with part_from(lo):
            _run_chunk(steps, source[rows], target[rows], log_det[rows], spare)


def _run_chunk(
    steps: Sequence[Step], source: Array, target: Array, log_det: Array, spare: tuple[Array, Array, Array]
) -> None:
    """spare: two arrays like target, and one like log_det."""
    added, last = spare[2], len(steps) - 1
    for index, step in enumerate(steps):
        result = target if index == last else spare[index % 2]
        step(source, result, added if index else log_det)
        if index:
            log_det += added
        source = result


def _cut(steps: Sequence[Step]) -> tuple[int, int]:
    """What a thread is worth, and of how many rows parts are multiples."""
    return min(step.worth for step in steps), max(step.together for step in steps)


def chunk_rows(batch: Array) -> int:
    """How many rows of a batch go through all steps at a time."""
    rows, dim = int(batch.shape[0]), int(batch.shape[1])
    if batch.nbytes <= _CHUNK:
        return rows
    return min(rows, TOGETHER * max(1, _CHUNK // (TOGETHER * dim * batch.itemsize)))


def _chunks(count: int, scratch: Array) -> Iterator[tuple[int, int, Array]]:
    """(first row, last + 1, that much of a scratch array) for rows 0 to count - 1, a scratch at a time."""
    size = len(scratch)
    for lo in range(0, count, max(1, size)):
        hi = min(lo + size, count)
        yield lo, hi, scratch if hi - lo == size else scratch[: hi - lo]


@jit_exact
def normal_rows(lo: Any, hi: Any, out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """Rows lo to hi - 1 of `out` become rows first_row + lo, ... of a stream of normals."""
    isolate()
    fill(out[lo:hi], first_row + lo, seed, stream)


@jit
def add_base(z: Any, log_det: Any) -> None:
    """log_det += log N(z; 0, I) of each row."""
    isolate()
    half, constant = z.dtype.type(0.5), z.dtype.type(0.5 * _LOG_2_PI * z.shape[1])
    for n in range(z.shape[0]):
        squares = z.dtype.type(0)
        for d in range(z.shape[1]):
            squares += z[n, d] * z[n, d]
        log_det[n] -= half * squares + constant
