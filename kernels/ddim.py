"""Denoising diffusion implicit models: the networks of `ddpm` in S steps, deterministic where eta = 0.

Song, Meng and Ermon (2020), equations 12 and 16. From step t to s, the next of those that are done, with
a = alpha_bar_t, b = alpha_bar_s:

    x_0, eps = what the model predicts
    sigma = eta sqrt((1 - b) / (1 - a) (1 - a / b))
    x_s = sqrt(b) x_0 + sqrt(1 - b - sigma^2) eps + sigma eps_t

limit: x_0 is clipped to [-limit, limit]. With clip="rederive" eps is that of the clipped x_0, that is
(x_t - sqrt(a) x_0) / sqrt(1 - a); with clip="keep" it stays that of the model, as in diffusers. eps_t are the
normals of stream t of the seed, the first state those of stream 0.

Options of its chains: steps (all T), spacing (leading, trailing or linspace), eta (0 to 1), limit, clip,
context (of the model).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels import ddpm
from seqgap.kernels._core import check
from seqgap.kernels._core.seeds import Seed
from seqgap.kernels._nets import denoise
from seqgap.kernels._nets.chain_family import ChainFamily
from seqgap.kernels._nets.chain_plan import Plan

_CLIPS = ("rederive", "keep")


class Params(denoise.Params):
    """The fields of a denoiser: model, betas, times, prediction; ddim.Params(*p) of a ddpm.Params p."""

    __slots__ = ()


def random_params(dim: int, seed: Seed = None, **options: Any) -> Params:
    """Those of ddpm.random_params, with its options."""
    return Params(*ddpm.random_params(dim, seed, **options))


def _plan(
    params: Params, *, steps: int | None = None, spacing: str = "leading", eta: float = 0.0,
    limit: float | None = None, clip: str = "rederive", context: ArrayLike | None = None,
) -> Plan:  # fmt: skip
    schedule, bound = denoise.checked(params, limit)
    check.choice("clip", clip, _CLIPS)
    part = check.number("eta", eta)
    if not 0 <= part <= 1:
        raise ValueError(f"eta: expected 0 to 1, got {part}")
    times = denoise.steps_of(spacing, steps, schedule.betas.size)
    previous = np.append(times[1:], 0)
    at, after = denoise.levels(schedule, times), denoise.levels(schedule, previous)
    noise = part * after.sigma / at.sigma * np.sqrt(denoise.share(schedule, times, previous))
    direction = np.sqrt(np.maximum(after.sigma**2 - noise**2, 0))
    clean, eps = denoise.predictions(params.prediction, at)
    if not np.isfinite(bound):
        both = after.signal[:, None] * clean + direction[:, None] * eps
        columns = *(0 * clean.T), both[:, 0], 0 * noise, both[:, 1], noise
    elif clip == "keep":
        columns = *clean.T, direction * eps[:, 0], after.signal, direction * eps[:, 1], noise
    else:
        slope = direction / at.sigma
        columns = *clean.T, slope, after.signal - slope * at.signal, 0 * noise, noise
    return denoise.plan(params, times, np.stack(columns, 1), bound, context)


_family = ChainFamily(Params, _plan)
sample, run, trajectory = _family.sample, _family.run, _family.trajectory
