"""Ancestral sampling of a denoising diffusion model, one value at a time."""

import math

from seqgap.reference import _denoise
from seqgap.reference._denoise import Chain, Moment, Step, clipped, normals, share, steps_of
from seqgap.reference._perceptron import random_perceptron
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference._schedule import linear_betas


class Params(_denoise.Params):
    """The fields of a denoiser."""

    __slots__ = ()


def random_params(
    dim: int, seed: int, *, steps: int = 100, depth: int = 3, width: int = 64, prediction: str = "v",
    dtype: str = "float64",
) -> Params:  # fmt: skip
    """A network of random weights and linear betas; in float64 whatever the dtype."""
    model = random_perceptron(dim, seed, depth, width)
    return Params(model, linear_betas(steps), [float(t) for t in range(steps)], prediction)


def _step(variance: str, limit: float | None) -> Step:
    """Equations 6 and 7 of Ho et al."""

    def step(at: Moment, eps: Vector) -> Vector:
        beta, before, after = share(at), at.schedule.variance[at.now], at.schedule.variance[at.next]
        of_clean = at.schedule.signal[at.next] * beta / before
        of_x = math.sqrt(1 - beta) * after / before
        sigma = 0.0 if at.next == 0 else math.sqrt(beta * (after / before if variance == "posterior" else 1))
        clean = clipped(at.clean, limit)
        return [of_clean * c + of_x * x + sigma * e for c, x, e in zip(clean, at.x, eps, strict=True)]

    return step


def trajectory(
    x: Matrix, params: Params, seed: int, *, steps: int | None = None, spacing: str = "leading",
    variance: str = "posterior", limit: float | None = None, context: Vector | None = None,
    first_row: int = 0, dtype: str = "float64",
) -> list[Matrix]:  # fmt: skip
    """The states from x on."""
    noise = normals(len(x), len(x[0]) if x else 1, seed, first_row, dtype)
    done = steps_of(spacing, steps, len(params.betas))
    return _denoise.trajectory(x, params, done, _step(variance, limit), context or [], noise)


_chain = Chain(trajectory)
sample, run = _chain.sample, _chain.run
