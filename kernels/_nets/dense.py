"""Products of a matrix with the rows of a batch that lie side by side in lanes; for jitted code only.

Functions here take addresses, not arrays: a call that passes an array costs as much as 50 products. A
tile has `pitch` entries in each row, one to four vectors of the batch; entry k of a batch row is in row k
of the tile. Each sum is one chain of fused multiply-adds that starts at the bias and takes the columns in
their order, however many rows or vectors go together: so a row has the same bits in any batch.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import literally, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.simd import call_fma, element_pointer, splat, vector_of

_INDEX = ir.IntType(64)
_TILE_ALIGN = 64


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def address(typing_context: Any, array: Any, index: Any) -> Any:
    """The address of entry `index` of a C-contiguous array, counted through all its rows."""
    kind = types.CPointer(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = context.get_data_type(array.dtype)
        return element_pointer(context, builder, array, arguments[0], arguments[1], element)

    return kind(array, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def moved(typing_context: Any, place: Any, count: Any) -> Any:
    """The address `count` entries further on."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return place(place, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def entry(typing_context: Any, place: Any, index: Any) -> Any:
    """The number `index` entries after an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(arguments[0], [arguments[1]]))

    return place.dtype(place, types.intp), codegen


def number(place: Any, value: Any) -> Any:
    """`value` in the type of the numbers at an address."""
    raise TypeError("number is for jitted code only")


@overload(number)  # type: ignore[untyped-decorator]  # numba is not followed for types
def _number(place: Any, value: Any) -> Any:
    real = np.float32 if place.dtype.bitwidth == 32 else np.float64

    def call(place: Any, value: Any) -> Any:
        return real(value)

    return call


def _vector_at(context: Any, builder: Any, place: Any, index: Any, kind: Any) -> tuple[Any, Any]:
    vector = context.get_value_type(kind)
    return builder.bitcast(builder.gep(place, [index]), vector.as_pointer()), vector


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def read(typing_context: Any, place: Any, index: Any) -> Any:
    """The vector of a tile that starts `index` entries after an address."""
    kind = vector_of(place.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, vector = _vector_at(context, builder, arguments[0], arguments[1], kind)
        return builder.load(at, align=_TILE_ALIGN, typ=vector)

    return kind(place, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def write(typing_context: Any, place: Any, index: Any, value: Any) -> Any:
    """Undo `read`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, _ = _vector_at(context, builder, arguments[0], arguments[1], value)
        builder.store(arguments[2], at, align=_TILE_ALIGN)
        return context.get_dummy_value()

    return types.void(place, types.intp, value), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def spread(typing_context: Any, place: Any, index: Any) -> Any:
    """The number `index` entries after an address, in all lanes."""
    kind = vector_of(place.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, builder.load(builder.gep(arguments[0], [arguments[1]])), kind.lanes)

    return kind(place, types.intp), codegen


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is not followed for types
def _add_products(
    typing_context: Any, weight: Any, width: Any, source: Any, start: Any, stop: Any, result: Any,
    rows: Any, vectors: Any,
) -> Any:  # fmt: skip
    """result[r] += sum of weight[r * width + k] source[k], start <= k < stop, for r < rows.

    rows, vectors: literals; source and result have rows of so many vectors.
    """
    if not all(isinstance(kind, types.IntegerLiteral) for kind in (rows, vectors)):
        return None
    kind = vector_of(weight.dtype)
    lines, across = rows.literal_value, vectors.literal_value
    pitch = across * kind.lanes

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, line, known, first, last, sums = arguments[:6]

        def place(base: Any, row: Any, v: int) -> tuple[Any, Any]:
            index = builder.add(builder.mul(row, _INDEX(pitch)), _INDEX(v * kind.lanes))
            return _vector_at(context, builder, base, index, kind)

        def loaded(base: Any, row: Any, v: int) -> Any:
            at, vector = place(base, row, v)
            return builder.load(at, align=_TILE_ALIGN, typ=vector)

        starts = [builder.gep(factors, [builder.mul(line, _INDEX(r))]) for r in range(lines)]
        slots = [
            [cgutils.alloca_once_value(builder, loaded(sums, _INDEX(r), v)) for v in range(across)]
            for r in range(lines)
        ]
        with cgutils.for_range_slice(builder, first, last, _INDEX(1), _INDEX) as (k, _):
            values = [loaded(known, k, v) for v in range(across)]
            for begin, row in zip(starts, slots, strict=True):
                factor = splat(builder, builder.load(builder.gep(begin, [k])), kind.lanes)
                for value, slot in zip(values, row, strict=True):
                    builder.store(call_fma(builder, factor, value, builder.load(slot)), slot)
        for r, row in enumerate(slots):
            for v, slot in enumerate(row):
                builder.store(builder.load(slot), place(sums, _INDEX(r), v)[0], align=_TILE_ALIGN)
        return context.get_dummy_value()

    intp = types.intp
    return types.void(weight, intp, source, intp, intp, result, rows, vectors), codegen


def _product(vectors: int) -> Any:
    """`product` for tiles of so many vectors."""

    @jit_exact
    def product(
        weight: Any, width: Any, bias: Any, ends: Any, source: Any, result: Any, pitch: Any, count: Any
    ) -> None:
        isolate()
        step, r = pitch // vectors, 0
        while r < count:
            left = count - r
            rows = 4 if left > 3 else (2 if left > 1 else 1)
            for j in range(rows):
                start = spread(bias, r + j)
                for v in range(vectors):
                    write(result, (r + j) * pitch + v * step, start)
            lines, sums = moved(weight, r * width), moved(result, r * pitch)
            shortest = entry(ends, r)
            if rows == 4:
                _add_products(lines, width, source, 0, shortest, sums, 4, literally(vectors))
            elif rows == 2:
                _add_products(lines, width, source, 0, shortest, sums, 2, literally(vectors))
            else:
                _add_products(lines, width, source, 0, shortest, sums, 1, literally(vectors))
            for j in range(1, rows):
                end = entry(ends, r + j)
                if end > shortest:
                    line, total = moved(lines, j * width), moved(sums, j * pitch)
                    _add_products(line, width, source, shortest, end, total, 1, literally(vectors))
            r += rows

    return product


_one, _two, _four = (_product(vectors) for vectors in (1, 2, 4))


@jit_exact
def product(
    vectors: Any,
    weight: Any,
    width: Any,
    bias: Any,
    ends: Any,
    source: Any,
    result: Any,
    pitch: Any,
    count: Any,
) -> None:
    """result[r] = bias[r] + sum over k < ends[r] of weight[r, k] source[k], for r < count.

    weight: rows of `width`; ends: ascending; source, result: tiles of one, two or four vectors.
    """
    if vectors == 4:
        _four(weight, width, bias, ends, source, result, pitch, count)
    elif vectors == 2:
        _two(weight, width, bias, ends, source, result, pitch, count)
    else:
        _one(weight, width, bias, ends, source, result, pitch, count)
