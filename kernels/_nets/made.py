"""Checked parameters of masked networks: orders, degrees, sorted units, weights.

A layer orders its D features. The first ones, `identity`, pass unchanged; the others are transformed, each by
parameters that the network makes of features before it. A hidden unit of degree m sees the first m features
and the units before it of degree at most m; the outputs for feature i, counted from 0, see the units of
degree at most i (Germain et al., "MADE", 2015, equations 13 and 14). A coupling is the case that all units
have the degree `identity`. Units are sorted by degree, so that what a unit sees comes first in each row of
the weights, and each weight is used once, whether features come one by one or all at once.
"""

from typing import Any, TypeAlias

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import Seed
from seqgap.kernels._nets.contexts import WAYS, entries_of
from seqgap.kernels._nets.mlp import ACTIVATIONS, RESIDUALS

# weight_in, weight_hidden, weight_out, bias_hidden, bias_out
Weights: TypeAlias = tuple[Array, Array, Array, Array, Array]


def network(
    params: Any, degrees: Array, dtype: np.dtype[Any], columns: int, features: int, outputs: int
) -> tuple[Any, ...]:
    """The networks of `params`, checked, in the order of `mlp.Network`; degrees: (L, K, H), ascending.

    columns, features: how many features a layer sees and transforms at most; outputs: for each of the latter.
    """
    layers, depth, width = degrees.shape
    shapes = {
        "weight_in": (layers, width, columns),
        "weight_hidden": (layers, depth - 1, width, width),
        "weight_out": (layers, features, outputs, width),
        "bias_hidden": (layers, depth, width),
        "bias_out": (layers, features, outputs),
    }
    arrays = [
        check.shaped(f"params.{name}", getattr(params, name), dtype, shape) for name, shape in shapes.items()
    ]
    residual = _residual(params)
    if residual and depth % 2 == 0:
        raise ValueError(f"params.residual: expected an odd number of hidden layers with it, got {depth}")
    activation = check.choice("params.activation", params.activation, ACTIVATIONS)
    return degrees, *arrays, activation, residual


def masked_network(
    params: Any, dtype: np.dtype[Any], layers: int, columns: int, features: int, outputs: int
) -> tuple[Any, ...]:
    """As `network`, for Params with degrees in any order."""
    own = params._replace(degrees=degrees_of(params, layers, columns))
    if not _ascend(own.degrees):
        network(own, own.degrees, dtype, columns, features, outputs)  # before units change places: shapes
        own = sorted_units(own)
    return network(own, own.degrees, dtype, columns, features, outputs)


def sizes(params: Any, layers: int) -> tuple[int, ...]:
    """(L, K, H), from the biases of the hidden layers."""
    shape: tuple[int, ...] = check.floats("params.bias_hidden", params.bias_hidden, 3).shape
    if shape[0] != layers or 0 in shape[1:]:
        raise ValueError(f"params.bias_hidden: expected shape ({layers}, K, H), K, H at least 1, got {shape}")
    return shape


def layout_of(bias_hidden: Any) -> dict[str, int]:
    """The `layout` of Params of networks."""
    shape = check.shape("params.bias_hidden", bias_hidden, 3)
    return dict(zip(("layers", "depth", "width"), shape, strict=True))


def _residual(params: Any) -> int:
    """The number of params.residual among `RESIDUALS`."""
    value = params.residual.item() if isinstance(params.residual, np.generic) else params.residual
    if not isinstance(value, bool | str):
        raise TypeError(f"params.residual: expected True, False or 'direct', got {type(value).__name__}")
    if value not in RESIDUALS:
        raise ValueError(f"params.residual: expected True, False or 'direct', got {value!r:.40}")
    return RESIDUALS.index(value)


def random_network(
    shape: tuple[int, int, int], columns: int, features: int, outputs: int, key: Seed, dtype: np.dtype[Any]
) -> Weights:
    """Weights and biases for shape (L, K, H) from normals of a key, so small that layers invert well."""
    layers, depth, width = shape

    def draw(stream: int, size: float, *sizes: int) -> Array:
        rows = int(np.prod(sizes[:-1]))
        return (size * standard_normal(rows, sizes[-1], key, stream=stream)).reshape(sizes).astype(dtype)

    inner = 1 / np.sqrt(width)
    return (
        draw(1, 1 / np.sqrt(columns), layers, width, columns),
        draw(2, inner, layers, depth - 1, width, width),
        draw(3, 0.3 * inner, layers, features, outputs * width).reshape(layers, features, outputs, width),
        draw(4, 0.5, layers, depth, width),
        draw(5, 0.3, layers, features, outputs),
    )


def hide(degrees: Array, weights: Weights) -> Weights:
    """`weights` of `random_network` for autoregressive layers, with 0 for the weights that are not read."""
    weight_in, weight_hidden, weight_out, bias_hidden, bias_out = weights
    last, features = degrees[:, -1], np.arange(weight_out.shape[1])
    return (
        weight_in * (np.arange(weight_in.shape[2]) < degrees[:, 0, :, None]),
        weight_hidden * (degrees[:, :-1, None, :] <= degrees[:, 1:, :, None]),
        weight_out * (last[:, None, None, :] <= features[:, None, None]),
        bias_hidden,
        bias_out,
    )


def orders(value: Any, dim: int) -> Array:
    """`params.order` as (L, D) int64, each row a permutation."""
    order = check.integers("params.order", value, 2)
    if not order.shape[0] or order.shape[1] != dim:
        raise ValueError(f"params.order: expected shape (L, {dim}) with L at least 1, got {order.shape}")
    if not _are_permutations(order):
        raise ValueError(f"params.order: expected permutations of 0 to {dim - 1}, got others")
    return order


def degrees_of(params: Any, layers: int, largest: int) -> Array:
    """`params.degrees` as (L, K, H) int64 from 0 to `largest`."""
    degrees = check.integers("params.degrees", params.degrees, 3)
    shape = sizes(params, layers)
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
    degrees = check.own(np.asarray(params.degrees))
    if _ascend(degrees):
        return params
    order = np.argsort(degrees, axis=2, kind="stable")
    hidden = np.asarray(params.weight_hidden)
    if getattr(params, "context", None) is not None:
        params = _sorted_entries(params, order)
    hidden = np.take_along_axis(hidden, order[:, 1:, :, None], axis=2)
    return params._replace(
        degrees=np.take_along_axis(degrees, order, axis=2),
        weight_in=np.take_along_axis(np.asarray(params.weight_in), order[:, 0, :, None], axis=1),
        weight_hidden=np.take_along_axis(hidden, order[:, :-1, None, :], axis=3),
        weight_out=np.take_along_axis(np.asarray(params.weight_out), order[:, -1, None, None, :], axis=3),
        bias_hidden=np.take_along_axis(np.asarray(params.bias_hidden), order, axis=2),
    )


def _sorted_entries(params: Any, order: Array) -> Any:
    """With the units of each hidden layer in an order in what contexts bring to it."""
    check.choice("params.context", params.context, WAYS)
    own = order[:, entries_of(params.context, order.shape[1])]
    columns = check.shape("params.weight_context", params.weight_context, 4)[3]
    weight, bias = np.asarray(params.weight_context), np.asarray(params.bias_context)
    for name, array, shape in (("weight", weight, (*own.shape, columns)), ("bias", bias, own.shape)):
        if array.shape != shape:
            raise ValueError(f"params.{name}_context: expected shape {shape}, got {array.shape}")
    weight = np.take_along_axis(weight, own[..., None], axis=2)
    bias = np.take_along_axis(bias, own, axis=2)
    return params._replace(weight_context=weight, bias_context=bias)
