"""Neural flows as ONNX graphs, as a careful export would write them.

The permutations of masked layers are in their weights, and constants that multiply log scales too; halves of
couplings stay apart between layers.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from seqgap.bench.peers.onnx_batch import Batch
from seqgap.bench.peers.onnx_graph import Graph, Value
from seqgap.bench.peers.transforms import CLIP, SMALLEST, rational_quadratic

_INT64 = 7  # as ONNX numbers its types


def transformed(batch: Batch, layers: Iterable[Any], back: bool, bound: float | None) -> tuple[Batch, Value]:
    """The batch after all layers in their order, and log_det.

    back: latent to data. bound: of the splines, None where the layers are affine.
    """
    (source,), log_dets = batch.pieces, []
    graph = source.value.graph
    for layer in map(natural, layers):
        if len(layer.bias_out):
            values, added = _transformed(graph, layer, batch, back, bound)
            batch.transform(layer.order[: layer.identity], layer.order[layer.identity :], values)
            log_dets.append(graph.sum_rows(added))
    return batch, graph.add("Sum", *log_dets)


def natural(layer: Any) -> Any:
    """A masked layer for features in their natural order."""
    if layer.degrees is None:
        return layer
    ascending, rank = np.arange(len(layer.order)), layer.rank
    return layer._replace(
        order=ascending, rank=ascending, weight_in=layer.weight_in[:, rank],
        weight_out=layer.weight_out[rank], bias_out=layer.bias_out[rank],
    )  # fmt: skip


def _transformed(
    graph: Graph, layer: Any, batch: Batch, back: bool, bound: float | None
) -> tuple[Value, Value]:
    """(values, their part of log_det), both (N, S)."""
    hidden = hidden_of(graph, layer, batch)
    values = batch.select(layer.order[layer.identity :])
    if bound is None:
        return affine(graph, layer, hidden, values, back)
    return _spline(graph, layer, hidden, values, back, bound)


def hidden_of(graph: Graph, layer: Any, batch: Batch) -> Value:
    """The last hidden units of the network."""
    weight_in = layer.weight_in
    if not weight_in.shape[1]:  # nothing to see: a network of an input that does not matter
        weight_in = np.zeros_like(weight_in, shape=(len(weight_in), 1))
    hidden = batch.select(layer.order[: weight_in.shape[1]])
    for weight, bias in zip((weight_in, *layer.weight_hidden), layer.bias_hidden, strict=True):
        hidden = graph.add("Relu", graph.add("Gemm", hidden, weight, bias, transB=1))
    return hidden


def _theta(graph: Graph, hidden: Value, weight: Any, bias: Any) -> Value:
    return graph.add("Gemm", hidden, weight.reshape(-1, weight.shape[-1]), bias.reshape(-1), transB=1)


def affine(graph: Graph, layer: Any, hidden: Value, values: Value, back: bool) -> tuple[Value, Value]:
    """u / (1 + |u / c|) = |c| softsign(u / |c|), and the weights of u are divided by |c|."""
    parts = np.array([[1], [-1 / CLIP]])
    weight, bias = layer.weight_out.swapaxes(0, 1) * parts[..., None], layer.bias_out.T * parts
    shift, u = graph.split(2, "Split", _theta(graph, hidden, weight, bias), axis=1, num_outputs=2)
    log_scale = graph.add("Softsign", u) * (CLIP if back else -CLIP)
    scale = graph.exp(log_scale)
    return (values - shift) * scale if back else values * scale + shift, log_scale


def _spline(
    graph: Graph, layer: Any, hidden: Value, values: Value, back: bool, bound: float
) -> tuple[Value, Value]:
    """As `transforms.spline`, for at least 2 bins; softplus of the slopes at the ends of the bins alone."""
    count, outputs = layer.bias_out.shape
    bins, shape = (outputs + 1) // 3, np.array([-1, count])
    clipped = graph.clip(values, -bound, bound)
    column = graph.add("Reshape", clipped, np.array([*shape, 1]))
    ends = _ends(graph, *_knots(graph, layer, hidden, bound), column, bins, back)
    edges, slopes = graph.split(2, "Split", ends, np.array([4, 2]), axis=0)
    slopes = graph.add("Softplus", slopes) + SMALLEST
    knots = [
        *graph.split(4, "Split", edges, axis=0, num_outputs=4),
        *graph.split(2, "Split", slopes, axis=0, num_outputs=2),
    ]
    transformed, slope = rational_quadratic(graph, clipped, tuple(knots), back)
    inside = (values > -bound) & (values < bound)
    results = graph.where(inside, transformed, values), graph.where(inside, slope, 0.0)
    transformed, slope = (graph.add("Reshape", result, shape) for result in results)
    return transformed, slope


def _knots(graph: Graph, layer: Any, hidden: Value, bound: float) -> tuple[Value, Value]:
    """x and y of the knots, (N, S, 2 (B + 1)), and the logits of their slopes, (N, S, B + 1).

    The slopes at both bounds, 1, are outputs of the network too. The sums of the bins are a product with a
    constant.
    """
    count, outputs = layer.bias_out.shape
    bins = (outputs + 1) // 3
    bounds = [2 * bins, outputs]
    weight = np.insert(layer.weight_out, bounds, 0, axis=1)
    bias = np.insert(layer.bias_out, bounds, np.log(np.expm1(1 - SMALLEST)), axis=1)
    theta = graph.add("Reshape", _theta(graph, hidden, weight, bias), np.array([-1, count, outputs + 2]))
    logits, slopes = graph.split(2, "Split", theta, np.array([2 * bins, bins + 1]), axis=2)
    parts = graph.add("Softmax", graph.add("Reshape", logits, np.array([-1, count, 2, bins])), axis=3)
    ends = np.arange(bins + 1)
    sums = 2 * bound * (1 - SMALLEST * bins) * (ends > np.arange(bins)[:, None])
    edges = graph.add("MatMul", parts, sums) + bound * (2 * SMALLEST * ends - 1)
    return graph.add("Reshape", edges, np.array([-1, count, 2 * (bins + 1)])), slopes


def _ends(graph: Graph, edges: Value, slopes: Value, values: Value, bins: int, back: bool) -> Value:
    """Of the bins of the values (N, S, 1): x, y and logit of the slope, left and right each: (6, N, S)."""
    first = (bins + 1) * back + 1
    inner = graph.add("Slice", edges, np.array([first]), np.array([first + bins - 1]), np.array([2]))
    k = graph.add("ReduceSum", graph.add("Cast", values >= inner, to=_INT64), np.array([2]), keepdims=1)
    at = k + np.add.outer(np.arange(3) * (bins + 1), [0, 1]).ravel()
    ends = graph.add("GatherElements", graph.add("Concat", edges, slopes, axis=2), at, axis=2)
    return graph.add("Transpose", ends, perm=[2, 0, 1])
