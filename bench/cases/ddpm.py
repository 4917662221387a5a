"""DDPM: T dependent steps with fresh noise; with the exact prediction of Gaussian data its law is known."""

from typing import Any

import numpy as np

from seqgap.bench.model.case import Call, Case, Dtype, Thunk
from seqgap.bench.peers import affine_steps, chains, network_steps
from seqgap.bench.peers.chains import DEPTH, DIM, WIDTH
from seqgap.kernels import ddpm
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.schedule import linear_betas
from seqgap.kernels.normal import standard_normal


def _network(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    x = standard_normal(count, DIM, seed, stream=2**31, dtype=dtype)
    params = ddpm.random_params(DIM, seed, steps=steps, depth=DEPTH, width=WIDTH, dtype=dtype)
    return Call((x, params, seed), {"limit": 1.0, "variance": "beta", "first_row": 0})


def _gaussian(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    mean = 0.5 * standard_normal(1, DIM, seed, stream=1)[0]
    model = ddpm.Gaussian(mean.astype(dtype), np.linspace(0.2, 1.2, DIM).astype(dtype))
    betas = linear_betas(max(steps, 100))
    params = ddpm.Params(model, betas, np.arange(betas.size, dtype=float), "epsilon")
    return Call((count, params, seed), {"steps": steps, "first_row": 0})


def _diffusers(call: Call, steps: int, dtype: Dtype) -> Thunk:
    """Its scheduler with the exact prediction, one multiply-add."""
    import torch
    from diffusers import DDPMScheduler

    count, params, seed = call.args
    field = Chain(params, steps=steps).field(np.dtype(np.float64))
    scheduler = DDPMScheduler(len(params.betas), trained_betas=params.betas, clip_sample=False)
    scheduler.set_timesteps(steps)
    gain, offset = (
        torch.tensor(np.asarray(table)[:, :DIM].astype(dtype)) for table in (field.gain, field.offset)
    )
    torch.manual_seed(seed)

    def sample() -> Any:
        x = torch.randn(count, DIM, dtype=gain.dtype)
        for t, slope, shift in zip(scheduler.timesteps, gain, offset, strict=True):
            x = scheduler.step(torch.addcmul(shift, slope, x), t, x, return_dict=False)[0]
        return x

    return sample


CASE = Case(
    "ddpm",
    (
        *affine_steps.samples(_gaussian, diffusers=_diffusers),
        chains.operation(
            "run", _network, network_steps.drawing_cost, rows=(0, None, None), compiled=chains.held("run"),
            largest_dim=10,
        ),
        chains.trajectory(_network),
        chains.random_params(),
    ),
    sampler="sample",
    matched=(("sample", "scan"),),
    title="DDPM, linear denoiser",
)  # fmt: skip
