"""RealNVP: affine coupling layers with multi-layer perceptrons, one value at a time."""

from functools import partial
from typing import NamedTuple

from seqgap.reference._affine import affine, affine_back, outputs_of
from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._stack import Layer, layers_of, random_network, to_data, to_latent


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
    residual: bool


def random_params(
    dim: int,
    seed: int,
    *,
    layers: int = 2,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    scale: str = "softclip",
    residual: bool = False,
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


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    return to_data(z, _layers(params), partial(affine_back, params.scale))


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    return to_latent(x, _layers(params), partial(affine, params.scale))


family = Family(_to_data, _to_latent, lambda params: len(params.masks[0]))
forward, inverse = family.forward, family.inverse
log_prob, sample = family.log_prob, family.sample
