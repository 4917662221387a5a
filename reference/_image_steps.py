"""Steps of flows over images, one value at a time: actnorm, 1 x 1 convolutions, couplings.

Kingma and Dhariwal, "Glow" (2018), table 1; Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real
NVP" (2017), sections 3.2 to 3.4.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from seqgap.reference import affine_lu
from seqgap.reference._images import Image
from seqgap.reference._plain import Matrix, Vector, exp, softplus


class Norm(NamedTuple):
    """z = (x + b) exp(s) of each channel."""

    shift: Vector  # b
    log_scale: Vector  # s

    def to_latent(self, image: Image) -> tuple[Image, float]:
        """log_det = H W times the sum of s."""
        channels = zip(image, self.shift, self.log_scale, strict=True)
        scaled = [
            [[(value + b) * exp(s) for value in line] for line in channel] for channel, b, s in channels
        ]
        return scaled, _pixels(image) * sum(self.log_scale)

    def to_data(self, image: Image) -> tuple[Image, float]:
        """x = z exp(-s) - b."""
        channels = zip(image, self.shift, self.log_scale, strict=True)
        raw = [[[value * exp(-s) - b for value in line] for line in channel] for channel, b, s in channels]
        return raw, -_pixels(image) * sum(self.log_scale)


class Mixing(NamedTuple):
    """z = P L (U + diag(sign exp(log_diagonal))) x at each pixel."""

    permutation: list[int]  # (P y)_i = y_permutation[i]
    lower: Matrix  # unit diagonal, read below it
    upper: Matrix  # read above its diagonal
    sign: Vector
    log_diagonal: Vector

    def to_latent(self, image: Image) -> tuple[Image, float]:
        """Two products."""
        pixels, log_det = affine_lu.forward(_vectors(image), self._factors())
        return _image(pixels, image), sum(log_det)

    def to_data(self, image: Image) -> tuple[Image, float]:
        """Two triangular solves."""
        pixels, log_det = affine_lu.inverse(_vectors(image), self._factors())
        return _image(pixels, image), sum(log_det)

    def _factors(self) -> affine_lu.Params:
        diagonal = [s * math.exp(value) for s, value in zip(self.sign, self.log_diagonal, strict=True)]
        upper = [[*row[:i], diagonal[i], *row[i + 1 :]] for i, row in enumerate(self.upper)]
        return affine_lu.Params(self.permutation, self.lower, upper, [0.0] * len(diagonal))


class Convolution(NamedTuple):
    """Padded with zeros, so that height and width stay."""

    weight: list[Image]  # (outputs, inputs, K, K), K odd
    bias: Vector

    def __call__(self, image: Image) -> Image:
        """A cross-correlation, as libraries of networks have it."""
        return [
            [[self._at(image, o, i, j) for j in range(len(image[0][0]))] for i in range(len(image[0]))]
            for o in range(len(self.bias))
        ]

    def _at(self, image: Image, output: int, i: int, j: int) -> float:
        height, width, total = len(image[0]), len(image[0][0]), self.bias[output]
        reach = len(self.weight[0][0]) // 2
        for kernel, channel in zip(self.weight[output], image, strict=True):
            for a, line in enumerate(kernel, i - reach):
                for b, w in enumerate(line, j - reach):
                    if 0 <= a < height and 0 <= b < width:
                        total += w * channel[a][b]
        return total


# By name: (b, log s, a) of the outputs t and u, where z = (x + b) s + a.
_FORMS: dict[str, Callable[[float, float], tuple[float, float, float]]] = {
    "sigmoid": lambda t, u: (t, -softplus(-u - 2), 0.0),
    "exp": lambda t, u: (t, u, 0.0),
    "exp_shift": lambda t, u: (0.0, u, t),
    "prior": lambda t, u: (-t, -u, 0.0),  # of a split: what leaves is N(t, exp(u)^2)
}


class Coupling(NamedTuple):
    """z = (x + b) s + a of what a mask transforms."""

    convolutions: list[Convolution]  # with ReLU between them; outputs 2 k and 2 k + 1 are t and u
    mask: str
    form: str

    @classmethod
    def of(cls, network: Sequence[Any], mask: str, form: str) -> "Coupling":
        """From weights and biases in turn."""
        layers = zip(network[::2], network[1::2], strict=True)
        return cls([Convolution(*layer) for layer in layers], mask, form)

    def to_latent(self, image: Image) -> tuple[Image, float]:
        """log_det = sum of log s."""
        return self._mapped(image, lambda x, b, log_s, a: ((x + b) * exp(log_s) + a, log_s))

    def to_data(self, image: Image) -> tuple[Image, float]:
        """x = (z - a) / s - b."""
        return self._mapped(image, lambda z, b, log_s, a: ((z - a) * exp(-log_s) - b, -log_s))

    def _mapped(
        self, image: Image, function: Callable[[float, float, float, float], tuple[float, float]]
    ) -> tuple[Image, float]:
        numbers = self._conditioned(image)
        result, log_det = [[line.copy() for line in channel] for channel in image], 0.0
        for k, c in enumerate(self._transformed(image)):
            for i, line in enumerate(result[c]):
                for j, value in enumerate(line):
                    if not self._passes(i, j):
                        form = _FORMS[self.form](numbers[2 * k][i][j], numbers[2 * k + 1][i][j])
                        line[j], added = function(value, *form)
                        log_det += added
        return result, log_det

    def _transformed(self, image: Image) -> range:
        """Numbers of the channels that are transformed, in part at least."""
        half = len(image) // 2
        halves = {"channel": range(half, 2 * half), "channel_reversed": range(half)}
        return halves.get(self.mask, range(len(image)))

    def _passes(self, i: int, j: int) -> bool:
        """Whether all channels of a pixel pass, which channel masks have none of."""
        return {"checkerboard": 0, "checkerboard_reversed": 1}.get(self.mask) == (i + j) % 2

    def _conditioned(self, image: Image) -> Image:
        """What the conditioner makes of what passes."""
        if self.mask.startswith("checkerboard"):
            seen = [
                [
                    [v if self._passes(i, j) else 0.0 for j, v in enumerate(line)]
                    for i, line in enumerate(channel)
                ]
                for channel in image
            ]
        else:
            seen = [channel for c, channel in enumerate(image) if c not in self._transformed(image)]
        for k, convolution in enumerate(self.convolutions):
            if k:
                seen = [[[0.0 if v < 0 else v for v in line] for line in channel] for channel in seen]
            seen = convolution(seen)
        return seen


def _pixels(image: Image) -> int:
    return len(image[0]) * len(image[0][0])


def _vectors(image: Image) -> Matrix:
    """The channels of each pixel."""
    lines = zip(*image, strict=True)  # of all channels
    return [list(pixel) for line in lines for pixel in zip(*line, strict=True)]


def _image(vectors: Matrix, like: Image) -> Image:
    """Undo `_vectors`."""
    width = len(like[0][0])
    rows = [vectors[start : start + width] for start in range(0, len(vectors), width)]
    return [[[pixel[c] for pixel in row] for row in rows] for c in range(len(like))]
