"""Handwritten digits: flows trained with zuko, sampled and scored by seqgap.

    python -m pip install ".[examples]" && python examples/digits.py docs

trains a masked autoregressive flow and a neural spline flow on the 1797 digits of 8 x 8 pixels that
scikit-learn ships, loads both with `kernels.interop.from_zuko`, and compares the likelihood of digits that
were held back, samples from the same noise, and time, in tables and in digits.png, .svg and .csv in the
folder that is named. About a minute; one thread for each library while it is timed.
"""

import functools
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import zuko
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from seqgap.bench.machine import processor
from seqgap.bench.machine.environment import versions
from seqgap.bench.machine.turns import calls_in_turns
from seqgap.bench.report.plots.style import COLOURS, GREY, MARKERS, Picture, house_style, new_figure, save
from seqgap.bench.results import tables
from seqgap.kernels import interop, normal

DIM, BATCH, SHOWN, ROUNDS = 64, 256, 14, 7
EDGE = 0.05  # of the logit: pixels are mapped into (EDGE, 1 - EDGE) first
FLOWS: dict[str, Callable[[], Any]] = {
    "MAF": lambda: zuko.flows.MAF(DIM, transforms=3, hidden_features=(128,), randperm=True),
    "NSF": lambda: zuko.flows.NSF(DIM, transforms=2, hidden_features=(128,), randperm=True),
}


class Data(NamedTuple):
    """Dequantised digits through a logit, each (N, 64) float32."""

    train: Any
    validation: Any
    test: Any


class Timing(NamedTuple):
    """Seconds of one call, all rounds."""

    flow: str
    work: str
    library: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def digits() -> Data:
    """Pixels 0 to 16 plus uniform noise, so that they have a density; in a fixed random order."""
    random = np.random.default_rng(1)
    pixels = random.permutation(load_digits().data)
    unit = EDGE + (1 - 2 * EDGE) * (pixels + random.random(pixels.shape)) / 17
    values = np.log(unit / (1 - unit)).astype(np.float32)
    return Data(*np.split(values, (1300, 1500)))


def images(values: Any) -> Any:
    """Pixels from 0 to 1, (N, 8, 8)."""
    unit = (1 / (1 + np.exp(-values)) - EDGE) / (1 - 2 * EDGE)
    return np.clip(unit, 0, 1).reshape(-1, 8, 8)


def train(flow: Any, data: Data, console: Console) -> None:
    """Adam, until the digits for validation have not become likelier for 15 epochs; then the best of all."""
    training, validation = torch.from_numpy(data.train), torch.from_numpy(data.validation)
    adam = torch.optim.AdamW(flow.parameters(), lr=2e-3, weight_decay=1e-2)
    best, kept, epoch, last = float("inf"), flow.state_dict(), 0, 0
    while epoch < last + 15:
        for rows in torch.randperm(len(training)).split(100):
            adam.zero_grad()
            (-flow().log_prob(training[rows]).mean()).backward()
            adam.step()
        with torch.no_grad():
            loss = -float(flow().log_prob(validation).mean())
        epoch += 1
        if loss < best:
            best, last = loss, epoch
            kept = {name: value.clone() for name, value in flow.state_dict().items()}
    flow.load_state_dict(kept)
    console.print(f"{type(flow).__name__}: best after {last} epochs")


def loaded(flow: Any) -> interop.Flow:
    """The flow by way of a file, as another program would have it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flow.npz"
        interop.from_zuko(flow).save(path)
        return interop.Flow.load(path)


def compare(name: str, theirs: Any, ours: interop.Flow, test: Any, table: Table) -> Any:
    """A row of the table: likelihoods and largest differences. Returns samples."""
    noise = normal.standard_normal(BATCH, DIM, seed=3, dtype=np.float32)
    with torch.inference_mode():
        expected = theirs().log_prob(torch.from_numpy(test)).numpy()
        wanted = theirs.transform().inv(torch.from_numpy(noise)).numpy()
    density, (samples, _) = ours.log_prob(test), ours.forward(noise)
    table.add_row(
        name, f"{expected.mean():.4f}", f"{density.mean():.4f}",
        f"{np.abs(density / expected - 1).max():.1e}", f"{np.abs(samples - wanted).max():.1e}",
    )  # fmt: skip
    return samples


def timings(name: str, theirs: Any, ours: interop.Flow, test: Any) -> list[Timing]:
    """Both libraries in turns, one thread each; the first call of all is not timed."""
    x, inverse = np.ascontiguousarray(test[:BATCH]), theirs.transform().inv
    calls: dict[tuple[str, str], Callable[[], Any]] = {
        (f"log_prob, N = {BATCH}", "zuko"): lambda: theirs().log_prob(torch.from_numpy(x)),
        (f"log_prob, N = {BATCH}", "seqgap"): lambda: ours.log_prob(x),
    }
    for n in (1, BATCH):
        z = normal.standard_normal(n, DIM, seed=4, dtype=np.float32)
        calls[f"sampling, N = {n}", "zuko"] = lambda z=z: inverse(torch.from_numpy(z))
        calls[f"sampling, N = {n}", "seqgap"] = functools.partial(ours.forward, z)
    return [Timing(name, *key, seconds) for key, seconds in calls_in_turns(calls, ROUNDS).items()]


def pairs(measured: list[Timing]) -> list[tuple[Timing, Timing]]:
    """Both libraries at the same work."""
    return list(zip(measured[::2], measured[1::2], strict=True))


def picture(rows: dict[str, Any], measured: list[Timing]) -> Picture:
    """Digits over times."""
    figure = new_figure(9, 6)
    above, below = figure.subfigures(2, 1, height_ratios=(3, 4))
    draw_digits(above, rows)
    draw_times(below.subplots(), measured)
    known = versions()
    text = ", ".join(f"{key} {known[key]}" for key in ("python", "numpy", "numba", "torch", "zuko"))
    figure.supxlabel(f"{processor.name()} · {text}", fontsize=7, color=GREY)
    head = ("flow", "work", "library", "median_seconds", "rounds")
    lines = [(t.flow, t.work, t.library, t.median, " ".join(map(str, t.seconds))) for t in measured]
    return Picture(figure, tables.Table("digits.csv", head, lines))


def draw_digits(part: Any, rows: dict[str, Any]) -> None:
    """A row of images for each source."""
    part.suptitle("Flows trained with zuko on handwritten digits, sampled by seqgap")
    grid = part.subplots(len(rows), SHOWN, squeeze=False)
    for line, (name, values) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, images(values[:SHOWN]), strict=True):
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.axis("off")
        line[0].text(-0.3, 0.5, name, transform=line[0].transAxes, ha="right", va="center")


def draw_times(axes: Any, measured: list[Timing]) -> None:
    """Medians and all rounds on a logarithmic axis, with the ratio beside them."""
    both = pairs(measured)
    for height, (theirs, ours) in enumerate(reversed(both)):
        for timing, colour, marker in ((theirs, COLOURS[1], MARKERS[1]), (ours, COLOURS[0], MARKERS[0])):
            axes.plot(timing.seconds, [height] * len(timing.seconds), "|", color=colour, alpha=0.6)
            axes.plot(timing.median, height, marker, color=colour)
            if height == len(both) - 1:
                axes.annotate(
                    timing.library, (timing.median, height), (0, 8), textcoords="offset points",
                    ha="center", color=colour,
                )  # fmt: skip
        middle = np.sqrt(theirs.median * ours.median)
        axes.annotate(
            f"{theirs.median / ours.median:.3g}x", (middle, height), (0, 3), textcoords="offset points",
            ha="center", color=GREY,
        )  # fmt: skip
        axes.plot([ours.median, theirs.median], [height] * 2, color=GREY, linewidth=0.5, zorder=0)
    axes.set_yticks(range(len(both)), [f"{t.flow} {t.work}" for t, _ in reversed(both)])
    axes.set_ylim(-0.6, len(both) - 0.2)
    axes.set_xscale("log")
    axes.set_xlabel(f"seconds for one call, one thread: median and {ROUNDS} rounds")


def main(target: Path) -> None:
    """Train, load, compare, draw."""
    console, data = Console(width=110), digits()
    torch.manual_seed(1)
    heads = ("flow", "zuko", "seqgap", "largest rel. difference", "of samples")
    equal = Table(*heads, title="log p(test), nats")
    rows, measured = {"data": data.test}, list[Timing]()
    for name, make in FLOWS.items():
        flow = make()
        train(flow, data, console)
        ours = loaded(flow)
        rows[name] = compare(name, flow, ours, data.test, equal)
        with threadpool_limits(1), torch.inference_mode():
            before = torch.get_num_threads()
            torch.set_num_threads(1)
            measured += timings(name, flow, ours, data.test)
            torch.set_num_threads(before)
    console.print(equal)
    speed = Table("work", "zuko", "seqgap", "ratio", title="median of one call, ms, one thread")
    for timed in pairs(measured):
        times = [timing.median for timing in timed]
        figures = (1e3 * times[0], 1e3 * times[1], times[0] / times[1])
        speed.add_row(f"{timed[0].flow} {timed[0].work}", *(f"{figure:.3g}" for figure in figures))
    console.print(speed)
    target.mkdir(parents=True, exist_ok=True)
    with house_style():
        written = save(picture(rows, measured), target)
    console.print(f"Written: {', '.join(map(str, written))}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/digits.py FOLDER")
    main(Path(sys.argv[1]))
