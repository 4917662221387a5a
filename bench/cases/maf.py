"""Masked autoregressive flow: the popular matched pair, with IAF as its parallel sampler."""

from typing import Any

from seqgap.bench import neural
from seqgap.bench.flows import Direction, flow
from seqgap.kernels import maf


def numpy_forward(z: Any, params: maf.Params) -> tuple[Any, Any]:
    """D steps, each weight used once."""
    return neural.by_feature(z, neural.autoregressive(params), neural.affine_back)


def numpy_passes(z: Any, params: maf.Params) -> tuple[Any, Any]:
    """D passes of the whole network, as libraries sample."""
    return sweeps(z, params, z.shape[1])


def sweeps(z: Any, params: maf.Params, count: int) -> tuple[Any, Any]:
    """`numpy_passes` after so many passes of each layer: as many features of its order are right."""
    return neural.passes(z, neural.autoregressive(params), neural.affine_back, count)


def numpy_inverse(x: Any, params: maf.Params) -> tuple[Any, Any]:
    """One pass of each network."""
    return neural.one_pass(x, reversed(neural.autoregressive(params)), neural.affine)


CASE = flow(
    "maf",
    maf.random_params,
    Direction(lambda dim: dim, neural.masked_flops, numpy_forward, exps=lambda dim: dim, passes=numpy_passes),
    Direction(lambda dim: 1, neural.masked_flops, numpy_inverse, exps=lambda dim: dim),
    matched="iaf.forward",
    strategies=("naive", "jacobi"),
    parameters=neural.masked_parameters,
    weights=lambda dim: sum(neural.masked_weights(dim, 2)),
    steps=neural.steps,
)
