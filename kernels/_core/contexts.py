"""Batches whose rows have contexts: cut into pieces, each with the table of the contexts that it has.

A table is made for some hundred contexts at a time, so that it stays in the cache, whatever their number.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core import rows as rows_
from seqgap.kernels._core.check import INT64, Array
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import Step

ALL_ROWS = np.zeros(1, INT64)  # the index of rows that all have one context
_TOGETHER = 512  # contexts whose table is made at once, about


class Contexts(NamedTuple):
    """Contexts of a batch of rows."""

    values: Array  # (B, C)
    rows: Array | None  # (N,), which of them each row has; None: row n has number n // each
    each: int = 1

    def of_rows(self, lo: int, hi: int) -> tuple[Array, Array]:
        """(those that rows lo to hi - 1 have, which of these each has)."""
        if self.rows is not None:
            own, index = np.unique(self.rows[lo:hi], return_inverse=True)
            return self.values[own], index.astype(INT64, copy=False) if len(own) > 1 else ALL_ROWS
        first, last = lo // self.each, -(-hi // self.each)
        index = np.arange(lo, hi) // self.each - first if last - first > 1 else ALL_ROWS
        return self.values[first:last], index

    @property
    def together(self) -> int:
        """Rows of so many contexts that their table stays in the cache."""
        each = self.each if self.rows is None else len(self.rows) // max(1, len(self.values))
        return _TOGETHER * max(1, each)


def contexts_of(value: Any, index: Any, rows: int, columns: int, dtype: np.dtype[Any]) -> Contexts:
    """Checked contexts of the rows of a batch: one (C,), one for each row (N, C), or a table and an index."""
    values = checked(value, columns, dtype)
    if index is not None:
        if np.ndim(value) == 1:
            raise ValueError(f"context: expected a table (B, {columns}) beside an index, got one context")
        numbers = check.integers("index", index, 1)
        if numbers.shape != (rows,):
            raise ValueError(f"index: expected shape ({rows},), one for each row, got {numbers.shape}")
        if rows and not 0 <= numbers.min() <= numbers.max() < len(values):
            came = f"{numbers.min()} to {numbers.max()}"
            raise ValueError(f"index: expected 0 to {len(values) - 1}, rows of context, got {came}")
        return Contexts(values, numbers)
    if np.ndim(value) == 1:
        return Contexts(values, None, max(1, rows))
    if len(values) != rows:
        raise ValueError(f"context: expected {rows} rows, one for each row of the batch, got {len(values)}")
    return Contexts(values, None)


def checked(value: Any, columns: int, dtype: np.dtype[Any]) -> Array:
    """`value`, (C,) or (B, C), as (B, C)."""
    if value is None:
        raise ValueError(f"context: expected shape ({columns},) or (B, {columns}), got None")
    value = check.asarray("context", value)
    array = check.floats("context", value, 2 if value.ndim != 1 else 1)
    if array.shape[-1] != columns:
        expected = f"{columns} columns, the contexts that the flow was made for"
        raise ValueError(f"context: expected {expected}, got shape {array.shape}")
    with np.errstate(over="ignore"):  # a number too large for the dtype is refused below
        rows = np.array(array.reshape(-1, columns), dtype=dtype, order="C", copy=None)
    check.finite("context", rows)
    return check.own(rows)


def transform(
    steps: Sequence[Step], contexts: Contexts, source: Array, target: Array, log_det: Array, threads: int
) -> None:
    """The steps one after another, from source to target; log_det is the sum of theirs."""

    def piece(own: Sequence[Step], rows: slice) -> None:
        rows_.transform(own, source[rows], target[rows], log_det[rows], 1)

    pieces(piece, steps, contexts, source, threads)


def score(steps: Sequence[Step], contexts: Contexts, x: Array, density: Array, threads: int) -> None:
    """density = log N(z; 0, I) + log_det of the z that the steps make of x."""

    def piece(own: Sequence[Step], rows: slice) -> None:
        rows_.score(own, x[rows], density[rows], 1)

    pieces(piece, steps, contexts, x, threads)


def draw(steps: Sequence[Step], contexts: Contexts, x: Array, noise: "Noise", threads: int) -> None:
    """x = what the steps make of normals; the rows of each context are those of a stream of its own."""

    def piece(own: Sequence[Step], rows: slice) -> None:
        z = np.empty((rows.stop - rows.start, x.shape[1]), x.dtype)
        _fill(rows.start, rows.stop, contexts.each, z, noise)
        rows_.transform(own, z, x[rows], np.empty(len(z), x.dtype), 1)

    pieces(piece, steps, contexts, x, threads)


def pieces(
    work: Callable[[Sequence[Step], slice], None], steps: Sequence[Step], contexts: Contexts, batch: Array,
    threads: int,
) -> None:  # fmt: skip
    """work(steps of their contexts, rows) for all rows of a batch, in pieces of so many contexts."""
    size = max(1, min(rows_.chunk_rows(batch), contexts.together))

    def part(lo: int, hi: int) -> None:
        for start in range(lo, hi, size):
            stop = min(start + size, hi)
            values, index = contexts.of_rows(start, stop)
            with rows_.part_from(start):
                work([step.of_contexts(values, index) for step in steps], slice(start, stop))

    if threads == 1:
        part(0, len(batch))
    else:
        rows_.in_parts(part, threads, batch.shape, rows_.WORTH_HEAVY)


def folded(directions: Sequence[Sequence[Step]], context: Array) -> list[tuple[Step, ...]]:
    """Steps whose rows all have one context (C,); both directions share its table."""
    lookups: dict[int, tuple[Any, ...]] = {}

    def fold(step: Step) -> Step:
        if step.tables is None:
            return step
        key = id(step.tables)
        if key not in lookups:
            lookups[key] = *step.tables(context[None]), ALL_ROWS
        return step.with_lookup(lookups[key])

    return [tuple(map(fold, steps)) for steps in directions]


class Noise(NamedTuple):
    """Which normals the rows of contexts are made of."""

    key: np.uint64
    first_row: np.int64  # of each context
    first_context: np.int64  # the stream of the first context


@jit_exact
def _fill(lo: Any, hi: Any, each: Any, z: Any, noise: Any) -> None:
    """z = normals of rows lo to hi - 1, of which `each` are those of a context."""
    isolate()
    n = lo
    while n < hi:
        context = n // each
        stop = min(hi, (context + 1) * each)
        stream, row = np.uint32(noise.first_context + context), noise.first_row + n - context * each
        fill(z[n - lo : stop - lo], row, noise.key, stream)
        n = stop
