"""GlowBlocks of normflows: the arrays of a step of `glow`, data to latent."""

from typing import Any

import numpy as np

from seqgap.kernels import glow
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop.parts import Parts, array, refuse

# What the parts of a block have of parameters, buffers and modules, by the names of their classes.
_FIELDS = {
    "GlowBlock": {"flows"},
    "AffineCouplingBlock": {"flows"},
    "AffineCoupling": {"param_map"},
    "ConvNet2d": {"net"},
    "Conv2d": {"weight", "bias"},
    "LeakyReLU": set[str](),
    "Split": set[str](),
    "Merge": set[str](),
    "Squeeze": set[str](),
    "Invertible1x1Conv": {"P", "L", "sign_S", "log_S", "U", "eye", "W"},
    "ActNorm": {"s", "t", "data_dep_init_done"},
}
_PLAIN = {"stride": (1, 1), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}  # of a convolution
_NET = ("Conv2d", "LeakyReLU", "Conv2d", "LeakyReLU", "Conv2d")


def known(parts: Parts, path: str, part: Any, name: str) -> None:
    """Refuse what is not of the class, or has more than it."""
    parts.name(path, part, name)
    more = {*part._parameters, *part._buffers, *part._modules} - _FIELDS[name]
    if more:
        refuse(path, f"{name} as the library makes it", f"one with {', '.join(sorted(more))} beside")


def split(parts: Parts, path: str, part: Any, name: str) -> None:
    """A Split or Merge of channels."""
    known(parts, path, part, name)
    if part.mode != "channel":
        refuse(f"{path}.mode", "channel", part.mode)


def step(parts: Parts, path: str, block: Any, channels: int) -> tuple[glow.Level, str]:
    """(its arrays, the scale) of one block on so many channels; the lists of normflows go latent to data."""
    known(parts, path, block, "GlowBlock")
    if channels % 2:
        refuse(path, "an even number of channels", channels)
    flows = _listed(parts, f"{path}.flows", block.flows, 3)
    coupling, scale = _coupling(parts, f"{path}.flows[0]", flows[0], channels)
    mixing = _mixing(parts, f"{path}.flows[1]", flows[1], channels)
    return glow.Level(*_norm(parts, f"{path}.flows[2]", flows[2], channels), *mixing, *coupling), scale


def _listed(parts: Parts, path: str, part: Any, count: int, name: str = "ModuleList") -> list[Any]:
    """The modules of a list."""
    parts.name(path, part, name)
    if len(part) != count:
        refuse(path, f"{count} modules", len(part))
    return list(part)


def _norm(parts: Parts, path: str, norm: Any, channels: int) -> tuple[Array, Array]:
    """(b, s) of z = (x + b) exp(s), where normflows has x = z exp(s) + t."""
    known(parts, path, norm, "ActNorm")
    if not norm.data_dep_init_done:
        refuse(f"{path}.data_dep_init_done", "1, as the first batch in training makes it", 0)
    log_scale, shift = (_shaped(f"{path}.{n}", getattr(norm, n), (1, channels, 1, 1)).ravel() for n in "st")
    return -shift, -log_scale


def _mixing(parts: Parts, path: str, mixing: Any, channels: int) -> tuple[Array, ...]:
    """(permutation, lower, upper, sign, log_diagonal)."""
    known(parts, path, mixing, "Invertible1x1Conv")
    if not mixing.use_lu:
        return _factors(path, _shaped(f"{path}.W", mixing.W, (channels, channels)))
    square = (
        _shaped(f"{path}.{n}", getattr(mixing, n), (channels, channels)) for n in ("P", "L", "U", "eye")
    )
    order, lower, upper, eye = square
    permutation = np.argmax(order, axis=1)
    if not np.array_equal(eye, np.eye(channels)):
        refuse(f"{path}.eye", "the identity", "another matrix")
    if not np.array_equal(order, eye[permutation]) or len(set(permutation.tolist())) < channels:
        refuse(f"{path}.P", "a matrix that permutes", "another one")
    sign, log_diagonal = (
        _shaped(f"{path}.{n}", getattr(mixing, n), (channels,)) for n in ("sign_S", "log_S")
    )
    return permutation, lower, upper, sign, log_diagonal


def _factors(path: str, weight: Array) -> tuple[Array, ...]:
    """Those of a free matrix, by elimination with partial pivoting in float64."""
    from scipy.linalg import lu

    if not np.isfinite(weight).all():
        refuse(f"{path}.W", "finite numbers", "others")
    permutation, lower, upper = lu(weight.astype(FLOAT64), p_indices=True)
    diagonal = np.diag(upper)
    if not diagonal.all():
        refuse(f"{path}.W", "a regular matrix", "a singular one")
    values = lower, upper, np.sign(diagonal), np.log(np.abs(diagonal))
    return permutation, *(value.astype(weight.dtype) for value in values)


def _coupling(parts: Parts, path: str, block: Any, channels: int) -> tuple[list[Array], str]:
    """(weights and biases, scale): shifts and, of `exp`, log scales have the other sign in normflows."""
    known(parts, path, block, "AffineCouplingBlock")
    first, coupling, last = _listed(parts, f"{path}.flows", block.flows, 3)
    split(parts, f"{path}.flows[0]", first, "Split")
    split(parts, f"{path}.flows[2]", last, "Merge")
    path = f"{path}.flows[1]"
    known(parts, path, coupling, "AffineCoupling")
    scale = coupling.scale_map if coupling.scale else "exp"
    if scale not in ("sigmoid", "exp"):
        refuse(f"{path}.scale_map", "sigmoid or exp", scale)
    width = channels // 2
    sizes = width, width * (2 if coupling.scale else 1)
    *hidden, weight, bias = _network(parts, f"{path}.param_map", coupling.param_map, sizes)
    if not coupling.scale:
        weight, bias = (
            np.stack([value, 0 * value], 1).reshape(2 * width, *value.shape[1:]) for value in (weight, bias)
        )
    sign = np.array([-1, -1 if scale == "exp" else 1] * width, weight.dtype)
    return [*hidden, sign[:, None, None, None] * weight, sign * bias], scale


def _network(parts: Parts, path: str, net: Any, sizes: tuple[int, int]) -> list[Array]:
    """Weights and biases of three convolutions; sizes: channels in and out."""
    known(parts, path, net, "ConvNet2d")
    path = f"{path}.net"
    layers = _listed(parts, path, net.net, len(_NET), "Sequential")
    for i, (layer, name) in enumerate(zip(layers, _NET, strict=True)):
        known(parts, f"{path}[{i}]", layer, name)
    for i in (1, 3):
        if layers[i].negative_slope != 0:
            refuse(f"{path}[{i}].negative_slope", 0, layers[i].negative_slope)
    hidden = layers[0].weight.shape[0]
    widths = ((hidden, sizes[0]), (hidden, hidden), (sizes[1], hidden))
    return [
        v
        for i, width in zip((0, 2, 4), widths, strict=True)
        for v in _layer(f"{path}[{i}]", layers[i], width)
    ]


def _layer(path: str, layer: Any, width: tuple[int, int]) -> tuple[Array, Array]:
    """Weight (outputs, inputs, K, K) and bias of a convolution padded with zeros to the size of its image."""
    for option, value in _PLAIN.items():
        if getattr(layer, option) != value:
            refuse(f"{path}.{option}", value, getattr(layer, option))
    weight = array(layer.weight)
    sizes = weight.shape[2:]
    if tuple(layer.padding) != tuple(size // 2 for size in sizes):
        refuse(f"{path}.padding", f"half of the filters' {sizes}", layer.padding)
    if layer.bias is None:
        refuse(f"{path}.bias", f"shape ({width[0]},)", None)
    return _shaped(f"{path}.weight", layer.weight, (*width, *sizes)), _shaped(
        f"{path}.bias", layer.bias, width[:1]
    )


def _shaped(path: str, tensor: Any, shape: tuple[int, ...]) -> Array:
    value = array(tensor)
    if value.shape != shape:
        refuse(path, f"shape {shape}", f"shape {value.shape}")
    return value
