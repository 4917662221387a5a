"""Gaussian data, whose exact prediction is linear."""

from typing import NamedTuple

from seqgap.reference._plain import Vector


class Gaussian(NamedTuple):
    """Data N(mean, deviation^2) with independent features."""

    mean: Vector  # (D,)
    deviation: Vector  # (D,)

    @property
    def dim(self) -> int:
        """D."""
        return len(self.mean)

    def clean(self, x: Vector, signal: float, sigma: float) -> Vector:
        """E[x_0 | x] for x = signal x_0 + sigma eps: means weighted by precisions."""
        terms = zip(x, self.mean, self.deviation, strict=True)
        return [
            (mean / scale**2 + signal * value / sigma**2) / (1 / scale**2 + signal**2 / sigma**2)
            for value, mean, scale in terms
        ]
