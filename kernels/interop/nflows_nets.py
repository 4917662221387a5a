"""Networks of nflows: MADE and ResidualNet, and how their outputs are those of the families."""

import sys
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.mlp import ACTIVATIONS
from seqgap.kernels.interop.layers import Context, Network, of_context
from seqgap.kernels.interop.normalisation import Diagonal, after, batch_norm, before
from seqgap.kernels.interop.parts import Parts, array, dense, refuse


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
        norms += _norms(at, block, residual)
        activations[f"{at}.activation"] = block.activation
    linears[f"{path}.final_layer"] = net.final_layer
    gates = getattr(net, "context_features", None) or 0
    columns, layers = shape[0] + gates, []
    for at, linear in linears.items():
        parts.name(at, linear, "MaskedLinear" if masked else "Linear")
        layers.append(dense(at, linear, columns, masked))
        columns = len(layers[-1][0])
    if columns != shape[1] * shape[2]:
        refuse(f"{path}.final_layer", f"{shape[1] * shape[2]} outputs", columns)
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
    if residual and context is not None:
        refuse(path, "no batch normalisation in residual blocks with a context", "some")
    return _normalised(parts, network, norms)


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


def _norms(path: str, block: Any, residual: bool) -> list[tuple[str, Any]]:
    """What normalises the output of each hidden layer before the next one sees it; None: nothing."""
    if not residual:
        return [(f"{path}.batch_norm", block.batch_norm)]
    norms = block.batch_norm_layers if block.use_batch_norm else (None, None)
    if len(norms) != 2:
        refuse(f"{path}.batch_norm_layers", "2 layers", len(norms))
    return [(f"{path}.batch_norm_layers[{i}]", norm) for i, norm in enumerate(norms)]


def _normalised(parts: Parts, network: Network, norms: list[tuple[str, Any]]) -> Network:
    """The network with its batch normalisation as part of the linear layers."""
    scales = [
        _batch_norm(parts, at, norm, len(bias), bool(network.residual))
        for (at, norm), bias in zip(norms, network.biases, strict=False)
    ]
    weights, biases = [*network.weights, network.weight_out], [*network.biases, network.bias_out.ravel()]
    masks = network.masks or [np.ones_like(weight) for weight in weights]
    if network.residual:
        for k in range(1, len(scales), 2):
            weights[k], biases[k] = after(weights[k], biases[k], scales[k])
        weights, biases, masks = _copies(weights, biases, masks, scales[::2])
    else:
        for k, norm in enumerate(scales, 1):
            weights[k], biases[k] = before(weights[k], biases[k], masks[k], norm)
    bias_out = biases.pop().reshape(network.bias_out.shape)
    own = network.masks and masks
    return network._replace(
        weights=weights[:-1], biases=biases, weight_out=weights[-1], bias_out=bias_out, masks=own
    )


def _batch_norm(parts: Parts, path: str, norm: Any, width: int, divides: bool) -> Diagonal:
    if norm is None:
        return Diagonal(np.ones(width), np.zeros(width))
    parts.name(path, norm, "BatchNorm1d")
    weight = None if norm.weight is None else array(norm.weight)
    if divides and weight is not None and (weight == 0).any():
        refuse(f"{path}.weight", "no zeros", "some")
    return batch_norm(path, norm, weight, width)


def _copies(
    weights: list[Array], biases: list[Array], masks: list[Array], norms: list[Diagonal]
) -> tuple[list[Array], list[Array], list[Array]]:
    """What residual blocks add to, scaled for each of them: a copy of all units for a block.

    The first layer makes the copies, block i reads copy i and adds to all, and the outputs read the last.
    """
    count = len(norms)

    def reading(weight: Array, copy: int) -> Array:
        return np.hstack([weight if i == copy else np.zeros_like(weight) for i in range(count)])

    def wide(k: int, norm: Diagonal) -> None:
        weights[k], biases[k] = after(np.tile(weights[k], (count, 1)), np.tile(biases[k], count), norm)

    scale = np.concatenate([norm.scale for norm in norms])
    wide(0, Diagonal(scale, np.concatenate([norm.shift for norm in norms])))
    for i in range(count):
        weights[2 * i + 1] = reading(weights[2 * i + 1], i)
        wide(2 * i + 1, Diagonal(np.ones_like(scale), np.zeros_like(scale)))
        weights[2 * i + 2] = reading(weights[2 * i + 2], 0)
        wide(2 * i + 2, Diagonal(scale, np.zeros_like(scale)))
    last = norms[-1]
    undone = Diagonal(1 / last.scale, -last.shift / last.scale)
    weight_out, biases[-1] = before(weights[-1], biases[-1], masks[-1], undone)
    weights[-1] = reading(weight_out, count - 1)
    inner = [np.tile(mask, (count, count)) for mask in masks[1:-1]]
    return weights, biases, [np.tile(masks[0], (count, 1)), *inner, np.tile(masks[-1], (1, count))]


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
