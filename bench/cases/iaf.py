"""Inverse autoregressive flow: the layers of `maf`, sampled in one pass."""

from seqgap.bench.model.flow import flow
from seqgap.bench.peers import neural
from seqgap.kernels import iaf

CASE = flow(
    "iaf",
    iaf.random_params,
    neural.at_once(neural.autoregressive, neural.MASKED_AT_ONCE, back=False),
    neural.stepwise(neural.autoregressive, neural.MASKED_STEPS),
    parameters=neural.masked_parameters,
    weights=lambda dim: sum(neural.masked_weights(dim, 2)),
    steps=neural.steps,
)
