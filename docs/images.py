"""Handwritten digits by Glow: trained in PyTorch with normflows, loaded, and sampled at three temperatures.

    python -m pip install ".[examples]" normflows && python docs/images.py

trains a Glow of two levels on 1500 of the 1797 digits of 8 x 8 pixels that scikit-learn ships, loads it with
`kernels.interop.from_normflows`, compares log_prob with the library's, prints bits per dimension of the
digits that it was trained on and of the others, and writes images.png, .svg and .csv beside this file: real
digits, and samples at temperatures 0.5, 0.7 and 1. Some minutes on 2 cores.
"""

import time
import warnings
from pathlib import Path
from typing import Any

import normflows as nf
import numpy as np
import torch
from sklearn.datasets import load_digits

from seqgap import Flow
from seqgap.bench.report.plots.style import Picture, house_style, new_figure, save
from seqgap.bench.results.tables import Table
from seqgap.kernels import elementwise
from seqgap.kernels.interop import from_normflows

SIDE, BINS, HELD_OUT = 8, 17, 297  # pixels are whole numbers, 0 to 16
LEVELS, BLOCKS, HIDDEN = 2, 6, 32
STEPS, BATCH, RATE, DECAY = 1500, 128, 2e-3, 0.1
LOW = 0.05  # the logit takes [0, 1] to that of [0.05, 0.95]
TEMPERATURES, SHOWN = (0.5, 0.7, 1.0), 14


def digits() -> tuple[Any, Any]:
    """Training and test, (N, 64), pixels in random order of the digits."""
    data = load_digits().data
    data = data[np.random.default_rng(0).permutation(len(data))]
    return data[HELD_OUT:], data[:HELD_OUT]


def dequantised(pixels: Any, random: Any) -> Any:
    """Numbers in [0, 1) with uniform noise of the width of a bin."""
    return (pixels + random.random(pixels.shape)) / BINS


def logits(x: Any) -> Any:
    """What the Glow is trained on."""
    t = LOW + (1 - 2 * LOW) * x
    return np.log(t) - np.log1p(-t)


def model() -> Any:
    """Glow as the README of normflows has it."""
    q0, flows, merges = [], [], []
    for i in range(LEVELS):
        channels, side = 2 ** (LEVELS + 1 - i), SIDE // 2 ** (LEVELS - i)
        flows += [[nf.flows.GlowBlock(channels, HIDDEN) for _ in range(BLOCKS)] + [nf.flows.Squeeze()]]
        if i > 0:
            merges += [nf.flows.Merge()]
        q0 += [nf.distributions.DiagGaussian((channels if i == 0 else channels // 2, side, side))]
    return nf.MultiscaleFlow(q0, flows, merges, class_cond=False)


def trained(pixels: Any) -> Any:
    """Maximum likelihood by AdamW, noise anew in each step."""
    glow, random = model(), np.random.default_rng(1)
    adam = torch.optim.AdamW(glow.parameters(), RATE, weight_decay=DECAY)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
    for _ in range(STEPS):
        batch = logits(dequantised(pixels[random.integers(0, len(pixels), BATCH)], random))
        loss = glow.forward_kld(images(batch))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(glow.parameters(), 50)
        adam.step()
        falling.step()
    return glow.eval()


def images(rows: Any) -> Any:
    """(N, 1, 8, 8) float32."""
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 1, SIDE, SIDE)


def in_pixels(flow: Flow) -> Flow:
    """The flow of dequantised digits: behind the loaded one the inverse of the logit."""
    scale = np.full(flow.dim, 1 / (1 - 2 * LOW), flow.dtype)
    return Flow(*flow.params, elementwise.Params(scale, -LOW * scale, "logit"))


def bits(flow: Flow, pixels: Any) -> float:
    """Bits per dimension, the mean over digits and 8 draws of the noise."""
    random = np.random.default_rng(2)
    x = dequantised(np.tile(pixels, (8, 1)), random).astype(flow.dtype)
    return float(-flow.log_prob(x).mean(dtype=float) / (flow.dim * np.log(2)) + np.log2(BINS))


def compared(flow: Flow, glow: Any, pixels: Any) -> str:
    """The largest difference of log_prob, and the time of both."""
    batch = logits(dequantised(pixels, np.random.default_rng(3))).astype(np.float32)
    with torch.inference_mode():
        theirs, seconds = timed(lambda: glow.log_prob(images(batch), None).numpy())
    ours, own_seconds = timed(lambda: flow.log_prob(batch))
    return (
        f"log_prob of {len(batch)} digits: at most {np.abs(ours - theirs).max():.1e} nats from normflows' "
        f"(mean {theirs.mean():.1f}); {1e3 * own_seconds:.1f} ms against {1e3 * seconds:.1f} ms, one thread"
    )


def timed(call: Any) -> tuple[Any, float]:
    """The result, and the median of 21 calls after it."""
    result, seconds = call(), []
    for _ in range(21):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return result, float(np.median(seconds))


def drawn(flow: Flow, pixels: Any) -> Picture:
    """Real digits above those of each temperature, from the same normals."""
    rows = {"real": pixels[:SHOWN] / (BINS - 1)}
    for temperature in TEMPERATURES:
        x = flow.sample(SHOWN, 5, temperature=temperature)
        rows[f"{temperature:g}"] = np.clip(np.floor(BINS * x), 0, BINS - 1) / (BINS - 1)
    figure = new_figure(9, 3.1)
    for axes, (name, values) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
        gap = np.pad(values.reshape(-1, SIDE, SIDE), ((0, 0), (0, 0), (1, 1)), constant_values=np.nan)
        axes.imshow(np.concatenate(list(gap), axis=1), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        label = "real" if name == "real" else f"temperature {name}"
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    cells = [
        (name, i, " ".join(f"{16 * v:.0f}" for v in row))
        for name, all_ in rows.items()
        for i, row in enumerate(all_)
    ]
    return Picture(figure, Table("images.csv", ["temperature", "digit", "pixels"], cells))


def main() -> None:
    """Train, load, compare, draw."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    warnings.filterwarnings("ignore", "torch.lu is deprecated")  # normflows calls it
    training, test = digits()
    start = time.perf_counter()
    glow = trained(training)
    print(f"{STEPS} steps in {time.perf_counter() - start:.0f} s")
    torch.set_num_threads(1)
    loaded = from_normflows(glow)
    flow = in_pixels(loaded)
    print(flow)
    print(compared(loaded, glow, test))
    print(
        f"bits per dimension: {bits(flow, training):.3f} in training, {bits(flow, test):.3f} of other digits"
    )
    with house_style():
        save(drawn(flow, test), Path(__file__).parent)


if __name__ == "__main__":
    main()
