"""ActNorm of images: z = (x + b) exp(s) with numbers of each channel."""

import math
from typing import NamedTuple

from seqgap.reference._image_steps import Norm
from seqgap.reference._images import ImageFamily, Stage, dim_of, entries_of, square
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """Numbers of each channel."""

    shift: Vector  # (C,), b
    log_scale: Vector  # (C,), s
    image_shape: list[int]  # C, H, W
    factored_out: int = 0


def random_params(dim: int, seed: int, *, channels: int = 3, dtype: str = "float64") -> Params:
    """b of size 1, s of size 0.3; in float64 whatever the dtype."""
    shift, log_scale = standard_normal(2, channels, seed, stream=1)
    return Params(shift, [0.3 * value for value in log_scale], square(dim, channels))


def from_data(x: Matrix, image_shape: list[int]) -> Params:
    """Those that make each channel mean 0 and variance 1 over rows and pixels."""
    shift, log_scale = [], []
    for channel in entries_of(image_shape):
        values = [row[n] for row in x for line in channel for n in line]
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
        shift.append(-mean)
        log_scale.append(-math.log(math.sqrt(variance) + 1e-6))
    return Params(shift, log_scale, image_shape)


def _stages(params: Params) -> list[Stage]:
    return [Stage(entries_of(params.image_shape), [Norm(params.shift, params.log_scale)])]


family = ImageFamily(_stages, lambda params: dim_of(params.image_shape, params.factored_out))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
