"""Affine coupling: half of the dimensions transformed at once, in either direction."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers.clamped import scale_shift
from seqgap.bench.peers.deployed import expressed
from seqgap.kernels import affine_coupling


def _halves(xp: Any, batch: Any, params: Any) -> tuple[Any, Any, Any, Any]:
    """The identity half, the other one, and its scale and shift."""
    identity = batch.shape[1] - batch.shape[1] // 2
    source = batch[:, : len(params.a_s)]
    return batch[:, :identity], batch[:, identity:], *scale_shift(xp, source, *params)


def numpy_forward(z: Any, params: affine_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    identity, rest, s, t = _halves(np, z, params)
    x = np.empty_like(z)
    x[:, : identity.shape[1]] = identity
    x[:, identity.shape[1] :] = rest * np.exp(s) + t
    return x, s.sum(axis=1)


def numpy_inverse(x: Any, params: affine_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    identity, rest, s, t = _halves(np, x, params)
    z = np.empty_like(x)
    z[:, : identity.shape[1]] = identity
    z[:, identity.shape[1] :] = (rest - t) * np.exp(-s)
    return z, -s.sum(axis=1)


def torch_forward(torch: Any, z: Any, params: Any) -> tuple[Any, Any]:
    """Fused multiply-adds for the conditioners; the rest in place, in a copy of the batch."""
    identity, _, s, t = _halves(torch, z, params)
    x, log_det = z.clone(), s.sum(1)
    x[:, identity.shape[1] :].mul_(s.exp_()).add_(t)
    return x, log_det


def torch_inverse(torch: Any, x: Any, params: Any) -> tuple[Any, Any]:
    """As forward."""
    identity, _, s, t = _halves(torch, x, params)
    z, log_det = x.clone(), s.neg_().sum(1)
    z[:, identity.shape[1] :].sub_(t).mul_(s.exp_())
    return z, log_det


def jax_forward(jax: Any, z: Any, params: Any) -> tuple[Any, Any]:
    """Array expressions over the whole batch, fused by the compiler."""
    identity, rest, s, t = _halves(jax.numpy, z, params)
    return jax.numpy.concatenate([identity, rest * jax.numpy.exp(s) + t], 1), s.sum(1)


def jax_inverse(jax: Any, x: Any, params: Any) -> tuple[Any, Any]:
    """Array expressions over the whole batch, fused by the compiler."""
    identity, rest, s, t = _halves(jax.numpy, x, params)
    return jax.numpy.concatenate([identity, (rest - t) * jax.numpy.exp(-s)], 1), -s.sum(1)


def _onnx_halves(graph: Any, batch: Any, numbers: tuple[affine_coupling.Params, int]) -> tuple[Any, ...]:
    """As `_halves`."""
    params, dim = numbers
    identity, rest = graph.columns(batch, 0, dim - dim // 2), graph.columns(batch, dim - dim // 2, dim)
    source = identity if dim % 2 == 0 else graph.columns(batch, 0, dim // 2)
    return identity, rest, *scale_shift(graph, source, *params)


def onnx_forward(graph: Any, z: Any, numbers: tuple[affine_coupling.Params, int]) -> tuple[Any, Any]:
    """Both halves apart until the end."""
    identity, rest, s, t = _onnx_halves(graph, z, numbers)
    return graph.add("Concat", identity, rest * graph.exp(s) + t, axis=1), graph.total(s)


def onnx_inverse(graph: Any, x: Any, numbers: tuple[affine_coupling.Params, int]) -> tuple[Any, Any]:
    """As forward."""
    identity, rest, s, t = _onnx_halves(graph, x, numbers)
    return graph.add("Concat", identity, (rest - t) * graph.exp(-s), axis=1), graph.total(-s)


def _with_dim(params: affine_coupling.Params, dim: int) -> tuple[affine_coupling.Params, int]:
    return params, dim


def _cost(dim: int) -> Cost:
    half = dim // 2  # two conditioners, the sum of s, scale and shift
    return Cost(flops=half * (EXP_FLOPS + 7), exps=half, parameters=4 * half)


CASE = flow(
    "affine_coupling",
    affine_coupling.random_params,
    Direction(_cost, numpy_forward, torch_forward, jax_forward, deployed=expressed(onnx_forward, _with_dim)),
    Direction(_cost, numpy_inverse, torch_inverse, jax_inverse, deployed=expressed(onnx_inverse, _with_dim)),
    fit_steps=20,
)
