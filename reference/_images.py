"""Flows over images, one value at a time: where an image lies in a row, and stages of steps on it.

Images are (C, H, W) in row-major order. Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP"
(2017), section 3.6; Kingma and Dhariwal, "Glow" (2018), section 3.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector

P = TypeVar("P")  # the family's Params
Image: TypeAlias = list[Matrix]  # channels of rows
Entries: TypeAlias = list[list[list[int]]]  # of an image: their numbers in the row of a flow


class Step(Protocol):
    """An invertible map of images, either way: (image, log_det)."""

    def to_latent(self, image: Image) -> tuple[Image, float]:
        """Data to latent."""

    def to_data(self, image: Image) -> tuple[Image, float]:
        """Latent to data."""


class Stage(NamedTuple):
    """Steps on the image of these entries of a row, data to latent; the other entries pass."""

    entries: Entries
    steps: list[Step]


def entries_of(shape: list[int]) -> Entries:
    """Those of an image at the beginning of a row; shape: C, H, W."""
    channels, height, width = shape
    return [
        [[(c * height + i) * width + j for j in range(width)] for i in range(height)] for c in range(channels)
    ]


def squeezed(entries: Entries, order: str) -> Entries:
    """(4 C, H / 2, W / 2): the pixels of each square of four become channels.

    Pixel (i, j) of channel c becomes 4 c + 2 i + j (channel_major) or (2 i + j) C + c (position_major).
    """
    channels, square = range(len(entries)), [(i, j) for i in range(2) for j in range(2)]
    pairs = [(c, pixel) for c in channels for pixel in square]
    if order == "position_major":
        pairs = [(c, pixel) for pixel in square for c in channels]
    return [[line[j::2] for line in entries[c][i::2]] for c, (i, j) in pairs]


def dim_of(image_shape: list[int], factored_out: int = 0) -> int:
    """D of a part of a flow."""
    return math.prod(image_shape) + factored_out


def square(dim: int, channels: int) -> list[int]:
    """(C, S, S) with D = C S S."""
    side = math.isqrt(dim // channels)
    return [channels, side, side]


def _through(row: Vector, stages: list[Stage], back: bool) -> tuple[Vector, float]:
    row, log_det = list(row), 0.0
    for entries, steps in stages[:: -1 if back else 1]:
        image = [[[row[n] for n in line] for line in channel] for channel in entries]
        for step in steps[:: -1 if back else 1]:
            image, added = (step.to_data if back else step.to_latent)(image)
            log_det += added
        for numbers, values in zip(entries, image, strict=True):
            for line, changed in zip(numbers, values, strict=True):
                for n, value in zip(line, changed, strict=True):
                    row[n] = value
    return row, log_det


class ImageFamily(Family[P]):
    """A family whose parameters become stages, data to latent."""

    def __init__(self, stages: Callable[[P], list[Stage]], dim: Callable[[P], int]) -> None:
        super().__init__(
            lambda z, params: _through(z, stages(params), True),
            lambda x, params: _through(x, stages(params), False),
            dim,
        )

    def sample(
        self,
        n: int,
        params: P,
        seed: int,
        *,
        temperature: float = 1.0,
        dim: int | None = None,
        first_row: int = 0,
        dtype: str = "float64",
    ) -> Matrix:
        """Forward of temperature times the normals of `seed`, which are laid out as for `dtype`."""

        def to_data(z: Vector, params: P) -> tuple[Vector, float]:
            return self._to_data([temperature * value for value in z], params)

        tempered = Family(to_data, self._to_latent, self._dim)
        return tempered.sample(n, params, seed, dim=dim, first_row=first_row, dtype=dtype)

    def bits_per_dim(self, x: Matrix, params: P, *, bins: int = 256) -> Vector:
        """-log_prob / (D log 2) + log2(bins)."""
        size = self._dim(params) * math.log(2)
        return [math.log2(bins) - density / size for density in self.log_prob(x, params)]
