"""Squeeze of images: the pixels of each square of four become channels, (C, H, W) to (4 C, H / 2, W / 2).

Data to latent; log_det = 0. channel_major: pixel (i, j) of channel c becomes channel 4 c + 2 i + j, as in
the code of Glow, nflows and normflows; position_major: (2 i + j) C + c, as TensorFlow's space_to_depth. Dinh,
Sohl-Dickstein and Bengio, "Density estimation using Real NVP" (2017), section 3.6.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.flow import permuted_rows
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.image_shapes import ORDERS, Places, dim_of, fitting, square

_PRECISIONS = ("float64", "float32")


class Params(NamedTuple):
    """Which squares."""

    image_shape: Array  # (3,) integers: C, H, W before the squeeze, H and W even
    order: str = ORDERS[0]
    factored_out: int = 0  # entries of a row behind the image: they left the flow at a split, and pass
    precision: str | None = None  # float64 or float32, of samples; None where other parts say it

    @property
    def dim(self) -> int:
        """D = C H W + factored_out."""
        return dim_of(self)

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """float64, float32, or None where it is open."""
        if self.precision is None:
            return None
        check.choice("params.precision", self.precision, _PRECISIONS)
        return np.dtype(self.precision)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, channels: int = 3, dtype: DTypeLike = np.float64
) -> Params:
    """Those of square images, D = channels S^2; nothing in them is random."""
    shape = square(dim, channels)
    shape.squeezed("dim")
    key_of(seed, rng)
    return Params(np.array(shape), precision=check.dtype(dtype).name)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, Array]:
    shape, _ = fitting(params, dim), params.dtype  # which is checked
    shape.squeezed("params.image_shape")
    check.choice("params.order", params.order, ORDERS)
    order = np.arange(dim)
    order[: shape.dim] = Places.of(shape).squeezed(params.order).entries.ravel()
    return order, np.argsort(order)


@jit_exact
def _to_data(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, order: Any, ranks: Any) -> None:
    isolate()
    permuted_rows(lo, hi, source, target, log_det, ranks)


@jit_exact
def _to_latent(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, order: Any, ranks: Any) -> None:
    isolate()
    permuted_rows(lo, hi, source, target, log_det, order)


_family = Family(Params, _arrays, _to_data, _to_latent)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
