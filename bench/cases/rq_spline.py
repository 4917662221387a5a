"""Neural spline flow: a coupling of rational-quadratic splines with 8 bins."""

import functools

from seqgap.bench.model.case import EXP_FLOPS, Cost, rounding
from seqgap.bench.model.flow import flow
from seqgap.bench.peers import neural
from seqgap.kernels import rq_spline

_BINS = 8
_OUTPUTS = 3 * _BINS - 1
_BOUND = 5.0


def layers(params: rq_spline.Params) -> list[neural.Layer]:
    """The identity features first."""
    return neural.coupling(params, params.order, params.kept)


def _cost(dim: int) -> Cost:
    transformed = dim - dim // 2
    weights = neural.WIDTH * (dim // 2 + _OUTPUTS * transformed)
    exps = (2 * _BINS + 2) * transformed  # of the softmaxes, and of the slopes at the ends of one bin
    return Cost(
        flops=2 * weights + neural.WIDTH + exps * EXP_FLOPS + transformed * (8 * _BINS + 60),
        exps=exps,
        parameters=weights + neural.WIDTH + _OUTPUTS * transformed,
        weights=weights,
    )


CASE = flow(
    "rq_spline",
    functools.partial(rq_spline.random_params, bins=_BINS, bound=_BOUND),
    neural.at_once(layers, _cost, back=True, bound=_BOUND),
    neural.at_once(layers, _cost, back=False, bound=_BOUND),
    strategies=("naive", "jacobi"),
    tolerance=rounding(lambda dim: neural.steps(dim) + 6 * _OUTPUTS),  # the network, and sums over the bins
)
