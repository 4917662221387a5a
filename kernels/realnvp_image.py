"""RealNVP over images: couplings with checkerboard and channel masks, at several scales.

Data to latent, at each level: couplings with alternating checkerboard masks, a squeeze, couplings with
alternating channel masks, and half of the channels leave; the last level has checkerboards alone.
The paper has 3, 3 and, at the last level, 4; here their numbers are those of the arrays. A coupling is
z = x s + t, s = exp(u), with the conditioner of `conv_coupling` (the paper: residual networks with batch
normalisation). What leaves stays in its place in the row, and so do the pixels of a squeeze: entry j of z and
entry j of x are of one pixel. Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP" (2017),
equations 7 and 8, 13 to 16, and sections 3.4 and 3.6.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.conditioners import MASKS, Conditioner, random_network
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import ORDERS, shape_of, square
from seqgap.kernels._nets.images import Program


class Level(NamedTuple):
    """Conditioners on C channels before the squeeze, A of them, and on 4 C after it, B; H hidden channels."""

    checkerboard_weight_in: Array  # (A, H, C, 3, 3); other odd sizes too
    checkerboard_bias_in: Array  # (A, H)
    checkerboard_weight_hidden: Array  # (A, H, H, 1, 1)
    checkerboard_bias_hidden: Array  # (A, H)
    checkerboard_weight_out: Array  # (A, 2 C, H, 3, 3)
    checkerboard_bias_out: Array  # (A, 2 C)
    channel_weight_in: Array | None = None  # (B, H, 2 C, 3, 3); None at the last level
    channel_bias_in: Array | None = None  # (B, H)
    channel_weight_hidden: Array | None = None  # (B, H, H, 1, 1)
    channel_bias_hidden: Array | None = None  # (B, H)
    channel_weight_out: Array | None = None  # (B, 4 C, H, 3, 3)
    channel_bias_out: Array | None = None  # (B, 4 C)


class Network(NamedTuple):
    """One conditioner."""

    weight_in: Array
    bias_in: Array
    weight_hidden: Array
    bias_hidden: Array
    weight_out: Array
    bias_out: Array


class Params(NamedTuple):
    """Levels from data to latent, float64 or float32."""

    levels: tuple[Level, ...]
    image_shape: Array  # (3,) integers: C, H, W, that can be halved at each level but the last
    order: str = ORDERS[0]  # of the squeezes

    @property
    def dim(self) -> int:
        """D = C H W."""
        return shape_of("params.image_shape", self.image_shape).dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        first = check.levels(self.levels, Level)[0]
        return check.real_dtype("params.levels.0.checkerboard_weight_in", first.checkerboard_weight_in)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 3, levels: int = 2,
    hidden: int = 32, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned parameters from normals of `seed`, for square images: D = channels S^2.

    Each level has 3 couplings of either kind, the last 4, as in the paper; S is a multiple of 2^(levels - 1).
    """
    shape, real, key = square(dim, channels), check.dtype(dtype), key_of(seed, rng)
    count, width = check.count("levels", levels, 1), check.count("hidden", hidden, 1)
    image, drawn = shape, []
    for index in range(count):
        last, sides = index == count - 1, image.channels
        fields = random_network(4 if last else 3, (sides, width, 2 * sides), key, 6 * index + 1)
        if not last:
            image = image.squeezed("dim").halved("dim")
            fields += random_network(3, (image.channels, width, 2 * image.channels), key, 6 * index + 4)
        drawn.append(Level(*(field.astype(real) for field in fields)))
    return Params(tuple(drawn), np.array(shape))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = shape_of("params.image_shape", params.image_shape)
    if shape.dim != dim:
        raise ValueError(f"params.image_shape: expected a shape of {dim} numbers, got {tuple(shape)}")
    levels = check.levels(params.levels, Level)
    program = Program(shape, dtype)
    for index, level in enumerate(levels):
        _couple(program, f"params.levels.{index}.checkerboard_{{}}", level[:6], MASKS[2:])
        if index < len(levels) - 1:
            program.squeeze(params.order, "params.image_shape")
            _couple(program, f"params.levels.{index}.channel_{{}}", level[6:], MASKS[:2])
            program.split(None, "params.image_shape")
        elif any(field is not None for field in level[6:]):
            raise ValueError(
                f"params.levels.{index}.channel_weight_in: expected None at the last level, got others"
            )
    return program.arrays()


def _couple(program: Program, name: str, fields: tuple[Any, ...], masks: tuple[str, ...]) -> None:
    """Couplings whose masks alternate."""
    count = check.shape(name.format("weight_in"), fields[0], 5)[0]
    check.leading(name, Network(*fields)._asdict(), count)
    for k in range(count):
        network, mask = Network(*(field[k] for field in fields)), masks[k % 2]
        own = f"{name}[{k}]", network
        conditioner = Conditioner.of(*own, program.dtype, program.shape, mask)
        program.couple(conditioner, mask, "exp_shift")


_family = ImageFamily(Params, _arrays)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
bits_per_dim = _family.bits_per_dim
