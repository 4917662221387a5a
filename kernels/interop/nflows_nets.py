"""Networks of nflows: MADE and ResidualNet, and how their outputs are those of the families."""

import sys
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.mlp import ACTIVATIONS
from seqgap.kernels.interop.layers import Context, Network, of_context
from seqgap.kernels.interop.nflows_normalised import normalised, norms_of
from seqgap.kernels.interop.parts import Parts, dense, refuse


def perceptron(parts: Parts, path: str, net: Any, kind: str, shape: tuple[int, int, int]) -> Network:
    """A network of blocks of a kind; `shape`: inputs, features and outputs of each feature."""
    masked, residual = kind.startswith("Masked"), kind.endswith("ResidualBlock")
    linears = {f"{path}.initial_layer": net.initial_layer}
    activations = {} if residual else {f"{path}.activation": net.activation}
    norms: list[tuple[str, Any]] = []
    parts.name(f"{path}.blocks", net.blocks, "ModuleList")
    for i, block in enumerate(net.blocks):
        at = f"{path}.blocks[{i}]"
        linears |= _block(parts, at, block, kind)
        norms += norms_of(at, block, residual)
        activations[f"{at}.activation"] = block.activation
    linears[f"{path}.final_layer"] = net.final_layer
    gates = getattr(net, "context_features", None) or 0
    layers = _layers(parts, linears, (shape[0] + gates, shape[1] * shape[2]), masked)
    weights, biases, masks = (list(arrays) for arrays in zip(*layers, strict=True))
    bias_out = biases.pop().reshape(shape[1:])
    function = _activation(parts, activations, residual)
    entries = _entries(parts, path, net, masked)
    if gates:
        first, weights[0] = weights[0], np.ascontiguousarray(weights[0][:, : shape[0]])
        entries.insert(0, (np.ascontiguousarray(first[:, shape[0] :]), np.zeros_like(biases[0])))
    context = _context(path, net, entries, masked, residual)
    network = Network(
        weights[:-1], biases, weights[-1], bias_out, function, residual, masks if masked else None, context
    )
    if all(norm is None for _, norm in norms):
        return network
    if residual and masked and context is not None:  # act(W c + b), which scales of units do not enter
        refuse(path, "no batch normalisation in masked residual blocks with a context", "some")
    return normalised(parts, network, norms)


def _layers(parts: Parts, linears: dict[str, Any], sizes: tuple[int, int], masked: bool) -> list[Any]:
    """Weight, bias and mask of linear layers one after another; sizes: inputs and outputs of all."""
    columns, layers = sizes[0], []
    for at, linear in linears.items():
        parts.name(at, linear, "MaskedLinear" if masked else "Linear")
        layers.append(dense(at, linear, columns, masked))
        columns = len(layers[-1][0])
    if columns != sizes[1]:
        refuse(next(reversed(linears)), f"{sizes[1]} outputs", columns)
    return layers


def mlp(parts: Parts, path: str, net: Any, shape: tuple[int, int, int]) -> Network:
    """nessai's perceptron, which takes no context."""
    parts.name(path, net, "MLP")
    if net._activate_output:
        refuse(f"{path}._activate_output", False, net._activate_output)
    for i, dropout in enumerate(net._dropout_layers):
        parts.name(f"{path}._dropout_layers[{i}]", dropout, "Dropout")
    hidden = {f"{path}._hidden_layers[{i}]": linear for i, linear in enumerate(net._hidden_layers)}
    linears = {f"{path}._input_layer": net._input_layer, **hidden, f"{path}._output_layer": net._output_layer}
    layers = _layers(parts, linears, (shape[0], shape[1] * shape[2]), masked=False)
    weights, biases, _ = (list(arrays) for arrays in zip(*layers, strict=True))
    bias_out, function = (
        biases.pop().reshape(shape[1:]),
        _function(parts, f"{path}._activation", net._activation),
    )
    return Network(weights[:-1], biases, weights[-1], bias_out, function, False)


def _entries(parts: Parts, path: str, net: Any, masked: bool) -> list[tuple[Array, Array]]:
    """Weights and biases of the layers of contexts, the network's own first."""
    named = [(path, net), *((f"{path}.blocks[{i}]", block) for i, block in enumerate(net.blocks))]
    entries = []
    for at, part in named:
        if hasattr(part, "context_layer"):
            parts.name(f"{at}.context_layer", part.context_layer, "Linear")
            entries.append(dense(f"{at}.context_layer", part.context_layer, None, False)[:2])
    return entries


def _context(
    path: str, net: Any, entries: list[tuple[Array, Array]], masked: bool, residual: bool
) -> Context | None:
    """How the context enters; all layers that have one, or none, and of one size."""
    if not entries:
        return None
    blocks = len(net.blocks) if residual else 0
    columns = {weight.shape[1] for weight, _ in entries}
    if len(entries) != 1 + blocks or len(columns) != 1:
        refuse(path, f"a context of one size in {1 + blocks} layers", f"{len(entries)}, of {sorted(columns)}")
    way = ("blocks" if residual else "activated") if masked else "gated"
    if not blocks:  # ways that differ in blocks alone
        way = "activated" if masked else "added"
    return Context(way, *(list(arrays) for arrays in zip(*entries, strict=True)))


def context_map(parts: Parts, path: str, net: Any, shape: tuple[int, int]) -> Network:
    """sbi's network of the context alone, where there is one feature; shape: features, outputs of each."""
    parts.name(path, net, "ContextSplineMap")
    at, modules = f"{path}.spline_predictor", list(net.spline_predictor)
    parts.name(at, net.spline_predictor, "Sequential")
    layers, activations, columns = list[Any](), dict[str, Any](), None
    for i, module in enumerate(modules):
        if i % 2 == 0:
            parts.name(f"{at}[{i}]", module, "Linear")
            layers.append(dense(f"{at}[{i}]", module, columns, False)[:2])
            columns = len(layers[-1][0])
        else:
            activations[f"{at}[{i}]"] = module
    if len(modules) % 2 == 0 or len(modules) < 3 or columns != shape[0] * shape[1]:
        expected = f"hidden layers and {shape[0] * shape[1]} outputs"
        refuse(at, expected, f"{len(modules)} modules, {columns} outputs")
    weights, biases = (list(arrays) for arrays in zip(*layers, strict=True))
    bias_out, function = biases.pop().reshape(shape), _activation(parts, activations, False)
    network = Network(weights[:-1], biases, weights[-1], bias_out, function, False)
    return of_context(network, shape[0], weights[0])


def _block(parts: Parts, path: str, block: Any, kind: str) -> dict[str, Any]:
    """The linear layers of a block."""
    parts.name(path, block, kind)
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
    for name in ACTIVATIONS:
        if function in (getattr(torch, name, None), getattr(torch.nn.functional, name, None)):
            return name
    got = getattr(function, "__name__", repr(function))
    return str(refuse(path, f"one of {', '.join(ACTIVATIONS)} of torch", got))


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
