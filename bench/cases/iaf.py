"""Inverse autoregressive flow: the layers of `maf`, sampled in one pass."""

from typing import Any

from seqgap.bench import neural
from seqgap.bench.flows import Direction, flow
from seqgap.kernels import iaf


def numpy_forward(z: Any, params: iaf.Params) -> tuple[Any, Any]:
    """One pass of each network."""
    return neural.one_pass(z, reversed(neural.autoregressive(params)), neural.affine)


def numpy_inverse(x: Any, params: iaf.Params) -> tuple[Any, Any]:
    """D steps, each weight used once."""
    return neural.by_feature(x, neural.autoregressive(params), neural.affine_back)


CASE = flow(
    "iaf",
    iaf.random_params,
    Direction(lambda dim: 1, neural.masked_flops, numpy_forward, exps=lambda dim: dim),
    Direction(lambda dim: dim, neural.masked_flops, numpy_inverse, exps=lambda dim: dim),
    parameters=neural.masked_parameters,
    weights=lambda dim: sum(neural.masked_weights(dim, 2)),
    steps=neural.steps,
)
