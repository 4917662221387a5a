"""Affine coupling of images with a convolutional conditioner."""

from typing import NamedTuple

from seqgap.reference._image_draws import random_network
from seqgap.reference._image_steps import Coupling
from seqgap.reference._images import Image, ImageFamily, Stage, dim_of, entries_of, square
from seqgap.reference._plain import Vector


class Params(NamedTuple):
    """The conditioner: I channels in, H hidden, T transformed."""

    weight_in: list[Image]  # (H, I, A, A)
    bias_in: Vector  # (H,)
    weight_hidden: list[Image]  # (H, H, B, B)
    bias_hidden: Vector  # (H,)
    weight_out: list[Image]  # (2 T, H, E, E)
    bias_out: Vector  # (2 T,)
    image_shape: list[int]  # C, H, W
    mask: str = "channel"
    scale: str = "sigmoid"
    factored_out: int = 0


def random_params(
    dim: int,
    seed: int,
    *,
    channels: int = 4,
    hidden: int = 16,
    mask: str = "channel",
    scale: str = "sigmoid",
    dtype: str = "float64",
) -> Params:
    """Filters 3 x 3, 1 x 1, 3 x 3; in float64 whatever the dtype."""
    width = channels if mask.startswith("checkerboard") else channels // 2
    network = [field[0] for field in random_network(1, (width, hidden, 2 * width), seed, 1)]
    return Params(*(*network, square(dim, channels), mask, scale))


def _stages(params: Params) -> list[Stage]:
    coupling = Coupling.of(params[:6], params.mask, params.scale)
    return [Stage(entries_of(params.image_shape), [coupling])]


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape, params.factored_out))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
