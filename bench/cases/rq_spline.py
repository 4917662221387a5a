"""Neural spline flow: a coupling of rational-quadratic splines with 8 bins."""

from typing import Any

from seqgap.bench import neural
from seqgap.bench.flows import Direction, flow
from seqgap.bench.registry import EXP_FLOPS
from seqgap.kernels import rq_spline

_BINS = 8
_OUTPUTS = 3 * _BINS - 1


def numpy_forward(z: Any, params: rq_spline.Params) -> tuple[Any, Any]:
    """One pass of the network."""
    layers = neural.coupling(params, params.order, params.kept)
    return neural.one_pass(z, layers, neural.spline(params.bound, back=True))


def numpy_inverse(x: Any, params: rq_spline.Params) -> tuple[Any, Any]:
    """One pass of the network."""
    layers = neural.coupling(params, params.order, params.kept)
    return neural.one_pass(x, reversed(layers), neural.spline(params.bound, back=False))


def _moved(dim: int) -> int:
    return dim - dim // 2


def _weights(dim: int) -> float:
    return neural.WIDTH * (dim // 2 + _OUTPUTS * _moved(dim))


def _exps(dim: int) -> float:
    return (2 * _BINS + 2) * _moved(dim)  # of the softmaxes, and of the slopes at the ends of one bin


def _flops(dim: int) -> float:
    return 2 * _weights(dim) + neural.WIDTH + _exps(dim) * EXP_FLOPS + _moved(dim) * (8 * _BINS + 60)


CASE = flow(
    "rq_spline",
    rq_spline.random_params,
    Direction(lambda dim: 1, _flops, numpy_forward, exps=_exps),
    Direction(lambda dim: 1, _flops, numpy_inverse, exps=_exps),
    strategies=("naive", "jacobi"),
    parameters=lambda dim: _weights(dim) + neural.WIDTH + _OUTPUTS * _moved(dim),
    weights=_weights,
    steps=lambda dim: neural.steps(dim) + 6 * _OUTPUTS,  # the network, and the sums over the bins
)
