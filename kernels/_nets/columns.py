"""Products of a matrix with one row of a batch, the units side by side in lanes.

The weights are transposed: the column of input k holds its weights to all units, padded to whole vectors.
Each sum is the chain of fused multiply-adds of `dense`: from the bias on, the inputs in their order. So a row
has the same bits here and there.
"""

from typing import Any

from numba import types
from numba.core import cgutils

from seqgap.kernels._core.compiler import literal_intrinsic
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import INDEX, call_fma, load_vector, splat, vector_of
from seqgap.kernels._core.simd import filled, fma, lanes, number, select
from seqgap.kernels._nets.dense import entry, moved, read, spread, write


@literal_intrinsic
def _add_columns(
    typing_context: Any, weight: Any, pitch: Any, source: Any, bounds: Any, ends: Any, sums: Any, vectors: Any
) -> Any:
    """sums[u] += sum of weight[k * pitch + u] source[k], bounds[0] <= k < bounds[1], for so many vectors.

    ends: None, or for each unit the k, as a float, from which on it takes no more.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        return None
    number, masked = vectors.literal_value, not isinstance(ends, types.NoneType)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, stride, features, limits, stops, totals = arguments[:6]
        vector = context.get_value_type(vector_of(weight.dtype))
        align = weight.dtype.bitwidth // 8

        def addresses(base: Any) -> list[Any]:
            starts = (builder.gep(base, [INDEX(v * vector.count)]) for v in range(number))
            return [builder.bitcast(start, vector.as_pointer()) for start in starts]

        def loaded(base: Any) -> list[Any]:
            return [load_vector(builder, address, vector, align, None) for address in addresses(base)]

        slots = [cgutils.alloca_once_value(builder, value) for value in loaded(totals)]
        limits_of_units = loaded(stops) if masked else []
        first, last = cgutils.unpack_tuple(builder, limits)
        with cgutils.for_range_slice(builder, first, last, INDEX(1), INDEX) as (k, _):
            value = splat(builder, builder.load(builder.gep(features, [k])), vector.count)
            column = loaded(builder.gep(factors, [builder.mul(k, stride)]))
            number_of_k = builder.sitofp(k, vector.element) if masked else None
            for index, (slot, factor) in enumerate(zip(slots, column, strict=True)):
                before = builder.load(slot)
                after = call_fma(builder, factor, value, before)
                if masked:
                    # Not a weight of 0: times an infinite input it would be NaN.
                    at = splat(builder, number_of_k, vector.count)
                    seen = builder.fcmp_ordered("<", at, limits_of_units[index])
                    after = builder.select(seen, after, before)
                builder.store(after, slot)
        for slot, address in zip(slots, addresses(totals), strict=True):
            builder.store(builder.load(slot), address, align=align)
        return context.get_dummy_value()

    bounds_of = types.UniTuple(types.intp, 2)
    return types.void(weight, types.intp, source, bounds_of, ends, sums, vectors), codegen


@jit_inline
def add_columns(weight: Any, pitch: Any, bounds: Any, source: Any, ends: Any, sums: Any, count: Any) -> None:
    """sums[u] += sum of weight[k * pitch + u] source[k] over bounds[0] <= k < min(bounds[1], ends[u]).

    u < count, a multiple of the lanes; ends: ascending, as floats.
    """
    if bounds[1] - bounds[0] < 3:
        for k in range(bounds[0], bounds[1]):
            _add_column(moved(weight, k * pitch), k, spread(source, k), ends, sums, count)
    else:
        _add_blocks(weight, pitch, bounds, source, ends, sums, count)


@jit_exact
def add_all_columns(weight: Any, pitch: Any, inputs: Any, source: Any, sums: Any, count: Any) -> None:
    """sums[u] += sum of weight[k * pitch + u] source[k] over k < inputs; u < count, whole vectors."""
    isolate()
    at, width = 0, lanes(sums)
    while at < count:
        left = (count - at) // width
        vectors = 4 if left > 3 else (2 if left > 1 else 1)
        lines, totals = moved(weight, at), moved(sums, at)
        if vectors == 4:
            _add_columns(lines, pitch, source, (0, inputs), None, totals, 4)
        elif vectors == 2:
            _add_columns(lines, pitch, source, (0, inputs), None, totals, 2)
        else:
            _add_columns(lines, pitch, source, (0, inputs), None, totals, 1)
        at += vectors * width


@jit_inline
def _add_column(column: Any, k: Any, value: Any, ends: Any, sums: Any, count: Any) -> None:
    """Input k alone: nothing is worth a block of registers."""
    at, step, unseen = 0, lanes(sums), number(sums, k)
    while at < count and entry(ends, at) <= unseen:
        total = read(sums, at)
        after = fma(read(column, at), value, total)
        write(sums, at, select(filled(sums, unseen) < read(ends, at), after, total))
        at += step
    for v in range(at, count, step):
        write(sums, v, fma(read(column, v), value, read(sums, v)))


@jit_exact
def _add_blocks(weight: Any, pitch: Any, bounds: Any, source: Any, ends: Any, sums: Any, count: Any) -> None:
    isolate()
    at, width = 0, lanes(sums)
    while at < count:
        left = (count - at) // width
        vectors = 4 if left > 3 else (2 if left > 1 else 1)
        block = vectors * width
        first, last = bounds
        common = max(first, min(last, int(entry(ends, at))))  # all units of the block see what comes before
        last = min(last, int(entry(ends, at + block - 1)))
        lines, limits, totals = moved(weight, at), moved(ends, at), moved(sums, at)
        if vectors == 4:
            _add_columns(lines, pitch, source, (first, common), None, totals, 4)
            if last > common:
                _add_columns(lines, pitch, source, (common, last), limits, totals, 4)
        elif vectors == 2:
            _add_columns(lines, pitch, source, (first, common), None, totals, 2)
            if last > common:
                _add_columns(lines, pitch, source, (common, last), limits, totals, 2)
        else:
            _add_columns(lines, pitch, source, (first, common), None, totals, 1)
            if last > common:
                _add_columns(lines, pitch, source, (common, last), limits, totals, 1)
        at += block
