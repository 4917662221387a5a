"""RealNVP: two affine couplings with alternating masks and perceptrons."""

import numpy as np

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import flow
from seqgap.bench.peers import neural
from seqgap.kernels import realnvp


def layers(params: realnvp.Params) -> list[neural.Layer]:
    """The identity features first, both sides ascending."""
    orders = np.argsort(~params.masks, axis=1, kind="stable")
    return neural.coupling(params, orders, params.masks.sum(axis=1))


def _cost(dim: int) -> Cost:
    weights = neural.WIDTH * 3 * dim  # each feature is seen by one network, and transformed by the other
    return Cost(
        depth=2,
        flops=2 * weights + 2 * neural.WIDTH + dim * (EXP_FLOPS + 7),
        exps=dim,
        parameters=weights + 2 * neural.WIDTH + 3 * dim,
        weights=weights,
    )


CASE = flow(
    "realnvp",
    realnvp.random_params,
    neural.at_once(layers, _cost, back=True),
    neural.at_once(layers, _cost, back=False),
    tolerance=rounding(neural.steps),
)
