"""Mask stack: K layers one after another, each over all dimensions at once."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.clamped import scale_shift
from seqgap.bench.peers.deployed import expressed
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


def _onnx_layers(graph: Any, x: Any, tables: Any, order: Any, apply: Any) -> tuple[Any, Any]:
    """The layers in that order; apply(x, s, t) is what becomes of the entries not kept."""
    log_dets = []
    for k in order:
        s, t = scale_shift(graph, graph.add("MatMul", x, tables.means[k][:, None]), *tables.theta[k])
        x = graph.where(tables.masks[k], x, apply(x, s, t))
        log_dets.append(s * tables.free[k])
    return x, graph.total(graph.add("Sum", *log_dets))


def onnx_forward(graph: Any, z: Any, tables: Any) -> tuple[Any, Any]:
    """As in torch."""
    return _onnx_layers(graph, z, tables, range(len(tables.masks)), lambda x, s, t: x * graph.exp(s) + t)


def onnx_inverse(graph: Any, x: Any, tables: Any) -> tuple[Any, Any]:
    """As forward, last layer first."""
    order = range(len(tables.masks) - 1, -1, -1)
    z, log_det = _onnx_layers(graph, x, tables, order, lambda x, s, t: (x - t) * graph.exp(-s))
    return z, -log_det


def _cost(dim: int) -> Cost:
    flops = _LAYERS * (1.5 * dim + EXP_FLOPS + 7)  # mean of one half, fused multiply-add of the other
    return Cost(_LAYERS, flops, exps=_LAYERS, parameters=_LAYERS * (dim + 4))


CASE = flow(
    "mask_stack",
    mask_stack.random_params,
    Direction(
        _cost, numpy_forward, torch_forward, jax_forward, tables=tables,
        deployed=expressed(onnx_forward, tables),
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, tables=tables,
        deployed=expressed(onnx_inverse, tables),
    ),
)  # fmt: skip
