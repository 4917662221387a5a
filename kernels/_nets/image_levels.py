"""What is done to an image between being read from a row and being written to it: the steps of a level."""

import itertools
from typing import NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.conditioners import SCALES, Conditioner
from seqgap.kernels._nets.image_shapes import Places, Shape
from seqgap.kernels._nets.mixing import Mixing

PRIOR = "prior"  # z = (x - t) exp(-u): what a split does with what leaves
FORMS = (*SCALES, PRIOR)


class Coupling(NamedTuple):
    """An affine coupling."""

    conditioner: Conditioner
    mask: str
    form: int  # index in FORMS


class Level:
    """What is done to an image while it lies in scratch, and where everything lies there."""

    def __init__(self, shape: Shape, places: Places) -> None:
        self.shape, self.places = shape, places
        self.steps: list[Mixing | Coupling] = []

    @property
    def couplings(self) -> list[Coupling]:
        """Those among the steps."""
        return [step for step in self.steps if isinstance(step, Coupling)]

    @property
    def checkered(self) -> bool:
        """Whether a mask is a checkerboard."""
        return any(step.mask.startswith("checkerboard") for step in self.couplings)

    @property
    def border(self) -> int:
        """Pixels of zeros around the image, as the widest filter needs them."""
        layers = (layer for step in self.couplings for layer in step.conditioner.layers)
        return max((layer.weight.shape[-1] // 2 for layer in layers), default=0)

    def pixels(self, parity: int | None = None) -> Array:
        """Numbers of the pixels in scratch, of one parity of i + j or all."""
        _, height, width = self.shape
        i, j = np.divmod(np.arange(height * width), width)
        inside = (i + self.border) * (width + 2 * self.border) + j + self.border
        return inside if parity is None else inside[(i + j) % 2 == parity]

    def before(self, row: int, parity: int | None = None) -> int:
        """How many of the pixels lie in rows before one."""
        i, j = np.divmod(np.arange(row * self.shape.width), self.shape.width)
        return i.size if parity is None else int(((i + j) % 2 == parity).sum())

    @property
    def room(self) -> int:
        """How many pixels a buffer has."""
        return (self.shape.height + 2 * self.border) * (self.shape.width + 2 * self.border)

    def widths(self) -> tuple[int, int, int]:
        """Most channels of the image, of hidden layers and of outputs."""
        ends = [step.conditioner.layers for step in self.couplings]
        hidden = max((len(layer.bias) for layers in ends for layer in layers[:-1]), default=0)
        return self.shape.channels, hidden, max((len(layers[-1].bias) for layers in ends), default=0)


class Pass(NamedTuple):
    """Some taps of a convolution at some rows of an image; a tap outside of it would add zeros."""

    rows: tuple[int, int]  # the first, and the one behind the last
    first: int  # of the lines of a filter
    lines: int
    added: bool  # to what passes before left


def passes(height: int, size: int, rectified: bool) -> list[Pass]:
    """Those of a convolution with filters of size x size, which leave out the lines that lie outside.

    Where ReLU follows, a sum must be whole: rows with the same lines inside go together. Else each line of
    the filters goes by itself, the middle one first, so that fewer weights are in use at a time: those of
    three lines, 64 channels and 16 outputs would leave no room for the image in a first-level cache.
    """
    reach = size // 2
    if not rectified:
        order = sorted(range(-reach, reach + 1), key=abs)
        spans = [(max(0, -d), min(height, height - d), d) for d in order]
        return [Pass((low, high), d + reach, 1, d != 0) for low, high, d in spans if low < high]

    def inside(row: int) -> tuple[int, int]:
        return max(0, reach - row), min(size, height + reach - row)

    groups = [(lines, [*rows]) for lines, rows in itertools.groupby(range(height), inside)]
    return [Pass((rows[0], rows[-1] + 1), low, high - low, False) for (low, high), rows in groups]
