"""Denoising diffusion implicit models, one value at a time."""

import math
from typing import Any

from seqgap.reference import _denoise, ddpm
from seqgap.reference._denoise import Chain, Moment, Step, clipped, normals, rederived, share, steps_of
from seqgap.reference._plain import Matrix, Vector


class Params(_denoise.Params):
    """The fields of a denoiser."""

    __slots__ = ()


def random_params(dim: int, seed: int, **options: Any) -> Params:
    """Those of ddpm.random_params, with its options."""
    return Params(*ddpm.random_params(dim, seed, **options))


def _step(eta: float, limit: float | None, clip: str) -> Step:
    """Equations 12 and 16 of Song et al."""

    def step(at: Moment, eps: Vector) -> Vector:
        before, after = at.schedule.variance[at.now], at.schedule.variance[at.next]
        sigma = eta * math.sqrt(after / before * share(at))
        direction, signal = math.sqrt(max(after - sigma**2, 0)), at.schedule.signal[at.next]
        clean = clipped(at.clean, limit)
        noise = rederived(at, clean) if limit is not None and clip == "rederive" else at.noise
        return [signal * c + direction * e + sigma * xi for c, e, xi in zip(clean, noise, eps, strict=True)]

    return step


def trajectory(
    x: Matrix, params: Params, seed: int, *, steps: int | None = None, spacing: str = "leading",
    eta: float = 0.0, limit: float | None = None, clip: str = "rederive", context: Vector | None = None,
    first_row: int = 0, dtype: str = "float64",
) -> list[Matrix]:  # fmt: skip
    """The states from x on."""
    noise = normals(len(x), len(x[0]) if x else 1, seed, first_row, dtype)
    done = steps_of(spacing, steps, len(params.betas))
    return _denoise.trajectory(x, params, done, _step(eta, limit, clip), context or [], noise)


_chain = Chain(trajectory)
sample, run = _chain.sample, _chain.run
