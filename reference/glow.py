"""Glow: squeezes, steps of actnorm, 1 x 1 convolution and coupling, and splits, at several scales."""

from typing import Any, NamedTuple

from seqgap.reference._image_draws import random_factors, random_network, random_prior, scaled
from seqgap.reference._image_steps import Coupling, Mixing, Norm
from seqgap.reference._images import Image, ImageFamily, Stage, Step, dim_of, entries_of, square, squeezed
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal


class Level(NamedTuple):
    """K steps on C channels, those after the squeeze; H hidden channels."""

    shift: Matrix  # (K, C)
    log_scale: Matrix  # (K, C)
    permutation: list[list[int]]  # (K, C)
    lower: list[Matrix]  # (K, C, C)
    upper: list[Matrix]  # (K, C, C)
    sign: Matrix  # (K, C)
    log_diagonal: Matrix  # (K, C)
    weight_in: list[list[Image]]  # (K, H, C / 2, 3, 3)
    bias_in: Matrix  # (K, H)
    weight_hidden: list[list[Image]]  # (K, H, H, 1, 1)
    bias_hidden: Matrix  # (K, H)
    weight_out: list[list[Image]]  # (K, C, H, 3, 3)
    bias_out: Matrix  # (K, C)
    prior_weight: list[Image] | None = None  # (C, C / 2, 3, 3); None: N(0, I), as at the last level
    prior_bias: Vector | None = None  # (C,)


class Params(NamedTuple):
    """Levels from data to latent."""

    levels: tuple[Level, ...]
    image_shape: list[int]  # C, H, W
    order: str = "channel_major"  # of the squeezes
    scale: str = "sigmoid"  # of the couplings


def random_params(
    dim: int,
    seed: int,
    *,
    channels: int = 3,
    levels: int = 2,
    steps: int = 4,
    hidden: int = 64,
    dtype: str = "float64",
) -> Params:
    """Steps of filters 3 x 3, 1 x 1, 3 x 3; in float64 whatever the dtype."""
    sizes = [4 * channels * 2**index for index in range(levels)]
    drawn = [
        _random_level((width, steps, hidden), width == sizes[-1], seed, 10 * index + 1)
        for index, width in enumerate(sizes)
    ]
    return Params(tuple(drawn), square(dim, channels))


def _random_level(sizes: tuple[int, int, int], last: bool, seed: int, stream: int) -> Level:
    """One level; sizes: channels, steps, hidden channels."""
    channels, steps, hidden = sizes
    norms = standard_normal(2 * steps, channels, seed, stream=stream)
    factors = random_factors(channels, steps, seed, stream + 1)
    network = random_network(steps, (channels // 2, hidden, channels), seed, stream + 4)
    own = () if last else random_prior(channels, seed, stream + 7)
    return Level(scaled(0.3, norms[:steps]), scaled(0.1, norms[steps:]), *factors, *network, *own)


def _steps(level: Level, scale: str) -> list[Step]:
    """The K steps, and what a split does."""
    steps: list[Step] = []
    for k in range(len(level.shift)):
        fields: list[Any] = [field[k] for field in level[:13]]
        steps += [Norm(*fields[:2]), Mixing(*fields[2:7]), Coupling.of(fields[7:], "channel", scale)]
    if level.prior_weight is not None:
        steps.append(Coupling.of((level.prior_weight, level.prior_bias), "channel", "prior"))
    return steps


def _stages(params: Params) -> list[Stage]:
    entries, stages = entries_of(params.image_shape), []
    for level in params.levels:
        entries = squeezed(entries, params.order)
        stages.append(Stage(entries, _steps(level, params.scale)))
        entries = entries[: len(entries) // 2]
    return stages


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
bits_per_dim = family.bits_per_dim
