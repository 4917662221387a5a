"""Mask stack: K layers one after another, each over all dimensions at once."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.bench.peers.clamped import LARGEST_LOG_SCALE, scale_shift
from seqgap.bench.peers.onnx_batch import Batch
from seqgap.kernels import mask_stack

_LAYERS = 4  # of random_params


def _scale_shift(x: Any, mask: Any, theta: Any) -> tuple[Any, Any]:
    condition = x[:, mask].mean(axis=1) if mask.any() else np.zeros(len(x), x.dtype)
    return scale_shift(np, condition, *theta)


def numpy_forward(z: Any, params: mask_stack.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch, layer by layer."""
    x, log_det = z.copy(), np.zeros(len(z), z.dtype)
    for mask, theta in zip(params.masks, params.theta, strict=True):
        s, t = _scale_shift(x, mask, theta)
        x[:, ~mask] = x[:, ~mask] * np.exp(s)[:, None] + t[:, None]
        log_det += s * np.count_nonzero(~mask)
    return x, log_det


def numpy_inverse(x: Any, params: mask_stack.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch, last layer first."""
    z, log_det = x.copy(), np.zeros(len(x), x.dtype)
    for mask, theta in zip(params.masks[::-1], params.theta[::-1], strict=True):
        s, t = _scale_shift(z, mask, theta)
        z[:, ~mask] = (z[:, ~mask] - t[:, None]) * np.exp(-s)[:, None]
        log_det -= s * np.count_nonzero(~mask)
    return z, log_det


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model, in the order of the layers."""

    masks: Any  # (K, D)
    means: Any  # (K, D), x @ means[k] is the mean of the kept entries
    free: Any  # (K,), number of the others
    theta: Any  # (K, 4)


def tables(params: mask_stack.Params, dim: int) -> Tables:
    """Means as products with a vector."""
    dtype = params.theta.dtype
    means = params.masks / np.maximum(params.masks.sum(axis=1, keepdims=True), 1)
    free = np.count_nonzero(~params.masks, axis=1)
    return Tables(params.masks, means.astype(dtype), free.astype(dtype), params.theta)


def _torch_layers(torch: Any, x: Any, tables: Any, order: Any, apply: Any) -> tuple[Any, Any]:
    """The layers in that order; apply(x, s, t, out) writes what becomes of the entries not kept.

    Two buffers for all layers: fresh memory for each would cost more than the arithmetic.
    """
    result, transformed, log_det = torch.empty_like(x), torch.empty_like(x), x.new_zeros(x.shape[0])
    for k in order:
        s, t = scale_shift(torch, torch.mv(x, tables.means[k]), *tables.theta[k])
        apply(x, s[:, None], t[:, None], transformed)
        x = torch.where(tables.masks[k], x, transformed, out=result)
        log_det.addcmul_(s, tables.free[k])
    return x, log_det


def torch_forward(torch: Any, z: Any, tables: Any) -> tuple[Any, Any]:
    """A matrix-vector product, a scaling, a shift and a selection for each layer."""

    def apply(x: Any, s: Any, t: Any, out: Any) -> None:
        torch.mul(x, s.exp(), out=out).add_(t)  # addcmul is slow where it repeats a column

    return _torch_layers(torch, z, tables, range(len(tables.masks)), apply)


def torch_inverse(torch: Any, x: Any, tables: Any) -> tuple[Any, Any]:
    """As forward, last layer first."""

    def apply(x: Any, s: Any, t: Any, out: Any) -> None:
        torch.sub(x, t, out=out).mul_(torch.exp(-s))

    z, log_det = _torch_layers(torch, x, tables, range(len(tables.masks) - 1, -1, -1), apply)
    return z, log_det.neg_()


def jax_forward(jax: Any, z: Any, tables: Any) -> tuple[Any, Any]:
    """A scan over the layers, each fused by the compiler."""

    def layer(x: Any, k: Any) -> tuple[Any, Any]:
        s, t = scale_shift(jax.numpy, x @ k.means, *k.theta)
        transformed = x * jax.numpy.exp(s)[:, None] + t[:, None]
        return jax.numpy.where(k.masks, x, transformed), s * k.free

    x, terms = jax.lax.scan(layer, z, tables)
    return x, terms.sum(0)


def jax_inverse(jax: Any, x: Any, tables: Any) -> tuple[Any, Any]:
    """As forward, last layer first."""

    def layer(z: Any, k: Any) -> tuple[Any, Any]:
        s, t = scale_shift(jax.numpy, z @ k.means, *k.theta)
        transformed = (z - t[:, None]) * jax.numpy.exp(-s)[:, None]
        return jax.numpy.where(k.masks, z, transformed), s * k.free

    z, terms = jax.lax.scan(layer, x, tables, reverse=True)
    return z, -terms.sum(0)


def onnx_forward(graph: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """For each layer one product for s and t, and a multiply-add of what it transforms."""
    return _onnx_layers(graph, z, tables, lambda values, s, t: values * graph.exp(s) + t)


def onnx_inverse(graph: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """As forward, last layer first; the sign of s is in its constants."""
    backwards = Tables(*(table[::-1] for table in tables))
    backwards = backwards._replace(theta=backwards.theta * [-1, -1, 1, 1])
    return _onnx_layers(graph, x, backwards, lambda values, s, t: (values - t) * graph.exp(s))


def _onnx_layers(graph: Any, x: Any, tables: Tables, apply: Any) -> tuple[Batch, Any]:
    """apply(values, s, t): what becomes of the features that a layer transforms."""
    batch, all_s = Batch(x), []
    for mask, means, (a_s, b_s, a_t, b_t) in zip(tables.masks, tables.means, tables.theta, strict=True):
        if mask.all():
            continue
        identity, transformed = np.flatnonzero(mask), np.flatnonzero(~mask)
        seen = identity if len(identity) else transformed  # of a layer that sees nothing the weights are 0
        weights, biases = np.outer(means[seen], [a_s, a_t]), np.array([b_s, b_t])
        both = graph.add("Gemm", batch.select(seen), weights, biases)
        s, t = graph.split(2, "Split", both, axis=1, num_outputs=2)
        all_s.append(graph.clip(s, -LARGEST_LOG_SCALE, LARGEST_LOG_SCALE))
        batch.transform(identity, transformed, apply(batch.select(transformed), all_s[-1], t))
    return batch, graph.add("MatMul", graph.add("Concat", *all_s, axis=1), tables.free[tables.free > 0])


def _cost(dim: int) -> Cost:
    flops = _LAYERS * (1.5 * dim + EXP_FLOPS + 7)  # mean of one half, fused multiply-add of the other
    return Cost(_LAYERS, flops, exps=_LAYERS, parameters=_LAYERS * (dim + 4))


CASE = flow(
    "mask_stack",
    mask_stack.random_params,
    Direction(
        _cost, numpy_forward, torch_forward, jax_forward, tables=tables,
        deployed=deployed.exported(onnx_forward, tables),
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, tables=tables,
        deployed=deployed.exported(onnx_inverse, tables),
    ),
)  # fmt: skip
