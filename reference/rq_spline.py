"""Neural spline flow, one value at a time."""

from functools import partial
from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._spline import spline, spline_back
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
    kept: list[int]  # (L,)
    degrees: list[list[list[int]]]  # (L, K, H)
    weight_in: list[Matrix]  # (L, H, C)
    weight_hidden: list[list[Matrix]]  # (L, K - 1, H, H)
    weight_out: list[list[Matrix]]  # (L, S, P, H)
    bias_hidden: list[Matrix]  # (L, K, H)
    bias_out: list[Matrix]  # (L, S, P)
    activation: str
    spline: str
    bound: float
    residual: bool


def random_params(
    dim: int,
    seed: int,
    *,
    coupling: bool = True,
    layers: int = 1,
    depth: int = 1,
    width: int = 128,
    bins: int = 8,
    activation: str = "relu",
    spline: str = "softplus",
    bound: float = 5.0,
    residual: bool = False,
    dtype: str = "float64",
) -> Params:
    """Layers of alternating order; in float64 whatever the dtype."""
    kept = dim // 2 if coupling else 0
    degrees = [kept] * width if coupling else cyclic(dim, width)
    columns = max(1, dim // 2) if coupling else dim
    network = random_network((layers, depth, width), columns, dim - kept, 3 * bins - 1, seed)
    network = network if coupling else masked(network, [degrees] * depth)
    everywhere = [[degrees] * depth] * layers
    order = alternating(dim, layers)
    return Params(order, [kept] * layers, everywhere, *network, activation, spline, bound, residual)


def _layers(params: Params) -> list[Layer]:
    return layers_of(params, params.order, params.kept, params.degrees)


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    return to_data(z, _layers(params), partial(spline_back, params.spline, params.bound))


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    return to_latent(x, _layers(params), partial(spline, params.spline, params.bound))


family = Family(_to_data, _to_latent, lambda params: len(params.order[0]))
forward, inverse = family.forward, family.inverse
log_prob, sample = family.log_prob, family.sample
