"""Convolutions of one image, its channels side by side in lanes.

An image lies pixel by pixel with a border around it, and each pixel holds its channels: so the taps of a
filter are constant distances in memory. A block of pixels times a few vectors of output channels stays in
registers while all taps and input channels are added, each sum as one chain of fused multiply-adds from the
bias on. So a number has the same bits whatever the blocks are.
"""

from typing import Any

from numba import types
from numba.core import cgutils

from seqgap.kernels._core.compiler import intrinsic, literal_intrinsic
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.llvm import INDEX, VECTOR_BYTES, call_fma, first_lanes, splat, store_vector, vector_of
from seqgap.kernels._core.simd import lanes
from seqgap.kernels._nets.dense import moved


@intrinsic
def keep_first(typing_context: Any, value: Any, count: Any) -> Any:
    """The first `count` lanes of a vector, and 0 in the others."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, number = arguments
        nothing = splat(builder, vector.type.element(0.0), vector.type.count)
        return builder.select(first_lanes(builder, number, vector.type.count), vector, nothing)

    return value(value, types.intp), codegen


@intrinsic
def write_first(typing_context: Any, base: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the first `count` lanes of a vector, `index` entries after an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start, offset, vector, number = arguments
        place = builder.bitcast(builder.gep(start, [offset]), vector.type.as_pointer())
        store_vector(builder, vector, place, base.dtype.bitwidth // 8, number)
        return context.get_dummy_value()

    return types.void(base, types.intp, value, types.intp), codegen


@literal_intrinsic
def _add_taps(
    typing_context: Any, weight: Any, bias: Any, taps: Any, source: Any, places: Any, result: Any,
    vectors: Any, pixels: Any,
) -> Any:  # fmt: skip
    """Sums of a block: so many vectors of channels at each of so many pixels, both literals.

    taps: (addresses of their distances, how many, input channels, 1 for ReLU). source, result: (address, entries of
    a pixel). places: numbers of the pixels.
    """
    if not all(isinstance(literal, types.IntegerLiteral) for literal in (vectors, pixels)):
        return None
    across, count = vectors.literal_value, pixels.literal_value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, shifts, filters, origin, numbers, sums = arguments[:6]
        distances, tap_count, channels, rectified = cgutils.unpack_tuple(builder, filters)
        (start, pitch), (end, line) = (cgutils.unpack_tuple(builder, pair) for pair in (origin, sums))
        vector = context.get_value_type(vector_of(weight.dtype))
        align = weight.dtype.bitwidth // 8

        def vectors_at(base: Any) -> list[Any]:
            parts = (builder.gep(base, [INDEX(v * vector.count)]) for v in range(across))
            return [builder.bitcast(part, vector.as_pointer()) for part in parts]

        def loaded(base: Any) -> list[Any]:
            return [builder.load(part, align=align, typ=vector) for part in vectors_at(base)]

        where = [builder.load(builder.gep(numbers, [INDEX(p)])) for p in range(count)]
        inputs = [builder.gep(start, [builder.mul(number, pitch)]) for number in where]
        slots = [[cgutils.alloca_once_value(builder, value) for value in loaded(shifts)] for _ in where]
        step = INDEX(across * vector.count)
        with cgutils.for_range_slice(builder, INDEX(0), tap_count, INDEX(1), INDEX) as (tap, _):
            distance = builder.load(builder.gep(distances, [tap]))
            pixels_there = [builder.gep(base, [distance]) for base in inputs]
            lines = builder.gep(factors, [builder.mul(builder.mul(tap, channels), step)])
            with cgutils.for_range_slice(builder, INDEX(0), channels, INDEX(1), INDEX) as (channel, _):
                column = loaded(builder.gep(lines, [builder.mul(channel, step)]))
                for base, row in zip(pixels_there, slots, strict=True):
                    value = splat(builder, builder.load(builder.gep(base, [channel])), vector.count)
                    for factor, slot in zip(column, row, strict=True):
                        builder.store(call_fma(builder, factor, value, builder.load(slot)), slot)
        positive = builder.icmp_signed("!=", rectified, INDEX(0))
        zero = splat(builder, vector.element(0.0), vector.count)
        for number, row in zip(where, slots, strict=True):
            targets = vectors_at(builder.gep(end, [builder.mul(number, line)]))
            for slot, target in zip(row, targets, strict=True):
                value = builder.load(slot)
                below = builder.fcmp_ordered("<", value, zero)  # NaN stays NaN
                kept = builder.select(below, zero, value)
                builder.store(builder.select(positive, kept, value), target, align=VECTOR_BYTES)
        return context.get_dummy_value()

    index = types.CPointer(types.int64)
    places_of = types.UniTuple(types.intp, 2)
    filters_of = types.Tuple((index, types.intp, types.intp, types.intp))
    buffer = types.Tuple((weight, types.intp))
    return types.void(weight, weight, filters_of, buffer, index, buffer, vectors, pixels), codegen


@jit_exact
def convolve(
    weight: Any, bias: Any, filters: Any, origin: Any, places: Any, result: Any, vectors: Any, wide: Any
) -> None:
    """result[p] = bias + sum over taps t, channels c of weight[t, c] source[p + t, c], so many vectors of outputs.

    weight: in blocks of 4, 2 or 1 vectors of outputs, those of 1 alone unless `wide`: (taps, channels, block). filters:
    as those of `_add_taps`. origin, result: (address, entries of a pixel). places: (numbers of pixels, how many).
    """
    isolate()
    numbers, count = places
    size, at = filters[1] * filters[2] * lanes(bias), 0
    while at < vectors:
        left = vectors - at
        across = 1 if wide == 0 or left == 1 else (2 if left < 4 else 4)
        lines, shifts = moved(weight, at * size), moved(bias, at * lanes(bias))
        target = moved(result[0], at * lanes(bias)), result[1]
        p = 0
        if across == 4:
            while p + 4 <= count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 4, 4)
                p += 4
            while p < count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 4, 1)
                p += 1
        elif across == 2:
            while p + 8 <= count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 2, 8)
                p += 8
            while p + 4 <= count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 2, 4)
                p += 4
            while p < count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 2, 1)
                p += 1
        else:
            while wide != 0 and p + 8 <= count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 1, 8)
                p += 8
            while p + 4 <= count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 1, 4)
                p += 4
            while p < count:
                _add_taps(lines, shifts, filters, origin, moved(numbers, p), target, 1, 1)
                p += 1
        at += across
