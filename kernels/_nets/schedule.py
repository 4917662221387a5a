"""Noise schedules of diffusion: betas, and the tables that follow from them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array


@dataclass(frozen=True, eq=False, repr=False)
class Schedule:
    """The tables of a noise schedule, from betas (T,), each 0 < beta < 1; read-only float64.

    alpha_bar has T + 1 entries, alpha_bar[0] = 1. Raises TypeError or ValueError for other betas.
    """

    betas: Array  # (T,), betas[t - 1] is that of step t
    alpha_bar: Array = field(init=False)  # (T + 1,)
    # For each dtype: (T, 2) of sqrt(1 - beta), sqrt(beta) and (T + 1, 2) of sqrt(alpha_bar),
    # sqrt(1 - alpha_bar).
    _step: dict[np.dtype[Any], Array] = field(init=False)
    _closed: dict[np.dtype[Any], Array] = field(init=False)

    def __post_init__(self) -> None:
        betas: Array = np.array(check.floats("betas", self.betas, 1), FLOAT64)
        if betas.size == 0:
            raise ValueError("betas: expected at least 1 step, got none")
        if not np.all((betas > 0) & (betas < 1)):
            raise ValueError("betas: expected values above 0 and below 1, got others")
        alpha_bar = np.concatenate([[1.0], np.cumprod(1 - betas)])
        # The root of alpha_bar is a product of roots: alpha_bar underflows long before it.
        signal = np.concatenate([[1.0], np.cumprod(np.sqrt(1 - betas))])
        # 1 - alpha_bar without its cancellation where betas are tiny.
        variance = np.concatenate([[0.0], -np.expm1(np.cumsum(np.log1p(-betas)))])
        step = np.column_stack([np.sqrt(1 - betas), np.sqrt(betas)])
        closed = np.column_stack([signal, np.sqrt(variance)])
        for name, table in (("betas", betas), ("alpha_bar", alpha_bar)):
            object.__setattr__(self, name, _read_only(table))
        for name, table in (("_step", step), ("_closed", closed)):
            tables = {d: _read_only(table.astype(d)) for d in (FLOAT64, FLOAT32)}
            object.__setattr__(self, name, tables)

    def __repr__(self) -> str:
        return f"diffusion.Schedule(T={self.betas.size})"

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are as read-only as this
        return Schedule, (self.betas,)


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def linear_betas(steps: int = 1000) -> Array:
    """Betas from 1e-4 to 0.02 in equal steps, shape (steps,). Ho et al. (2020), section 4."""
    return np.linspace(1e-4, 0.02, check.count("steps", steps, 1))


def cosine_betas(steps: int = 1000) -> Array:
    """beta_t = min(1 - f(t) / f(t - 1), 0.999), f(t) = cos^2((t/T + 0.008) / 1.008 pi / 2).

    Shape (steps,). Nichol and Dhariwal, "Improved denoising diffusion probabilistic models" (2021),
    equation 17.
    """
    steps = check.count("steps", steps, 1)
    f = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * (np.pi / 2)) ** 2
    betas: Array = np.minimum(1 - f[1:] / f[:-1], 0.999)
    return betas


def scaled_linear_betas(steps: int = 1000, first: float = 0.00085, last: float = 0.012) -> Array:
    """Squares of numbers from sqrt(first) to sqrt(last) in equal steps, shape (steps,).

    The schedule of latent diffusion (Rombach et al., 2022). Raises TypeError or ValueError unless steps is at
    least 1 and 0 < first, last < 1.
    """
    ends = [check.open_interval(name, value, 0, 1) for name, value in (("first", first), ("last", last))]
    low, high = np.sqrt(ends)
    return np.asarray(np.linspace(low, high, check.count("steps", steps, 1)) ** 2)
