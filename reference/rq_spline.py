"""Neural spline flow, one value at a time."""

from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector, deliver, log_prob_rows
from seqgap.reference._spline import spline, spline_back
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
    made = random_network((layers, depth, width), columns, dim - kept, 3 * bins - 1, seed)
    made = made if coupling else hidden_weights([degrees] * depth, made)
    everywhere = [[degrees] * depth] * layers
    order = alternating(dim, layers)
    return Params(order, [kept] * layers, everywhere, *made, activation, spline, bound, residual)


def _layers(params: Params) -> list[Layer]:
    return layers_of(params, params.order, params.kept, params.degrees)


def forward(
    z: Matrix, params: Params, *, strategy: str = "incremental", out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    x, log_det = to_data(z, _layers(params), spline_back(params.spline, params.bound), strategy)
    return deliver(x, out), log_det


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    z, log_det = to_latent(x, _layers(params), spline(params.spline, params.bound))
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
    z = standard_normal(n, len(params.order[0]), seed, first_row=first_row, dtype=dtype)
    return deliver(forward(z, params)[0], out)
