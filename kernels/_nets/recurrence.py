"""Linear recurrences in vectors, along a row or across rows.

Along a row, 64 bytes at a time (L entries), by scattered look-ahead: as (1 - a B - b B^2)(1 + a B - b B^2)
= 1 - (a^2 + 2b) B^2 + b^2 B^4, B the step back, log2(L) stages v_t + a_s v_{t-s} - b_s v_{t-2s},
s = 1, 2, 4, ..., leave x_t = a_L x_{t-L} + b_L x_{t-2L} + v_t, in which all lanes go at once. Its poles
are the L-th powers of the poles of the process, so it is stable where that is. Parhi and
Messerschmitt, "Pipeline interleaving and parallelism in recursive digital filters" (1989).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from seqgap.kernels._core.compiler import intrinsic, literal_intrinsic
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.llvm import INDEX, call_fma, shuffled, splat, vector_of
from seqgap.kernels._core.tiles import Rows


@jit_exact
def look_ahead(a: Any, b: Any, width: Any) -> Any:
    """(a_s, b_s) for s = 1, 2, 4, ..., width, one pair a row, float64."""
    stages = 1
    while 1 << (stages - 1) < width:
        stages += 1
    pairs = np.empty((stages, 2))
    for stage in range(stages):
        pairs[stage, 0], pairs[stage, 1] = a, b
        a, b = a * a + 2 * b, -b * b
    return pairs


@intrinsic
def no_history(typing_context: Any, array: Any) -> Any:
    """The state that `ahead` starts from: zeros, a vector for each stage."""
    vector = vector_of(array.dtype)
    stages = vector.lanes.bit_length() - 1

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = ir.Constant(context.get_value_type(vector), [0.0] * vector.lanes)
        return context.make_tuple(builder, signature.return_type, [zeros] * stages)

    return types.UniTuple(vector, stages)(array), codegen


def _spread(context: Any, builder: Any, array_type: Any, array: Any, lanes: int) -> Callable[[int], Any]:
    """entry(index): that entry of an array, in all lanes of a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    return lambda index: splat(builder, builder.load(builder.gep(data, [INDEX(index)])), lanes)


@literal_intrinsic
def ahead(typing_context: Any, v: Any, state: Any, pairs: Any, order: Any) -> Any:
    """(what the stages make of the vector v, next state); order: a literal, 1 (all b are 0) or 2."""
    if not isinstance(order, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, before, table, _ = arguments
        factor, after = _spread(context, builder, pairs, table, v.lanes), []
        for stage in range(len(state)):
            previous, current, lag = builder.extract_value(before, stage), value, 1 << stage
            after.append(current)
            value = call_fma(builder, factor(2 * stage), _lagged(builder, previous, current, lag), value)
            if order.literal_value == 2:
                far = builder.fneg(_lagged(builder, previous, current, 2 * lag))
                value = call_fma(builder, factor(2 * stage + 1), far, value)
        return context.make_tuple(
            builder, signature.return_type, [value, context.make_tuple(builder, state, after)]
        )

    return types.Tuple((v, state))(v, state, pairs, order), codegen


def _lagged(builder: Any, previous: Any, current: Any, lag: int) -> Any:
    """The entries `lag` before those of `current`, which follow those of `previous`."""
    count = current.type.count
    return shuffled(builder, previous, current, range(count - lag, 2 * count - lag))


@literal_intrinsic
def recur_rows(
    typing_context: Any, source: Any, target: Any, start: Any, last: Any, count: Any,
    coefficients: Any, affine: Any, history: Any, order: Any,
) -> Any:  # fmt: skip
    """L steps of L rows at once: x_t = c_1 x_{t-1} + (c_2 x_{t-2} + (scale z_t + bias)), each an fma.

    start, last, count: as in `gather_rows`. history: (x_{t-1}, x_{t-2}) before the first step; those
    after the last are returned. order: a literal, 1 or 2. The rows never leave the registers.
    """
    if not isinstance(order, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source_value, target_value, *block, factors, pair, before, _ = arguments
        read = Rows(context, builder, source, source_value, block, count)
        write = Rows(context, builder, target, target_value, block, count)
        lanes = read.vector.count
        bias, scale = map(_spread(context, builder, affine, pair, lanes), (0, 1))
        weights = list(
            map(_spread(context, builder, coefficients, factors, lanes), range(order.literal_value))
        )
        first, second = (builder.extract_value(before, index) for index in (0, 1))
        steps = []
        for z in read.columns():
            value = call_fma(builder, scale, z, bias)
            if len(weights) == 2:
                value = call_fma(builder, weights[1], second, value)
            first, second = call_fma(builder, weights[0], first, value), first
            steps.append(first)
        write.write(steps)
        return context.make_tuple(builder, signature.return_type, [first, second])

    intp = types.intp
    return history(source, target, intp, intp, count, coefficients, affine, history, order), codegen
