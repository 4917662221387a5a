"""Invertible 1 x 1 convolution of images: z = P L (U + diag(sign exp(log_diagonal))) x at each pixel."""

from typing import NamedTuple

from seqgap.reference._image_draws import random_factors
from seqgap.reference._image_steps import Mixing
from seqgap.reference._images import ImageFamily, Stage, dim_of, entries_of, square
from seqgap.reference._plain import Matrix, Vector


class Params(NamedTuple):
    """The factors."""

    permutation: list[int]  # (C,): (P y)_i = y_permutation[i]
    lower: Matrix  # (C, C), unit diagonal, read below it
    upper: Matrix  # (C, C), read above its diagonal
    sign: Vector  # (C,)
    log_diagonal: Vector  # (C,)
    image_shape: list[int]  # C, H, W
    factored_out: int = 0


def random_params(dim: int, seed: int, *, channels: int = 3, dtype: str = "float64") -> Params:
    """Entries of size 1 / (2 sqrt(C)), diagonals of any sign; in float64 whatever the dtype."""
    factors = [field[0] for field in random_factors(channels, 1, seed, 1)]
    return Params(*(*factors, square(dim, channels)))


def _stages(params: Params) -> list[Stage]:
    return [Stage(entries_of(params.image_shape), [Mixing(*params[:5])])]


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape, params.factored_out))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
