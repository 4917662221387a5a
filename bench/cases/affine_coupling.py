"""Affine coupling: half of the dimensions transformed at once, in either direction."""

from typing import Any

import numpy as np

from seqgap.bench.flows import Direction, flow, likelihood
from seqgap.bench.registry import EXP_FLOPS
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


def _flops(dim: int) -> float:
    return (dim // 2) * (EXP_FLOPS + 7)  # two conditioners, the sum of s, scale and shift


CASE = flow(
    "affine_coupling",
    affine_coupling.random_params,
    Direction(lambda dim: 1, _flops, numpy_forward, exps=lambda dim: dim // 2),
    Direction(lambda dim: 1, _flops, numpy_inverse, exps=lambda dim: dim // 2),
    takes_dim=True,
    more=likelihood(
        affine_coupling.random_params,
        lambda params, dim, seed, count: affine_coupling.sample(count, params, seed, dim=dim),
        steps=20,
        flops=_flops,
    ),
)
