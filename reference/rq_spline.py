"""Neural spline flow, one value at a time."""

from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix
from seqgap.reference._spline import transforms_of
from seqgap.reference._stack import alternating, cyclic, layers_of, masked, random_network, stack_family


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
    residual: bool | str
    context: str | None = None
    weight_context: list[list[Matrix]] | None = None  # (L, T, H, C)
    bias_context: list[Matrix] | None = None  # (L, T, H)


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
    residual: bool | str = False,
    dtype: str = "float64",
) -> Params:
    """Layers of alternating order; in float64 whatever the dtype."""
    kept = dim // 2 if coupling else 0
    degrees = [kept] * width if coupling else cyclic(dim, width)
    columns = max(1, dim // 2) if coupling else dim
    network = random_network((layers, depth, width), columns, dim - kept, 3 * bins - 1, seed)
    network = network if coupling else masked(network, degrees)
    everywhere = [[degrees] * depth] * layers
    order = alternating(dim, layers)
    return Params(order, [kept] * layers, everywhere, *network, activation, spline, bound, residual)


family: Family[Params] = stack_family(
    lambda p: layers_of(p, p.order, p.kept, p.degrees), transforms_of, lambda p: len(p.order[0])
)
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
