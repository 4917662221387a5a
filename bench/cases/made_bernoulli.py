"""Autoregressive bits of a masked network: the discrete matched pair, samples against log-densities."""

from typing import Any

import numpy as np
from scipy import special

from seqgap.bench.cases import bernoulli as independent
from seqgap.bench.model import arrays
from seqgap.bench.model.case import EXP_FLOPS, Call, Cost, Dtype, Noise, rounding
from seqgap.bench.model.flow import Verb, distribution
from seqgap.bench.peers import bits, neural
from seqgap.kernels import made_bernoulli


def _layers(params: made_bernoulli.Params) -> tuple[neural.Layer]:
    """The network as that of a flow of one layer, with one output for each bit."""
    order, degrees, weight_in, weight_hidden, weight_out, bias_hidden, bias_out, *_ = params
    network = degrees, weight_in, weight_hidden, weight_out[:, None], bias_hidden, bias_out[:, None]
    return (neural.Layer(order, np.argsort(order), *network),)


def _tables(call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any]:
    """(x in floats, layers)."""
    x, params = call.args
    return x.astype(dtype), _layers(params)


def _scored(xp: Any, softplus: Any, x: Any, layers: Any) -> Any:
    """One pass of the network for all logits."""
    (layer,) = layers
    x = x[:, layer.order]
    logit = neural.theta_of(xp, layer, x)[..., 0]
    return (x * logit - softplus(logit)).sum(1)


def numpy_log_prob(numpy: Any, x: Any, layers: Any) -> Any:
    """softplus as NumPy is quickest at."""

    def softplus(logit: Any) -> Any:
        return numpy.maximum(logit, 0) + numpy.log1p(numpy.exp(-numpy.abs(logit)))

    return _scored(numpy, softplus, x, layers)


def torch_log_prob(torch: Any, x: Any, layers: Any) -> Any:
    """As in NumPy."""
    return _scored(torch, torch.nn.functional.softplus, x, layers)


def jax_log_prob(jax: Any, x: Any, layers: Any) -> Any:
    """As in NumPy."""
    return _scored(jax.numpy, jax.nn.softplus, x, layers)


def _draw(xp: Any, theta: Any, uniforms: Any) -> tuple[Any, Any]:
    """Uniforms become bits, as a transform of one feature; there is no log_det."""
    return uniforms < 1 / (1 + xp.exp(-theta[..., 0])), 0 * uniforms[:, 0]


def numpy_passes(numpy: Any, uniforms: Any, layers: Any) -> Any:
    """D passes of the whole network, as libraries sample."""
    return neural.passes(uniforms, layers, _draw, uniforms.shape[1])[0]


def numpy_sample(numpy: Any, uniforms: Any, layers: Any) -> Any:
    """Bit by bit, each hidden unit computed once."""
    return neural.by_feature(uniforms, layers, _draw)[0]


def torch_sample(torch: Any, uniforms: Any, layers: Any) -> Any:
    """Bit by bit, each added to all hidden units."""
    return neural.torch_by_feature(torch, uniforms, layers, _draw)[0]


def jax_sample(jax: Any, uniforms: Any, layers: Any) -> Any:
    """As in PyTorch."""
    return neural.jax_by_feature(jax, uniforms, layers, _draw)[0]


def _uniforms(output: Any, call: Call) -> Any:
    (layer,) = _layers(call.args[1])
    x = np.asarray(output, float)[:, layer.order]
    return bits.uniforms(x, special.expit(neural.theta_of(np, layer, x)[..., 0]))


def _cost(dim: int) -> Cost:
    """Either direction, each weight used once, with one output and one exp for each bit."""
    degrees = np.arange(neural.WIDTH) % max(1, dim - 1) + min(1, dim - 1)
    weights = float((degrees + (dim - degrees)).sum())  # those not hidden
    return Cost(
        flops=2 * weights + neural.WIDTH + dim * (EXP_FLOPS + 3),
        elements=dim + 1,
        written=1,
        exps=dim,
        parameters=neural.WIDTH * (2 * dim + 1) + dim,
        weights=weights,
    )


def _step_cost(dim: int) -> Cost:
    """A bit waits for multiply-adds into a unit, of that into a logit, for an exp and for a comparison."""
    return _cost(dim)._replace(depth=4 * dim, elements=dim, written=dim)


CASE = distribution(
    "made_bernoulli",
    made_bernoulli.random_params,
    independent.data,
    Verb(
        _cost,
        arrays.implementations(
            numpy=numpy_log_prob, torch=torch_log_prob, jax=jax_log_prob, prepare=_tables
        ),
    ),
    Verb(
        _step_cost,
        bits.samplers(
            numpy=numpy_sample, torch=torch_sample, jax=jax_sample, tables=_layers,
            explaining={"numpy-passes": numpy_passes},
        ),
        Noise(_uniforms, "uniform"),
    ),
    tolerance=rounding(lambda dim: 4 * neural.steps(dim)),
    dtypes=("float64",),  # of the log-densities, whatever that of the params
    matched=(("sample", "log_prob"),),
)  # fmt: skip
