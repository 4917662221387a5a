"""Masked autoregressive flow, one value at a time."""

from functools import partial
from typing import NamedTuple

from seqgap.reference._affine import affine, affine_back, outputs_of
from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._stack import (
    Layer,
    alternating,
    cyclic,
    layers_of,
    masked,
    random_network,
    to_data,
    to_latent,
)


class Params(NamedTuple):
    """Orders, degrees and networks of the layers; layer 0 is next to z."""

    order: list[list[int]]  # (L, D)
    degrees: list[list[list[int]]]  # (L, K, H)
    weight_in: list[Matrix]  # (L, H, D)
    weight_hidden: list[list[Matrix]]  # (L, K - 1, H, H)
    weight_out: list[list[Matrix]]  # (L, D, P, H)
    bias_hidden: list[Matrix]  # (L, K, H)
    bias_out: list[Matrix]  # (L, D, P)
    activation: str
    scale: str
    residual: bool


def random_params(
    dim: int,
    seed: int,
    *,
    layers: int = 1,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    scale: str = "softclip",
    residual: bool = False,
    dtype: str = "float64",
) -> Params:
    """Layers of alternating order with cyclic degrees; in float64 whatever the dtype."""
    degrees = [cyclic(dim, width)] * depth
    network = masked(random_network((layers, depth, width), dim, dim, outputs_of(scale), seed), degrees)
    return Params(alternating(dim, layers), [degrees] * layers, *network, activation, scale, residual)


def _layers(params: Params) -> list[Layer]:
    """No feature passes as it is."""
    return layers_of(params, params.order, [0] * len(params.order), params.degrees)


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    return to_data(z, _layers(params), partial(affine_back, params.scale))


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    return to_latent(x, _layers(params), partial(affine, params.scale))


family = Family(_to_data, _to_latent, lambda params: len(params.bias_out[0]))
forward, inverse = family.forward, family.inverse
log_prob, sample = family.log_prob, family.sample
