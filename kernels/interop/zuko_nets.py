"""Networks of zuko: masked and plain perceptrons, and the order of features that masks leave."""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop.layers import Network, columns_of_context, of_context
from seqgap.kernels.interop.parts import Parts, array, dense, refuse
from seqgap.kernels.interop.zuko_residual import residual_network


def order_of(path: str, transform: Any, network: Network) -> list[int]:
    """Features of an autoregressive transform, first the ones that others depend on, by the masks alone."""
    dim, sees = len(network.bias_out), np.eye(network.weights[0].shape[1])
    for mask in network.masks or []:
        sees = (mask @ sees > 0).astype(FLOAT64)
    waits_for: Array = sees.reshape(dim, -1, dim).max(1)
    waits, order, passes = np.count_nonzero(waits_for, axis=1), list[int](), 0
    while (ready := np.flatnonzero(waits == 0)).size:
        order += ready.tolist()
        waits = waits - np.count_nonzero(waits_for[:, ready], axis=1)
        waits[ready] = -1
        passes += 1
    if len(order) < dim:
        refuse(path, "masks of an autoregressive network", "features that depend on each other")
    if transform.passes < passes:
        refuse(f"{path}.passes", f"at least {passes}", transform.passes)
    return order


def constant(parts: Parts, path: str, transform: Any, dim: int) -> Network:
    """Numbers for each feature that depend on none: of units that see nothing, or the context alone."""
    if hasattr(transform, "hyper"):
        network = network_of(parts, f"{path}.hyper", transform.hyper, (0, dim, int(transform.total)), False)
        assert network.context is not None
        return of_context(network, dim, network.context.weights[0])
    parts.name(f"{path}.phi", transform.phi, "ParameterList")
    bias_out = np.concatenate([array(phi).reshape(dim, -1) for phi in transform.phi], axis=1)
    weights = [np.zeros((1, dim), bias_out.dtype), np.zeros((bias_out.size, 1), bias_out.dtype)]
    hidden = [np.zeros(1, bias_out.dtype)]
    return Network(weights[:1], hidden, weights[1], bias_out, "relu", False, weights)


def network_of(parts: Parts, path: str, hyper: Any, shape: tuple[int, int, int], masked: bool) -> Network:
    """A perceptron of `shape`: inputs, features and outputs of each feature. Further inputs are a context."""
    parts.name(path, hyper, "Sequential")
    if masked and len(hyper) > 1 and parts.has(hyper[1], "Residual"):
        return residual_network(parts, path, hyper, shape)
    columns, activation, layers = None, "", list[Any]()
    for i, module in enumerate(hyper):
        at = f"{path}[{i}]"
        if i % 2 == 0:
            parts.name(at, module, "MaskedLinear" if masked else "Linear")
            layers.append(dense(at, module, columns, masked))
            columns = len(layers[-1][0])
        elif (name := parts.activation(at, module)) != (activation := activation or name):
            refuse(at, f"{activation} as the activation before", name)
    if len(hyper) % 2 == 0:
        refuse(path, "linear layers and activations in turns", f"{len(hyper)} modules")
    if residual := len(layers) == 1:  # no hidden layer: one that a residual network passes as it is
        identity = np.eye(layers[0][0].shape[1], dtype=layers[0][0].dtype)
        layers.insert(0, (identity, np.zeros_like(identity[0]), identity))
    weights, biases, masks = (list(arrays) for arrays in zip(*layers, strict=True))
    if weights[0].shape[1] < shape[0]:
        refuse(f"{path}[0]", f"at least {shape[0]} inputs", weights[0].shape[1])
    context = columns_of_context(weights, masks, shape[0])
    if columns != shape[1] * shape[2]:
        refuse(path, f"{shape[1] * shape[2]} outputs", columns)
    bias_out = biases.pop().reshape(shape[1:])
    activation = activation or "relu"
    return Network(
        weights[:-1], biases, weights[-1], bias_out, activation, residual, masks if masked else None, context
    )
