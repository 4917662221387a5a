"""Noise schedules of diffusion."""

import math
from dataclasses import dataclass, field

from seqgap.reference._plain import Vector


@dataclass(frozen=True)
class Schedule:
    """The tables of a noise schedule, from betas (T,); the others have T + 1 entries.

    signal is the root of alpha_bar, which underflows long before; variance is 1 - alpha_bar without its
    cancellation where betas are tiny.
    """

    betas: Vector
    alpha_bar: Vector = field(init=False)
    signal: Vector = field(init=False)
    variance: Vector = field(init=False)

    def __post_init__(self) -> None:
        alpha_bar, log_alpha_bar = [1.0], [0.0]
        for beta in self.betas:
            alpha_bar.append(alpha_bar[-1] * (1 - beta))
            log_alpha_bar.append(log_alpha_bar[-1] + math.log1p(-beta))
        object.__setattr__(self, "alpha_bar", alpha_bar)
        object.__setattr__(self, "signal", [math.exp(value / 2) for value in log_alpha_bar])
        object.__setattr__(self, "variance", [-math.expm1(value) for value in log_alpha_bar])


def linear_betas(steps: int = 1000) -> Vector:
    """Betas from 1e-4 to 0.02 in equal steps."""
    return [1e-4 + (0.02 - 1e-4) * i / max(steps - 1, 1) for i in range(steps)]


def cosine_betas(steps: int = 1000) -> Vector:
    """beta_t = min(1 - f(t) / f(t - 1), 0.999), f(t) = cos^2((t/T + 0.008) / 1.008 pi / 2)."""
    f = [math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(steps + 1)]
    return [min(1 - f[t] / f[t - 1], 0.999) for t in range(1, steps + 1)]


def scaled_linear_betas(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> Vector:
    """Squares of numbers in equal steps."""
    low, high = math.sqrt(first), math.sqrt(last)
    return [(low + (high - low) * i / max(steps - 1, 1)) ** 2 for i in range(steps)]
