"""Vectors of 64 bytes as values of jitted code: 8 float64 or 16 float32, each lane rounded as written.

What the vectoriser makes of a loop hangs on the length of the loop: a row of 32 entries may go
through its scalar remainder. Code written with these does the same for every length, the last block
filled up with zeros. `a + b`, `-`, `*`, `/`, unary `-`, `<`, `>`, `>>`, `<<` take two vectors, or a vector
and a number. For jitted code only, and for kernels compiled by `jit_exact`: fast-math would reorder.
On machines with shorter vectors LLVM splits them.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from seqgap.kernels._core.jit import jit_exact

_BITS = 512


class Vector(types.Type):  # type: ignore[misc]  # numba is not followed for types
    """`lanes` values of one Numba type; boolean for masks."""

    def __init__(self, element: Any, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        super().__init__(f"vector({lanes} x {element})")

    def of(self, element: Any) -> "Vector":
        """As many lanes of another type."""
        return Vector(element, self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]  # numba is not followed for types
    def __init__(self, manager: Any, kind: Any) -> None:
        element = manager[kind.element].get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, kind.lanes))


def vector_of(element: Any) -> Vector:
    """The type of 64 bytes of an element type."""
    return Vector(element, _BITS // element.bitwidth)


def splat(builder: Any, scalar: Any, count: int) -> Any:
    """An LLVM vector with `scalar` in all lanes."""
    kind = ir.VectorType(scalar.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)


def widened(builder: Any, values: Any, kinds: Any) -> list[Any]:
    """LLVM values made vectors where any of them is one."""
    count = max(getattr(kind, "lanes", 0) for kind in kinds)
    pairs = zip(values, kinds, strict=True)
    return [v if isinstance(k, Vector) or not count else splat(builder, v, count) for v, k in pairs]


def common(*kinds: Any) -> Any:
    """The type of an operation on these floats or integers and vectors of them; None where none fits."""
    vectors = {kind for kind in kinds if isinstance(kind, Vector)}
    elements = {getattr(kind, "element", kind) for kind in kinds}
    if len(elements) != 1 or len(vectors) > 1:
        return None
    return vectors.pop() if vectors else elements.pop()


def _operator(python: Any, build: Callable[..., Any], compares: bool = False) -> None:
    """Let jitted code use `python` on vectors: build(builder, is_float, left, right)."""

    @intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
    def apply(typing_context: Any, a: Any, b: Any) -> Any:
        kind = common(a, b)
        if kind is None:
            return None
        is_float = isinstance(kind.element, types.Float)

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return build(builder, is_float, *widened(builder, arguments, (a, b)))

        return (kind.of(types.boolean) if compares else kind)(a, b), codegen

    @overload(python)  # type: ignore[untyped-decorator]  # numba is not followed for types
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


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def _negated(typing_context: Any, a: Any) -> Any:
    return a(a), lambda context, builder, signature, arguments: builder.fneg(arguments[0])


@overload(operator.neg)  # type: ignore[untyped-decorator]  # numba is not followed for types
def _neg(a: Any) -> Any:
    def call(a: Any) -> Any:
        return _negated(a)

    return call if isinstance(a, Vector) else None


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c with one rounding, for floats of one type and vectors of them."""
    kind = common(a, b, c)
    if not isinstance(getattr(kind, "element", kind), types.Float):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call_fma(builder, *widened(builder, arguments, (a, b, c)))

    return kind(a, b, c), codegen


def call_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """The fused multiply-add of three LLVM values of one type."""
    if not isinstance(a.type, ir.VectorType):
        return builder.fma(a, b, c)
    bits = {"float": "f32", "double": "f64"}[str(a.type.element)]
    name = f"llvm.fma.v{a.type.count}{bits}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(a.type, [a.type] * 3), name)
    return builder.call(function, (a, b, c))


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def select(typing_context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where `condition` holds, else b; all three scalars, or lane by lane."""
    kind = common(a, b)
    if isinstance(condition, Vector) and not isinstance(kind, Vector):
        kind = condition.of(kind)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chosen, *values = widened(builder, arguments, (condition, a, b))
        return builder.select(chosen, *values)

    return kind(condition, a, b), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def bits_of(typing_context: Any, a: Any) -> Any:
    """The bits of a float as a signed integer of its size, or of a vector's lanes."""
    integer = {32: types.int32, 64: types.int64}[getattr(a, "element", a).bitwidth]
    wanted = a.of(integer) if isinstance(a, Vector) else integer

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(wanted))

    return wanted(a), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def from_bits(typing_context: Any, bits: Any, like: Any) -> Any:
    """The float of the type of `like` that has these bits; undoes `bits_of`.

    Numba makes a sum of two int32 an int64: what is too wide is cut.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, wanted = arguments[0], context.get_value_type(like)
        if not isinstance(like, Vector) and bits.bitwidth > like.bitwidth:
            value = builder.trunc(value, ir.IntType(like.bitwidth))
        return builder.bitcast(value, wanted)

    return like(bits, like), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def to_float(typing_context: Any, integer: Any, like: Any) -> Any:
    """A signed integer, or a vector of them, in the float type of `like`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.sitofp(arguments[0], context.get_value_type(like))

    return like(integer, like), codegen


def _call_llvm(name: str, *kinds: Any) -> Any:
    """What an intrinsic returns that is LLVM's function `name` of floats of one type, or vectors of them."""
    kind = common(*kinds)
    if kind is None:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = widened(builder, arguments, kinds)
        bits = getattr(kind, "element", kind).bitwidth
        full = f"llvm.{name}.v{kind.lanes}f{bits}" if isinstance(kind, Vector) else f"llvm.{name}.f{bits}"
        shape = ir.FunctionType(values[0].type, [value.type for value in values])
        return builder.call(cgutils.get_or_insert_function(builder.module, shape, full), values)

    return kind(*kinds), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def magnitude(typing_context: Any, a: Any) -> Any:
    """|a| of a float, or of each lane."""
    return _call_llvm("fabs", a)


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def with_sign(typing_context: Any, a: Any, b: Any) -> Any:
    """|a| with the sign of b."""
    return _call_llvm("copysign", a, b)


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def square_root(typing_context: Any, a: Any) -> Any:
    """The square root of a float, or of each lane."""
    return _call_llvm("sqrt", a)


@jit_exact
def scratch(rows: Any, columns: Any, like: Any) -> Any:
    """An array (rows, columns) of the dtype of `like` that starts at a multiple of 64 bytes.

    Elsewhere every load of a vector may touch two cache lines, which takes up to twice as long.
    """
    flat = np.empty(rows * columns + _BITS // 8, like.dtype)
    skipped = (-flat.ctypes.data % (_BITS // 8)) // flat.itemsize
    return flat[skipped : skipped + rows * columns].reshape(rows, columns)


def lanes(array: Any) -> Any:
    """How many entries of `array` a vector holds."""
    raise TypeError("lanes is for jitted code only")


@overload(lanes)  # type: ignore[untyped-decorator]  # numba is not followed for types
def _lanes(array: Any) -> Any:
    count = _BITS // array.dtype.bitwidth

    def call(array: Any) -> Any:
        return count

    return call


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def filled(typing_context: Any, array: Any, value: Any) -> Any:
    """A vector of the dtype of `array`, all lanes `value`, which is of that dtype."""
    kind = vector_of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, arguments[1], kind.lanes)

    return kind(array, value), codegen


def element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    """The address of entry `index` of a C-contiguous array, as a pointer to `kind`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def load(typing_context: Any, array: Any, index: Any, count: Any) -> Any:
    """Entries index, index + 1, ... of a C-contiguous array, counted through all its rows.

    count: None for all lanes; else only that many are read, and the other lanes are 0.
    """
    kind = vector_of(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(kind)
        place = element_pointer(context, builder, array, arguments[0], arguments[1], vector)
        number = None if isinstance(count, types.NoneType) else arguments[2]
        return load_llvm(builder, place, vector, array.dtype.bitwidth // 8, number)

    return kind(array, types.intp, count), codegen


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def store(typing_context: Any, array: Any, index: Any, value: Any, count: Any) -> Any:
    """Write the lanes of `value` to entries index, index + 1, ...: all, or the first `count` only."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = element_pointer(context, builder, array, arguments[0], arguments[1], arguments[2].type)
        number = None if isinstance(count, types.NoneType) else arguments[3]
        store_llvm(builder, arguments[2], place, array.dtype.bitwidth // 8, number)
        return context.get_dummy_value()

    return types.void(array, types.intp, value, count), codegen


def load_llvm(builder: Any, place: Any, vector: Any, align: int, count: Any) -> Any:
    """A vector from memory, only its first `count` lanes where that is not None."""
    if count is None:
        return builder.load(place, align=align, typ=vector)
    mask, zeros = _first_lanes(builder, count, vector.count), ir.Constant(vector, [0.0] * vector.count)
    return _masked(builder, "load", vector, vector, [place, ir.IntType(32)(align), mask, zeros])


def store_llvm(builder: Any, value: Any, place: Any, align: int, count: Any) -> None:
    """A vector to memory, only its first `count` lanes where that is not None."""
    if count is None:
        builder.store(value, place, align=align)
        return
    mask = _first_lanes(builder, count, value.type.count)
    _masked(builder, "store", value.type, ir.VoidType(), [value, place, ir.IntType(32)(align), mask])


def _first_lanes(builder: Any, count: Any, number: int) -> Any:
    numbers = ir.Constant(ir.VectorType(count.type, number), list(range(number)))
    return builder.icmp_signed("<", numbers, splat(builder, count, number))


def _masked(builder: Any, name: str, vector: Any, result: Any, arguments: list[Any]) -> Any:
    """Call llvm.masked.load or llvm.masked.store for an LLVM vector type."""
    bits = {"float": "f32", "double": "f64"}[str(vector.element)]
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    full = f"llvm.masked.{name}.v{vector.count}{bits}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), arguments)


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def sum_lanes(typing_context: Any, a: Any) -> Any:
    """The lanes summed: halves added to halves until one number is left."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        while value.type.count > 1:
            half = value.type.count // 2
            low, high = (_part(builder, value, start, half) for start in (0, half))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.IntType(32)(0))

    return a.element(a), codegen


def _part(builder: Any, value: Any, start: int, count: int) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(start, start + count)))
    return builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)
