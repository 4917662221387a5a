"""Flows of nflows: masked autoregressive, coupling; affine, additive and rational-quadratic; permutations."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.layers import Layer, Network, activation_name, array, flow_of, refuse

_FLOOR = 1e-3
_FUNCTIONS = {"relu": "relu", "tanh": "tanh", "elu": "elu", "silu": "silu"}
_MADE = ("MaskedAffineAutoregressiveTransform", "MaskedPiecewiseRationalQuadraticAutoregressiveTransform")
_COUPLINGS = (
    "AffineCouplingTransform", "AdditiveCouplingTransform", "PiecewiseRationalQuadraticCouplingTransform",
)  # fmt: skip


def from_nflows(flow: Any) -> Flow:
    """The `Flow` of a trained nflows flow, in the dtype of its parameters, as in evaluation: no dropout.

    nflows.flows.MaskedAutoregressiveFlow and SimpleRealNVP, and any Flow made of permutations, masked
    autoregressive and coupling transforms, affine, additive or rational-quadratic with linear tails, with
    the networks MADE and ResidualNet and the activations relu, tanh, elu and silu, without context and batch
    normalisation, over a StandardNormal. log_prob and forward equal nflows' log_prob and
    _transform.inverse to rounding. Raises TypeError for what is no nflows flow, and ValueError naming the
    part that is not supported; nothing is approximated.
    """
    base = sys.modules.get("nflows.flows.base")
    if base is None or not isinstance(flow, base.Flow):
        raise TypeError(f"flow: expected an nflows Flow, got {type(flow).__name__}")
    if type(flow._distribution).__name__ != "StandardNormal" or len(flow._distribution._shape) != 1:
        refuse("flow._distribution", "a StandardNormal of one dimension", type(flow._distribution).__name__)
    if type(flow._embedding_net).__name__ != "Identity":
        refuse("flow._embedding_net", "none", type(flow._embedding_net).__name__)
    dim = int(flow._distribution._shape[0])
    named = _flat("flow._transform", flow._transform)
    return flow_of([_layer(place, transform, dim) for place, transform in named], dim)


def _flat(place: str, transform: Any) -> Iterator[tuple[str, Any]]:
    if type(transform).__name__ != "CompositeTransform":
        yield place, transform
        return
    for i, inner in enumerate(transform._transforms):
        yield from _flat(f"{place}._transforms[{i}]", inner)


def _layer(place: str, transform: Any, dim: int) -> Layer | list[int]:
    kind = type(transform).__name__
    if kind in ("Permutation", "RandomPermutation", "ReversePermutation"):
        if transform._dim != 1:
            refuse(place, "a permutation of dimension 1", f"one of dimension {transform._dim}")
        order: list[int] = array(transform._permutation).tolist()
        return order
    if kind not in (*_MADE, *_COUPLINGS):
        refuse(place, f"{', '.join((*_MADE, *_COUPLINGS))} or permutations", kind)
    spline = "Piecewise" in kind
    if spline:
        _check_spline(place, transform)
    bound = float(transform.tail_bound) if spline else None
    if kind in _MADE:
        network = _made(f"{place}.autoregressive_net", transform.autoregressive_net, dim)
        if not spline:
            network = _with_outputs(network, np.s_[:, ::-1])  # shift, u
        return Layer(network, [], list(range(dim)), "softplus", bound)
    if transform.unconditional_transform is not None:
        refuse(place, "no unconditional_transform", "one")
    kept, moved = (
        array(side).tolist() for side in (transform.identity_features, transform.transform_features)
    )
    outputs = transform._transform_dim_multiplier()
    network = _residual_net(f"{place}.transform_net", transform.transform_net, len(kept), len(moved), outputs)
    if spline:
        return Layer(_scaled(network, transform), kept, moved, "softplus", bound)
    network = _blocked(network)
    return Layer(network, kept, moved, "additive" if kind.startswith("Additive") else "sigmoid")


def _check_spline(place: str, transform: Any) -> None:
    if transform.tails != "linear":
        refuse(place, "tails='linear'", f"tails={transform.tails!r}")
    for name in ("min_bin_width", "min_bin_height", "min_derivative"):
        if getattr(transform, name) != _FLOOR:
            refuse(place, f"{name}={_FLOOR}", f"{name}={getattr(transform, name)}")


def _made(place: str, made: Any, dim: int) -> Network:
    if hasattr(made, "context_layer"):
        refuse(place, "no context", "context features")
    linears, activation = [made.initial_layer], made.activation
    for i, block in enumerate(made.blocks):
        _check_block(f"{place}.blocks[{i}]", block)
        linears += list(block.linear_layers) if made.use_residual_blocks else [block.linear]
    linears.append(made.final_layer)
    return _network(place, linears, activation, bool(made.use_residual_blocks), dim, masked=True)


def _residual_net(place: str, net: Any, columns: int, features: int, outputs: int) -> Network:
    if type(net).__name__ != "ResidualNet":
        refuse(place, "a ResidualNet", type(net).__name__)
    if net.context_features is not None:
        refuse(place, "no context", f"{net.context_features} context features")
    if not columns:
        refuse(place, "a mask that keeps a feature", "none")
    linears = [net.initial_layer]
    for i, block in enumerate(net.blocks):
        _check_block(f"{place}.blocks[{i}]", block)
        linears += list(block.linear_layers)
    linears.append(net.final_layer)
    activation = net.blocks[0].activation if len(net.blocks) else None
    return _network(place, linears, activation, True, features)


def _check_block(place: str, block: Any) -> None:
    if getattr(block, "use_batch_norm", False) or getattr(block, "batch_norm", None) is not None:
        refuse(place, "no batch normalisation", "some")
    if hasattr(block, "context_layer"):
        refuse(place, "no context", "context features")


def _network(
    place: str, linears: list[Any], activation: Any, residual: bool, features: int, masked: bool = False
) -> Network:
    weights, biases = [array(linear.weight) for linear in linears], [array(linear.bias) for linear in linears]
    masks = [array(linear.mask) for linear in linears] if masked else None
    bias_out = biases.pop().reshape(features, -1)
    return Network(
        weights[:-1], biases, weights[-1], bias_out, _activation(place, activation), residual, masks
    )


def _activation(place: str, function: Any) -> str:
    if function is None:
        return "relu"  # a network without blocks uses none
    if not hasattr(function, "__name__"):
        return activation_name(place, function)
    if function.__name__ not in _FUNCTIONS or not str(function.__module__).startswith(("torch", "None")):
        refuse(place, f"one of {', '.join(_FUNCTIONS)} of torch", function.__name__)
    return _FUNCTIONS[function.__name__]


def _with_outputs(network: Network, order: Any) -> Network:
    """The outputs of each feature in another order."""
    features, outputs = network.bias_out.shape

    def moved(rows: Array) -> Array:
        turned: Array = rows.reshape(features, outputs, -1)[order].reshape(rows.shape)
        return turned

    masks = network.masks and [*network.masks[:-1], moved(network.masks[-1])]
    return network._replace(
        weight_out=moved(network.weight_out), bias_out=moved(network.bias_out), masks=masks
    )


def _blocked(network: Network) -> Network:
    """All shifts come before all u: made those of each feature."""
    features, outputs = network.bias_out.shape
    weight = network.weight_out.reshape(outputs, features, -1).swapaxes(0, 1)
    bias = network.bias_out.reshape(outputs, features).T
    return network._replace(
        weight_out=weight.reshape(outputs * features, -1), bias_out=np.ascontiguousarray(bias)
    )


def _scaled(network: Network, transform: Any) -> Network:
    """nflows divides the logits of widths and heights by the root of the number of hidden features."""
    features, outputs = network.bias_out.shape
    bins = 2 * transform.num_bins
    root = np.sqrt(transform.transform_net.hidden_features)
    scale = np.where(np.arange(outputs) < bins, 1 / root, 1).astype(network.bias_out.dtype)
    weight = network.weight_out.reshape(features, outputs, -1) * scale[:, None]
    return network._replace(
        weight_out=weight.reshape(features * outputs, -1), bias_out=network.bias_out * scale
    )
