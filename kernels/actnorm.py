"""ActNorm of images: z = (x + b) exp(s) with numbers of each channel, data to latent.

log_det of `inverse` = H W times the sum of s. Kingma and Dhariwal, "Glow: generative flow with invertible 1x1
convolutions" (2018), section 3.1. `from_data` initialises it, so that a batch has mean 0 and variance 1.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_LIGHT
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.diagonal import IDENTITY, diagonal, to_data, to_latent
from seqgap.kernels._nets.image_family import ImageFamily
from seqgap.kernels._nets.image_shapes import dim_of, fitting, shape_of, square
from seqgap.kernels._nets.mixing import Mixing

_LEAST = 1e-6  # is added to standard deviations, as in the code of Glow


class Params(NamedTuple):
    """Numbers of each channel, float64 or float32."""

    shift: Array  # (C,), b
    log_scale: Array  # (C,), s
    image_shape: Array  # (3,) integers: C, H, W
    factored_out: int = 0  # entries of a row behind the image: they left the flow at a split, and pass

    @property
    def dim(self) -> int:
        """D = C H W + factored_out."""
        return dim_of(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.shift", self.shift)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 3, dtype: DTypeLike = np.float64
) -> Params:
    """Well-conditioned parameters from normals of `seed`, for square images: D = channels S^2."""
    shape, real = square(dim, channels), check.dtype(dtype)
    shift, log_scale = standard_normal(2, shape.channels, key_of(seed, rng), stream=1)
    return Params(shift.astype(real), (0.3 * log_scale).astype(real), np.array(shape))


def from_data(x: ArrayLike, image_shape: ArrayLike) -> Params:
    """Those that make each channel of a batch x (N, D) mean 0 and variance 1 over rows and pixels.

    b = -mean, s = -log(deviation + 1e-6) with the population variance, in float64; dtype of x. image_shape:
    (C, H, W), D = C H W. Raises TypeError or ValueError, naming the argument; N at least 1.
    """
    shape, batch = shape_of("image_shape", image_shape), check.batch("x", x)
    if not len(batch) or batch.shape[1] != shape.dim:
        raise ValueError(f"x: expected shape (N, {shape.dim}) with N at least 1, got {batch.shape}")
    check.finite("x", batch)
    channels = batch.astype(FLOAT64).reshape(-1, shape.channels, shape.pixels)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = channels.mean(axis=(0, 2)), channels.std(axis=(0, 2))
    if not np.isfinite(deviation).all():
        raise ValueError("x: expected numbers whose squares float64 can sum, got larger ones")
    shift, log_scale = -mean, -np.log(deviation + _LEAST)
    return Params(shift.astype(batch.dtype), log_scale.astype(batch.dtype), np.array(shape))


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    shape = fitting(params, dim)
    norm = Mixing.of_norm("params", params, shape.channels, dtype)
    scale, shift = np.ones(dim, dtype), np.zeros(dim, dtype)
    scale[: shape.dim] = np.repeat(np.diag(norm.inverse), shape.pixels)
    shift[: shape.dim] = np.repeat(norm.inverse_shift, shape.pixels)
    return diagonal(scale, shift, IDENTITY)


_family = ImageFamily(Params, _arrays, WORTH_LIGHT, (to_data, to_latent))
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
