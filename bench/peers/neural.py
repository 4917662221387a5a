"""The neural flows in NumPy, PyTorch and JAX, and what they cost: shared by their cases.

As an expert would write them for stacks whose weights are 0 where a unit does not see another, as those of
`random_params` are: products of the whole batch with a matrix, and where features come one by one each weight
used once. They know ReLU, the activation of the cases. `xp` is as in `transforms`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, Function
from seqgap.bench.peers import deployed
from seqgap.bench.peers.flows import models
from seqgap.bench.peers.transforms import Transform, affine, affine_back, spline

WIDTH = 128  # of the cases' networks, which have one hidden layer


class Layer(NamedTuple):
    """One layer of a stack: it transforms the last S features of `order`, by what those before them are."""

    order: Any  # (D,)
    rank: Any  # (D,), of each feature in the order
    degrees: Any  # (K, H), or None for a coupling
    weight_in: Any  # (H, C)
    weight_hidden: Any  # (K - 1, H, H)
    weight_out: Any  # (S, P, H)
    bias_hidden: Any  # (K, H)
    bias_out: Any  # (S, P)

    @property
    def identity(self) -> int:
        """How many features pass as they are."""
        return len(self.order) - len(self.bias_out)


def autoregressive(params: Any) -> list[Layer]:
    """The layers of maf.Params and iaf.Params."""
    parts = zip(params.order, params.degrees, *_weights(params), strict=True)
    return [Layer(order, np.argsort(order), *rest) for order, *rest in parts]


def coupling(params: Any, orders: Any, identity: Any) -> list[Layer]:
    """The layers of couplings, without the rows and columns that are not read."""
    layers = []
    for order, start, weight_in, hidden, weight_out, bias_hidden, bias_out in zip(
        orders, identity, *_weights(params), strict=True
    ):
        count = len(order) - start
        weights = weight_in[:, :start], hidden, weight_out[:count], bias_hidden, bias_out[:count]
        layers.append(Layer(order, np.argsort(order), None, *weights))
    return layers


def _weights(params: Any) -> tuple[Any, ...]:
    return params.weight_in, params.weight_hidden, params.weight_out, params.bias_hidden, params.bias_out


def _dense(xp: Any, values: Any, weight: Any, bias: Any) -> Any:
    if hasattr(xp, "addmm"):
        return xp.addmm(bias, values, weight.T)
    return values @ weight.T + bias


def theta_of(xp: Any, layer: Layer, features: Any) -> Any:
    """What the network makes of the features in the layer's order: (N, S, P)."""
    hidden = features[:, : layer.weight_in.shape[1]]
    weights = (layer.weight_in, *layer.weight_hidden)
    for weight, bias in zip(weights, layer.bias_hidden, strict=True):
        hidden = xp.clip(_dense(xp, hidden, weight, bias), 0, None)
    weight, bias = layer.weight_out.reshape(-1, hidden.shape[1]), layer.bias_out.reshape(-1)
    return _dense(xp, hidden, weight, bias).reshape(len(features), *layer.bias_out.shape)


def _stacked(
    step: Callable[[Layer, Any], tuple[Any, Any]], batch: Any, layers: Iterable[Layer]
) -> tuple[Any, Any]:
    """(batch, log_det) after all layers; step(layer, features) works on features in the layer's order."""
    log_det = 0.0
    for layer in layers:
        features, added = step(layer, batch[:, layer.order])
        batch, log_det = features[:, layer.rank], added + log_det
    return batch, log_det


def one_pass(xp: Any, batch: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """Each layer at once: data to latent, or a coupling in either direction."""

    def step(layer: Layer, source: Any) -> tuple[Any, Any]:
        values, added = transform(xp, theta_of(xp, layer, source), source[:, layer.identity :])
        return xp.concatenate([source[:, : layer.identity], values], 1), added

    return _stacked(step, batch, layers)


def passes(z: Any, layers: Iterable[Layer], transform: Transform, count: int) -> tuple[Any, Any]:
    """Latent to data by `count` passes of the whole network in each layer: D of them, as libraries sample."""

    def step(layer: Layer, source: Any) -> tuple[Any, Any]:
        target, added = np.zeros_like(source), 0.0
        for _ in range(count):
            target, added = transform(np, theta_of(np, layer, target), source)
        return target, added

    return _stacked(step, z, layers)


def by_feature(z: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """Latent to data feature by feature, the hidden units computed once what they see is known."""

    def step(layer: Layer, source: Any) -> tuple[Any, Any]:
        target, log_det = np.zeros_like(source), 0.0
        hidden = [np.zeros((len(z), len(bias)), z.dtype) for bias in layer.bias_hidden]
        done = [0] * len(hidden)
        for i in range(z.shape[1]):
            done = _units(layer, i, target, hidden, done)
            theta = hidden[-1][:, : done[-1]] @ layer.weight_out[i, :, : done[-1]].T + layer.bias_out[i]
            values, added = transform(np, theta[:, None], source[:, i : i + 1])
            target[:, i] = values[:, 0]
            log_det = added + log_det
        return target, log_det

    return _stacked(step, z, layers)


def _units(layer: Layer, limit: int, features: Any, hidden: list[Any], done: list[int]) -> list[int]:
    """Compute the units of degree `limit`; how many of each hidden layer there are then."""
    counts = [int(np.searchsorted(degrees, limit, "right")) for degrees in layer.degrees]
    seen, source = limit, features
    weights = (layer.weight_in, *layer.weight_hidden)
    for k, (weight, first, last) in enumerate(zip(weights, done, counts, strict=True)):
        if last > first:
            sums = source[:, :seen] @ weight[first:last, :seen].T + layer.bias_hidden[k, first:last]
            hidden[k][:, first:last] = np.maximum(sums, 0)
        seen, source = last, hidden[k]
    return counts


def torch_by_feature(torch: Any, z: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """`by_feature` with each feature added to all hidden units at once, of which there is one layer."""

    def step(layer: Layer, source: Any) -> tuple[Any, Any]:
        source, target, log_det = source.T, torch.empty_like(z.T), 0.0
        sums = layer.bias_hidden[0][:, None].repeat(1, len(z))
        for i, (weight, bias) in enumerate(zip(layer.weight_out, layer.bias_out, strict=True)):
            theta = torch.addmm(bias[:, None], weight, sums.relu())
            values, added = transform(torch, theta.T[:, None], source[i, :, None])
            target[i] = values[:, 0]
            sums.addr_(layer.weight_in[:, i], target[i])
            log_det = added + log_det
        return target.T, log_det

    return _stacked(step, z, layers)


def jax_by_feature(jax: Any, z: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """As `torch_by_feature`."""
    xp = jax.numpy

    def feature(sums: Any, at: Any) -> tuple[Any, Any]:
        column, weight, bias, source = at
        theta = xp.maximum(sums, 0) @ weight.T + bias
        values, added = transform(xp, theta[:, None], source[:, None])
        return sums + values * column, (values[:, 0], added)

    def step(layer: Layer, source: Any) -> tuple[Any, Any]:
        sums = xp.tile(layer.bias_hidden[0], (len(z), 1))
        along = layer.weight_in.T, layer.weight_out, layer.bias_out, source.T
        _, (target, added) = jax.lax.scan(feature, sums, along)
        return target.T, added.sum(0)

    return _stacked(step, z, layers)


def stepwise(
    layers: Callable[[Any], list[Layer]], cost: Callable[[int], Cost], explaining: Mapping[str, Function] = {}
) -> Direction:
    """The direction of masked affine layers that takes D steps, from the first layer on."""
    return Direction(
        cost, lambda z, params: by_feature(z, layers(params), affine_back),
        lambda torch, z, tables: torch_by_feature(torch, z, tables, affine_back),
        lambda jax, z, tables: jax_by_feature(jax, z, tables, affine_back),
        tables=lambda params, dim: tuple(layers(params)),
        explaining=explaining, unrolled=True, models=models(layers, back=True),
        deployed=deployed.by_passes(layers),
    )  # fmt: skip


def at_once(
    layers: Callable[[Any], list[Layer]],
    cost: Callable[[int], Cost],
    *,
    back: bool,
    bound: float | None = None,
) -> Direction:
    """A direction that takes one pass of each network: from the first layer on if back, else from the last.

    bound: of the splines, None where the layers are affine.
    """
    transform = spline(bound, back) if bound is not None else affine_back if back else affine

    def ordered(params: Any) -> tuple[Layer, ...]:
        return tuple(layers(params)[:: 1 if back else -1])

    return Direction(
        cost, lambda batch, params: one_pass(np, batch, ordered(params), transform),
        lambda torch, batch, tables: one_pass(torch, batch, tables, transform),
        lambda jax, batch, tables: one_pass(jax.numpy, batch, tables, transform),
        tables=lambda params, dim: ordered(params), models=models(layers, back, bound),
        deployed=deployed.at_once(layers, back, bound),
    )  # fmt: skip


def steps(dim: int) -> float:
    """Operations on the longest path of a value: sums over what a unit and an output see."""
    return dim + WIDTH + 16


def masked_cost(dim: int) -> Cost:
    """Of an affine layer of a MADE with cyclic degrees in either direction, each weight used once."""
    degrees = np.arange(WIDTH) % max(1, dim - 1) + min(1, dim - 1)
    weights = float((degrees + 2 * (dim - degrees)).sum())  # those not hidden: two outputs for a feature
    return Cost(
        flops=2 * weights + WIDTH + dim * (EXP_FLOPS + 7),
        exps=dim,
        parameters=WIDTH * (dim + 2) + dim * (2 * WIDTH + 3),
        weights=weights,
    )


def step_cost(dim: int) -> Cost:
    """The same, feature by feature.

    A feature waits for multiply-adds into a unit, of that into an output and of its own transform, and for an
    exp, which is longer than one.
    """
    return masked_cost(dim)._replace(depth=4 * dim)
