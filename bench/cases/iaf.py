"""Inverse autoregressive flow: the layers of `maf`, sampled in one pass."""

from seqgap.bench.model.case import rounding
from seqgap.bench.model.flow import flow
from seqgap.bench.peers import neural
from seqgap.kernels import iaf

CASE = flow(
    "iaf",
    iaf.random_params,
    neural.at_once(neural.autoregressive, neural.masked_cost, back=False),
    neural.stepwise(neural.autoregressive, neural.step_cost),
    tolerance=rounding(neural.steps),
)
