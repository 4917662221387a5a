"""Invertible 1 x 1 convolution of images: z = W x at each pixel, W = P L (U + diag(s)), data to latent.

L is lower triangular with a unit diagonal, U strictly upper triangular, s = sign exp(log_diagonal), (P y)_i =
y_permutation[i]. log_det of `inverse` = H W times the sum of log_diagonal, whatever the signs. Kingma and
Dhariwal, "Glow: generative flow with invertible 1x1 convolutions" (2018), section 3.2.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import dim_of, fitting, square
from seqgap.kernels._nets.images import Program
from seqgap.kernels._nets.mixing import Mixing, factors


class Params(NamedTuple):
    """The factors, float64 or float32."""

    permutation: Array  # (C,) integers, a permutation of 0 to C - 1
    lower: Array  # (C, C), read below its diagonal
    upper: Array  # (C, C), read above its diagonal
    sign: Array  # (C,), 1 or -1
    log_diagonal: Array  # (C,)
    image_shape: Array  # (3,) integers: C, H, W
    factored_out: int = 0  # entries of a row behind the image: they left the flow at a split, and pass

    @property
    def dim(self) -> int:
        """D = C H W + factored_out."""
        return dim_of(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.upper", self.upper)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 3, dtype: DTypeLike = np.float64
) -> Params:
    """Well-conditioned factors from normals of `seed`, for square images: D = channels S^2."""
    shape, real, key = square(dim, channels), check.dtype(dtype), key_of(seed, rng)
    order, *values = (field[0] for field in factors(shape.channels, 1, key, 1))
    lower, upper, sign, log_diagonal = (value.astype(real) for value in values)
    return Params(order, lower, upper, sign, log_diagonal, np.array(shape))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = fitting(params, dim)
    program = Program(shape, dtype)
    program.mix(Mixing.of_factors("params", params, shape.channels, dtype))
    return program.arrays()


_family = ImageFamily(Params, _arrays, WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
