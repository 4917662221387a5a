"""Radial flow of 16 layers; its inverse, which no library has, is closed."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import radial

_LAYERS = 16  # of random_params


def _layers(params: radial.Params, dim: int = 0) -> tuple[tuple[Any, Any, Any], ...]:
    """(c, alpha, beta) of each layer."""
    return tuple(zip(params.center, params.alpha, np.logaddexp(0, params.beta) - params.alpha, strict=True))


def _log_det(numbers: Any, alpha: Any, beta: Any, r: Any, dim: int) -> Any:
    h = 1 / (alpha + r)
    return (dim - 1) * numbers.log1p(beta * h) + numbers.log1p(alpha * beta * h * h)


def numpy_forward(z: Any, params: radial.Params) -> tuple[Any, Any]:
    """Layer after layer for the whole batch."""
    log_det = np.zeros(len(z), z.dtype)
    for center, alpha, beta in _layers(params):
        offset = z - center
        r = np.sqrt(np.einsum("nd,nd->n", offset, offset))
        log_det += _log_det(np, alpha, beta, r, z.shape[1])
        z = z + (beta / (alpha + r))[:, None] * offset
    return z, log_det


def numpy_inverse(x: Any, params: radial.Params) -> tuple[Any, Any]:
    """The root of a quadratic for each layer."""
    log_det = np.zeros(len(x), x.dtype)
    for center, alpha, beta in reversed(_layers(params)):
        offset = x - center
        outer = np.sqrt(np.einsum("nd,nd->n", offset, offset))
        s = alpha + beta - outer
        root = np.sqrt(s * s + 4 * alpha * outer)
        r = np.where(s > 0, 2 * alpha * outer / (s + root), (root - s) / 2)
        log_det -= _log_det(np, alpha, beta, r, x.shape[1])
        x = center + ((alpha + r) / (alpha + r + beta))[:, None] * offset
    return x, log_det


def torch_forward(torch: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """As in NumPy."""
    log_det = z.new_zeros(len(z))
    for center, alpha, beta in layers:
        offset = z - center
        r = torch.linalg.vector_norm(offset, dim=1)
        log_det = log_det + _log_det(torch, alpha, beta, r, z.shape[1])
        z = torch.addcmul(z, (beta / (alpha + r))[:, None], offset)
    return z, log_det


def jax_forward(jax: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """As in NumPy; XLA fuses."""
    log_det = jax.numpy.zeros(len(z), z.dtype)
    for center, alpha, beta in layers:
        offset = z - center
        r = jax.numpy.sqrt((offset * offset).sum(1))
        log_det = log_det + _log_det(jax.numpy, alpha, beta, r, z.shape[1])
        z = z + (beta / (alpha + r))[:, None] * offset
    return z, log_det


def onnx_forward(graph: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """Of z minus the center of the layer, so that each moves the batch once; log_det for all at once."""
    centers, alpha, beta = (np.array(column) for column in zip(*layers, strict=True))
    following = np.append(centers[1:], np.zeros_like(centers[:1]), axis=0)
    offset, reaches = z - centers[0], []
    for k, shift in enumerate(centers - following):
        r = graph.add("ReduceL2", offset, np.array([1]), keepdims=1)
        reaches.append(r + alpha[k])
        offset = offset * (beta[k] / reaches[k] + 1) + shift
    reach = graph.add("Concat", *reaches, axis=1)
    step = beta / reach
    log_det = (len(centers[0]) - 1) * graph.log(1 + step) + graph.log(1 + step * (alpha / reach))
    return offset, graph.sum_rows(log_det)


def normflows(params: radial.Params) -> Any:
    """The library's own layers."""
    import normflows
    import torch

    layers = []
    for center, alpha, beta in zip(*params, strict=True):
        layer = normflows.flows.Radial(center.shape, z_0=torch.tensor(center)[None])
        layer.alpha.data, layer.beta.data = torch.tensor([alpha]), torch.tensor([beta])
        layers.append(layer)

    def model(z: Any) -> tuple[Any, Any]:
        log_det = z.new_zeros(len(z))
        for layer in layers:
            z, added = layer(z)
            log_det = log_det + added
        return z, log_det

    return model


def _cost(dim: int) -> Cost:
    flops, weights = _LAYERS * (6 * dim + 2 * EXP_FLOPS + 20), _LAYERS * (dim + 2)
    return Cost(depth=_LAYERS, flops=flops, exps=2 * _LAYERS, parameters=weights, weights=weights)


CASE = flow(
    "radial",
    radial.random_params,
    Direction(
        _cost, numpy_forward, torch_forward, jax_forward, tables=_layers,
        models={"normflows": normflows}, deployed=deployed.exported(onnx_forward, _layers),
    ),
    Direction(_cost, numpy_inverse),
    tolerance=rounding(lambda dim: _LAYERS * 16 + 2 * dim),
)  # fmt: skip
