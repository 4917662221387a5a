"""RealNVP: two affine couplings with alternating masks and perceptrons."""

from typing import Any

import numpy as np

from seqgap.bench import neural
from seqgap.bench.flows import Direction, flow
from seqgap.bench.registry import EXP_FLOPS
from seqgap.kernels import realnvp


def layers(params: realnvp.Params) -> list[neural.Layer]:
    """The kept features first, both sides ascending."""
    orders = np.argsort(~params.masks, axis=1, kind="stable")
    return neural.coupling(params, orders, params.masks.sum(axis=1))


def numpy_forward(z: Any, params: realnvp.Params) -> tuple[Any, Any]:
    """One pass of each network."""
    return neural.one_pass(z, layers(params), neural.affine_back)


def numpy_inverse(x: Any, params: realnvp.Params) -> tuple[Any, Any]:
    """One pass of each network."""
    return neural.one_pass(x, reversed(layers(params)), neural.affine)


def _weights(dim: int) -> float:
    return neural.WIDTH * 3 * dim  # each feature is seen by one network, and transformed by the other


def _flops(dim: int) -> float:
    return 2 * _weights(dim) + 2 * neural.WIDTH + dim * (EXP_FLOPS + 7)


CASE = flow(
    "realnvp",
    realnvp.random_params,
    Direction(lambda dim: 2, _flops, numpy_forward, exps=lambda dim: dim),
    Direction(lambda dim: 2, _flops, numpy_inverse, exps=lambda dim: dim),
    parameters=lambda dim: _weights(dim) + 2 * neural.WIDTH + 3 * dim,
    weights=_weights,
    steps=neural.steps,
)
