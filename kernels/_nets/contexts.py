"""Contexts of masked networks, as the kernels look them up.

What depends on a context alone is computed once for each (`context_tables`): a row of a table holds the
biases of a context and its gates. The kernels start the sums of some hidden layers there, and multiply what
residual blocks add by its gates. So no weight and no context is copied to rows of the batch.
"""

from typing import Any, NamedTuple

from numba import types

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.simd import lanes
from seqgap.kernels._nets.dense import address, entry, product, put, read, spread, write

WAYS = ("added", "activated", "blocks", "gated")  # that a context enters; context_tables explains them
_BLOCKS, GATED = 2, 3


def entries_of(way: str, depth: int) -> list[int]:
    """The hidden layers of `depth`, counted from 0, whose biases or gates depend on the context."""
    first = {"blocks": 1, "gated": 2}.get(way, depth)
    return [0, *range(first, depth, 2)]


class Lookup(NamedTuple):
    """Which context each row of a batch has."""

    table: Any  # (B, L, T, U): of each context, layer, and hidden layer with an entry; U: H in whole vectors
    way: Any  # its number among WAYS
    index: Any  # (N,) rows of the table, or (1,): that of all rows


class Sums(NamedTuple):
    """The arguments of `dense.product`."""

    weight: Any
    width: Any
    bias: Any
    ends: Any
    source: Any
    result: Any
    pitch: Any
    count: Any


@generated
def context_of(arrays: Any) -> Any:
    """The `Lookup` of a kernel's arrays (layers, network, lookup), or None where there are two."""

    def lookup(arrays: Any) -> Any:
        return Lookup(*arrays[2])

    def nothing(arrays: Any) -> Any:
        return None

    return nothing if len(arrays) == 2 else lookup


@jit_inline
def place_of_biases(way: Any, k: Any) -> Any:
    """Which of the T entries of a layer has the biases of hidden layer k; -1: none."""
    if k == 0:
        return 0
    return (k + 1) // 2 if way == _BLOCKS and k % 2 == 1 else -1


@jit_inline
def row_of(context: Any, n: Any) -> Any:
    """The row of the table for row n of the batch."""
    return context.index[0] if context.index.shape[0] == 1 else context.index[n]


@jit_inline
def look_up(context: Any, n: Any, hi: Any, places: Any) -> None:
    """places[lane]: where a lane's row of the table starts; the last entry: whether that is one for all."""
    if context is not None:
        pitch, size = places.shape[0] - 1, context.table.size // context.table.shape[0]
        same = 1
        for lane in range(pitch):
            places[lane] = row_of(context, min(n + lane, hi - 1)) * size
            same &= places[lane] == places[0]
        places[pitch] = same


@jit_inline
def weigh(context: Any, places: Any, at: Any, sums: Any) -> None:
    """`product`, from the biases of the contexts where there are some; at: (layer, hidden layer, unit)."""
    if context is None:
        product(*sums)
    else:
        place = place_of_biases(context.way, at[1])
        if place < 0:
            product(*sums)
            return
        start, pitch = _entry(context, place, at), sums.pitch
        weight, width, _, ends, source, result, _, count = sums
        if places[pitch]:
            bias = address(context.table, places[0] + start)
            product(weight, width, bias, ends, source, result, pitch, count)
        else:
            bias = address(context.table, start)
            for r in range(count):
                for lane in range(pitch):
                    put(result, r * pitch + lane, entry(bias, places[lane] + r))
            product(weight, width, None, ends, source, result, pitch, count)


@jit_inline
def gate(context: Any, places: Any, at: Any, units: Any, count: Any) -> None:
    """Multiply units of a tile by the gates of the contexts, if hidden layer k > 0 has some."""
    if context is not None:
        k, pitch = at[1], places.shape[0] - 1
        if context.way != GATED or k == 0:
            return
        start = _entry(context, k // 2, at)
        if places[pitch]:
            gates = address(context.table, places[0] + start)
            for r in range(count):
                for v in range(r * pitch, (r + 1) * pitch, lanes(context.table)):
                    write(units, v, read(units, v) * spread(gates, r))
        else:
            gates = address(context.table, start)
            for r in range(count):
                for lane in range(pitch):
                    at_lane = r * pitch + lane
                    put(units, at_lane, entry(units, at_lane) * entry(gates, places[lane] + r))


@jit_inline
def _entry(context: Any, place: Any, at: Any) -> Any:
    """Of a unit in a row of the table."""
    _, _, entries, units = context.table.shape
    return (at[0] * entries + place) * units + at[2]


@generated
def row_context(context: Any, n: Any, layer: Any) -> Any:
    """(address of a layer's entries for row n, U, way), or None; for kernels that take rows one by one."""

    def of_row(context: Any, n: Any, layer: Any) -> Any:
        _, layers, entries, units = context.table.shape
        start = (row_of(context, n) * layers + layer) * entries * units
        return address(context.table, start), units, context.way

    def nothing(context: Any, n: Any, layer: Any) -> Any:
        return None

    return nothing if isinstance(context, types.NoneType) else of_row


@jit_inline
def replace_biases(of_row: Any, depth: Any, sums: Any) -> None:
    """sums (K, U) of a row that start from biases: those of its context where there are some."""
    if of_row is not None:
        entries, units, way = of_row
        for k in range(depth):
            place = place_of_biases(way, k)
            if place >= 0:
                for v in range(0, units, lanes(sums)):
                    write(sums, k * units + v, read(entries, place * units + v))


@jit_inline
def gated(of_row: Any, k: Any, at: Any, value: Any) -> Any:
    """A vector of units of hidden layer k from unit `at` on, times its gates if it has some."""
    if of_row is None:
        return value
    entries, units, way = of_row
    if way == GATED and k > 0:
        return value * read(entries, k // 2 * units + at)
    return value
