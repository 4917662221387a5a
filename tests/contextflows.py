"""Flows with contexts by weights that are drawn, and the same with a context folded into the weights."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap import Flow
from seqgap.kernels import iaf, maf, realnvp, rq_spline
from seqgap.kernels._nets.contexts import entries_of
from seqgap.kernels.normal import standard_normal
from seqgap.reference import maf as plain_maf
from seqgap.reference import realnvp as plain_realnvp
from seqgap.reference import rq_spline as plain_spline

COLUMNS, WIDTH, LAYERS = 3, 9, 2
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "relu": lambda u: np.maximum(u, 0)}


class Family(NamedTuple):
    """How Params of a family are drawn, and its reference."""

    draw: Callable[..., Any]
    reference: Any


FAMILIES = {
    "maf": Family(maf.random_params, plain_maf),
    "iaf": Family(iaf.random_params, None),
    "realnvp": Family(realnvp.random_params, plain_realnvp),
    "spline": Family(lambda *a, **k: rq_spline.random_params(*a, coupling=False, bins=4, **k), plain_spline),
    "spline coupling": Family(lambda *a, **k: rq_spline.random_params(*a, bins=4, **k), plain_spline),
}


def with_context(params: Any, way: str) -> Any:
    """Params that see contexts of 3 numbers, by weights that are drawn."""
    layers, depth, width = params.bias_hidden.shape
    shape = layers, len(entries_of(way, depth)), width
    weight = 0.5 * standard_normal(int(np.prod(shape)), COLUMNS, 5).reshape(*shape, COLUMNS)
    bias = 0.3 * standard_normal(int(np.prod(shape)), 1, 6).reshape(shape)
    return params._replace(
        context=way, weight_context=weight.astype(params.dtype), bias_context=bias.astype(params.dtype)
    )


def folded(params: Any, context: Any) -> Any:
    """Params without a context: biases that have it in them, and weights that are times the gates."""
    bias, weight = params.bias_hidden.copy(), params.weight_hidden.copy()
    act = ACTIVATIONS[params.activation]
    for layer, (entry, k) in itertools.product(
        range(len(bias)), enumerate(entries_of(params.context, bias.shape[1]))
    ):
        u = params.weight_context[layer, entry] @ context + params.bias_context[layer, entry]
        if k == 0:
            bias[layer, 0] += u if params.context in ("added", "gated") else act(u)
        elif params.context == "blocks":
            bias[layer, k] += u
        else:
            gate = 1 / (1 + np.exp(-u))
            weight[layer, k - 1] *= gate[:, None]
            bias[layer, k] *= gate
    plain = {"context": None, "weight_context": None, "bias_context": None}
    return params._replace(**plain, bias_hidden=bias, weight_hidden=weight)


def example(family: str, way: str, dim: int, dtype: Any, activation: str = "tanh") -> tuple[Flow, Any]:
    residual = way in ("blocks", "gated")
    params = FAMILIES[family].draw(
        dim, 3, layers=LAYERS, depth=5 if residual else 2, width=WIDTH, residual=residual, dtype=dtype,
        activation=activation,
    )  # fmt: skip
    conditional = with_context(params, way)
    return Flow(conditional), conditional


def contexts(count: int, dtype: Any) -> Any:
    return standard_normal(count, COLUMNS, 9, dtype=dtype)
