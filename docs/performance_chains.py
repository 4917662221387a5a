"""What chains of steps take against the libraries that people use: float32, one thread, prepared beforehand.

`python docs/performance_chains.py` prints the rows, about 3 minutes; a library that is missing is left out.
"""

import importlib.util
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from timing import Report, Thunks, Work, installed, on_one_thread

from seqgap import Chain
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call
from seqgap.bench.model.registry import operation_of
from seqgap.bench.peers import network_steps
from seqgap.kernels import ddim, ddpm, flow_matching, langevin, mixture
from seqgap.kernels._nets import denoise
from seqgap.kernels.diffusion import linear_betas
from seqgap.kernels.normal import standard_normal

FLOAT32 = np.dtype(np.float32)
DIM, STEPS = 64, 50


def one_step() -> Iterator[Work]:
    """A step inside a chain with the exact noise of a Gaussian, against a scheduler's step alone."""
    if importlib.util.find_spec("diffusers") is None:
        return
    import torch
    from diffusers import DDIMScheduler, DDPMScheduler

    model = ddpm.Gaussian(np.full(DIM, 0.5, np.float32), np.full(DIM, 0.3, np.float32))
    betas = linear_betas(1000)
    for family, scheduler, limits in ((ddim, DDIMScheduler, (100, 20)), (ddpm, DDPMScheduler, (100, 8))):
        params = family.Params(model, betas, np.arange(1000.0), "epsilon")
        chain = Chain(params, steps=STEPS)
        for count, limit in zip((1, 256), limits, strict=True):
            x = standard_normal(count, DIM, 1, dtype=FLOAT32)
            theirs = scheduler(trained_betas=betas, clip_sample=False)
            theirs.set_timesteps(STEPS)
            state, times = torch.from_numpy(x), theirs.timesteps

            def step(theirs: Any = theirs, state: Any = state, times: Any = times) -> None:
                with torch.inference_mode():
                    for t in times:
                        theirs.step(state, t, state)

            thunks: Thunks = {f"{STEPS} steps of numba": partial(chain.run, x, 1), "diffusers": step}
            wanted = [f"diffusers / {STEPS} steps of numba >= {limit}"]
            yield f"{family.__name__.rpartition('.')[2]}, one step ({count}, {DIM})", thunks, wanted


def networks() -> Iterator[Work]:
    """Whole chains of a network of three layers of 64 units, against PyTorch and JAX."""
    network = {"depth": 3, "width": 64, "dtype": FLOAT32}
    denoiser = ddim.random_params(DIM, 1, steps=1000, **network)
    velocity = flow_matching.random_params(DIM, 1, **network)
    times = {
        "DDIM": denoiser.times[denoise.steps_of("leading", STEPS, 1000) - 1],
        "flow matching, Euler": np.arange(STEPS) / STEPS,
    }
    limits = {"DDIM": ((30, 3), (3, 1.2)), "flow matching, Euler": ((40, 1), (3, 1))}
    for name, params in (("DDIM", denoiser), ("flow matching, Euler", velocity)):
        for count, (eager, scan) in zip((1, 256), limits[name], strict=True):
            x = standard_normal(count, DIM, 2, dtype=FLOAT32)
            call = Call((x, params, 1), {"steps": STEPS})

            def prepare(call: Call, size: int, dtype: Any, at: Any = times[name]) -> Any:
                return network_steps.tables(call, at, dtype)

            setups = arrays.implementations(
                torch=network_steps.torch_run, jax=network_steps.jax_run, unrolled=True, prepare=prepare
            ) | {"torch-compile": partial(network_steps.torch_compiled, prepare)}
            thunks: Thunks = {"numba": partial(Chain(params, steps=STEPS).run, x, 1)}
            for library in set(setups).intersection(installed()):
                thunks[library] = setups[library](call, STEPS, FLOAT32)
            wanted = [f"torch / numba >= {eager}", f"fastest but torch / numba >= {scan}"]
            yield f"{name}, {STEPS} steps ({count}, {DIM}), 3 layers of 64", thunks, wanted


def adjusted() -> Iterator[Work]:
    """Steps of MALA on a mixture of two, against blackjax and a scan in JAX."""
    params = langevin.random_params(2, 1, steps=100, step_size=0.1, components=2, dtype=FLOAT32)
    x = mixture.sample(1000, params.target, 1)
    setups = operation_of("langevin.run").implementations
    thunks: Thunks = {"numba": partial(Chain(params, adjust=True).run, x, 1)}
    for library in {"blackjax", "jax"}.intersection(installed()):
        thunks[library] = setups[library](Call((x, params, 1)), 100, FLOAT32)
    wanted = [f"{library} / numba >= 5" for library in thunks if library == "blackjax"]
    yield "MALA, 100 steps of 1000 chains, mixture of two, D = 2", thunks, wanted


def sweeps() -> Iterator[Work]:
    """One row through 64 steps, one after the other and by Picard's sweeps; weights within and beyond L2."""
    for width, limit in ((64, 0), (256, 0), (512, 0), (1024, 0), (1700, 1)):
        params = flow_matching.random_params(DIM, 1, depth=3, width=width, dtype=FLOAT32)
        chain, x = Chain(params, steps=64), standard_normal(1, DIM, 3, dtype=FLOAT32)
        states, count = chain.picard(x, 1, tolerance=1e-5)
        apart = np.abs(states - chain.run(x, 1)).max()
        thunks: Thunks = {
            "steps": partial(chain.run, x, 1), "picard": partial(chain.picard, x, 1, tolerance=1e-5)
        }  # fmt: skip
        work = f"64 steps, 3 layers of {width}, {count[0]} sweeps, {apart:.0e} apart"
        yield work, thunks, [f"steps / picard >= {limit}"]


if __name__ == "__main__":
    restart_without()
    with on_one_thread():
        report = Report()
        report.compare(FLOAT32, one_step())
        report.compare(FLOAT32, networks())
        report.compare(FLOAT32, adjusted())
        report.compare(FLOAT32, sweeps())
