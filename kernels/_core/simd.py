"""Vectors of 64 bytes as values of jitted code: 8 float64 or 16 float32, each lane rounded as written.

Whether LLVM makes vector or scalar code of a loop depends on the trip count: a row of 32 entries may go
through its scalar remainder, and be rounded differently. Code written with these does the same for every
length, the last block filled up with zeros. `a + b`, `-`, `*`, `/`, unary `-`, `<`, `>`, `>>`, `<<` take two
vectors, or a vector and a number. For functions of `jit_exact`: fast-math would reorder. On machines with
shorter vectors LLVM splits them.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.numpy_support import as_dtype

from seqgap.kernels._core import llvm
from seqgap.kernels._core.compiler import generated, intrinsic, overload
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.llvm import VECTOR_BYTES, Vector, common, vector_of, widened


def _operator(python: Any, build: Callable[..., Any], compares: bool = False) -> None:
    """Let jitted code use `python` on vectors: build(builder, is_float, left, right)."""

    @intrinsic
    def apply(typing_context: Any, a: Any, b: Any) -> Any:
        operand = common(a, b)
        if operand is None:
            return None
        is_float = isinstance(operand.element, types.Float)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return build(builder, is_float, *widened(builder, arguments, (a, b)))

        return (operand.of(types.boolean) if compares else operand)(a, b), codegen

    @overload(python)
    def choose(a: Any, b: Any) -> Any:
        def call(a: Any, b: Any) -> Any:
            return apply(a, b)

        return call if isinstance(a, Vector) or isinstance(b, Vector) else None


_operator(operator.add, lambda b, real, x, y: b.fadd(x, y) if real else b.add(x, y))
_operator(operator.sub, lambda b, real, x, y: b.fsub(x, y) if real else b.sub(x, y))
_operator(operator.mul, lambda b, real, x, y: b.fmul(x, y) if real else b.mul(x, y))
_operator(operator.truediv, lambda b, real, x, y: b.fdiv(x, y))
_operator(operator.lshift, lambda b, real, x, y: b.shl(x, y))
_operator(operator.rshift, lambda b, real, x, y: b.ashr(x, y))
_operator(operator.lt, lambda b, real, x, y: b.fcmp_ordered("<", x, y), compares=True)
_operator(operator.gt, lambda b, real, x, y: b.fcmp_ordered(">", x, y), compares=True)


@intrinsic
def _negated(typing_context: Any, a: Any) -> Any:
    return a(a), lambda context, builder, signature, arguments: builder.fneg(arguments[0])


@overload(operator.neg)
def _neg(a: Any) -> Any:
    def call(a: Any) -> Any:
        return _negated(a)

    return call if isinstance(a, Vector) else None


@intrinsic
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c with one rounding, for floats of one type and vectors of them."""
    return _of_llvm("fma", a, b, c)


@intrinsic
def magnitude(typing_context: Any, a: Any) -> Any:
    """|a| of a float, or of each lane."""
    return _of_llvm("fabs", a)


@intrinsic
def with_sign(typing_context: Any, a: Any, b: Any) -> Any:
    """|a| with the sign of b."""
    return _of_llvm("copysign", a, b)


@intrinsic
def square_root(typing_context: Any, a: Any) -> Any:
    """The square root of a float, or of each lane."""
    return _of_llvm("sqrt", a)


@intrinsic
def nearest(typing_context: Any, a: Any) -> Any:
    """The integer nearest to a float, or to each lane; halves to even."""
    return _of_llvm("rint", a)


def _of_llvm(name: str, *operands: Any) -> Any:
    """What an intrinsic returns that is LLVM's function `name` of floats of one type, or vectors of them."""
    result = common(*operands)
    if not isinstance(getattr(result, "element", result), types.Float):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = widened(builder, arguments, operands)
        type_ = values[0].type
        return llvm.call(builder, f"llvm.{name}.{llvm.float_name(type_)}", type_, values)

    return result(*operands), codegen


@intrinsic
def select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where `condition` holds, else b; all three scalars, or lane by lane."""
    result = common(a, b)
    if isinstance(condition, Vector) and not isinstance(result, Vector):
        result = condition.of(result)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*widened(builder, arguments, (condition, a, b)))

    return result(condition, a, b), codegen


@intrinsic
def bits_of(typing_context: Any, a: Any) -> Any:
    """The bits of a float as a signed integer of its size, or of a vector's lanes."""
    integer = {32: types.int32, 64: types.int64}[getattr(a, "element", a).bitwidth]
    result = a.of(integer) if isinstance(a, Vector) else integer

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(result))

    return result(a), codegen


@intrinsic
def from_bits(typing_context: Any, bits: Any, like: Any) -> Any:
    """The float of the type of `like` that has these bits; undoes `bits_of`.

    Numba makes a sum of two int32 an int64: what is too wide is cut.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        if not isinstance(like, Vector) and bits.bitwidth > like.bitwidth:
            value = builder.trunc(value, ir.IntType(like.bitwidth))
        return builder.bitcast(value, context.get_value_type(like))

    return like(bits, like), codegen


@intrinsic
def to_float(typing_context: Any, integer: Any, like: Any) -> Any:
    """A signed integer, or a vector of them, in the float type of `like`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sitofp(arguments[0], context.get_value_type(like))

    return like(integer, like), codegen


@jit_exact
def scratch(rows: Any, columns: Any, like: Any) -> Any:
    """An array (rows, columns) of the dtype of `like` that starts at a multiple of 64 bytes.

    Elsewhere every load of a vector may touch two cache lines, which takes up to twice as long.
    """
    flat = np.empty(rows * columns + VECTOR_BYTES, like.dtype)
    skipped = (-flat.ctypes.data % VECTOR_BYTES) // flat.itemsize
    return flat[skipped : skipped + rows * columns].reshape(rows, columns)


@generated
def lanes(array: Any) -> Any:
    """How many entries of `array` a vector holds."""
    count = vector_of(array.dtype).lanes

    def call(array: Any) -> Any:
        return count

    return call


@generated
def number(like: Any, value: Any) -> Any:
    """`value` in the type of `like`: of its entries or lanes, if it is an array, an address or a vector."""
    convert = as_dtype(getattr(like, "element", getattr(like, "dtype", like))).type

    def call(like: Any, value: Any) -> Any:
        return convert(value)

    return call


@intrinsic
def filled(typing_context: Any, array: Any, value: Any) -> Any:
    """A vector of the dtype of `array`, all lanes `value`, which is of that dtype."""
    result = vector_of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return llvm.splat(builder, arguments[1], result.lanes)

    return result(array, value), codegen


@intrinsic
def load(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """Entries index, index + 1, ... of a C-contiguous array, counted through all its rows.

    count: None for all lanes; else only that many are read, and the other lanes are 0.
    """
    result = vector_of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(result)
        address = llvm.element_pointer(context, builder, array, arguments[0], arguments[1], vector)
        number = None if isinstance(count, types.NoneType) else arguments[2]
        return llvm.load_vector(builder, address, vector, array.dtype.bitwidth // 8, number)

    return result(array, types.intp, count), codegen


@intrinsic
def store(typing_context: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the lanes of `value` to entries index, index + 1, ...: all, or the first `count` only."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[2].type
        address = llvm.element_pointer(context, builder, array, arguments[0], arguments[1], vector)
        number = None if isinstance(count, types.NoneType) else arguments[3]
        llvm.store_vector(builder, arguments[2], address, array.dtype.bitwidth // 8, number)
        return context.get_dummy_value()

    return types.void(array, types.intp, value, count), codegen


@intrinsic
def gather(typing_context: Any, array: Any, indices: Any) -> Any:
    """Entries of a C-contiguous array, counted through all its rows, by a vector of as many int64."""
    result = indices.of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        return llvm.gather_vector(builder, data, arguments[1], array.dtype.bitwidth // 8)

    return result(array, indices), codegen


@intrinsic
def sum_lanes(typing_context: Any, a: Any) -> Any:
    """The lanes summed: halves added to halves until one number is left."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        while value.type.count > 1:
            half = value.type.count // 2
            low, high = (llvm.shuffled(builder, value, value, range(i, i + half)) for i in (0, half))
            value = builder.fadd(low, high)
        return llvm.lane(builder, value, 0)

    return a.element(a), codegen
