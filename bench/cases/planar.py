"""Planar flow of 16 layers; its inverse, which no library has, is one root of a number for each layer."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import planar

_LAYERS = 16  # of random_params
_ROOT = 9  # steps of Newton's method
_BISECTIONS = {np.dtype(np.float64): 60, np.dtype(np.float32): 32}


def _layers(params: planar.Params, dim: int = 0) -> tuple[tuple[Any, Any, Any, Any], ...]:
    """(w, u_hat, b, w^T u_hat) of each layer."""
    inner = np.einsum("kd,kd->k", params.weight, params.direction)
    gain = np.logaddexp(0, inner) - 1
    square = np.einsum("kd,kd->k", params.weight, params.weight)
    u_hat = params.direction + ((gain - inner) / square)[:, None] * params.weight
    return tuple(zip(params.weight, u_hat, params.bias, gain, strict=True))


def numpy_forward(z: Any, params: planar.Params) -> tuple[Any, Any]:
    """Layer after layer for the whole batch."""
    log_det = np.zeros(len(z), z.dtype)
    for w, u_hat, b, gain in _layers(params):
        bent = np.tanh(z @ w + b)
        log_det += np.log(1 + (1 - bent * bent) * gain)
        z = z + bent[:, None] * u_hat
    return z, log_det


def numpy_inverse(x: Any, params: planar.Params) -> tuple[Any, Any]:
    """Each root by bisection, for the whole batch at once."""
    log_det = np.zeros(len(x), x.dtype)
    for w, u_hat, b, gain in reversed(_layers(params)):
        wanted = x @ w + b
        low, high = wanted - abs(gain), wanted + abs(gain)
        for _ in range(_BISECTIONS[x.dtype]):
            middle = (low + high) / 2
            below = middle + gain * np.tanh(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        bent = np.tanh((low + high) / 2)
        log_det -= np.log(1 + (1 - bent * bent) * gain)
        x = x - bent[:, None] * u_hat
    return x, log_det


def torch_forward(torch: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """As in NumPy, each step fused where torch can."""
    log_det = z.new_zeros(len(z))
    for w, u_hat, b, gain in layers:
        bent = torch.addmv(b.expand(len(z)), z, w).tanh()
        log_det = log_det + torch.log1p(gain * (1 - bent * bent))
        z = torch.addr(z, bent, u_hat)
    return z, log_det


def jax_forward(jax: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """As in NumPy; XLA fuses."""
    log_det = jax.numpy.zeros(len(z), z.dtype)
    for w, u_hat, b, gain in layers:
        bent = jax.numpy.tanh(z @ w + b)
        log_det = log_det + jax.numpy.log1p(gain * (1 - bent * bent))
        z = z + bent[:, None] * u_hat
    return z, log_det


def onnx_forward(graph: Any, z: Any, layers: Any) -> tuple[Any, Any]:
    """Two or three operators a layer, and log_det for all layers at once."""
    bends = []
    for w, u_hat, b, _ in layers:
        bends.append(graph.tanh(graph.add("Gemm", z, w[:, None], np.array([b]))))
        z = graph.add_outer(z, bends[-1], u_hat)
    bent, gain = graph.add("Concat", *bends, axis=1), np.array([layer[3] for layer in layers])
    return z, graph.sum_rows(graph.log((1 + gain) - bent * bent * gain))


def normflows(params: planar.Params) -> Any:
    """The library's own layers."""
    import normflows
    import torch

    layers = [
        normflows.flows.Planar(w.shape, u=torch.tensor(u)[None], w=torch.tensor(w)[None], b=torch.tensor([b]))
        for w, u, b in zip(*params, strict=True)
    ]

    def model(z: Any) -> tuple[Any, Any]:
        log_det = z.new_zeros(len(z))
        for layer in layers:
            z, added = layer(z)
            log_det = log_det + added
        return z, log_det

    return model


def _cost(depth: int, bends: int, dim: int) -> Cost:
    flops = _LAYERS * (4 * dim + (bends + 1) * (EXP_FLOPS + 12))
    weights = _LAYERS * (2 * dim + 2)
    return Cost(depth=depth, flops=flops, exps=_LAYERS * (bends + 1), parameters=weights, weights=weights)


CASE = flow(
    "planar",
    planar.random_params,
    Direction(
        lambda dim: _cost(_LAYERS, 1, dim), numpy_forward, torch_forward, jax_forward, tables=_layers,
        models={"normflows": normflows}, deployed=deployed.exported(onnx_forward, _layers),
    ),
    Direction(lambda dim: _cost(_LAYERS * _ROOT, _ROOT, dim), numpy_inverse),
    tolerance=rounding(lambda dim: _LAYERS * (16 + dim)),
)  # fmt: skip
