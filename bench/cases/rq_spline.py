"""Neural spline flow: a coupling of rational-quadratic splines with 8 bins."""

import functools

from seqgap.bench.model.flow import flow
from seqgap.bench.model.registry import EXP_FLOPS
from seqgap.bench.peers import neural
from seqgap.kernels import rq_spline

_BINS = 8
_OUTPUTS = 3 * _BINS - 1
_BOUND = 5.0


def layers(params: rq_spline.Params) -> list[neural.Layer]:
    """The kept features first."""
    return neural.coupling(params, params.order, params.kept)


def _moved(dim: int) -> int:
    return dim - dim // 2


def _weights(dim: int) -> float:
    return neural.WIDTH * (dim // 2 + _OUTPUTS * _moved(dim))


def _exps(dim: int) -> float:
    return (2 * _BINS + 2) * _moved(dim)  # of the softmaxes, and of the slopes at the ends of one bin


def _flops(dim: int) -> float:
    return 2 * _weights(dim) + neural.WIDTH + _exps(dim) * EXP_FLOPS + _moved(dim) * (8 * _BINS + 60)


_COSTS = neural.Costs(depth=lambda dim: 1, flops=_flops, exps=_exps)

CASE = flow(
    "rq_spline",
    functools.partial(rq_spline.random_params, bins=_BINS, bound=_BOUND),
    neural.at_once(layers, _COSTS, back=True, bound=_BOUND),
    neural.at_once(layers, _COSTS, back=False, bound=_BOUND),
    strategies=("naive", "jacobi"),
    parameters=lambda dim: _weights(dim) + neural.WIDTH + _OUTPUTS * _moved(dim),
    weights=_weights,
    steps=lambda dim: neural.steps(dim) + 6 * _OUTPUTS,  # the network, and the sums over the bins
)
