"""Squeeze of images: the pixels of each square of four become channels, (C, H, W) to (4 C, H / 2, W / 2)."""

from typing import NamedTuple

from seqgap.reference._family import Family
from seqgap.reference._images import dim_of, entries_of, square, squeezed
from seqgap.reference._plain import Vector


class Params(NamedTuple):
    """Which squares."""

    image_shape: list[int]  # C, H, W before the squeeze
    order: str = "channel_major"
    factored_out: int = 0
    precision: str | None = None


def random_params(dim: int, seed: int, *, channels: int = 3, dtype: str = "float64") -> Params:
    """Those of square images; nothing in them is random."""
    return Params(square(dim, channels), precision=dtype)


def _sources(params: Params) -> list[int]:
    """The entries of x in the order of z, without what left before."""
    image = squeezed(entries_of(params.image_shape), params.order)
    return [n for channel in image for line in channel for n in line]


def _to_data(z: Vector, params: Params) -> tuple[Vector, float]:
    x = list(z)
    for value, n in zip(z, _sources(params), strict=False):
        x[n] = value
    return x, 0.0


def _to_latent(x: Vector, params: Params) -> tuple[Vector, float]:
    sources = _sources(params)
    return [x[n] for n in sources] + x[len(sources) :], 0.0


family = Family(_to_data, _to_latent, lambda params: dim_of(params.image_shape, params.factored_out))
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
