"""Shapes of images: (C, H, W) in rows of D = C H W numbers, row-major, and what a squeeze makes of them."""

import math
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array

# How a squeeze numbers the four pixels (i, j) of channel c: channel-major is 4 c + 2 i + j (Glow's code,
# nflows, normflows), position-major (2 i + j) C + c (TensorFlow's space_to_depth).
ORDERS = ("channel_major", "position_major")


_MOST = 2**58  # numbers of an image, and entries behind it: their tables have sizes that NumPy can count


class Shape(NamedTuple):
    """Of an image."""

    channels: int
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """H W."""
        return self.height * self.width

    @property
    def dim(self) -> int:
        """D = C H W."""
        return math.prod(self)

    def halved(self, name: str) -> "Shape":
        """Half of the channels; ValueError, naming the argument, where they are odd."""
        if self.channels % 2:
            raise ValueError(f"{name}: expected an even number of channels, got {self.channels}")
        return self._replace(channels=self.channels // 2)

    def squeezed(self, name: str) -> "Shape":
        """(4 C, H / 2, W / 2); ValueError, naming the argument, where H or W is odd."""
        if self.height % 2 or self.width % 2:
            raise ValueError(f"{name}: expected even H and W to squeeze, got {self.height} x {self.width}")
        return Shape(4 * self.channels, self.height // 2, self.width // 2)


def shape_of(name: str, value: Any) -> Shape:
    """(C, H, W) of a `Params`, checked."""
    numbers = check.integers(name, value, 1)
    if numbers.shape != (3,) or not (numbers > 0).all():
        raise ValueError(f"{name}: expected (C, H, W), each at least 1, got {numbers.tolist()!r:.60}")
    shape = Shape(*map(int, numbers))
    if shape.dim > _MOST:
        raise ValueError(f"{name}: expected at most {_MOST} numbers, got (C, H, W) = {tuple(shape)}")
    return shape


def dim_of(params: Any) -> int:
    """D of a part of a flow: its image, and what left the flow before."""
    beyond = check.integer("params.factored_out", params.factored_out, 0, _MOST)
    return shape_of("params.image_shape", params.image_shape).dim + beyond


def fitting(params: Any, dim: int) -> Shape:
    """(C, H, W) of a part of a flow for rows of D numbers; ValueError for another D."""
    if dim_of(params) != dim:
        raise ValueError(f"params.image_shape: expected a shape of {dim} numbers, got {dim_of(params)}")
    return shape_of("params.image_shape", params.image_shape)


def square(dim: Any, channels: Any) -> Shape:
    """(C, S, S) with D = C S S; ValueError where D is no such number."""
    dim, channels = check.count("dim", dim, 1), check.count("channels", channels, 1)
    side = math.isqrt(dim // channels)
    if channels * side * side != dim:
        raise ValueError(f"dim: expected {channels} times a square, got {dim}")
    return Shape(channels, side, side)


class Places(NamedTuple):
    """Where an image lies in a row: channel c of pixel p is entry channel[c] + pixel[p]."""

    channel: Array  # (C,)
    pixel: Array  # (H, W)

    @classmethod
    def of(cls, shape: Shape) -> "Places":
        """Row-major."""
        pixel = np.arange(shape.pixels).reshape(shape.height, shape.width)
        return cls(shape.pixels * np.arange(shape.channels), pixel)

    def squeezed(self, order: str) -> "Places":
        """Those of the squares of four pixels as channels; nothing moves."""
        corner = self.pixel - self.pixel[0, 0]
        square = corner[:2, :2].ravel()
        both = self.channel[:, None] + square if order == ORDERS[0] else square[:, None] + self.channel
        return Places(both.ravel() + self.pixel[0, 0], corner[::2, ::2])

    def first(self, channels: int) -> "Places":
        """Those of so many channels."""
        return self._replace(channel=self.channel[:channels])

    @property
    def entries(self) -> Array:
        """(C, H, W) numbers of entries."""
        return self.channel[:, None, None] + self.pixel
