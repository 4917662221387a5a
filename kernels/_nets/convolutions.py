"""Convolutions of one image, its channels side by side in lanes.

An image lies pixel by pixel with a border around it, and each pixel holds its channels: so the taps of a
filter are constant distances in memory. A block of pixels times a few vectors of output channels stays in
registers while all taps and input channels are added, each sum as one chain of fused multiply-adds from the
bias on. So a number has the same bits whatever the blocks are.
"""

from typing import Any

from numba import literally, types
from numba.core import cgutils

from seqgap.kernels._core.compiler import intrinsic, literal_intrinsic
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import (
    INDEX,
    VECTOR_BYTES,
    call_fma,
    first_lanes,
    splat,
    store_vector,
    vector_of,
)
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
    typing_context: Any, weight: Any, bias: Any, filters: Any, origin: Any, places: Any, result: Any,
    vectors: Any, pixels: Any,
) -> Any:  # fmt: skip
    """Sums of a block: so many vectors of channels at each of so many pixels, both literals.

    filters: (address of the taps' distances, how many, input channels, 1 for ReLU, 1 to add to what is in the
    result). origin, result: (address, entries of a pixel). places: numbers of the pixels.
    """
    if not all(isinstance(literal, types.IntegerLiteral) for literal in (vectors, pixels)):
        return None
    across, count = vectors.literal_value, pixels.literal_value

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, shifts, layer, source, numbers, sums = arguments[:6]
        distances, tap_count, channels, rectified, added = cgutils.unpack_tuple(builder, layer)[:5]
        (start, pitch), (end, line) = (cgutils.unpack_tuple(builder, pair) for pair in (source, sums))
        vector = context.get_value_type(vector_of(weight.dtype))
        align = weight.dtype.bitwidth // 8

        def vectors_at(base: Any) -> list[Any]:
            parts = (builder.gep(base, [INDEX(v * vector.count)]) for v in range(across))
            return [builder.bitcast(part, vector.as_pointer()) for part in parts]

        def loaded(base: Any) -> list[Any]:
            return [builder.load(part, align=align, typ=vector) for part in vectors_at(base)]

        where = [builder.load(builder.gep(numbers, [INDEX(p)])) for p in range(count)]
        inputs = [builder.gep(start, [builder.mul(number, pitch)]) for number in where]
        results = [builder.gep(end, [builder.mul(number, line)]) for number in where]
        adds = builder.icmp_signed("!=", added, INDEX(0))
        starts = [builder.select(adds, target, shifts) for target in results]
        slots = [[cgutils.alloca_once_value(builder, value) for value in loaded(base)] for base in starts]
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
        for base, row in zip(results, slots, strict=True):
            targets = vectors_at(base)
            for slot, target in zip(row, targets, strict=True):
                value = builder.load(slot)
                below = builder.fcmp_ordered("<", value, zero)  # NaN stays NaN
                kept = builder.select(below, zero, value)
                builder.store(builder.select(positive, kept, value), target, align=VECTOR_BYTES)
        return context.get_dummy_value()

    index = types.CPointer(types.int64)
    filters_of = types.Tuple((index, *[types.intp] * 6))
    buffer = types.Tuple((weight, types.intp))
    return types.void(weight, weight, filters_of, buffer, index, buffer, vectors, pixels), codegen


def _blocks(vectors: int, pixels: int) -> Any:
    """Sums of blocks of so many vectors of outputs and pixels, as far as whole ones go."""

    @jit_inline
    def blocks(layer: Any, filters: Any, origin: Any, places: Any, result: Any, first: Any) -> Any:
        """From pixel `first` on; the pixel after the last."""
        (weight, bias), (numbers, count) = layer, places
        p = first
        while p + pixels <= count:
            _add_taps(
                weight, bias, filters, origin, moved(numbers, p), result, literally(vectors),
                literally(pixels),
            )  # fmt: skip
            p += pixels
        return p

    return blocks


_four_by_four, _four_by_one = _blocks(4, 4), _blocks(4, 1)
_two_by_eight, _two_by_four, _two_by_one = (_blocks(2, pixels) for pixels in (8, 4, 1))
_one_by_eight, _one_by_four, _one_by_one = (_blocks(1, pixels) for pixels in (8, 4, 1))


@jit_exact
def convolve(
    weight: Any, bias: Any, filters: Any, origin: Any, places: Any, result: Any, vectors: Any, wide: Any
) -> None:
    """result[p] = bias + sum over taps t, channels c of weight[t, c] source[p + t, c], for so many vectors.

    weight: (taps, channels, outputs) for each block of 4, 2 or 1 vectors of outputs, those of 1 alone unless
    `wide`. filters, origin, result: as those of `_add_taps`, filters also with the first tap to take and how
    many weight has. places: (numbers of pixels, how many).
    """
    isolate()
    line, at = filters[2] * lanes(bias), 0  # numbers of a tap for a vector
    first, taps = filters[5], filters[6]
    while at < vectors:
        left = vectors - at
        across = 1 if wide == 0 or left == 1 else (2 if left < 4 else 4)
        layer = moved(weight, (at * taps + across * first) * line), moved(bias, at * lanes(bias))
        target = moved(result[0], at * lanes(bias)), result[1]
        if across == 1:
            p = _one_by_eight(layer, filters, origin, places, target, 0) if wide else 0
            p = _one_by_four(layer, filters, origin, places, target, p)
            _one_by_one(layer, filters, origin, places, target, p)
        elif across == 2:
            p = _two_by_eight(layer, filters, origin, places, target, 0)
            p = _two_by_four(layer, filters, origin, places, target, p)
            _two_by_one(layer, filters, origin, places, target, p)
        else:
            p = _four_by_four(layer, filters, origin, places, target, 0)
            _four_by_one(layer, filters, origin, places, target, p)
        at += across
