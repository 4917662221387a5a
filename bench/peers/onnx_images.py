"""Images in an ONNX graph: values with shapes, which the programs of `image_flows` take for arrays."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.bench.peers.image_flows import Operations
from seqgap.bench.peers.onnx_graph import Graph, Value


class Images:
    """A result in a graph, and its shape."""

    __array_ufunc__ = None  # arrays leave their operators to those here

    def __init__(self, value: Value, shape: tuple[int, ...]) -> None:
        self.value, self.shape = value, shape

    def __len__(self) -> int:
        return self.shape[0]

    def _with(self, op: str, other: Any) -> "Images":
        operand, shape = (other.value, other.shape) if isinstance(other, Images) else (other, np.shape(other))
        return Images(self.value.graph.add(op, self.value, operand), np.broadcast_shapes(self.shape, shape))

    def __add__(self, other: Any) -> "Images":
        return self._with("Add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Images":
        return self._with("Sub", other)

    def __rsub__(self, other: Any) -> "Images":
        return (-self)._with("Add", other)

    def __mul__(self, other: Any) -> "Images":
        return self._with("Mul", other)

    def __neg__(self) -> "Images":
        return Images(-self.value, self.shape)

    def __getitem__(self, key: tuple[slice, slice]) -> "Images":
        """Channels: images[:, start:stop:step]."""
        first, channels = key
        assert first == slice(None)
        start, stop, step = channels.indices(self.shape[1])
        ends = (np.array([number]) for number in (start, stop, 1, step))
        count = len(range(start, stop, step))
        return Images(self.value.graph.add("Slice", self.value, *ends), (len(self), count, *self.shape[2:]))

    def reshape(self, *shape: Any) -> "Images":
        """As that of NumPy."""
        known = shape[0] if isinstance(shape[0], tuple) else shape
        size = math.prod(self.shape) // math.prod(n for n in known if n != -1)
        whole = tuple(size if n == -1 else int(n) for n in known)
        return Images(self.value.graph.add("Reshape", self.value, np.array(whole)), whole)

    def sum(self, axes: tuple[int, ...]) -> "Images":
        """As that of NumPy."""
        left = tuple(n for axis, n in enumerate(self.shape) if axis not in axes)
        return Images(self.value.graph.add("ReduceSum", self.value, np.array(axes), keepdims=0), left)


def of_onnx(graph: Graph) -> Operations:
    """The operators of ONNX."""

    def convolution(images: Images, weight: Any, bias: Any) -> Images:
        reach = weight.shape[-1] // 2
        value = graph.add("Conv", images.value, weight, bias, pads=[reach] * 4)
        return Images(value, (len(images), len(bias), *images.shape[2:]))

    def joined(parts: list[Images]) -> Images:
        value = graph.add("Concat", *(part.value for part in parts), axis=1)
        channels = sum(part.shape[1] for part in parts)
        return Images(value, (len(parts[0]), channels, *parts[0].shape[2:]))

    def reordered(images: Images, axes: tuple[int, ...]) -> Images:
        value = graph.add("Transpose", images.value, perm=list(axes))
        return Images(value, tuple(images.shape[axis] for axis in axes))

    def elementwise(op: str) -> Callable[[Images], Images]:
        return lambda images: Images(graph.add(op, images.value), images.shape)

    softplus = elementwise("Softplus")
    return Operations(
        convolution, joined, reordered, elementwise("Relu"), lambda x: -softplus(-x), elementwise("Exp")
    )


def transformed(
    transform: Callable[[Operations, Any, Any], tuple[Images, Images]],
) -> Callable[[Graph, Value, Any], tuple[Value, Value]]:
    """What `deployed.exported` takes, of a program of `image_flows` for a batch (N, D)."""

    def export(graph: Graph, batch: Value, tables: Any) -> tuple[Value, Value]:
        values, log_det = transform(of_onnx(graph), Images(batch, (graph.rows, graph.dim)), tables)
        return values.value, log_det.value

    return export
