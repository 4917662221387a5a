"""What is done to an image between being read from a row and being written to it: the steps of a level."""

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

    @property
    def room(self) -> int:
        """How many pixels a buffer has."""
        return (self.shape.height + 2 * self.border) * (self.shape.width + 2 * self.border)

    def widths(self) -> tuple[int, int, int]:
        """Most channels of the image, of hidden layers and of outputs."""
        ends = [step.conditioner.layers for step in self.couplings]
        hidden = max((len(layer.bias) for layers in ends for layer in layers[:-1]), default=0)
        return self.shape.channels, hidden, max((len(layers[-1].bias) for layers in ends), default=0)
