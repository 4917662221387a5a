"""Inverse autoregressive flow: the layers of maf the other way round."""

from seqgap.reference import maf
from seqgap.reference._affine import affine, affine_back
from seqgap.reference._plain import Matrix, Vector, deliver, log_prob_rows
from seqgap.reference._stack import Layer, layers_of, to_data, to_latent
from seqgap.reference.normal import standard_normal


class Params(maf.Params):
    """The fields of maf.Params, with layer 0 next to x."""

    __slots__ = ()


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
    """Those of maf; in float64 whatever the dtype."""
    return Params(
        *maf.random_params(
            dim,
            seed,
            layers=layers,
            depth=depth,
            width=width,
            activation=activation,
            scale=scale,
            residual=residual,
        )
    )


def _layers(params: Params) -> list[Layer]:
    return layers_of(params, params.order, [0] * len(params.order), params.degrees)


def forward(
    z: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Latent to data: (x, log_det)."""
    x, log_det = to_latent(z, _layers(params), affine(params.scale))
    return deliver(x, out), log_det


def inverse(
    x: Matrix, params: Params, *, out: Matrix | None = None, threads: int = 1
) -> tuple[Matrix, Vector]:
    """Data to latent: (z, log_det)."""
    z, log_det = to_data(x, _layers(params), affine_back(params.scale))
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
