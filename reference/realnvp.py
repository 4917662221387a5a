"""RealNVP: affine coupling layers with multi-layer perceptrons, one value at a time."""

from typing import NamedTuple

from seqgap.reference._affine import affine, affine_back, outputs_of
from seqgap.reference._plain import Matrix, Vector, deliver, log_prob_rows
from seqgap.reference._stack import Layer, layers_of, random_network, to_data, to_latent
from seqgap.reference.normal import standard_normal


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
    made = random_network((layers, depth, width), columns, features, outputs_of(scale), seed)
    return Params(masks, *made, activation, scale, residual)


def _layers(params: Params) -> list[Layer]:
    """With the kept features first; every unit sees all of them."""
    kept = [mask.count(True) for mask in params.masks]
    orders = [
        [d for side in (True, False) for d, keep in enumerate(mask) if keep is side] for mask in params.masks
    ]
    degrees = [[[count] * len(b) for b in bias] for count, bias in zip(kept, params.bias_hidden, strict=True)]
    return layers_of(params, orders, kept, degrees)


def forward(
    z: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    x, log_det = to_data(z, _layers(params), affine_back(params.scale))
    return deliver(x, out), log_det


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    z, log_det = to_latent(x, _layers(params), affine(params.scale))
    return deliver(z, out), log_det


def log_prob(x: Matrix, params: Params, *, threads: int = 1) -> Vector:
    """log N(z; 0, I) + log_det of the inverse."""
    return log_prob_rows(*inverse(x, params))


def sample(
    n: int,
    params: Params,
    seed: int,
    *,
    first_row: int = 0,
    out: Matrix | None = None,
    threads: int = 1,
    dtype: str = "float64",
) -> Matrix:
    """Forward of the normals of `seed`."""
    z = standard_normal(n, len(params.masks[0]), seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)
