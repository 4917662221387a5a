"""Masked autoregressive flow, one value at a time."""

from typing import NamedTuple

from seqgap.reference._affine import outputs_of, transforms_of
from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix
from seqgap.reference._stack import alternating, cyclic, layers_of, masked, random_network, stack_family


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
    residual: bool | str
    context: str | None = None
    weight_context: list[list[Matrix]] | None = None  # (L, T, H, C)
    bias_context: list[Matrix] | None = None  # (L, T, H)


def random_params(
    dim: int,
    seed: int,
    *,
    layers: int = 1,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    scale: str = "softclip",
    residual: bool | str = False,
    dtype: str = "float64",
) -> Params:
    """Layers of alternating order with cyclic degrees; in float64 whatever the dtype."""
    degrees = cyclic(dim, width)
    network = masked(random_network((layers, depth, width), dim, dim, outputs_of(scale), seed), degrees)
    order = alternating(dim, layers)
    return Params(order, [[degrees] * depth] * layers, *network, activation, scale, residual)


family: Family[Params] = stack_family(
    lambda p: layers_of(p, p.order, [0] * len(p.order), p.degrees), transforms_of, lambda p: len(p.order[0])
)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
