"""Element-wise flow, each feature by itself: z = f((x - shift) / scale), f one function for all.

identity: z-scores, batch normalisation and other diagonal maps. softclip: f(t) = t / (1 + |t|), between -1
and 1 (zuko's `SoftclipTransform`). logit: f(t) = log t - log(1 - t), from a box, low = shift and high = shift
+ scale, to all numbers; t is held within the least normal number and 1 - eps, as by `SigmoidTransform` of
PyTorch. log_det of `forward` = sum of log |scale| - log f'(t).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.diagonal import FUNCTIONS, diagonal, to_data, to_latent


class Params(NamedTuple):
    """Numbers of each feature, float64 or float32."""

    scale: Array  # (D,), without zeros
    shift: Array  # (D,)
    function: str = "identity"

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.scale", self.scale, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.scale", self.scale)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, function: str = "identity",
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned parameters from normals of `seed`: scales of about 1, of any sign."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    check.choice("function", function, FUNCTIONS)
    signs, log_scale, shift = standard_normal(3, dim, key_of(seed, rng), stream=1)
    scale = np.where(signs < 0, -1, 1) * np.exp(0.3 * log_scale)
    return Params(scale.astype(real), shift.astype(real), function)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    scale = check.shaped("params.scale", params.scale, dtype, (dim,))
    shift = check.shaped("params.shift", params.shift, dtype, (dim,))
    if not scale.all():
        raise ValueError("params.scale: expected no zeros, got some")
    function = check.choice("params.function", params.function, FUNCTIONS)
    return diagonal(scale, shift, function)


_family = Family(Params, _arrays, to_data, to_latent)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
