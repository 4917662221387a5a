"""Affine maps of the channels of a pixel, in float64 with their inverses: actnorm and 1 x 1 convolutions."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._nets.conditioners import named


class Mixing(NamedTuple):
    """z = weight x + shift and x = inverse z + inverse_shift at each pixel, data to latent."""

    weight: Array  # (C, C)
    shift: Array  # (C,)
    inverse: Array  # (C, C)
    inverse_shift: Array  # (C,)
    log_det: float  # log |det weight|

    @classmethod
    def of_norm(cls, name: str, params: Any, channels: int, dtype: np.dtype[Any]) -> "Mixing":
        """z = (x + shift) exp(log_scale); errors name the fields as `named` has them."""
        shift, log_scale = (
            _finite(named(name, field), getattr(params, field), (channels,))
            for field in ("shift", "log_scale")
        )
        _exponents(named(name, "log_scale"), log_scale, dtype)
        scale, back = np.exp(log_scale), np.exp(-log_scale)
        with np.errstate(over="ignore"):
            moved = scale * shift
        own = cls(np.diag(scale), moved, np.diag(back), -shift, float(log_scale.sum()))
        return own.held(named(name, "shift"), dtype)

    @classmethod
    def of_factors(cls, name: str, params: Any, channels: int, dtype: np.dtype[Any]) -> "Mixing":
        """z = P L (U + diag(sign exp(log_diagonal))) x; errors as `of_norm`."""
        order = check.permutation(named(name, "permutation"), params.permutation, channels)
        lower, upper = (
            _finite(named(name, field), getattr(params, field), (channels, channels))
            for field in ("lower", "upper")
        )
        sign, log_diagonal = (
            _finite(named(name, field), getattr(params, field), (channels,))
            for field in ("sign", "log_diagonal")
        )
        _exponents(named(name, "log_diagonal"), log_diagonal, dtype)
        if not (np.abs(sign) == 1).all():
            raise ValueError(f"{named(name, 'sign')}: expected 1 or -1 for each channel, got others")
        unit = np.tril(lower, -1) + np.eye(channels)
        scaled = np.triu(upper, 1) + np.diag(sign * np.exp(log_diagonal))
        weight, inverse = _product_and_inverse(unit, scaled)
        zero = np.zeros(channels)
        own = cls(weight[order], zero, inverse[:, order], zero, float(log_diagonal.sum()))
        return own.held(named(name, "upper"), dtype)

    def held(self, name: str, dtype: np.dtype[Any]) -> "Mixing":
        """The map itself; ValueError, naming the argument, where a dtype cannot hold it or its inverse."""
        most = np.finfo(dtype).max
        if not all((np.abs(values) <= most).all() for values in self[:4]):
            raise ValueError(
                f"{name}: expected a map that {dtype} holds, and its inverse, got larger numbers"
            )
        return self

    def then(self, later: "Mixing") -> "Mixing":
        """Both, this one nearer to the data; they may hold inf and NaN, as `held` says."""
        with np.errstate(over="ignore", invalid="ignore"):
            return Mixing(
                later.weight @ self.weight,
                later.weight @ self.shift + later.shift,
                self.inverse @ later.inverse,
                self.inverse @ later.inverse_shift + self.inverse_shift,
                self.log_det + later.log_det,
            )


def factors(channels: int, count: int, key: np.uint64, stream: int) -> tuple[Array, ...]:
    """Well-conditioned factors of `count` 1 x 1 convolutions from normals of three streams.

    (permutation, lower, upper, sign, log_diagonal); entries of size 1 / (2 sqrt(C)), any signs.
    """
    size = 0.5 / np.sqrt(channels)
    lower, upper = (
        size
        * standard_normal(count * channels, channels, key, stream=stream + i).reshape(count, channels, -1)
        for i in (0, 1)
    )
    keys, signs, log_diagonal = standard_normal(3 * count, channels, key, stream=stream + 2).reshape(
        3, count, channels
    )
    sign = np.where(signs < 0, -1.0, 1.0)
    return np.argsort(keys), np.tril(lower, -1), np.triu(upper, 1), sign, 0.3 * log_diagonal


def _product_and_inverse(lower: Array, upper: Array) -> tuple[Array, Array]:
    """Of two triangular factors; NaN where elimination overflows or underflows to a singular matrix."""
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return lower @ upper, np.linalg.inv(upper) @ np.linalg.inv(lower)
        except np.linalg.LinAlgError:
            return lower @ upper, np.full(lower.shape, np.nan)


def _finite(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    array = check.shaped(name, value, FLOAT64, shape)
    check.finite(name, array)
    return array


def _exponents(name: str, values: Array, dtype: np.dtype[Any]) -> None:
    """Refuse logarithms of what has no digits in a dtype."""
    most = -float(np.log(np.finfo(dtype).tiny))
    if not (np.abs(values) < most).all():
        raise ValueError(f"{name}: expected numbers from {-most:.0f} to {most:.0f}, got others")
