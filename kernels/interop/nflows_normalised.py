"""Networks of nflows with BatchNorm1d, as networks without: it becomes part of the weights, in float64."""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels.interop.layers import Context, Network
from seqgap.kernels.interop.normalisation import Diagonal, after, batch_norm, before
from seqgap.kernels.interop.parts import Parts, array, refuse


def norms_of(path: str, block: Any, residual: bool) -> list[tuple[str, Any]]:
    """What normalises the output of each hidden layer before the next one sees it; None: nothing."""
    if not residual:
        return [(f"{path}.batch_norm", block.batch_norm)]
    norms = block.batch_norm_layers if block.use_batch_norm else (None, None)
    if len(norms) != 2:
        refuse(f"{path}.batch_norm_layers", "2 layers", len(norms))
    return [(f"{path}.batch_norm_layers[{i}]", norm) for i, norm in enumerate(norms)]


def normalised(parts: Parts, network: Network, norms: list[tuple[str, Any]]) -> Network:
    """The network with its batch normalisation as part of the linear layers."""
    scales = [
        _batch_norm(parts, at, norm, len(bias), bool(network.residual))
        for (at, norm), bias in zip(norms, network.biases, strict=False)
    ]
    weights, biases = [*network.weights, network.weight_out], [*network.biases, network.bias_out.ravel()]
    masks = network.masks or [np.ones_like(weight) for weight in weights]
    context = network.context
    if network.residual:
        for k in range(1, len(scales), 2):
            weights[k], biases[k] = after(weights[k], biases[k], scales[k])
        weights, biases, masks = _copies(weights, biases, masks, scales[::2])
        context = context and _copied_context(context, scales[::2])
    else:
        for k, norm in enumerate(scales, 1):
            weights[k], biases[k] = before(weights[k], biases[k], masks[k], norm)
    bias_out = biases.pop().reshape(network.bias_out.shape)
    own = network.masks and masks
    return network._replace(
        weights=weights[:-1], biases=biases, weight_out=weights[-1], bias_out=bias_out, masks=own,
        context=context,
    )  # fmt: skip


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


def _copied_context(context: Context, norms: list[Diagonal]) -> Context:
    """What the first layer adds is scaled as its copies are; gates are the same in all of them."""
    weights = [np.tile(weight, (len(norms), 1)) for weight in context.weights]
    biases = [np.tile(bias, len(norms)) for bias in context.biases]
    scale = np.concatenate([norm.scale for norm in norms])
    weights[0], biases[0] = after(weights[0], biases[0], Diagonal(scale, np.zeros_like(scale)))
    return Context(context.way, weights, biases)
