"""Split of a flow over images: half of the channels leave, their prior conditioned on the others."""

from typing import NamedTuple

from seqgap.reference._image_draws import random_prior
from seqgap.reference._image_steps import Coupling
from seqgap.reference._images import Image, ImageFamily, Stage, dim_of, entries_of, square
from seqgap.reference._plain import Vector


class Params(NamedTuple):
    """The convolution that makes the prior."""

    weight: list[Image]  # (C, C / 2, K, K)
    bias: Vector  # (C,)
    image_shape: list[int]  # C, H, W
    factored_out: int = 0


def random_params(dim: int, seed: int, *, channels: int = 4, dtype: str = "float64") -> Params:
    """A 3 x 3 convolution; in float64 whatever the dtype."""
    weight, bias = random_prior(channels, seed, 1)
    return Params(weight, bias, square(dim, channels))


def _stages(params: Params) -> list[Stage]:
    leaving = Coupling.of((params.weight, params.bias), "channel", "prior")
    return [Stage(entries_of(params.image_shape), [leaving])]


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape, params.factored_out))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
