"""RealNVP: two affine couplings with alternating masks and perceptrons."""

import numpy as np

from seqgap.bench.model.flow import flow
from seqgap.bench.model.registry import EXP_FLOPS
from seqgap.bench.peers import neural
from seqgap.kernels import realnvp


def layers(params: realnvp.Params) -> list[neural.Layer]:
    """The kept features first, both sides ascending."""
    orders = np.argsort(~params.masks, axis=1, kind="stable")
    return neural.coupling(params, orders, params.masks.sum(axis=1))


def _weights(dim: int) -> float:
    return neural.WIDTH * 3 * dim  # each feature is seen by one network, and transformed by the other


def _flops(dim: int) -> float:
    return 2 * _weights(dim) + 2 * neural.WIDTH + dim * (EXP_FLOPS + 7)


_COSTS = neural.Costs(depth=lambda dim: 2, flops=_flops, exps=lambda dim: dim)

CASE = flow(
    "realnvp",
    realnvp.random_params,
    neural.at_once(layers, _COSTS, back=True),
    neural.at_once(layers, _COSTS, back=False),
    parameters=lambda dim: _weights(dim) + 2 * neural.WIDTH + 3 * dim,
    weights=_weights,
    steps=neural.steps,
)
