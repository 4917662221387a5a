"""Split of a multi-scale flow over images: half of the channels leave, their prior conditioned on the others.

Data to latent: the second half of the channels becomes z = (x - m) exp(-s), with means m and log deviations s
from one convolution of the first half, padded with zeros; of its outputs 2 k is m and 2 k + 1 is s of leaving
channel k. So latents are N(0, I), and a temperature scales them all. What leaves stays in its place: in a row
of D = C H W numbers it is the second half, and parts for what goes on have the first half as their image and
D / 2 entries more `factored_out`. log_det of `inverse` = -sum of s. `split2d` in the code of Kingma and
Dhariwal, "Glow" (2018); weights of zero are the standard normal prior of Dinh, Sohl-Dickstein and Bengio,
"Density estimation using Real NVP" (2017), section 3.6.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.conditioners import prior, random_prior
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import dim_of, fitting, square
from seqgap.kernels._nets.images import Program


class Params(NamedTuple):
    """The convolution that makes the prior, float64 or float32."""

    weight: Array  # (C, C / 2, K, K), K odd
    bias: Array  # (C,)
    image_shape: Array  # (3,) integers: C, H, W, C even
    factored_out: int = 0  # entries of a row behind the image: they left the flow at a split, and pass

    @property
    def dim(self) -> int:
        """D = C H W + factored_out."""
        return dim_of(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.weight", self.weight)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 4, dtype: DTypeLike = np.float64
) -> Params:
    """A well-conditioned 3 x 3 convolution from normals of `seed`, for square images: D = channels S^2."""
    shape, real, key = square(dim, channels), check.dtype(dtype), key_of(seed, rng)
    shape.halved("channels")
    weight, bias = (field.astype(real) for field in random_prior(shape.channels, key, 1))
    return Params(weight, bias, np.array(shape))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = fitting(params, dim)
    program = Program(shape, dtype)
    program.split(prior("params", params.weight, params.bias, dtype, shape), "params.image_shape")
    return program.arrays()


_family = ImageFamily(Params, _arrays)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
