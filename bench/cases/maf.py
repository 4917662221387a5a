"""Masked autoregressive flow: the popular matched pair, with IAF as its parallel sampler."""

from dataclasses import replace
from typing import Any

from seqgap.bench.model.case import rounding
from seqgap.bench.model.flow import flow
from seqgap.bench.peers import neural
from seqgap.bench.peers.transforms import affine_back
from seqgap.kernels import maf


def numpy_passes(z: Any, params: maf.Params) -> tuple[Any, Any]:
    """D passes of the whole network, as libraries sample."""
    return sweeps(z, params, z.shape[1])


def sweeps(z: Any, params: maf.Params, count: int) -> tuple[Any, Any]:
    """`numpy_passes` after so many passes of each layer: as many features of its order are right."""
    return neural.passes(z, neural.autoregressive(params), affine_back, count)


CASE = flow(
    "maf",
    maf.random_params,
    neural.stepwise(neural.autoregressive, neural.step_cost, {"numpy-passes": numpy_passes}),
    neural.at_once(neural.autoregressive, neural.masked_cost, back=False),
    matched=("forward", "iaf.forward"),
    strategies=("naive", "jacobi"),
    tolerance=rounding(neural.steps),
)
CASE = replace(CASE, title="masked flow (MAF)", quick=True)
