"""Products of a matrix with the rows of a batch that lie side by side in lanes.

Functions here take addresses, not arrays: a call that passes an array costs as much as 50 products. A
tile has `pitch` entries in each row, one to four vectors of the batch; entry k of a batch row is in row k
of the tile. Each sum is one chain of fused multiply-adds that starts at the bias and takes the columns in
their order, however many rows or vectors go together: so a row has the same bits in any batch.
"""

from typing import Any

from numba import literally, types
from numba.core import cgutils

from seqgap.kernels._core.compiler import intrinsic, literal_intrinsic
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import INDEX, VECTOR_BYTES, call_fma, element_pointer, splat, vector_of
from seqgap.kernels._core.simd import filled, lanes


@intrinsic
def address(typing_context: Any, array: Any, index: Any) -> Any:
    """The address of entry `index` of a C-contiguous array, counted through all its rows."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = context.get_data_type(array.dtype)
        return element_pointer(context, builder, array, arguments[0], arguments[1], element)

    return types.CPointer(array.dtype)(array, types.intp), codegen


@intrinsic
def moved(typing_context: Any, base: Any, count: Any) -> Any:
    """The address `count` entries further on; None of None."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        none = isinstance(base, types.NoneType)
        return arguments[0] if none else builder.gep(arguments[0], [arguments[1]])

    return base(base, types.intp), codegen


@intrinsic
def entry(typing_context: Any, base: Any, index: Any) -> Any:
    """The number `index` entries after an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.gep(arguments[0], [arguments[1]]))

    return base.dtype(base, types.intp), codegen


@intrinsic
def put(typing_context: Any, base: Any, index: Any, value: Any) -> Any:
    """Write the number `index` entries after an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], builder.gep(arguments[0], [arguments[1]]))
        return context.get_dummy_value()

    return types.void(base, types.intp, base.dtype), codegen


def _vector_at(builder: Any, base: Any, index: Any, vector: Any) -> Any:
    return builder.bitcast(builder.gep(base, [index]), vector.as_pointer())


@intrinsic
def read(typing_context: Any, base: Any, index: Any) -> Any:
    """The vector that starts `index` entries after an address."""
    result = vector_of(base.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset = arguments
        vector = context.get_value_type(result)
        align = base.dtype.bitwidth // 8
        return builder.load(_vector_at(builder, start, offset, vector), align=align, typ=vector)

    return result(base, types.intp), codegen


@intrinsic
def write(typing_context: Any, base: Any, index: Any, value: Any) -> Any:
    """Undo `read`, where a vector of a tile starts."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset, vector = arguments
        builder.store(vector, _vector_at(builder, start, offset, vector.type), align=VECTOR_BYTES)
        return context.get_dummy_value()

    return types.void(base, types.intp, value), codegen


@jit_inline
def spread(base: Any, index: Any) -> Any:
    """The number `index` entries after an address, in all lanes."""
    return filled(base, entry(base, index))


def _row_of_vectors(builder: Any, base: Any, row: Any, across: int, vector: Any) -> list[Any]:
    """The addresses of so many vectors that are a row of a tile."""
    start = builder.mul(row, INDEX(across * vector.count))
    offsets = (builder.add(start, INDEX(v * vector.count)) for v in range(across))
    return [_vector_at(builder, base, offset, vector) for offset in offsets]


@literal_intrinsic
def _add_products(
    typing_context: Any, weight: Any, width: Any, bias: Any, source: Any, bounds: Any, result: Any,
    rows: Any, vectors: Any,
) -> Any:  # fmt: skip
    """result[r] = initial + sum of weight[r * width + k] source[k], bounds[0] <= k < bounds[1], for r < rows.

    initial: bias[r], or with None for the bias result[r] as it is. rows, vectors: literals; source and result
    have rows of so many vectors.
    """
    if not all(isinstance(literal, types.IntegerLiteral) for literal in (rows, vectors)):
        return None
    lines, across = rows.literal_value, vectors.literal_value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, line, shifts, features, limits, sums = arguments[:6]
        vector = context.get_value_type(vector_of(weight.dtype))

        def loaded(base: Any, row: Any) -> list[Any]:
            targets = _row_of_vectors(builder, base, row, across, vector)
            return [builder.load(a, align=VECTOR_BYTES, typ=vector) for a in targets]

        def initial(row: int) -> list[Any]:
            if isinstance(bias, types.NoneType):
                return loaded(sums, INDEX(row))
            number = builder.load(builder.gep(shifts, [INDEX(row)]))
            return [splat(builder, number, vector.count)] * across

        starts = [builder.gep(factors, [builder.mul(line, INDEX(r))]) for r in range(lines)]
        slots = [[cgutils.alloca_once_value(builder, value) for value in initial(r)] for r in range(lines)]
        first, last = cgutils.unpack_tuple(builder, limits)
        with cgutils.for_range_slice(builder, first, last, INDEX(1), INDEX) as (k, _):
            values = loaded(features, k)
            for begin, row in zip(starts, slots, strict=True):
                factor = splat(builder, builder.load(builder.gep(begin, [k])), vector.count)
                for value, slot in zip(values, row, strict=True):
                    builder.store(call_fma(builder, factor, value, builder.load(slot)), slot)
        for r, row in enumerate(slots):
            targets = _row_of_vectors(builder, sums, INDEX(r), across, vector)
            for slot, target in zip(row, targets, strict=True):
                builder.store(builder.load(slot), target, align=VECTOR_BYTES)
        return context.get_dummy_value()

    intp = types.intp
    bounds_of = types.UniTuple(intp, 2)
    return types.void(weight, intp, bias, source, bounds_of, result, rows, vectors), codegen


def _product(vectors: int) -> Any:
    """`product` for tiles of so many vectors."""

    @jit_exact
    def product(
        weight: Any, width: Any, bias: Any, ends: Any, source: Any, result: Any, pitch: Any, count: Any
    ) -> None:
        isolate()
        r = 0
        while r < count:
            left = count - r
            rows = 4 if left > 3 else (2 if left > 1 else 1)
            lines, sums, shifts = moved(weight, r * width), moved(result, r * pitch), moved(bias, r)
            shortest = entry(ends, r)
            common = (0, shortest)
            if rows == 4:
                _add_products(lines, width, shifts, source, common, sums, 4, literally(vectors))
            elif rows == 2:
                _add_products(lines, width, shifts, source, common, sums, 2, literally(vectors))
            else:
                _add_products(lines, width, shifts, source, common, sums, 1, literally(vectors))
            for j in range(1, rows):
                end = entry(ends, r + j)
                if end > shortest:
                    line, total = moved(lines, j * width), moved(sums, j * pitch)
                    _add_products(line, width, None, source, (shortest, end), total, 1, literally(vectors))
            r += rows

    return product


@jit_exact
def add_product(weight: Any, width: Any, source: Any, result: Any, pitch: Any, count: Any) -> None:
    """result[r] += sum of weight[r, k] source[k] for r < count, on tiles of four vectors."""
    isolate()
    r = 0
    while r < count:
        lines, sums = moved(weight, r * width), moved(result, r * pitch)
        if count - r > 3:
            _add_products(lines, width, None, source, (0, width), sums, 4, 4)
            r += 4
        else:
            _add_products(lines, width, None, source, (0, width), sums, 1, 4)
            r += 1


_one, _two, _four = (_product(vectors) for vectors in (1, 2, 4))


@jit_exact
def product(
    weight: Any, width: Any, bias: Any, ends: Any, source: Any, result: Any, pitch: Any, count: Any
) -> None:
    """result[r] = bias[r] + sum over k < ends[r] of weight[r, k] source[k], for r < count.

    weight: rows of `width`; bias: None for what is in the result; ends: ascending; source, result: tiles of
    one, two or four vectors.
    """
    vectors = pitch // lanes(result)
    if vectors == 4:
        _four(weight, width, bias, ends, source, result, pitch, count)
    elif vectors == 2:
        _two(weight, width, bias, ends, source, result, pitch, count)
    else:
        _one(weight, width, bias, ends, source, result, pitch, count)
