"""RealNVP over images: couplings with checkerboard and channel masks, at several scales."""

from typing import Any, NamedTuple

from seqgap.reference._image_draws import random_network
from seqgap.reference._image_steps import Coupling
from seqgap.reference._images import Image, ImageFamily, Stage, Step, dim_of, entries_of, square, squeezed
from seqgap.reference._plain import Matrix, Vector


class Level(NamedTuple):
    """Conditioners on C channels before the squeeze, A of them, and on 4 C after it, B; H hidden channels."""

    checkerboard_weight_in: list[list[Image]]  # (A, H, C, 3, 3)
    checkerboard_bias_in: Matrix  # (A, H)
    checkerboard_weight_hidden: list[list[Image]]  # (A, H, H, 1, 1)
    checkerboard_bias_hidden: Matrix  # (A, H)
    checkerboard_weight_out: list[list[Image]]  # (A, 2 C, H, 3, 3)
    checkerboard_bias_out: Matrix  # (A, 2 C)
    channel_weight_in: list[list[Image]] | None = None  # (B, H, 2 C, 3, 3); None at the last level
    channel_bias_in: Matrix | None = None  # (B, H)
    channel_weight_hidden: list[list[Image]] | None = None  # (B, H, H, 1, 1)
    channel_bias_hidden: Matrix | None = None  # (B, H)
    channel_weight_out: list[list[Image]] | None = None  # (B, 4 C, H, 3, 3)
    channel_bias_out: Matrix | None = None  # (B, 4 C)


class Network(NamedTuple):
    """One conditioner."""

    weight_in: list[Image]
    bias_in: Vector
    weight_hidden: list[Image]
    bias_hidden: Vector
    weight_out: list[Image]
    bias_out: Vector


class Params(NamedTuple):
    """Levels from data to latent."""

    levels: tuple[Level, ...]
    image_shape: list[int]  # C, H, W
    order: str = "channel_major"  # of the squeezes


def random_params(
    dim: int,
    seed: int,
    *,
    channels: int = 3,
    levels: int = 2,
    hidden: int = 32,
    dtype: str = "float64",
) -> Params:
    """3 couplings of either kind at each level, 4 at the last; in float64 whatever the dtype."""
    drawn = []
    for index in range(levels):
        last, width = index == levels - 1, channels * 2**index
        fields = random_network(4 if last else 3, (width, hidden, 2 * width), seed, 6 * index + 1)
        if not last:
            fields += random_network(3, (2 * width, hidden, 4 * width), seed, 6 * index + 4)
        drawn.append(Level(*fields))
    return Params(tuple(drawn), square(dim, channels))


def _couplings(fields: tuple[Any, ...], mask: str) -> list[Step]:
    """Their masks alternate, this one first."""
    networks = [Network(*(field[k] for field in fields)) for k in range(len(fields[0]))]
    masks = [mask, f"{mask}_reversed"]
    return [Coupling.of(network, masks[k % 2], "exp_shift") for k, network in enumerate(networks)]


def _stages(params: Params) -> list[Stage]:
    entries, stages = entries_of(params.image_shape), []
    for level in params.levels:
        stages.append(Stage(entries, _couplings(level[:6], "checkerboard")))
        if level.channel_weight_in is not None:
            entries = squeezed(entries, params.order)
            stages.append(Stage(entries, _couplings(level[6:], "channel")))
            entries = entries[: len(entries) // 2]
    return stages


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
bits_per_dim = family.bits_per_dim
