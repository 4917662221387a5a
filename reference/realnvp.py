"""RealNVP: affine coupling layers with multi-layer perceptrons, one value at a time."""

from typing import NamedTuple

from seqgap.reference._affine import outputs_of, transforms_of
from seqgap.reference._plain import Matrix
from seqgap.reference._stack import Layer, layers_of, random_network, stack_family


class Params(NamedTuple):
    """Masks and networks of the layers; layer 0 is next to z."""

    masks: list[list[bool]]  # (L, D), True = kept
    weight_in: list[Matrix]  # (L, H, A)
    weight_hidden: list[list[Matrix]]  # (L, K - 1, H, H)
    weight_out: list[list[Matrix]]  # (L, B, P, H)
    bias_hidden: list[Matrix]  # (L, K, H)
    bias_out: list[Matrix]  # (L, B, P)
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
    layers: int = 2,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    scale: str = "softclip",
    residual: bool | str = False,
    dtype: str = "float64",
) -> Params:
    """Layers with alternating masks; in float64 whatever the dtype."""
    masks = [[(d + layer) % 2 == 0 for d in range(dim)] for layer in range(layers)]
    columns = max(1, *(mask.count(True) for mask in masks))
    features = max(mask.count(False) for mask in masks)
    network = random_network((layers, depth, width), columns, features, outputs_of(scale), seed)
    return Params(masks, *network, activation, scale, residual)


def _layers(params: Params) -> list[Layer]:
    """With the identity features first; every unit sees all of them."""
    identity = [mask.count(True) for mask in params.masks]
    orders = [
        [d for side in (True, False) for d, keep in enumerate(mask) if keep is side] for mask in params.masks
    ]
    degrees = [[[i] * len(b) for b in bias] for i, bias in zip(identity, params.bias_hidden, strict=True)]
    return layers_of(params, orders, identity, degrees)


family = stack_family(_layers, transforms_of, lambda params: len(params.masks[0]))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
