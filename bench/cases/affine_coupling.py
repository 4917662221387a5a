"""Affine coupling: half of the dimensions transformed at once, in either direction."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost
from seqgap.bench.model.flow import Direction, flow, likelihood
from seqgap.kernels import affine_coupling


def _conditioners(kept: Any, params: affine_coupling.Params) -> tuple[Any, Any]:
    source = kept[:, : len(params.a_s)]
    s = np.clip(params.a_s * source + params.b_s, -5, 5)
    return s, params.a_t * source + params.b_t


def numpy_forward(z: Any, params: affine_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    kept = z.shape[1] - z.shape[1] // 2
    s, t = _conditioners(z[:, :kept], params)
    x = np.empty_like(z)
    x[:, :kept] = z[:, :kept]
    x[:, kept:] = z[:, kept:] * np.exp(s) + t
    return x, s.sum(axis=1)


def numpy_inverse(x: Any, params: affine_coupling.Params) -> tuple[Any, Any]:
    """Array expressions over the whole batch."""
    kept = x.shape[1] - x.shape[1] // 2
    s, t = _conditioners(x[:, :kept], params)
    z = np.empty_like(x)
    z[:, :kept] = x[:, :kept]
    z[:, kept:] = (x[:, kept:] - t) * np.exp(-s)
    return z, -s.sum(axis=1)


def _torch_conditioners(torch: Any, kept: Any, params: Any) -> tuple[Any, Any]:
    source = kept[:, : len(params.a_s)]
    s = torch.addcmul(params.b_s, params.a_s, source).clamp_(-5, 5)
    return s, torch.addcmul(params.b_t, params.a_t, source)


def torch_forward(torch: Any, z: Any, params: Any) -> tuple[Any, Any]:
    """Fused multiply-adds for the conditioners; the rest in place, in a copy of the batch."""
    kept = z.shape[1] - z.shape[1] // 2
    s, t = _torch_conditioners(torch, z[:, :kept], params)
    x, log_det = z.clone(), s.sum(1)
    x[:, kept:].mul_(s.exp_()).add_(t)
    return x, log_det


def torch_inverse(torch: Any, x: Any, params: Any) -> tuple[Any, Any]:
    """As forward."""
    kept = x.shape[1] - x.shape[1] // 2
    s, t = _torch_conditioners(torch, x[:, :kept], params)
    z, log_det = x.clone(), s.neg_().sum(1)
    z[:, kept:].sub_(t).mul_(s.exp_())
    return z, log_det


def _jax_conditioners(jax: Any, kept: Any, params: Any) -> tuple[Any, Any]:
    source = kept[:, : len(params.a_s)]
    return jax.numpy.clip(params.a_s * source + params.b_s, -5, 5), params.a_t * source + params.b_t


def jax_forward(jax: Any, z: Any, params: Any) -> tuple[Any, Any]:
    """Array expressions over the whole batch, fused by the compiler."""
    kept = z.shape[1] - z.shape[1] // 2
    s, t = _jax_conditioners(jax, z[:, :kept], params)
    moved = z[:, kept:] * jax.numpy.exp(s) + t
    return jax.numpy.concatenate([z[:, :kept], moved], 1), s.sum(1)


def jax_inverse(jax: Any, x: Any, params: Any) -> tuple[Any, Any]:
    """Array expressions over the whole batch, fused by the compiler."""
    kept = x.shape[1] - x.shape[1] // 2
    s, t = _jax_conditioners(jax, x[:, :kept], params)
    moved = (x[:, kept:] - t) * jax.numpy.exp(-s)
    return jax.numpy.concatenate([x[:, :kept], moved], 1), -s.sum(1)


def _cost(dim: int) -> Cost:
    half = dim // 2  # two conditioners, the sum of s, scale and shift
    return Cost(flops=half * (EXP_FLOPS + 7), exps=half, parameters=4 * half)


CASE = flow(
    "affine_coupling",
    affine_coupling.random_params,
    Direction(_cost, numpy_forward, torch_forward, jax_forward),
    Direction(_cost, numpy_inverse, torch_inverse, jax_inverse),
    more=likelihood(
        affine_coupling.random_params,
        lambda params, dim, seed, count: affine_coupling.sample(count, params, seed, dim=dim),
        steps=20,
        flops=lambda dim: _cost(dim).flops,
    ),
)
