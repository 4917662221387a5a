"""Samples within bounds: rows that are outside are drawn again, each by itself.

A sample of a posterior has to lie within the bounds of the prior. Each row takes the first of its own tries
that does, so one context of small acceptance costs its own tries alone. Rows that are left try twice as often
at once in each round, so that there are few rounds and at most as many idle tries as needed ones.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core import rows as rows_
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.contexts import Contexts, Noise, pieces
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import Step

_TRY = 2**40  # rows from one try of a row to its next
_MOST_TRIES = 2**22
_AT_ONCE = 2**14  # rows that are tried at once, about


class Within(NamedTuple):
    """Bounds, and how often a row is tried."""

    low: Array  # (D,), float64: a bound that is rounded is another one
    high: Array  # (D,)
    tries: int
    dtype: np.dtype[Any]  # of the rows

    @property
    def dim(self) -> int:
        """D."""
        return len(self.low)

    @classmethod
    def of(cls, low: Any, high: Any, dim: int, dtype: np.dtype[Any], tries: Any) -> "Within":
        """Checked. Raises TypeError or ValueError, naming low, high or max_tries."""
        bounds = list[Array]()
        for name, value in (("low", low), ("high", high)):
            array = check.floats(name, value, np.ndim(value)).astype(FLOAT64)
            if array.shape not in ((), (dim,)):
                raise ValueError(f"{name}: expected a number or shape ({dim},), got {array.shape}")
            if np.isnan(array).any():
                raise ValueError(f"{name}: expected numbers, got NaN")
            bounds.append(np.ascontiguousarray(np.broadcast_to(array, (dim,))))
        if not (bounds[0] <= bounds[1]).all():
            d = int(np.argmin(bounds[0] <= bounds[1]))
            raise ValueError(f"high: expected at least low, {bounds[0][d]}, got {bounds[1][d]}")
        return cls(bounds[0], bounds[1], check.integer("max_tries", tries, 1, _MOST_TRIES), dtype)

    def holds(self, x: Array) -> Array:
        """(N,) bool: whether rows are within; NaN is not."""
        inside = np.empty(len(x), np.bool_)
        _inside(x, self.low, self.high, inside)
        return inside


def acceptance(tries: Array, most: int, partial: bool) -> Array:
    """(B,), rows within over tries (B, n).

    Raises ValueError naming the contexts where rows are missing, unless partial.
    """
    missing = (tries < 0).sum(-1)
    if not partial and missing.any():
        short = ", ".join(
            f"{tries.shape[1] - missing[b]} of context {b}" for b in np.flatnonzero(missing)[:8]
        )
        more = np.count_nonzero(missing) - 8
        expected = f"{tries.shape[1]} rows within the bounds of each context after {most} tries of each row"
        got = f"{short} and fewer of {more} others" if more > 0 else short
        raise ValueError(f"max_tries: expected {expected}, got {got}")
    rates: Array = (tries.shape[1] - missing) / np.abs(tries).sum(-1)
    return rates


def draw_within(
    steps: Sequence[Step], values: Array | None, rows: Array, noise: Noise, within: Any, threads: int
) -> tuple[Array, Array]:
    """(x (B n, D), tries (B n,)) of rows with numbers (n,) of contexts (B, C), or of one sample for None.

    tries: how many a row took; minus as many as it had where none was within, and the row is NaN. within:
    has `tries`, `dtype`, `dim` and holds(x), which says of rows whether they are within.
    """
    count, many = len(rows), 1 if values is None else len(values)
    x, tries = np.empty((many * count, within.dim), within.dtype), np.ones(many * count, np.int64)
    owners = np.repeat(np.arange(many), count)
    _draw(steps, (values, owners), x, (np.tile(rows, many), noise), threads)
    left, done = np.flatnonzero(~within.holds(x)), 1
    while left.size and done < within.tries:
        often = min(done, within.tries - done, max(1, _AT_ONCE // left.size))
        outside = []
        for lo in range(0, len(left), _AT_ONCE):
            part = left[lo : lo + _AT_ONCE]
            tried = rows[part % count][:, None] + _TRY * (done + np.arange(often))
            drawn = np.empty((len(part) * often, within.dim), x.dtype)
            _draw(steps, (values, np.repeat(part // count, often)), drawn, (tried.ravel(), noise), threads)
            inside = within.holds(drawn).reshape(-1, often)
            first, hit = inside.argmax(1), inside.any(1)
            x[part[hit]] = drawn.reshape(-1, often, within.dim)[hit, first[hit]]
            tries[part] = done + np.where(hit, first + 1, often)
            outside.append(part[~hit])
        left, done = np.concatenate(outside), done + often
    x[left], tries[left] = np.nan, -tries[left]
    return x, tries


def _draw(
    steps: Sequence[Step],
    owners: tuple[Array | None, Array],
    x: Array,
    noise: tuple[Array, Noise],
    threads: int,
) -> None:
    """x = what the steps make of the normals of given rows; owners: contexts (B, C), and which each has."""
    values, index = owners
    rows, (key, _, first) = noise
    streams = (first + index).astype(np.uint32)
    contexts = (
        Contexts(np.empty((1, 0), x.dtype), None, len(x)) if values is None else Contexts(values, index)
    )

    def piece(own: Sequence[Step], part: slice) -> None:
        z = np.empty((part.stop - part.start, x.shape[1]), x.dtype)
        _fill(z, rows[part], streams[part], key)
        rows_.transform(own, z, x[part], np.empty(len(z), x.dtype), 1)

    pieces(piece, steps, contexts, x, threads)


@jit_exact
def _fill(z: Any, rows: Any, streams: Any, key: Any) -> None:
    """z[n] = the normals of a row of a stream; neighbours are filled together."""
    isolate()
    n = 0
    while n < z.shape[0]:
        end = n + 1
        while end < z.shape[0] and streams[end] == streams[n] and rows[end] == rows[n] + end - n:
            end += 1
        fill(z[n:end], rows[n], key, streams[n])
        n = end


@jit_exact
def _inside(x: Any, low: Any, high: Any, inside: Any) -> None:
    isolate()
    for n in range(x.shape[0]):
        within = True
        for d in range(x.shape[1]):
            within &= low[d] <= x[n, d] <= high[d]
        inside[n] = within
