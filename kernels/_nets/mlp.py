"""Conditioners of neural flows: masked multi-layer perceptrons on tiles, and the checks of their weights.

A layer orders its D features. The first `kept` pass unchanged; the others are transformed, each by numbers
that the network makes of features before it. A hidden unit of degree m sees the first m features and the
units before it of degree at most m; the outputs for feature i, counted from 0, see the units of degree at
most i (Germain et al., "MADE", 2015, equations 13 and 14). A coupling is the case that all units have the
degree `kept`. Units are sorted by degree, so that what a unit sees comes first in each row of the weights,
and each weight is used once, whether features come one by one or all at once.
"""

from typing import Any, TypeAlias

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.simd import lanes, select
from seqgap.kernels._core.vecmath import expm1_negative, sigmoid, tanh
from seqgap.kernels._nets.dense import address, number, product, read, write

# weight_in, weight_hidden, weight_out, bias_hidden, bias_out
Weights: TypeAlias = tuple[Array, Array, Array, Array, Array]
ACTIVATIONS = ("relu", "tanh", "elu", "silu")
_RELU, _TANH, _ELU = range(3)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> int:
    """The number of a named choice."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected one of {', '.join(allowed)}, got {type(value).__name__}")
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return allowed.index(value)


def weights(
    params: Any, dtype: np.dtype[Any], layers: int, columns: int, features: int, outputs: int
) -> tuple[Any, ...]:
    """The network of `params`, checked: weights, biases, the activation's number, residual as 0 or 1.

    columns, features: how many features a layer sees and transforms at most; outputs: for each of the latter.
    """
    _, depth, width = _sizes(params, layers)
    shapes = {
        "weight_in": (layers, width, columns),
        "weight_hidden": (layers, depth - 1, width, width),
        "weight_out": (layers, features, outputs, width),
        "bias_hidden": (layers, depth, width),
        "bias_out": (layers, features, outputs),
    }
    arrays = [
        own(check.shaped(f"params.{name}", getattr(params, name), dtype, shape))
        for name, shape in shapes.items()
    ]
    residual = _residual(params)
    if residual and depth % 2 == 0:
        raise ValueError(f"params.residual: expected an odd number of hidden layers with it, got {depth}")
    return *arrays, choice("params.activation", params.activation, ACTIVATIONS), int(residual)


def _sizes(params: Any, layers: int) -> tuple[int, ...]:
    """(L, K, H), from the biases of the hidden layers."""
    sizes: tuple[int, ...] = check.floats("params.bias_hidden", params.bias_hidden, 3).shape
    if sizes[0] != layers or 0 in sizes[1:]:
        raise ValueError(f"params.bias_hidden: expected shape ({layers}, K, H), K, H at least 1, got {sizes}")
    return sizes


def _residual(params: Any) -> bool:
    if not isinstance(params.residual, bool | np.bool_):
        raise TypeError(f"params.residual: expected True or False, got {type(params.residual).__name__}")
    return bool(params.residual)


def random_network(
    shape: tuple[int, int, int], columns: int, features: int, outputs: int, seed: int, dtype: np.dtype[Any]
) -> Weights:
    """Weights and biases for shape (L, K, H) from normals of `seed`, so small that layers invert well."""
    layers, depth, width = shape

    def draw(stream: int, size: float, *sizes: int) -> Array:
        rows = int(np.prod(sizes[:-1]))
        return (size * standard_normal(rows, sizes[-1], seed, stream=stream)).reshape(sizes).astype(dtype)

    inner = 1 / np.sqrt(width)
    return (
        draw(1, 1 / np.sqrt(columns), layers, width, columns),
        draw(2, inner, layers, depth - 1, width, width),
        draw(3, 0.3 * inner, layers, features, outputs * width).reshape(layers, features, outputs, width),
        draw(4, 0.5, layers, depth, width),
        draw(5, 0.3, layers, features, outputs),
    )


def hide(degrees: Array, made: Weights) -> Weights:
    """`made` by `random_network` for autoregressive layers, with 0 for the weights that are not read."""
    weight_in, weight_hidden, weight_out, bias_hidden, bias_out = made
    last, features = degrees[:, -1], np.arange(weight_out.shape[1])
    return (
        weight_in * (np.arange(weight_in.shape[2]) < degrees[:, 0, :, None]),
        weight_hidden * (degrees[:, :-1, None, :] <= degrees[:, 1:, :, None]),
        weight_out * (last[:, None, None, :] <= features[:, None, None]),
        bias_hidden,
        bias_out,
    )


def own(array: Array) -> Array:
    """`array`, copied if it is read-only: Numba would compile the kernels once more for each such field."""
    return array if array.flags.writeable else array.copy()


def orders(value: Any, dim: int) -> Array:
    """`params.order` as (L, D) int64, each row a permutation."""
    order = own(check.integers("params.order", value, 2))
    if not order.shape[0] or order.shape[1] != dim:
        raise ValueError(f"params.order: expected shape (L, {dim}) with L at least 1, got {order.shape}")
    if not _are_permutations(order):
        raise ValueError(f"params.order: expected permutations of 0 to {dim - 1}, got others")
    return order


def degrees_of(params: Any, layers: int, largest: int) -> Array:
    """`params.degrees` as (L, K, H) int64 from 0 to `largest`."""
    degrees = own(check.integers("params.degrees", params.degrees, 3))
    shape = _sizes(params, layers)
    if degrees.shape != shape:
        raise ValueError(
            f"params.degrees: expected the shape of params.bias_hidden, {shape}, got {degrees.shape}"
        )
    if not _all_within(degrees, largest):
        raise ValueError(f"params.degrees: expected 0 to {largest}, got {degrees.min()} to {degrees.max()}")
    if _residual(params) and (degrees != degrees[:, :1]).any():
        raise ValueError(
            "params.degrees: expected the same in all hidden layers of a residual network, got others"
        )
    return degrees


@jit_exact
def _are_permutations(order: Any) -> Any:
    layers, dim = order.shape
    for layer in range(layers):
        seen = np.zeros(dim, np.bool_)
        for i in range(dim):
            feature = order[layer, i]
            if feature < 0 or feature >= dim or seen[feature]:
                return False
            seen[feature] = True
    return True


@jit_exact
def _all_within(degrees: Any, largest: Any) -> Any:
    outside = False
    for degree in degrees.flat:
        outside |= degree < 0 or degree > largest
    return not outside


@jit_exact
def _ascend(degrees: Any) -> Any:
    """Whether the degrees of each hidden layer do."""
    layers, depth, width = degrees.shape
    for layer in range(layers):
        for k in range(depth):
            for j in range(1, width):
                if degrees[layer, k, j] < degrees[layer, k, j - 1]:
                    return False
    return True


def sorted_units(params: Any) -> Any:
    """`params` with the units of each hidden layer in ascending order of their degrees; the same map."""
    degrees = own(np.asarray(params.degrees))
    if _ascend(degrees):
        return params
    places = np.argsort(degrees, axis=2, kind="stable")
    hidden = np.asarray(params.weight_hidden)
    hidden = np.take_along_axis(hidden, places[:, 1:, :, None], axis=2)
    return params._replace(
        degrees=np.take_along_axis(degrees, places, axis=2),
        weight_in=np.take_along_axis(np.asarray(params.weight_in), places[:, 0, :, None], axis=1),
        weight_hidden=np.take_along_axis(hidden, places[:, :-1, None, :], axis=3),
        weight_out=np.take_along_axis(np.asarray(params.weight_out), places[:, -1, None, None, :], axis=3),
        bias_hidden=np.take_along_axis(np.asarray(params.bias_hidden), places, axis=2),
    )


@jit_exact
def ends_of(degrees: Any) -> Any:
    """(L, K, H): how many features, or units of the layer before, each unit sees."""
    layers, depth, width = degrees.shape
    ends = degrees.copy()
    for layer in range(layers):
        for k in range(1, depth):
            seen = 0
            for j in range(width):
                while seen < width and degrees[layer, k - 1, seen] <= degrees[layer, k, j]:
                    seen += 1
                ends[layer, k, j] = seen
    return ends


@jit_exact
def _activate(code: Any, place: Any, vectors: Any) -> None:
    """So many vectors from an address on, in place. NaN stays NaN."""
    isolate()
    step = lanes(place)
    zero = number(place, 0)
    for v in range(vectors):
        x = read(place, v * step)
        if code == _RELU:
            y = select(x < zero, zero, x)
        elif code == _TANH:
            y = tanh(x)
        elif code == _ELU:
            y = select(x > zero, x, expm1_negative(x))
        else:
            y = x * sigmoid(x)
        write(place, v * step, y)


@jit_inline
def _carry(raw: Any, place: Any, vectors: Any, first_layer: Any) -> None:
    """What a residual block adds to: raw += new, or = new, and new = raw."""
    step = lanes(raw)
    for v in range(vectors):
        value = read(place, v * step)
        if not first_layer:
            value = value + read(raw, v * step)
        write(raw, v * step, value)
        write(place, v * step, value)


@jit_inline
def advance(
    layer: Any, limit: Any, vectors: Any, done: Any, network: Any, inputs: Any, hidden: Any, raw: Any
) -> None:
    """Compute the hidden units of degree at most `limit` that are not `done`, and count them as done.

    network: degrees, ends_of(degrees), weights, biases, activation, residual. inputs: tile (at least C) of
    the features in their order; hidden: tile (K * H); raw: tile (H), what the residual blocks add to.
    """
    degrees, ends, weight_in, weight_hidden, _, bias_hidden, _, activation, residual = network
    (depth, width), pitch = degrees.shape[1:], inputs.shape[1]
    for k in range(depth):
        first = done[k]
        last = first
        while last < width and degrees[layer, k, last] <= limit:
            last += 1
        if last == first:
            continue
        done[k] = last
        unit = (layer * depth + k) * width + first
        bias, seen = address(bias_hidden, unit), address(ends, unit)
        place, count = address(hidden, (k * width + first) * pitch), last - first
        if k == 0:
            columns = weight_in.shape[2]
            lines = address(weight_in, (layer * width + first) * columns)
            product(vectors, lines, columns, bias, seen, address(inputs, 0), place, pitch, count)
        else:
            lines = address(weight_hidden, ((layer * (depth - 1) + k - 1) * width + first) * width)
            source = address(hidden, (k - 1) * width * pitch)
            product(vectors, lines, width, bias, seen, source, place, pitch, count)
        if residual and k % 2 == 0:
            _carry(address(raw, first * pitch), place, count * vectors, k == 0)
        if not (residual and k == depth - 1):
            _activate(activation, place, count * vectors)


@jit_inline
def outputs_for(
    layer: Any, first: Any, last: Any, vectors: Any, seen: Any, network: Any, hidden: Any, outputs: Any
) -> None:
    """The numbers for features first to last - 1 of those that are transformed, P rows of `outputs` for each.

    seen[i * P + j]: how many units of the last hidden layer row j of feature first + i sees.
    """
    _, _, _, _, weight_out, _, bias_out, _, _ = network
    features, each, width = weight_out.shape[1:]
    pitch, row = outputs.shape[1], (layer * features + first) * each
    lines, bias = address(weight_out, row * width), address(bias_out, row)
    units, count = address(hidden, (hidden.shape[0] - width) * pitch), (last - first) * each
    product(vectors, lines, width, bias, address(seen, 0), units, address(outputs, 0), pitch, count)
