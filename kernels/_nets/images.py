"""Flows over images as programs: lists of operations on one image that lies pixel by pixel in scratch.

A squeeze, and what stays in the row at a split, change the numbers of entries alone: they are in the tables
by which an image is read from a row and written to it, once for each level.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._nets.conditioners import Conditioner
from seqgap.kernels._nets.image_levels import FORMS, PRIOR, Coupling, Level
from seqgap.kernels._nets.image_packing import Packed, pack
from seqgap.kernels._nets.image_shapes import ORDERS, Places, Shape
from seqgap.kernels._nets.mixing import Mixing


class Program:
    """Collects what parts of a flow do to an image, data to latent, and packs it for the kernels."""

    def __init__(self, shape: Shape, dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype
        self._places = Places.of(shape)
        self._levels: list[Level] = []
        self._inside = False  # whether the image lies in scratch
        self._log_det = 0.0

    def squeeze(self, order: str, name: str) -> None:
        """Squares of four pixels become channels; errors name the argument."""
        check.choice("params.order", order, ORDERS)
        self.shape, self._places = self.shape.squeezed(name), self._places.squeezed(order)
        self._inside = False

    def mix(self, mixing: Mixing) -> None:
        """An affine map of the channels of each pixel."""
        self._log_det += self.shape.pixels * mixing.log_det
        self._level().steps.append(mixing)

    def couple(self, conditioner: Conditioner, mask: str, form: str) -> None:
        """An affine coupling."""
        self._level().steps.append(Coupling(conditioner, mask, FORMS.index(form)))

    def split(self, conditioner: Conditioner | None, name: str) -> None:
        """The second half of the channels leaves; errors name the argument."""
        half = self.shape.halved(name)
        if conditioner is not None:
            self.couple(conditioner, "channel", PRIOR)
        self.shape, self._places, self._inside = half, self._places.first(half.channels), False

    def _level(self) -> Level:
        if not self._inside:
            self._levels.append(Level(self.shape, self._places))
            self._inside = True
        return self._levels[-1]

    def arrays(self) -> tuple[Packed]:
        """What the row kernels take."""
        return (pack(self._levels, self.dtype, self._log_det),)
