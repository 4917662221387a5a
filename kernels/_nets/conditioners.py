"""Convolutional conditioners of couplings: their masks and shapes, checked, and their layers."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._nets.image_shapes import Shape

MASKS = ("channel", "channel_reversed", "checkerboard", "checkerboard_reversed")
SCALES = ("sigmoid", "exp", "exp_shift")


class Layer(NamedTuple):
    """A convolution."""

    weight: Array  # (outputs, inputs, K, K), K odd
    bias: Array  # (outputs,)
    rectified: bool = True  # whether ReLU follows


def transformed(mask: str, shape: Shape, name: str) -> int:
    """How many channels a coupling transforms; ValueError, naming the argument, for half of an odd number."""
    return shape.channels if mask.startswith("checkerboard") else shape.halved(name).channels


class Conditioner(NamedTuple):
    """Its layers; of the outputs first all shifts, then all scales."""

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, name: str, params: Any, dtype: np.dtype[Any], shape: Shape, mask: str) -> "Conditioner":
        """That of a coupling, from fields called weight_in and so on; name: how messages call them."""
        check.choice(named(name, "mask"), mask, MASKS)
        width = transformed(mask, shape, named(name, "image_shape"))
        hidden = check.shape(named(name, "bias_in"), params.bias_in, 1)[0]
        sizes = {
            ("weight_in", "bias_in"): (hidden, width),
            ("weight_hidden", "bias_hidden"): (hidden, hidden),
            ("weight_out", "bias_out"): (2 * width, hidden),
        }
        layers = [
            _layer(name, fields, (getattr(params, fields[0]), getattr(params, fields[1])), dtype, size)
            for fields, size in sizes.items()
        ]
        return cls((*layers[:2], _blocked(layers[2])))


def prior(
    name: str, weight: Any, bias: Any, dtype: np.dtype[Any], shape: Shape, prefix: str = ""
) -> Conditioner | None:
    """The one convolution that makes the prior of a split; None without one."""
    half = shape.halved(named(name, "image_shape")).channels
    if weight is None and bias is None:
        return None
    fields, size = (f"{prefix}weight", f"{prefix}bias"), (shape.channels, half)
    layer = _layer(name, fields, (weight, bias), dtype, size)
    return Conditioner((_blocked(layer),))


def named(name: str, field: str) -> str:
    """How messages call a field."""
    return name.format(field) if "{}" in name else f"{name}.{field}"


def _layer(
    name: str, fields: tuple[str, str], values: tuple[Any, Any], dtype: np.dtype[Any], size: tuple[int, int]
) -> Layer:
    """One convolution: (outputs, inputs) and its filters, square and of odd size."""
    own, bias = (named(name, field) for field in fields)
    height, width = check.shape(own, values[0], 4)[2:]
    if height != width or height % 2 == 0:
        raise ValueError(f"{own}: expected square filters of odd size, got {height} x {width}")
    weight = check.shaped(own, values[0], dtype, (*size, height, width))
    return Layer(weight, check.shaped(bias, values[1], dtype, size[:1]))


def _blocked(layer: Layer) -> Layer:
    """The outputs 2 k first, then those 2 k + 1; no ReLU."""
    weight, bias = (np.concatenate([field[0::2], field[1::2]]) for field in (layer.weight, layer.bias))
    return Layer(weight, bias, rectified=False)


def random_prior(channels: int, key: np.uint64, stream: int) -> tuple[Array, Array]:
    """Weight (C, C / 2, 3, 3) and bias (C,) of the prior of a split, from normals of a stream."""
    fan = 9 * channels // 2
    normals = standard_normal(channels, fan + 1, key, stream=stream)
    weight = (0.1 / np.sqrt(fan) * normals[:, 1:]).reshape(channels, channels // 2, 3, 3)
    return weight, 0.3 * normals[:, 0]


def random_network(count: int, sizes: tuple[int, int, int], key: np.uint64, stream: int) -> tuple[Array, ...]:
    """`count` conditioners of (inputs, hidden, outputs) channels, filters 3 x 3, 1 x 1, 3 x 3: six fields.

    Normals of three streams; outputs of size 0.1 where hidden units have size 1.
    """
    inputs, hidden, outputs = sizes
    layers = ((inputs, hidden, 3, 1.0), (hidden, hidden, 1, 1.4), (hidden, outputs, 3, 0.1))
    fields = []
    for index, (fan, width, size, gain) in enumerate(layers):
        values = standard_normal(count * width, fan * size * size + 1, key, stream=stream + index)
        weight = gain / np.sqrt(fan * size * size) * values[:, 1:]
        fields += [weight.reshape(count, width, fan, size, size), 0.1 * values[:, 0].reshape(count, width)]
    return tuple(fields)
