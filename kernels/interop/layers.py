"""Layers as libraries hold them, made the Params of the families: orders, degrees, padding, merging."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from seqgap.kernels import maf, realnvp, rq_spline
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels._nets.made import sorted_units
from seqgap.kernels.interop.affine import Affine, merged, placed
from seqgap.kernels.interop.parts import refuse


class Context(NamedTuple):
    """How a context enters a network, in one of the ways of `_nets.context_tables`."""

    way: str
    weights: list[Array]  # (H, C) of each hidden layer with an entry
    biases: list[Array]  # (H,)


class Network(NamedTuple):
    """A perceptron as a library holds it: rows of outputs, columns of inputs; masks where it is a MADE."""

    weights: list[Array]  # of the hidden layers
    biases: list[Array]
    weight_out: Array  # (S * P, H)
    bias_out: Array  # (S, P)
    activation: str
    residual: bool | str
    masks: list[Array] | None = None  # of the hidden layers and of the outputs
    context: Context | None = None


class Layer(NamedTuple):
    """One transform, data to latent; features by their numbers in the vector that it is given."""

    path: str  # in the flow of the library
    network: Network
    kept: list[int]  # features that pass, in the order of the network's inputs; none: autoregressive
    moved: list[int]  # the others, in the order of the outputs; autoregressive: in that of the layer
    kind: str  # of the scale, or of the spline
    bound: float | None = None  # of the spline; None where the layer is affine

    def step(self, labels: Array, dtype: np.dtype[Any]) -> Any:
        """Its Params in a flow whose features have these labels."""
        if self.kept:
            return _coupling(self, labels[self.kept], labels[self.moved])
        return _autoregressive(self, labels)


class Stepwise(Protocol):
    """A layer that is a step of its own: a `Layer`, or what has no network, or one of another kind."""

    def step(self, labels: Array, dtype: np.dtype[Any]) -> Any:
        """Its Params in a flow whose features have these labels."""


def flow_of(layers: Sequence[Affine | Stepwise], dim: int, dtype: np.dtype[Any]) -> Flow:
    """The flow of layers, data to latent; affine neighbours are one step, or none where they permute."""
    labels, steps, run = np.arange(dim), list[Any](), list[Affine]()
    for layer in (*layers, None):  # None: after the last one
        if isinstance(layer, Affine):
            run.append(layer)
            continue
        if run:
            labels, own = placed(merged(run), labels, dtype)
            steps, run = steps + own, []
        if layer is not None:
            steps.append(layer.step(labels, dtype))
    if not steps:
        refuse("flow", "a layer that is no permutation", "none")
    return Flow(*_merged(steps[::-1]), permutation=labels)


def _autoregressive(layer: Layer, labels: Array) -> Any:
    net, order = layer.network, np.asarray(layer.moved)
    assert net.masks is not None
    degrees = _degrees(layer.path, [mask != 0 for mask in net.masks], order)
    weights = [w * mask for w, mask in zip(net.weights, net.masks, strict=False)]
    features, outputs = net.bias_out.shape
    weight_out = (net.weight_out * net.masks[-1]).reshape(features, outputs, -1)[order]
    padded = _padded(
        [weights[0][:, order], *weights[1:]], net.biases, weight_out, net.bias_out[order], degrees
    )
    padded |= _context_fields(net)
    own, names = (labels[order][None], padded.pop("degrees")), (net.activation, layer.kind)
    if layer.bound is None:
        params: Any = maf.Params(*own, **padded, activation=names[0], scale=names[1], residual=net.residual)
        return sorted_units(params)
    params = rq_spline.Params(
        own[0], np.zeros(1, np.int64), own[1], **padded, activation=names[0], spline=names[1],
        bound=layer.bound, residual=net.residual,
    )  # fmt: skip
    return sorted_units(params)


def _degrees(path: str, masks: list[Array], order: Array) -> list[Array]:
    """Of each hidden layer's units, from the masks: how many features of the order each sees, at most."""
    ranks = 1 + np.argsort(order)
    degrees = [np.max(masks[0] * ranks, axis=1, initial=0).astype(np.int64)]
    for mask in masks[1:-1]:
        degrees.append(np.max(mask * degrees[-1], axis=1, initial=0).astype(np.int64))
    seen = np.max(masks[-1] * degrees[-1], axis=1, initial=0).reshape(len(order), -1)[order]
    if (seen > np.arange(len(order))[:, None]).any():
        refuse(path, "masks of an autoregressive network", "outputs that see later features")
    return degrees


def _coupling(layer: Layer, kept: Array, moved: Array) -> Any:
    net = layer.network
    width = max(map(len, net.biases))
    degrees = [np.full(width, len(kept)) for _ in net.biases]
    outputs = net.weight_out.reshape(*net.bias_out.shape, -1)
    if layer.bound is None:  # kept and moved features ascend in realnvp.Params
        columns, rows = np.argsort(kept), np.argsort(moved)
        weights = [net.weights[0][:, columns], *net.weights[1:]]
        padded = _padded(weights, net.biases, outputs[rows], net.bias_out[rows], degrees)
        padded |= _context_fields(net)
        del padded["degrees"]
        masks = np.isin(np.arange(len(kept) + len(moved)), kept)[None]
        params: Any = realnvp.Params(
            masks, **padded, activation=net.activation, scale=layer.kind, residual=net.residual
        )
        return params
    padded = _padded(net.weights, net.biases, outputs, net.bias_out, degrees) | _context_fields(net)
    return rq_spline.Params(
        np.concatenate([kept, moved])[None], np.array([len(kept)]), **padded, activation=net.activation,
        spline=layer.kind, bound=layer.bound, residual=net.residual,
    )  # fmt: skip


def _padded(
    weights: list[Array], biases: list[Array], weight_out: Array, bias_out: Array, degrees: list[Array]
) -> dict[str, Any]:
    """Arrays of one layer; hidden layers as wide as the widest, by units of zeros: no activation moves 0."""
    width = max(map(len, biases))
    hidden = [to_shape(w, (width, width)) for w in weights[1:]]
    return {
        "degrees": np.stack([to_shape(d, (width,)) for d in degrees])[None],
        "weight_in": to_shape(weights[0], (width, weights[0].shape[1]))[None],
        "weight_hidden": np.array(hidden, weights[0].dtype).reshape(1, len(hidden), width, width),
        "weight_out": to_shape(weight_out, (*weight_out.shape[:2], width))[None],
        "bias_hidden": np.stack([to_shape(b, (width,)) for b in biases])[None],
        "bias_out": bias_out[None],
    }


def _context_fields(net: Network) -> dict[str, Any]:
    """The fields of Params of a network with a context, as wide as the hidden layers."""
    if net.context is None:
        return {}
    width, (way, weights, biases) = max(map(len, net.biases)), net.context
    return {
        "context": way,
        "weight_context": np.stack([to_shape(w, (width, w.shape[1])) for w in weights])[None],
        "bias_context": np.stack([to_shape(b, (width,)) for b in biases])[None],
    }


def of_context(net: Network, dim: int, context: Array) -> Network:
    """A network of the context alone, whose weights (H, C) of it those of the first layer are.

    It is autoregressive, and no unit sees a feature.
    """
    unseen = np.zeros((len(net.biases[0]), dim), context.dtype)
    masks = [unseen, *map(np.ones_like, net.weights[1:]), np.ones_like(net.weight_out)]
    return net._replace(weights=[unseen, *net.weights[1:]], masks=masks, context=added(context))


def added(weight: Array) -> Context:
    """The way "added", by weights (H, C) alone."""
    return Context("added", [weight], [np.zeros(len(weight), weight.dtype)])


def columns_of_context(weights: list[Array], masks: list[Any], inputs: int) -> Context | None:
    """Of the first layer, those behind its features: taken off its weights and mask."""
    first, mask = weights[0], masks[0]
    weights[0] = np.ascontiguousarray(first[:, :inputs])
    if first.shape[1] == inputs:
        return None
    seen = first if mask is None else first * mask
    masks[0] = None if mask is None else np.ascontiguousarray(mask[:, :inputs])
    return added(np.ascontiguousarray(seen[:, inputs:]))


def to_shape(value: Array, shape: tuple[int, ...]) -> Array:
    """`value` with zeros behind it along each axis."""
    padded = np.zeros(shape, value.dtype)
    padded[tuple(map(slice, value.shape))] = value
    return padded


def _merged(steps: Sequence[Any]) -> list[Any]:
    """Neighbours of one family and architecture as one Params."""
    merged: list[Any] = []
    for params in steps:
        if merged and _alike(merged[-1], params):
            merged[-1] = _stacked(merged[-1], params)
        else:
            merged.append(params)
    return merged


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other) or "bias_context" not in one._fields:
        return False

    def architecture(params: Any) -> tuple[Any, ...]:
        plain = tuple(value for value in params if np.ndim(value) == 0)
        columns = None if params.context is None else params.weight_context.shape[-1]
        couples = bool(np.all(getattr(params, "kept", 0)))
        return (
            *plain,
            couples,
            columns,
            params.bias_hidden.shape[1:],
            params.bias_out.shape[2],
            params.bias_out.dtype,
        )

    return architecture(one) == architecture(other)


def _stacked(one: Any, other: Any) -> Any:
    """Layers of both; couplings may keep different numbers of features."""

    def joined(a: Any, b: Any) -> Any:
        if np.ndim(a) == 0:
            return a
        shape = tuple(map(max, a.shape[1:], b.shape[1:]))
        return np.concatenate([to_shape(v, (len(v), *shape)) for v in (a, b)])

    return type(one)(*(joined(a, b) for a, b in zip(one, other, strict=True)))
