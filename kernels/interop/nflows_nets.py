"""Networks of nflows: MADE and ResidualNet, and how their outputs are those of the families."""

import sys
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels.interop.layers import Network
from seqgap.kernels.interop.parts import Parts, dense, refuse

_FUNCTIONS = ("relu", "tanh", "elu", "silu")


def perceptron(parts: Parts, path: str, net: Any, kind: str, shape: tuple[int, int, int]) -> Network:
    """A network of blocks of a kind; `shape`: inputs, features and outputs of each feature."""
    if hasattr(net, "context_layer") or getattr(net, "context_features", None) is not None:
        refuse(path, "no context", "context features")
    masked, residual = kind.startswith("Masked"), kind.endswith("ResidualBlock")
    linears = {f"{path}.initial_layer": net.initial_layer}
    activations = {} if residual else {f"{path}.activation": net.activation}
    parts.name(f"{path}.blocks", net.blocks, "ModuleList")
    for i, block in enumerate(net.blocks):
        at = f"{path}.blocks[{i}]"
        linears |= _block(parts, at, block, kind)
        activations[f"{at}.activation"] = block.activation
    linears[f"{path}.final_layer"] = net.final_layer
    columns, layers = shape[0], []
    for at, linear in linears.items():
        parts.name(at, linear, "MaskedLinear" if masked else "Linear")
        layers.append(dense(at, linear, columns, masked))
        columns = len(layers[-1][0])
    if columns != shape[1] * shape[2]:
        refuse(f"{path}.final_layer", f"{shape[1] * shape[2]} outputs", columns)
    weights, biases, masks = (list(arrays) for arrays in zip(*layers, strict=True))
    bias_out = biases.pop().reshape(shape[1:])
    function = _activation(parts, activations, residual)
    return Network(weights[:-1], biases, weights[-1], bias_out, function, residual, masks if masked else None)


def _block(parts: Parts, path: str, block: Any, kind: str) -> dict[str, Any]:
    """The linear layers of a block."""
    parts.name(path, block, kind)
    if getattr(block, "use_batch_norm", False) or getattr(block, "batch_norm", None) is not None:
        refuse(path, "no batch normalisation", "some")
    if hasattr(block, "context_layer"):
        refuse(path, "no context", "context features")
    parts.name(f"{path}.dropout", block.dropout, "Dropout")
    if not kind.endswith("ResidualBlock"):
        return {f"{path}.linear": block.linear}
    parts.name(f"{path}.linear_layers", block.linear_layers, "ModuleList")
    if len(block.linear_layers) != 2:
        refuse(f"{path}.linear_layers", "2 layers", len(block.linear_layers))
    return {f"{path}.linear_layers[{i}]": linear for i, linear in enumerate(block.linear_layers)}


def _activation(parts: Parts, functions: dict[str, Any], residual: bool) -> str:
    """The one activation of a network, by the places that have one; relu where none has."""
    common = ""
    for path, function in functions.items():
        name = _function(parts, path, function)
        if residual and getattr(function, "inplace", False):
            refuse(path, "no inplace, which changes what the block adds to", repr(function))
        if name != (common := common or name):
            refuse(path, f"{common} as the activation before", name)
    return common or "relu"


def _function(parts: Parts, path: str, function: Any) -> str:
    """The seqgap name of a function or module of PyTorch."""
    torch = sys.modules["torch"]
    if isinstance(function, torch.nn.Module):
        return parts.activation(path, function)
    for name in _FUNCTIONS:
        if function in (getattr(torch, name, None), getattr(torch.nn.functional, name, None)):
            return name
    got = getattr(function, "__name__", type(function).__name__)
    return str(refuse(path, f"one of {', '.join(_FUNCTIONS)} of torch", got))


def shift_first(network: Network) -> Network:
    """Outputs u, shift of each feature in the order of the families: shift, u."""
    features, outputs = network.bias_out.shape

    def turned(rows: Array) -> Array:
        swapped: Array = rows.reshape(features, outputs, -1)[:, ::-1].reshape(rows.shape)
        return swapped

    masks = network.masks and [*network.masks[:-1], turned(network.masks[-1])]
    return network._replace(
        weight_out=turned(network.weight_out), bias_out=turned(network.bias_out), masks=masks
    )


def by_feature(network: Network) -> Network:
    """All shifts come before all u: made those of each feature."""
    features, outputs = network.bias_out.shape
    weight = network.weight_out.reshape(outputs, features, -1).swapaxes(0, 1)
    bias = network.bias_out.reshape(outputs, features).T
    return network._replace(
        weight_out=weight.reshape(outputs * features, -1), bias_out=np.ascontiguousarray(bias)
    )


def divided(network: Network, net: Any, bins: int) -> Network:
    """The logits of widths and heights, which nflows divides by the root of net.hidden_features if set."""
    if not hasattr(net, "hidden_features"):
        return network
    features, outputs = network.bias_out.shape
    root = np.sqrt(net.hidden_features)
    scale = np.where(np.arange(outputs) < 2 * bins, 1 / root, 1).astype(network.bias_out.dtype)
    weight = network.weight_out.reshape(features, outputs, -1) * scale[:, None]
    return network._replace(
        weight_out=weight.reshape(features * outputs, -1), bias_out=network.bias_out * scale
    )
