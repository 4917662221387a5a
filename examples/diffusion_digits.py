"""Handwritten digits by diffusion: a network trained in PyTorch, sampled by seqgap and by diffusers.

    python -m pip install ".[examples]" && python examples/diffusion_digits.py

trains a small network to clear noise from the 1797 digits of 8 x 8 pixels that scikit-learn ships, loads it
with `kernels.interop.from_torch_mlp`, and goes from the same noise to digits in both libraries: all 1000
steps of DDPM, and 50 of DDIM. Prints the largest difference on the way (float32, as diffusers' schedule is)
and the time of both, on one thread each. Less than a minute.
"""

import itertools
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import nn

from seqgap.bench.machine.turns import calls_in_turns
from seqgap.kernels import ddim, ddpm
from seqgap.kernels.diffusion import linear_betas
from seqgap.kernels.interop import from_torch_mlp
from seqgap.kernels.normal import standard_normal

DIM, TRAINING, STEPS, FEW, ROWS, SEED, ROUNDS = 64, 3000, 1000, 50, 128, 7, 5
BETAS = linear_betas(STEPS)
ALPHA_BARS = np.append(np.cumprod(1 - BETAS), 1.0)  # of each of diffusers' timesteps, and of the data at -1
WAVES = 10000.0 ** -(np.arange(16) / 16)
OPTIONS = {"trained_betas": BETAS, "prediction_type": "v_prediction"}  # clipped to [-1, 1] by default


def with_time(x: Any, times: Any) -> Any:
    """What the network sees: x, and then sines and cosines of the time."""
    angles = times[:, None] * torch.from_numpy(WAVES).float()
    return torch.cat([x, angles.sin(), angles.cos()], 1)


def trained() -> Any:
    """A network that predicts v, between noise and data: Salimans and Ho (2022), section 4."""
    widths = itertools.pairwise((DIM + 2 * WAVES.size, 128, 128, 128, DIM))
    layers = [part for pair in widths for part in (nn.Linear(*pair), nn.SiLU())]
    network = nn.Sequential(*layers[:-1])
    digits = torch.from_numpy(load_digits().data).float() / 8 - 1  # pixels are 0 to 16
    roots, sigmas = torch.from_numpy(np.sqrt([ALPHA_BARS, 1 - ALPHA_BARS])).float()
    adam = torch.optim.Adam(network.parameters(), 2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, TRAINING)
    for _ in range(TRAINING):
        clean, times = digits[torch.randint(len(digits), (256,))], torch.randint(STEPS, (256,))
        noise, signal, sigma = torch.randn_like(clean), roots[times, None], sigmas[times, None]
        noisy, v = signal * clean + sigma * noise, signal * noise - sigma * clean
        loss = (network(with_time(noisy, times)) - v).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
    return network


def by_diffusers(network: Any, scheduler: Any, x: Any, steps: int) -> Any:
    """The states of a scheduler, with noise of its own."""
    scheduler.set_timesteps(steps)
    states = [x]
    for t in scheduler.timesteps:
        predicted = network(with_time(states[-1], t.expand(len(x))))
        states.append(scheduler.step(predicted, t, states[-1]).prev_sample)
    return torch.stack(states).numpy()


def with_our_noise(network: Any, x: Any) -> Any:
    """The states of DDPMScheduler with the normals of seqgap.

    It takes no noise, but for a model that predicts variances, too: with these at 0 its steps are the means.
    """
    scheduler, states = DDPMScheduler(variance_type="learned", **OPTIONS), [x]
    for t in scheduler.timesteps:
        predicted = network(with_time(states[-1], t.expand(len(x))))
        variance = BETAS[t] * (1 - ALPHA_BARS[t - 1]) / (1 - ALPHA_BARS[t])
        noise = standard_normal(ROWS, DIM, SEED, stream=int(t) + 1, dtype=np.float32)
        mean = scheduler.step(torch.cat([predicted, 0 * predicted], 1), t, states[-1]).prev_sample
        states.append(mean + float(variance**0.5) * torch.from_numpy(noise))
    return torch.stack(states).numpy()


def main() -> None:
    """Train, load, compare."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    network = trained()
    params = ddpm.Params(from_torch_mlp(network, frequencies=WAVES), BETAS, np.arange(STEPS), "v")
    few = {"params": ddim.Params(*params), "steps": FEW, "clip": "keep", "limit": 1.0}
    x = standard_normal(ROWS, DIM, SEED, dtype=np.float32)
    start = torch.from_numpy(x)
    calls: dict[tuple[str, str], Callable[[], Any]] = {
        ("DDPM", "diffusers"): lambda: by_diffusers(network, DDPMScheduler(**OPTIONS), start, STEPS),
        ("DDPM", "seqgap"): lambda: ddpm.run(x, params, SEED, limit=1.0),
        ("DDIM", "diffusers"): lambda: by_diffusers(network, DDIMScheduler(**OPTIONS), start, FEW),
        ("DDIM", "seqgap"): lambda: ddim.run(x, **few),
    }
    with torch.inference_mode():
        expected = {"DDPM": with_our_noise(network, start), "DDIM": calls["DDIM", "diffusers"]()}
        seconds = {key: statistics.median(times) for key, times in calls_in_turns(calls, ROUNDS).items()}
    states = {"DDPM": ddpm.trajectory(x, params, SEED, limit=1.0), "DDIM": ddim.trajectory(x, **few)}
    table = Table("sampler", "steps", "mean pixel", "difference", "diffusers, s", "seqgap, s", "ratio")
    table.add_row("data", "", f"{load_digits().data.mean():.2f}")
    for name, own in states.items():
        theirs, ours, mean = seconds[name, "diffusers"], seconds[name, "seqgap"], 8 * (1 + own[-1].mean())
        apart = np.abs(own - expected[name]).max()
        figures = f"{mean:.2f}", f"{apart:.1e}", f"{theirs:.3g}", f"{ours:.3g}", f"{theirs / ours:.1f}"
        table.add_row(name, str(len(own) - 1), *figures)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
