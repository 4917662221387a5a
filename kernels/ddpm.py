"""Ancestral sampling of a denoising diffusion model: T dependent steps from noise to data.

Ho, Jain and Abbeel, "Denoising diffusion probabilistic models" (2020), algorithm 2, equations 6 and 7; steps
are t = T to 1 as there. From t to s, which is t - 1 unless steps are left out, with a = alpha_bar_t,
b = alpha_bar_s and beta = 1 - a / b:

    x_0 = what the model predicts, clipped to [-limit, limit] if there is a limit
    x_s = sqrt(b) beta / (1 - a) x_0 + sqrt(a / b) (1 - b) / (1 - a) x_t + sigma eps_t

variance: posterior, sigma^2 = beta (1 - b) / (1 - a); beta, sigma^2 = beta; none at the last step. eps_t are
the normals of stream t of the seed, x_T those of stream 0: `normal.standard_normal(n, D, seed, stream=t)`.

Options of its chains: steps (all T), spacing (leading, trailing or linspace, where fewer than T are done),
variance, limit, context (of the model).
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets import denoise
from seqgap.kernels._nets.chain_family import ChainFamily
from seqgap.kernels._nets.chain_plan import Plan
from seqgap.kernels._nets.linear import Gaussian as Gaussian
from seqgap.kernels._nets.perceptron import Perceptron as Perceptron
from seqgap.kernels._nets.perceptron import random_perceptron
from seqgap.kernels._nets.schedule import linear_betas

_VARIANCES = ("posterior", "beta")


class Params(denoise.Params):
    """The fields of a denoiser: model, betas, times, prediction."""

    __slots__ = ()


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, steps: int = 100, depth: int = 3, width: int = 64,
    prediction: str = "v", dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """A network of random weights, with sinusoidal time, and linear betas; v keeps the states small."""
    real, key = check.dtype(dtype), int(key_of(seed, rng))
    model = random_perceptron(check.count("dim", dim, 1), key, depth=depth, width=width, dtype=real)
    check.choice("prediction", prediction, denoise.PREDICTIONS)
    betas = linear_betas(steps)
    return Params(model, betas, np.arange(len(betas), dtype=float), prediction)


def _plan(
    params: Params, *, steps: int | None = None, spacing: str = "leading", variance: str = "posterior",
    limit: float | None = None, context: ArrayLike | None = None,
) -> Plan:  # fmt: skip
    schedule, bound = denoise.checked(params, limit)
    check.choice("variance", variance, _VARIANCES)
    times = denoise.steps_of(spacing, steps, schedule.betas.size)
    previous = np.append(times[1:], 0)
    at, after = denoise.levels(schedule, times), denoise.levels(schedule, previous)
    beta = denoise.share(schedule, times, previous)
    from_clean = after.signal * beta / at.sigma**2
    from_x = np.sqrt(1 - beta) * (after.sigma / at.sigma) ** 2
    noise = np.sqrt(beta) * (after.sigma / at.sigma if variance == "posterior" else previous > 0)
    clean, _ = denoise.predictions(params.prediction, at)
    if np.isfinite(bound):
        columns = *clean.T, from_x, from_clean, 0 * beta, noise
    else:
        columns = *(0 * clean.T), from_x + from_clean * clean[:, 0], 0 * beta, from_clean * clean[:, 1], noise
    return denoise.plan(params, times, np.stack(columns, 1), bound, context)


_family = ChainFamily(Params, _plan)
sample, run, trajectory = _family.sample, _family.run, _family.trajectory
