"""Glow: a multi-scale flow over images, of actnorm, 1 x 1 convolutions and affine couplings.

Data to latent, at each level: a squeeze, K steps of `actnorm`, `conv1x1` and `conv_coupling` (channel mask),
and, but for the last level, a `split`, at which the second half of the channels leaves. A step is

    y = W ((x + b) exp(s)) at each pixel
    z_a = y_a, z_b = (y_b + t) sigmoid(u + 2) of its two halves of channels

with t and u made of y_a by convolutions (scale "exp": exp(u) instead). What leaves stays in its place in the
row, and so do the pixels of a squeeze: entry j of z and entry j of x are of one pixel. log_det is the sum of
theirs. All latents are N(0, I), also where a split has a prior of its own; so a
temperature scales every deviation. Kingma and Dhariwal, "Glow: generative flow with invertible 1x1
convolutions" (2018), section 3 and figure 2.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.conditioners import SCALES, Conditioner, prior, random_network, random_prior
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import ORDERS, Shape, shape_of, square
from seqgap.kernels._nets.images import Program
from seqgap.kernels._nets.mixing import Mixing, factors

_FIELDS = 13  # of a level that have a leading axis of steps


class Level(NamedTuple):
    """K steps on C channels, those after the squeeze; H hidden channels."""

    shift: Array  # (K, C), of actnorm
    log_scale: Array  # (K, C)
    permutation: Array  # (K, C) integers, of the 1 x 1 convolution
    lower: Array  # (K, C, C)
    upper: Array  # (K, C, C)
    sign: Array  # (K, C)
    log_diagonal: Array  # (K, C)
    weight_in: Array  # (K, H, C / 2, 3, 3), of the coupling; other odd sizes too
    bias_in: Array  # (K, H)
    weight_hidden: Array  # (K, H, H, 1, 1)
    bias_hidden: Array  # (K, H)
    weight_out: Array  # (K, C, H, 3, 3)
    bias_out: Array  # (K, C)
    prior_weight: Array | None = None  # (C, C / 2, 3, 3), of the split; None: N(0, I), as at the last level
    prior_bias: Array | None = None  # (C,)

    def step(self, index: int) -> "Level":
        """The arrays of one step."""
        fields: Any = self[:_FIELDS]
        return Level(*(field[index] for field in fields))


class Params(NamedTuple):
    """Levels from data to latent, float64 or float32."""

    levels: tuple[Level, ...]
    image_shape: Array  # (3,) integers: C, H, W, that can be halved once for each level
    order: str = ORDERS[0]  # of the squeezes
    scale: str = SCALES[0]  # of the couplings

    @property
    def dim(self) -> int:
        """D = C H W."""
        return shape_of("params.image_shape", self.image_shape).dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.levels.0.shift", check.levels(self.levels, Level)[0].shift)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 3, levels: int = 2, steps: int = 4,
    hidden: int = 64, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned parameters from normals of `seed`, for square images: D = channels S^2.

    steps: K of each level. hidden: channels of the conditioners. S is a multiple of 2^levels.
    """
    shape, real, key = square(dim, channels), check.dtype(dtype), key_of(seed, rng)
    count, sizes = (
        check.count("levels", levels, 1),
        (check.count("steps", steps, 1), check.count("hidden", hidden, 1)),
    )
    image, drawn = shape, []
    for index in range(count):
        image = image.squeezed("dim")
        drawn.append(_random_level(image, sizes, index == count - 1, key, 10 * index + 1, real))
        image = image.halved("dim")
    return Params(tuple(drawn), np.array(shape))


def _random_level(
    shape: Shape, sizes: tuple[int, int], last: bool, key: np.uint64, stream: int, real: np.dtype[Any]
) -> Level:
    """One level; sizes: steps, hidden channels."""
    (steps, hidden), channels = sizes, shape.channels
    norms = standard_normal(2 * steps, channels, key, stream=stream)
    permutation, *mixing = factors(channels, steps, key, stream + 1)
    network = random_network(steps, (channels // 2, hidden, channels), key, stream + 4)
    own = () if last else random_prior(channels, key, stream + 7)
    values = (0.3 * norms[:steps], 0.1 * norms[steps:], permutation, *mixing, *network, *own)
    return Level(*(v if v.dtype.kind == "i" else v.astype(real) for v in values))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = shape_of("params.image_shape", params.image_shape)
    if shape.dim != dim:
        raise ValueError(f"params.image_shape: expected a shape of {dim} numbers, got {tuple(shape)}")
    levels = check.levels(params.levels, Level)
    program = Program(shape, dtype)
    check.choice("params.scale", params.scale, SCALES)
    for index, level in enumerate(levels):
        name = f"params.levels.{index}"
        program.squeeze(params.order, "params.image_shape")
        _add_steps(program, name, level, params.scale)
        if index < len(levels) - 1:
            own = prior(name, level.prior_weight, level.prior_bias, dtype, program.shape, "prior_")
            program.split(own, "params.image_shape")
        elif level.prior_weight is not None or level.prior_bias is not None:
            raise ValueError(f"{name}.prior_weight: expected None at the last level, got a prior")
    return program.arrays()


def _add_steps(program: Program, name: str, level: Level, scale: str) -> None:
    """The K steps of a level."""
    shape = program.shape
    steps = check.shape(f"{name}.shift", level.shift, 2)[0]
    check.leading(f"{name}.{{}}", dict(list(level._asdict().items())[:_FIELDS]), steps)
    for k in range(steps):
        step = level.step(k)
        own = f"{name}.{{}}[{k}]"
        known = own, step, shape.channels, program.dtype
        both = Mixing.of_norm(*known).then(Mixing.of_factors(*known))
        program.mix(both.held(own.format("upper"), program.dtype))
        program.couple(Conditioner.of(own, step, program.dtype, shape, "channel"), "channel", scale)


_family = ImageFamily(Params, _arrays)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
bits_per_dim = _family.bits_per_dim
