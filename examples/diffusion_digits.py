"""Handwritten digits in steps of time: networks trained in PyTorch, sampled by seqgap and other libraries.

    python -m pip install ".[examples]" && python examples/diffusion_digits.py docs

trains two small networks on the 1797 digits of 8 x 8 pixels that scikit-learn ships, one to clear noise from
them and one for the velocity of flow matching (torchcfm's `MLP` where torchcfm is installed, else the same
layers), loads both with `kernels.interop.from_torch_mlp`, and goes from the same noise to digits by DDPM and
DDIM, as diffusers does, and by Euler steps, as torchdiffeq does. Prints the largest difference on the way
(float32), and draws how good the digits are against the time they take, one thread each, in
diffusion_digits.png, .svg and .csv in the folder that is named. About two minutes.
"""

import functools
import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusion_picture import SHOWN, Point, distance, picture
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import nn
from torchdiffeq import odeint

from seqgap import Chain
from seqgap.bench.machine.turns import calls_in_turns
from seqgap.bench.report.plots.style import house_style, save
from seqgap.kernels import ddim, ddpm, flow_matching
from seqgap.kernels.diffusion import linear_betas
from seqgap.kernels.interop import from_torch_mlp
from seqgap.kernels.normal import standard_normal

DIM, WIDTH, TRAINING, ROWS, SEED, ROUNDS, BATCHES = 64, 128, 3000, 128, 7, 5, 4
BETAS = linear_betas(1000)
ALPHA_BARS = np.append(np.cumprod(1 - BETAS), 1.0)  # of each of diffusers' timesteps, and of the data at -1
WAVES = 10000.0 ** -(np.arange(16) / 16)
OPTIONS = {"trained_betas": BETAS, "prediction_type": "v_prediction"}  # clipped to [-1, 1] by default
HEADS = ("sampler", "steps", "mean pixel", "difference", "sweeps", "library", "its ms", "seqgap, ms", "ratio")
CONSOLE = Console(width=110)
DATA = (load_digits().data / 8 - 1).astype(np.float32)  # pixels are 0 to 16


class Sampler(NamedTuple):
    """One way from noise to digits, in both libraries."""

    name: str
    chain: Chain
    library: str
    theirs: Callable[[Any], Any]  # the states from a first one on, (T + 1, N, D)
    same_noise: Callable[[Any], Any]  # with the normals of seqgap where it draws any


def layers(inputs: int, activation: type[nn.Module]) -> Any:
    """Three hidden layers."""
    widths = itertools.pairwise((inputs, WIDTH, WIDTH, WIDTH, DIM))
    return nn.Sequential(*[part for pair in widths for part in (nn.Linear(*pair), activation())][:-1])


def trained(network: Any, loss: Callable[[Any, Any], Any]) -> Any:
    """The network after Adam; loss(network, digits)."""
    digits, adam = torch.from_numpy(DATA), torch.optim.Adam(network.parameters(), 2e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, TRAINING)
    for _ in range(TRAINING):
        adam.zero_grad()
        loss(network, digits[torch.randint(len(digits), (256,))]).backward()
        adam.step()
        falling.step()
    return network


def with_waves(x: Any, times: Any) -> Any:
    """What the first network sees: x, and then sines and cosines of the time."""
    angles = times[:, None] * torch.from_numpy(WAVES).float()
    return torch.cat([x, angles.sin(), angles.cos()], 1)


def with_time(x: Any, times: Any) -> Any:
    """What the second network sees: x, and then the time."""
    return torch.cat([x, times[:, None]], 1)


def denoising(network: Any, clean: Any) -> Any:
    """Squared error of v: Salimans and Ho (2022), section 4."""
    roots, sigmas = torch.from_numpy(np.sqrt([ALPHA_BARS, 1 - ALPHA_BARS])).float()
    times, noise = torch.randint(len(BETAS), (len(clean),)), torch.randn_like(clean)
    signal, sigma = roots[times, None], sigmas[times, None]
    predicted = network(with_waves(signal * clean + sigma * noise, times))
    return (predicted - (signal * noise - sigma * clean)).square().mean()


def matching(network: Any, clean: Any) -> Any:
    """Squared error of the velocity: Lipman et al. (2023), equation 14."""
    times, noise = torch.rand(len(clean)), torch.randn_like(clean)
    between = torch.lerp(noise, clean, times[:, None])
    return (network(with_time(between, times)) - (clean - noise)).square().mean()


def by_diffusers(network: Any, scheduler: Any, steps: int, x: Any) -> Any:
    """The states of a scheduler, with noise of its own."""
    scheduler.set_timesteps(steps)
    states = [x]
    for t in scheduler.timesteps:
        predicted = network(with_waves(states[-1], t.expand(len(x))))
        states.append(scheduler.step(predicted, t, states[-1]).prev_sample)
    return torch.stack(states)


def with_our_noise(network: Any, x: Any) -> Any:
    """The states of DDPMScheduler with the normals of seqgap.

    It takes no noise, but for a model that predicts variances, too: with these at 0 its steps are the means.
    """
    scheduler, states = DDPMScheduler(variance_type="learned", **OPTIONS), [x]
    for t in scheduler.timesteps:
        predicted = network(with_waves(states[-1], t.expand(len(x))))
        variance = BETAS[t] * (1 - ALPHA_BARS[t - 1]) / (1 - ALPHA_BARS[t])
        noise = standard_normal(ROWS, DIM, SEED, stream=int(t) + 1, dtype=np.float32)
        mean = scheduler.step(torch.cat([predicted, 0 * predicted], 1), t, states[-1]).prev_sample
        states.append(mean + float(variance**0.5) * torch.from_numpy(noise))
    return torch.stack(states)


def by_torchdiffeq(network: Any, steps: int, x: Any) -> Any:
    """The states of Euler's method."""
    times = torch.linspace(0, 1, steps + 1)
    return odeint(lambda t, x: network(with_time(x, t.expand(len(x)))), x, times, method="euler")


def samplers() -> list[Sampler]:
    """Both networks, trained and loaded, with their samplers from few steps to many."""
    denoiser = trained(layers(DIM + 2 * WAVES.size, nn.SiLU), denoising)
    velocity = trained(velocity_network(), matching)
    noisy = ddpm.Params(from_torch_mlp(denoiser, frequencies=WAVES), BETAS, np.arange(len(BETAS)), "v")
    clear, moving = ddim.Params(*noisy), flow_matching.Params(from_torch_mlp(velocity, embedding="time"), 0)
    theirs = functools.partial(by_diffusers, denoiser)
    ancestral = functools.partial(theirs, DDPMScheduler(**OPTIONS), len(BETAS))
    ours = functools.partial(with_our_noise, denoiser)
    all_of = [Sampler("DDPM", Chain(noisy, limit=1.0), "diffusers", ancestral, ours)]
    for count in (5, 10, 20, 50, 100):
        way = functools.partial(theirs, DDIMScheduler(**OPTIONS), count)
        chain = Chain(clear, steps=count, clip="keep", limit=1.0)
        all_of.append(Sampler("DDIM", chain, "diffusers", way, way))
    for count in (3, 5, 10, 20, 50, 100):
        way = functools.partial(by_torchdiffeq, velocity, count)
        all_of.append(Sampler("flow matching", Chain(moving, steps=count), "torchdiffeq", way, way))
    return all_of


def velocity_network() -> Any:
    """torchcfm's, or one like it."""
    if importlib.util.find_spec("torchcfm") is None:
        CONSOLE.print("torchcfm is not installed: the same layers in PyTorch take the place of its MLP")
        return layers(DIM + 1, nn.SELU)
    from torchcfm.models import MLP

    return MLP(DIM, w=WIDTH, time_varying=True)


def measured(sampler: Sampler) -> list[Point]:
    """Both libraries in turns, from the same noise; of each as many samples as there are digits."""
    starts = np.array_split(standard_normal(len(DATA), DIM, SEED, dtype=np.float32), BATCHES)
    ends: dict[str, Callable[[Any], Any]] = {
        "seqgap": lambda x: sampler.chain.run(x, SEED),
        sampler.library: lambda x: sampler.theirs(torch.from_numpy(x))[-1].numpy(),
    }
    x = starts[0][:ROWS]
    seconds = calls_in_turns({name: functools.partial(end, x) for name, end in ends.items()}, ROUNDS)
    distances = {name: [distance(end(start), DATA) for start in starts] for name, end in ends.items()}
    steps = sampler.chain.length
    return [Point(sampler.name, name, steps, seconds[name], distances[name]) for name in ends]


def compared(sampler: Sampler, points: list[Point], table: Table) -> None:
    """A row of the table."""
    x = standard_normal(ROWS, DIM, SEED, dtype=np.float32)
    own, same = sampler.chain.trajectory(x, SEED), sampler.same_noise(torch.from_numpy(x)).numpy()
    sweeps = "" if sampler.name == "DDPM" else str(sampler.chain.picard(x[:1], SEED, tolerance=1e-3)[1][0])
    ours, theirs = (float(np.median(point.seconds)) for point in points)
    results = f"{8 * (1 + own[-1].mean()):.2f}", f"{np.abs(own - same).max():.1e}", sweeps
    times = sampler.library, f"{1e3 * theirs:.3g}", f"{1e3 * ours:.3g}", f"{theirs / ours:.1f}"
    table.add_row(sampler.name, str(sampler.chain.length), *results, *times)


def main(target: Path) -> None:
    """Train, load, compare, draw."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    table, points, images = Table(*HEADS), list[Point](), {"data": DATA}
    table.add_row("data", "", f"{8 * (1 + DATA.mean()):.2f}")
    chosen = samplers()
    with torch.inference_mode():
        for sampler in chosen:
            both = measured(sampler)
            compared(sampler, both, table)
            points += both
            images[f"{sampler.name}, {sampler.chain.length}"] = sampler.chain.sample(SHOWN, SEED)
    CONSOLE.print(table)
    with house_style():
        shown = {key: images[key] for key in ("data", "DDPM, 1000", "DDIM, 50", "flow matching, 20")}
        save(picture(points, shown), target)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/diffusion_digits.py FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    main(folder)
