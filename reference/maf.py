"""Masked autoregressive flow, one value at a time."""

from typing import NamedTuple

from seqgap.reference._affine import affine, affine_back, outputs_of
from seqgap.reference._plain import Matrix, Vector, deliver, log_prob_rows
from seqgap.reference._stack import (
    Layer,
    alternating,
    cyclic,
    hidden_weights,
    layers_of,
    random_network,
    to_data,
    to_latent,
)
from seqgap.reference.normal import standard_normal


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
    made = random_network((layers, depth, width), dim, dim, outputs_of(scale), seed)
    degrees = [cyclic(dim, width)] * depth
    made = hidden_weights(degrees, made)
    return Params(alternating(dim, layers), [degrees] * layers, *made, activation, scale, residual)


def _layers(params: Params) -> list[Layer]:
    """The layers, of which none keeps a feature."""
    return layers_of(params, params.order, [0] * len(params.order), params.degrees)


def forward(
    z: Matrix, params: Params, *, strategy: str = "incremental", out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    x, log_det = to_data(z, _layers(params), affine_back(params.scale), strategy)
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
    z = standard_normal(n, len(params.bias_out[0]), seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)
