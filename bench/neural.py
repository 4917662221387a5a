"""The neural flows in NumPy, and what they cost: shared by their cases.

As an expert would write them for stacks whose weights are 0 where a unit does not see another, as those of
`random_params` are: products of the whole batch with a matrix, each weight used once where features come one
by one. Of the networks' activations they know ReLU, that of the cases.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.bench.registry import EXP_FLOPS

Transform: TypeAlias = Callable[
    [Any, Any], tuple[Any, Any]
]  # (numbers (N, S, P), values) -> (values, log_det)

WIDTH = 128  # of the cases' networks, which have one hidden layer
_CLIP = np.log(1e-3)


class Layer(NamedTuple):
    """One layer of a stack: the kept features first in `order`, what they, or those before, are seen by."""

    order: Any  # (D,)
    kept: int
    degrees: Any  # (K, H), or None for a coupling
    weight_in: Any  # (H, C)
    weight_hidden: Any  # (K - 1, H, H)
    weight_out: Any  # (S, P, H)
    bias_hidden: Any  # (K, H)
    bias_out: Any  # (S, P)


def autoregressive(params: Any) -> list[Layer]:
    """The layers of maf.Params, of iaf.Params, and of rq_spline.Params without kept features."""
    parts = zip(params.order, params.degrees, *_weights(params), strict=True)
    return [Layer(order, 0, *rest) for order, *rest in parts]


def coupling(params: Any, orders: Any, kept: Any) -> list[Layer]:
    """The layers of couplings, without the rows and columns that are not read."""
    found = []
    for order, start, weight_in, hidden, weight_out, *biases in zip(
        orders, kept, *_weights(params), strict=True
    ):
        moved = len(order) - start
        weights = weight_in[:, :start], hidden, weight_out[:moved]
        found.append(Layer(order, start, None, *weights, biases[0], biases[1][:moved]))
    return found


def _weights(params: Any) -> tuple[Any, ...]:
    return params.weight_in, params.weight_hidden, params.weight_out, params.bias_hidden, params.bias_out


def numbers(layer: Layer, features: Any) -> Any:
    """What the network makes of the features in the layer's order: (N, S, P)."""
    hidden = features[:, : layer.weight_in.shape[1]]
    weights = (layer.weight_in, *layer.weight_hidden)
    for weight, bias in zip(weights, layer.bias_hidden, strict=True):
        hidden = np.maximum(hidden @ weight.T + bias, 0)
    made = hidden @ layer.weight_out.reshape(-1, hidden.shape[1]).T
    return made.reshape(len(features), *layer.bias_out.shape) + layer.bias_out


def one_pass(batch: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """Each layer at once: data to latent, or a coupling in either direction."""
    values, log_det = batch.copy(), np.zeros(len(batch), batch.dtype)
    for layer in layers:
        given = values[:, layer.order]
        moved, added = transform(numbers(layer, given), given[:, layer.kept :])
        values[:, layer.order[layer.kept :]] = moved
        log_det += added
    return values, log_det


def passes(z: Any, layers: Iterable[Layer], transform: Transform, count: int) -> tuple[Any, Any]:
    """Latent to data by `count` passes of the whole network in each layer: D of them, as libraries sample."""
    values, log_det = z.copy(), np.zeros(len(z), z.dtype)
    for layer in layers:
        given, known, added = values[:, layer.order], np.zeros_like(z), 0.0
        for _ in range(count):
            known, added = transform(numbers(layer, known), given)
        values[:, layer.order] = known
        log_det += added
    return values, log_det


def by_feature(z: Any, layers: Iterable[Layer], transform: Transform) -> tuple[Any, Any]:
    """Latent to data feature by feature, the hidden units computed once what they see is known."""
    values, log_det = z.copy(), np.zeros(len(z), z.dtype)
    for layer in layers:
        given, known = values[:, layer.order], np.zeros_like(z)
        hidden = [np.zeros((len(z), len(bias)), z.dtype) for bias in layer.bias_hidden]
        before = [0] * len(hidden)
        for i in range(z.shape[1]):
            before = _units(layer, i, known, hidden, before)
            made = hidden[-1][:, : before[-1]] @ layer.weight_out[i, :, : before[-1]].T + layer.bias_out[i]
            moved, added = transform(made[:, None], given[:, i : i + 1])
            known[:, i] = moved[:, 0]
            log_det += added
        values[:, layer.order] = known
    return values, log_det


def _units(layer: Layer, limit: int, known: Any, hidden: list[Any], before: list[int]) -> list[int]:
    """Compute the units of degree `limit`; how many of each hidden layer there are then."""
    counts = [int(np.searchsorted(degrees, limit, "right")) for degrees in layer.degrees]
    seen, source = limit, known
    for k, (weight, first, last) in enumerate(
        zip((layer.weight_in, *layer.weight_hidden), before, counts, strict=True)
    ):
        if last > first:
            made = source[:, :seen] @ weight[first:last, :seen].T + layer.bias_hidden[k, first:last]
            hidden[k][:, first:last] = np.maximum(made, 0)
        seen, source = last, hidden[k]
    return counts


def _log_scale(made: Any) -> Any:
    return made[..., 1] / (1 + np.abs(made[..., 1] / made.dtype.type(_CLIP)))


def affine(made: Any, x: Any) -> tuple[Any, Any]:
    """z = scale x + shift with the scale softclip: data to latent."""
    log_scale = _log_scale(made)
    return x * np.exp(log_scale) + made[..., 0], log_scale.sum(axis=1)


def affine_back(made: Any, z: Any) -> tuple[Any, Any]:
    """Latent to data."""
    log_scale = _log_scale(made)
    return (z - made[..., 0]) * np.exp(-log_scale), -log_scale.sum(axis=1)


def spline(bound: float, back: bool) -> Transform:
    """The rational-quadratic spline softplus, data to latent or back."""

    def transform(made: Any, values: Any) -> tuple[Any, Any]:
        inside = (values > -bound) & (values < bound)
        clipped = np.clip(values, -bound, bound)
        bins = (made.shape[-1] + 1) // 3
        xs = _edges(made[..., :bins], bound)
        ys = _edges(made[..., bins : 2 * bins], bound)
        slopes = np.ones_like(xs)
        slopes[..., 1:-1] = np.logaddexp(0, made[..., 2 * bins :]) + made.dtype.type(1e-3)
        edges = ys if back else xs
        k = np.sum(clipped[..., None] >= edges[..., 1:-1], axis=-1)[..., None]
        x, x1, y, y1, low, high = (
            np.take_along_axis(a, k + j, axis=-1)[..., 0] for a in (xs, ys, slopes) for j in (0, 1)
        )
        width, height = x1 - x, y1 - y
        steep = height / width
        bend = low + high - 2 * steep
        if back:
            up = clipped - y
            qa, qb, qc = height * (steep - low) + up * bend, height * low - up * bend, -steep * up
            root = np.sqrt(np.maximum(qb * qb - 4 * qa * qc, 0))
            with np.errstate(divide="ignore", invalid="ignore"):
                part = np.where(qb < 0, (root - qb) / (2 * qa), -2 * qc / (qb + root))
            moved = x + part * width
        else:
            part = (clipped - x) / width
            moved = y + height * (steep * part**2 + low * part * (1 - part)) / (
                steep + bend * part * (1 - part)
            )
        rest = part * (1 - part)
        ratio = steep / (steep + bend * rest)
        slope = np.log(ratio**2 * (high * part**2 + 2 * steep * rest + low * (1 - part) ** 2))
        log_det = np.where(inside, -slope if back else slope, 0).sum(axis=1)
        return np.where(inside, moved, values), log_det

    return transform


def _edges(logits: Any, bound: float) -> Any:
    """The knots along one axis."""
    parts = np.exp(logits - logits.max(axis=-1, keepdims=True))
    parts = 1e-3 + (1 - 1e-3 * parts.shape[-1]) * parts / parts.sum(axis=-1, keepdims=True)
    edges = np.zeros((*parts.shape[:-1], parts.shape[-1] + 1), logits.dtype)
    np.cumsum(parts, axis=-1, out=edges[..., 1:])
    edges = bound * (2 * edges - 1)
    edges[..., -1] = bound
    return edges


def steps(dim: int) -> float:
    """Operations on the longest path of a value: sums over what a unit and an output see."""
    return dim + WIDTH + 16


def network_flops(seen: float, outputs: float) -> float:
    """Of one network with `seen` weights of its hidden layer and `outputs` of its output layer."""
    return 2 * (seen + outputs) + WIDTH


def masked_weights(dim: int, outputs: int) -> tuple[float, float]:
    """How many weights of a MADE with cyclic degrees are not hidden: of the hidden layer, of the outputs."""
    degrees = np.arange(WIDTH) % max(1, dim - 1) + min(1, dim - 1)
    return float(degrees.sum()), float(outputs * (dim - degrees).sum())


def masked_flops(dim: int) -> float:
    """Of an affine layer in either direction, each weight used once."""
    return network_flops(*masked_weights(dim, 2)) + dim * (EXP_FLOPS + 7)


def masked_parameters(dim: int) -> float:
    """How many numbers the Params of `maf` hold for one layer."""
    return WIDTH * (dim + 2) + dim * (2 * WIDTH + 3)
