"""Vectors of independent bits: the discrete family without a network, likelihoods, fits and samples."""

from typing import Any

import numpy as np
from scipy import special

from seqgap.bench.model import arrays
from seqgap.bench.model.case import EXP_FLOPS, Call, Cost, Dtype, Noise, Operation, rounding
from seqgap.bench.model.flow import Verb, distribution
from seqgap.bench.peers import bits
from seqgap.kernels import bernoulli

_TOLERANCE = rounding(lambda dim: dim + 16)


def data(dim: int, count: int, dtype: Dtype, seed: int) -> Any:
    """Bits of other params."""
    return bernoulli.sample(count, bernoulli.random_params(dim, seed ^ 1), seed)


def _tables(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any, Any]:
    """(x in floats, logits, log p of zeros alone): x @ logits is the rest."""
    x, params = call.args
    return x.astype(dtype), params.logit, np.logaddexp(0, params.logit).sum(keepdims=True)


def _log_prob(library: Any, x: Any, logit: Any, constant: Any) -> Any:
    """One product with a vector."""
    return x @ logit - constant


def _below(library: Any, uniforms: Any, probability: Any) -> Any:
    return uniforms < probability


def _probability(params: bernoulli.Params) -> Any:
    return special.expit(params.logit)


def _cost(dim: int) -> Cost:
    """An addition for each bit; the logarithms are those of the params."""
    return Cost(flops=dim, elements=dim + 1, written=1, parameters=2 * dim, weights=2 * dim)


def _sample_cost(dim: int) -> Cost:
    return Cost(flops=dim, elements=dim, written=dim, parameters=dim, weights=dim)


def _fitted(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((data(dim, count, dtype, seed),), {"smoothing": 0.5})


def _probabilities(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((_probability(bernoulli.random_params(dim, seed, dtype=dtype)),))


CASE = distribution(
    "bernoulli",
    bernoulli.random_params,
    data,
    Verb(
        _cost,
        arrays.implementations(
            numpy=_log_prob, torch=_log_prob, jax=_log_prob, prepare=_tables
        ),
    ),
    Verb(
        _sample_cost,
        bits.samplers(numpy=_below, torch=_below, jax=_below, tables=_probability),
        Noise(lambda output, call: bits.uniforms(output, _probability(call.args[1])), "uniform"),
    ),
    tolerance=_TOLERANCE,
    dtypes=("float64",),  # of the log-densities, whatever that of the params
    more=(
        Operation(
            "fit", _fitted, lambda dim: Cost(flops=dim), _TOLERANCE, timed=False, smallest_batch=1,
        ),
        Operation(
            "from_probability", _probabilities, lambda dim: Cost(flops=EXP_FLOPS * dim), _TOLERANCE,
            timed=False,
        ),
    ),
)  # fmt: skip
