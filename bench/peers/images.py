"""What flows over images share of their peers: layouts, convolutions, and what these cost."""

import math
from typing import Any


def images_of(batch: Any, params: Any) -> Any:
    """(N, C, H, W) of rows."""
    return batch.reshape(len(batch), *params.image_shape)


def convolve(xp: Any, images: Any, weight: Any, bias: Any) -> Any:
    """A convolution padded with zeros: one matrix product over sliding windows; xp: numpy."""
    size = weight.shape[-1]
    padded = xp.pad(images, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    windows = xp.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    products = xp.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3)))
    return xp.moveaxis(products, -1, 1) + bias[:, None, None]


def side(dim: int, channels: int) -> int:
    """S of the square images of `random_params`: D = C S^2."""
    return math.isqrt(dim // channels)


def multiplications(side: int, inputs: int, outputs: int, size: int) -> int:
    """Those of a convolution, without those by zeros around the image; size: of a filter, at most 2 S - 1."""
    reach = size // 2
    return inputs * outputs * (size * side - reach * (reach + 1)) ** 2
