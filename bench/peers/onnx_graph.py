"""An ONNX graph, written as array expressions."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.model.engines import Engine

LOG_2_PI = float(np.log(2 * np.pi))
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

_AXIS = np.array([1])
_OPSET, _IR = 18, 9  # of 2022: the engines of several years read them


def _operator(op: str) -> Callable[["Value", Any], "Value"]:
    return lambda self, other: self.graph.add(op, self, other)


def _reflected(op: str) -> Callable[["Value", Any], "Value"]:
    return lambda self, other: self.graph.add(op, other, self)


class Value:
    """A result in a graph: its operators add nodes."""

    __array_ufunc__ = None  # arrays leave their operators to those here

    def __init__(self, graph: "Graph", name: str) -> None:
        self.graph, self.name = graph, name

    __add__, __radd__ = _operator("Add"), _reflected("Add")
    __sub__, __rsub__ = _operator("Sub"), _reflected("Sub")
    __mul__, __rmul__ = _operator("Mul"), _reflected("Mul")
    __truediv__, __rtruediv__ = _operator("Div"), _reflected("Div")
    __lt__, __gt__, __ge__ = _operator("Less"), _operator("Greater"), _operator("GreaterOrEqual")
    __and__ = _operator("And")

    def __neg__(self) -> "Value":
        return self.graph.add("Neg", self)

    def __pow__(self, exponent: int) -> "Value":
        assert exponent == 2
        return self * self


class Graph:
    """Nodes and constants: inputs that are numbers or arrays, in float32 but for arrays of integers or bools.

    It is written for one engine and one shape (N, D) of the batch.
    """

    def __init__(self, engine: Engine, shape: tuple[int, int]) -> None:
        self.rows, self.dim = shape
        self._gathers_columns = engine.gathers_columns or self.rows == 1
        self.fuses_elementwise = engine.fuses_elementwise
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names = (f"v{count}" for count in itertools.count())

    def add(self, op: str, *inputs: Any, **attributes: Any) -> Value:
        """The result of an operator."""
        return self.split(1, op, *inputs, **attributes)[0]

    def split(self, count: int, op: str, *inputs: Any, **attributes: Any) -> list[Value]:
        """The results of an operator that has several."""
        from onnx import helper

        outputs = [next(self._names) for _ in range(count)]
        self._nodes.append(helper.make_node(op, [self._name(i) for i in inputs], outputs, **attributes))
        return [Value(self, name) for name in outputs]

    def _name(self, value: Any) -> str:
        if isinstance(value, Value):
            return value.name
        from onnx import numpy_helper

        array = np.asarray(value, None if isinstance(value, np.ndarray) else np.float32)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name=next(self._names)))
        return str(self._constants[-1].name)

    def exp(self, value: Value) -> Value:
        """As that of NumPy, and so are the next ones."""
        return self.add("Exp", value)

    def log(self, value: Value) -> Value:
        """Natural logarithm."""
        return self.add("Log", value)

    def tanh(self, value: Value) -> Value:
        """Hyperbolic tangent."""
        return self.add("Tanh", value)

    def sqrt(self, value: Value) -> Value:
        """Square root."""
        return self.add("Sqrt", value)

    def clip(self, value: Value, low: float, high: float | None) -> Value:
        """To low and, if there is one, high."""
        return self.add("Clip", value, *(limit for limit in (low, high) if limit is not None))

    def where(self, condition: Value, true: Any, false: Any) -> Value:
        """Element by element."""
        return self.add("Where", condition, true, false)

    def sum_rows(self, value: Value) -> Value:
        """The sum of each row, (N,)."""
        return self.add("ReduceSum", value, _AXIS, keepdims=0)

    def columns(self, value: Value, at: Any) -> Value:
        """The columns with these numbers, in their order."""
        if self._gathers_columns:
            return self.add("Gather", value, at, axis=1)
        return self.add("Transpose", self.add("Gather", self.add("Transpose", value), at, axis=0))

    def add_outer(self, value: Value, column: Value, row: Any) -> Value:
        """value (N, D) + column (N, 1) * row (D,): one pass over the batch."""
        if self.fuses_elementwise:
            return self.add("Add", value, self.add("Mul", column, row))
        return self.add("Gemm", column, row[None], value)

    def model(self, inputs: Shapes, outputs: list[tuple[Value, tuple[int, ...]]]) -> bytes:
        """The model with what its outputs need; inputs, by name, and outputs have these shapes."""
        from onnx import TensorProto, checker, helper

        needed, nodes = {value.name for value, _ in outputs}, []
        for node in reversed(self._nodes):
            if needed & set(node.output):
                nodes.append(node)
                needed |= set(node.input)
        graph = helper.make_graph(
            nodes[::-1],
            "flow",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape) for value, shape in outputs],
            [constant for constant in self._constants if constant.name in needed],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def log_density(values: Value, log_det: Value | float) -> Value:
    """log_det and the log density of standard normals at the values (N, D), in any order."""
    halves = values.graph.add("ReduceSumSquare", values, _AXIS, keepdims=0) * -0.5
    constant = -0.5 * LOG_2_PI * values.graph.dim
    if isinstance(log_det, Value):
        return values.graph.add("Sum", log_det, halves, constant)
    return halves + (log_det + constant)
