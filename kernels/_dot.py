"""Dot products of one weight row with one or four rows, in an order of additions fixed here.

Left to the vectoriser, the order would depend on how many rows a loop handles, and the bits of a row
on where it falls in a batch. For jitted code only.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_VECTOR_BYTES = 64


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]  # numba is not followed for types
def dots(typing_context: Any, weights: Any, rows: Any, first: Any, lines: Any, count: Any) -> Any:
    """The sums over k < count of weights[k] * rows[first + r, k], for r < lines (a literal).

    weights: 1-D, rows: 2-D, both C-contiguous of one float type. Whole vectors of 64 bytes go in
    turn to two vector sums, which are halved into one number; what is left over follows one by one,
    so that in a recurrence the newest entry comes last, off a short chain.
    """
    if not isinstance(lines, types.IntegerLiteral):
        return None
    number = lines.literal_value
    element = weights.dtype

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights_value, rows_value, first_row, _, length = arguments
        scalar = context.get_value_type(element)
        lanes = _VECTOR_BYTES * 8 // element.bitwidth
        vector = ir.VectorType(scalar, lanes)
        fused = {kind: _fma_function(builder, kind) for kind in (scalar, vector)}
        row_array = context.make_array(signature.args[1])(context, builder, rows_value)
        dim = builder.extract_value(row_array.shape, 1)
        bases = [context.make_array(signature.args[0])(context, builder, weights_value).data]
        for line in range(number):
            row = builder.add(first_row, first_row.type(line))
            bases.append(builder.gep(row_array.data, [builder.mul(row, dim)]))

        def load(base: Any, index: Any, kind: Any) -> Any:
            pointer = builder.bitcast(builder.gep(base, [index]), kind.as_pointer())
            return builder.load(pointer, align=element.bitwidth // 8, typ=kind)

        def accumulate(sums: Any, index: Any, kind: Any) -> None:
            weight = load(bases[0], index, kind)
            for total, base in zip(sums, bases[1:], strict=True):
                terms = [weight, load(base, index, kind), builder.load(total)]
                builder.store(builder.call(fused[kind], terms), total)

        def zeros(kind: Any) -> Any:
            return [cgutils.alloca_once(builder, kind) for _ in range(number)]

        even, odd, total = zeros(vector), zeros(vector), zeros(scalar)
        for slot in even + odd:
            builder.store(ir.Constant(vector, [0.0] * lanes), slot)
        step = length.type(lanes)
        pairs = builder.udiv(length, length.type(2 * lanes))
        with cgutils.for_range(builder, pairs) as loop:
            index = builder.mul(loop.index, length.type(2 * lanes))
            accumulate(even, index, vector)
            accumulate(odd, builder.add(index, step), vector)
        done = builder.mul(pairs, length.type(2 * lanes))
        with builder.if_then(builder.icmp_unsigned(">=", builder.sub(length, done), step)):
            accumulate(even, done, vector)
        for left, right, slot in zip(even, odd, total, strict=True):
            both = builder.fadd(builder.load(left), builder.load(right))
            builder.store(_sum_lanes(builder, both, lanes), slot)
        whole = builder.mul(builder.udiv(length, step), step)
        with cgutils.for_range(builder, builder.sub(length, whole)) as loop:
            accumulate(total, builder.add(whole, loop.index), scalar)
        return context.make_tuple(builder, signature.return_type, [builder.load(s) for s in total])

    result = types.UniTuple(element, number)
    return result(weights, rows, types.intp, lines, types.intp), codegen


def _fma_function(builder: Any, kind: Any) -> Any:
    bits = {"float": "f32", "double": "f64"}
    lanes, element = (kind.count, kind.element) if isinstance(kind, ir.VectorType) else (0, kind)
    name = f"llvm.fma.{f'v{lanes}' if lanes else ''}{bits[str(element)]}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


def _sum_lanes(builder: Any, value: Any, lanes: int) -> Any:
    """Halves added to halves until one number is left."""
    while lanes > 1:
        lanes //= 2
        undefined = ir.Constant(value.type, ir.Undefined)
        mask = ir.VectorType(ir.IntType(32), lanes)
        low, high = (
            builder.shuffle_vector(value, undefined, ir.Constant(mask, list(part)))
            for part in (range(lanes), range(lanes, 2 * lanes))
        )
        value = builder.fadd(low, high)
    return builder.extract_element(value, ir.IntType(32)(0))
