"""Affine coupling: half of the dimensions transformed at once, in either direction."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.bench.peers.clamped import scale_shift
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


def onnx_forward(graph: Any, z: Any, params: Any) -> tuple[Any, Any]:
    """Array expressions over the halves."""
    if graph.dim == 1:
        return graph.add("Identity", z), 0.0
    passing, rest, (a_s, b_s, a_t, b_t) = *_onnx_halves(graph, z), params
    s, t = scale_shift(graph, passing[0], a_s, b_s, a_t, b_t)
    return graph.add("Concat", *passing, rest * graph.exp(s) + t, axis=1), graph.sum_rows(s)


def onnx_inverse(graph: Any, x: Any, params: Any) -> tuple[Any, Any]:
    """As forward; the sign of s is in its constants."""
    if graph.dim == 1:
        return graph.add("Identity", x), 0.0
    passing, rest, (a_s, b_s, a_t, b_t) = *_onnx_halves(graph, x), params
    minus_s, t = scale_shift(graph, passing[0], -a_s, -b_s, a_t, b_t)
    return graph.add("Concat", *passing, (rest - t) * graph.exp(minus_s), axis=1), graph.sum_rows(minus_s)


def _onnx_halves(graph: Any, batch: Any) -> tuple[list[Any], Any]:
    """The pieces of the identity half, the first of which the other half is conditioned on, and that."""
    half, odd = divmod(graph.dim, 2)
    sizes = np.array([half, half] if not odd else [half, 1, half])
    *identity, rest = graph.split(len(sizes), "Split", batch, sizes, axis=1)
    return identity, rest


def _cost(dim: int) -> Cost:
    half = dim // 2  # two conditioners, the sum of s, scale and shift
    return Cost(flops=half * (EXP_FLOPS + 7), exps=half, parameters=4 * half)


CASE = flow(
    "affine_coupling",
    affine_coupling.random_params,
    Direction(_cost, numpy_forward, torch_forward, jax_forward, deployed=deployed.exported(onnx_forward)),
    Direction(_cost, numpy_inverse, torch_inverse, jax_inverse, deployed=deployed.exported(onnx_inverse)),
    fit_steps=20,
)
