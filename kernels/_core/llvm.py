"""LLVM code that intrinsics are made of: vectors of 64 bytes, loads and stores of a part, multiply-adds."""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

VECTOR_BYTES = 64
INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


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
    def __init__(self, manager: Any, vector: Any) -> None:
        element = manager[vector.element].get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def vector_of(element: Any) -> Vector:
    """The type of 64 bytes of an element type."""
    return Vector(element, 8 * VECTOR_BYTES // element.bitwidth)


def common(*operands: Any) -> Any:
    """The type of an operation on these floats or integers and vectors of them; None where none fits."""
    vectors = {type_ for type_ in operands if isinstance(type_, Vector)}
    elements = {getattr(type_, "element", type_) for type_ in operands}
    if len(elements) != 1 or len(vectors) > 1:
        return None
    return vectors.pop() if vectors else elements.pop()


def shuffled(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    """The lanes of these numbers, counted through a and then b."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_LANE, len(lanes)), list(lanes)))


def splat(builder: Any, scalar: Any, count: int) -> Any:
    """A vector with `scalar` in all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    first = builder.insert_element(undefined, scalar, _LANE(0))
    return shuffled(builder, first, undefined, [0] * count)


def lane(builder: Any, vector: Any, index: int) -> Any:
    """The value in one lane."""
    return builder.extract_element(vector, _LANE(index))


def widened(builder: Any, values: Any, operands: Any) -> list[Any]:
    """Values of Numba types made vectors where any of them is one."""
    count = max(getattr(type_, "lanes", 0) for type_ in operands)
    pairs = zip(values, operands, strict=True)
    return [v if isinstance(t, Vector) or not count else splat(builder, v, count) for v, t in pairs]


def float_name(type_: Any) -> str:
    """How LLVM's functions name a float type, or a vector of floats: f64, v8f64."""
    if isinstance(type_, ir.VectorType):
        return f"v{type_.count}{float_name(type_.element)}"
    return {"float": "f32", "double": "f64"}[str(type_)]


def call(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    """Call a function of LLVM's own."""
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def call_fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """The fused multiply-add of three values of one type."""
    return call(builder, f"llvm.fma.{float_name(a.type)}", a.type, (a, b, c))


def element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, target: Any) -> Any:
    """The address of entry `index` of a C-contiguous array, as a pointer to the type `target`."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), target.as_pointer())


def load_vector(builder: Any, address: Any, vector: Any, align: int, count: Any) -> Any:
    """A vector from memory, only its first `count` lanes where that is not None; 0 in the others."""
    if count is None:
        return builder.load(address, align=align, typ=vector)
    mask, zeros = first_lanes(builder, count, vector.count), ir.Constant(vector, [0.0] * vector.count)
    name = f"llvm.masked.load.{float_name(vector)}.p0"
    return call(builder, name, vector, (address, _LANE(align), mask, zeros))


def gather_vector(builder: Any, base: Any, indices: Any, size: int) -> Any:
    """The numbers of `size` bytes that lie so many entries after an address, for a vector of int64."""
    count = indices.type.count
    start = splat(builder, builder.ptrtoint(base, INDEX), count)
    offsets = builder.mul(indices, splat(builder, INDEX(size), count))
    addresses = builder.inttoptr(builder.add(start, offsets), ir.VectorType(base.type, count))
    vector = ir.VectorType(base.type.pointee, count)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(1), count), [1] * count)
    nothing = ir.Constant(vector, ir.Undefined)
    name = f"llvm.masked.gather.{float_name(vector)}.v{count}p0"
    return call(builder, name, vector, (addresses, _LANE(size), everywhere, nothing))


def store_vector(builder: Any, value: Any, address: Any, align: int, count: Any) -> None:
    """A vector to memory, only its first `count` lanes where that is not None."""
    if count is None:
        builder.store(value, address, align=align)
        return
    mask = first_lanes(builder, count, value.type.count)
    name = f"llvm.masked.store.{float_name(value.type)}.p0"
    call(builder, name, ir.VoidType(), (value, address, _LANE(align), mask))


def first_lanes(builder: Any, count: Any, lanes: int) -> Any:
    """A mask of the first `count` lanes."""
    numbers = ir.Constant(ir.VectorType(count.type, lanes), list(range(lanes)))
    return builder.icmp_signed("<", numbers, splat(builder, count, lanes))
