"""Masked networks as the kernels for single rows take them: columns of transposed weights, in whole vectors.

One array of numbers and one of indices hold all layers, since each array more costs a call 50 ns. The numbers
of a layer are, in this order and with rows of whole vectors, U for the H units of a hidden layer and F for
the P outputs of its features:

    (C, U) weight_in, (K - 1, H, U) weight_hidden, (H, F) weight_out, (K, U) bias_hidden, (F,) bias_out,
    (K, U) how many features, or units of the layer before, each unit sees, (F,) units that each output sees

A row of F has P vectors for the first vector of features, then P for the next, and so on. The very last
number is the bound of the transform.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.simd import lanes
from seqgap.kernels._nets.dense import address, moved
from seqgap.kernels._nets.layers import Layers
from seqgap.kernels._nets.mlp import Network, ends_of


class Sizes(NamedTuple):
    """What the indices begin with."""

    layers: Any  # L
    dim: Any  # D
    columns: Any  # C: features that a layer sees at most
    transformed: Any  # features that a layer transforms at most
    outputs: Any  # P: parameters of each
    depth: Any  # K
    width: Any  # H
    activation: Any
    residual: Any
    variant: Any  # of the transform


SIZES = len(Sizes._fields)


class Parts(NamedTuple):
    """The addresses of one layer's numbers and indices, and the lengths of padded rows."""

    weight_in: Any
    weight_hidden: Any
    weight_out: Any
    start: Any  # what sums start from: bias_hidden and then bias_out
    ends: Any
    seen: Any
    order: Any  # (D,)
    degrees: Any  # (K, H)
    identity: Any  # how many features pass unchanged
    units: Any  # U
    outputs: Any  # F


def aligned(array: Array) -> Array:
    """A flat copy that starts at a multiple of 64 bytes: elsewhere vectors lie in two cache lines."""
    room = np.empty(array.size + VECTOR_BYTES, array.dtype)
    skipped = (-room.ctypes.data % VECTOR_BYTES) // room.itemsize
    copy = room[skipped : skipped + array.size]
    copy[:] = array.ravel()
    return copy


def packed(layers: tuple[Any, ...], network: tuple[Any, ...]) -> tuple[Any, ...]:
    """(numbers, indices) of the fields of `Layers` and `Network`."""
    table, nets = Layers(*layers), Network(*network)
    count, features, outputs, width = nets.weight_out.shape
    depth, columns, dim = nets.degrees.shape[1], nets.weight_in.shape[2], table.order.shape[1]
    variant, bound = table.form
    sizes = Sizes(
        count, dim, columns, features, outputs, depth, width, nets.activation, nets.residual, variant
    )
    places = table.identity[:, None] + np.arange(features)
    last = zip(nets.degrees[:, -1], places, strict=True)
    seen = np.array([np.searchsorted(degrees, features, side="right") for degrees, features in last])
    real = nets.weight_in.dtype
    step = VECTOR_BYTES // real.itemsize
    parts = (
        padded(nets.weight_in.swapaxes(1, 2), step),
        padded(nets.weight_hidden.swapaxes(2, 3), step),
        _outputs(nets.weight_out.transpose(0, 3, 2, 1), step),
        padded(nets.bias_hidden, step),
        _outputs(nets.bias_out.swapaxes(1, 2), step),
        padded(ends_of(nets.degrees), step, "edge"),
        _outputs(np.repeat(seen[:, None], outputs, 1), step, "edge"),
    )
    numbers = np.concatenate([part.astype(real).reshape(count, -1) for part in parts], axis=1)
    indices = [np.array(sizes), table.order, table.identity, nets.degrees]
    return (
        aligned(np.append(numbers, real.type(bound))),
        np.concatenate([np.asarray(part, np.int64).ravel() for part in indices]),
    )


def padded(array: Array, step: int, mode: Any = "constant") -> Array:
    """`array` with rows of whole vectors of `step` entries, filled with zeros, or "edge": its last entry."""
    room = [(0, 0)] * (array.ndim - 1) + [(0, -array.shape[-1] % step)]
    return np.pad(array, room, mode=mode)


def _outputs(array: Array, step: int, mode: Any = "constant") -> Array:
    """(..., P, F) as (..., F in vectors, P, a vector): the P numbers of a vector of features lie together."""
    return padded(array, step, mode).reshape(*array.shape[:-1], -1, step).swapaxes(-3, -2)


@jit_inline
def in_vectors(count: Any, like: Any) -> Any:
    """`count` rounded up to whole vectors."""
    return (count + lanes(like) - 1) // lanes(like) * lanes(like)


@jit_inline
def sizes_of(indices: Any) -> Any:
    """The `Sizes` that the indices begin with."""
    return Sizes(
        indices[0], indices[1], indices[2], indices[3], indices[4],
        indices[5], indices[6], indices[7], indices[8], indices[9],
    )  # fmt: skip


@jit_inline
def parts_of(layer: Any, sizes: Any, numbers: Any, indices: Any) -> Any:
    """The `Parts` of a layer."""
    units = in_vectors(sizes.width, numbers)
    outputs = sizes.outputs * in_vectors(sizes.transformed, numbers)
    hidden = sizes.depth * units
    steps = sizes.columns * units, (sizes.depth - 1) * sizes.width * units, sizes.width * outputs
    length = steps[0] + steps[1] + steps[2] + 2 * hidden + 2 * outputs
    weight_in = address(numbers, layer * length)
    weight_hidden = moved(weight_in, steps[0])
    weight_out = moved(weight_hidden, steps[1])
    start = moved(weight_out, steps[2])
    ends = moved(start, hidden + outputs)
    seen = moved(ends, hidden)
    tables = SIZES + sizes.layers * sizes.dim
    order, identity = address(indices, SIZES + layer * sizes.dim), indices[tables + layer]
    degrees = address(indices, tables + sizes.layers + layer * sizes.depth * sizes.width)
    return Parts(
        weight_in, weight_hidden, weight_out, start, ends, seen, order, degrees, identity, units, outputs
    )
