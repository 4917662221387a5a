"""Affine coupling of images with a convolutional conditioner, data to latent.

One part of an image passes, and makes shift t and scale s of the other: channel masks split the channels into
halves, checkerboard masks the pixels by whether i + j is even. The conditioner has three convolutions, of any
odd sizes (Glow: 3 x 3, 1 x 1, 3 x 3), padded with zeros, with ReLU between them; for checkerboard masks it
sees zeros where pixels are transformed. Of its outputs 2 k is t and 2 k + 1 is u of transformed channel k:

    sigmoid    z = (x + t) s, s = sigmoid(u + 2): the code of Glow; normflows has -t for t
    exp        z = (x + t) s, s = exp(u)
    exp_shift  z = x s + t, s = exp(u): Dinh, Sohl-Dickstein and Bengio (2017), equation 7

log_det of `inverse` = sum of log s. Kingma and Dhariwal, "Glow" (2018), section 3.3; Dinh, Sohl-Dickstein and
Bengio, "Density estimation using Real NVP" (2017), sections 3.2 and 3.4.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.conditioners import MASKS, SCALES, Conditioner, random_network, transformed
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import dim_of, fitting, square
from seqgap.kernels._nets.images import Program


class Params(NamedTuple):
    """The conditioner, float64 or float32: I channels in, H hidden, T transformed."""

    weight_in: Array  # (H, I, A, A)
    bias_in: Array  # (H,)
    weight_hidden: Array  # (H, H, B, B)
    bias_hidden: Array  # (H,)
    weight_out: Array  # (2 T, H, E, E)
    bias_out: Array  # (2 T,)
    image_shape: Array  # (3,) integers: C, H, W; I = T = C / 2 for channel masks, C for checkerboards
    mask: str = "channel"  # what passes: the first half (channel_reversed: the second), even pixels (odd)
    scale: str = "sigmoid"
    factored_out: int = 0  # entries of a row behind the image: they left the flow at a split, and pass

    @property
    def dim(self) -> int:
        """D = C H W + factored_out."""
        return dim_of(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.weight_in", self.weight_in)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 4, hidden: int = 16,
    mask: str = "channel", scale: str = "sigmoid", dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned parameters from normals of `seed`, for square images: D = channels S^2."""
    shape, real, key = square(dim, channels), check.dtype(dtype), key_of(seed, rng)
    check.choice("mask", mask, MASKS)
    check.choice("scale", scale, SCALES)
    width = transformed(mask, shape, "channels")
    network = random_network(1, (width, check.count("hidden", hidden, 1), 2 * width), key, 1)
    w_in, b_in, w_hidden, b_hidden, w_out, b_out = (field[0].astype(real) for field in network)
    return Params(w_in, b_in, w_hidden, b_hidden, w_out, b_out, np.array(shape), mask, scale)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = fitting(params, dim)
    program = Program(shape, dtype)
    check.choice("params.scale", params.scale, SCALES)
    program.couple(Conditioner.of("params", params, dtype, shape, params.mask), params.mask, params.scale)
    return program.arrays()


_family = ImageFamily(Params, _arrays)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
