"""Simulation-based inference: sbi's default flow trained on two moons, then sampled and checked by seqgap.

    python -m pip install ".[sbi]" && python examples/sbi_posterior.py docs

trains sbi's default posterior (NPE, a conditional masked autoregressive flow) on 5,000 simulations of two
moons, whose simulator is four lines, loads it with `kernels.interop.from_sbi`, and compares samples (the
accuracy of a classifier, .5 where nobody can tell them apart), densities and times with sbi's own. Then it
does what people give up on: the ranks of 1,000 true parameters among 1,000 samples each (Talts et al.,
"Validating Bayesian inference algorithms with simulation-based calibration", 2018). Writes
sbi_posterior.png, .svg and .csv into the folder that is named. About two minutes.
"""

import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sbi_picture import picture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what sbi itself imports
    from sbi.inference import NPE
    from sbi.utils import BoxUniform
    from sbi.utils.metrics import c2st
    from sbi.utils.tracking import TensorBoardTracker
    from torch.utils.tensorboard import SummaryWriter

from seqgap.bench.machine.turns import calls_in_turns
from seqgap.bench.report.plots.style import house_style, save
from seqgap.kernels.interop import from_sbi

SIMULATIONS, SAMPLES, CONTEXTS, RANKED, SEED = 5_000, 10_000, 1_000, 1_000, 7
OF_LIBRARY = 50  # contexts that sbi samples, which is enough to tell what 1,000 would take
OBSERVED = np.zeros(2, np.float32)


class Comparison(NamedTuple):
    """What both libraries took for the same work, seconds."""

    work: str
    theirs: float
    ours: float


def simulated(theta: Any, generator: np.random.Generator) -> Any:
    """Two moons: a crescent that the parameters move, with two sets of them for each place."""
    angle = generator.uniform(-np.pi / 2, np.pi / 2, len(theta))
    radius = generator.normal(0.1, 0.01, len(theta))
    moon = np.column_stack([radius * np.cos(angle) + 0.25, radius * np.sin(angle)])
    moved = np.column_stack([-np.abs(theta.sum(1)), theta[:, 1] - theta[:, 0]]) / np.sqrt(2)
    return (moon + moved).astype(np.float32)


def trained(prior: Any, theta: Any, x: Any) -> Any:
    """sbi's posterior with all its defaults."""
    with tempfile.TemporaryDirectory() as logs, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inference = NPE(prior, tracker=TensorBoardTracker(SummaryWriter(logs)), show_progress_bars=False)
        inference.append_simulations(torch.from_numpy(theta), torch.from_numpy(x)).train()
    return inference.build_posterior()


def ranks(posterior: Any, truths: Any, x: Any) -> Any:
    """(B, D): how many samples of each posterior are below its true parameters."""
    samples = posterior.sample_batched((RANKED,), x=x, seed=SEED)
    return (samples < truths).sum(0)


def compared(theirs: Any, ours: Any, batch: Any) -> list[Comparison]:
    """The same work by both, in turns; sbi's part of the contexts is scaled up."""
    one, few = torch.from_numpy(OBSERVED), torch.from_numpy(batch[:OF_LIBRARY])
    theta = torch.from_numpy(ours.sample((SAMPLES,), x=OBSERVED, seed=1))
    quiet = {"show_progress_bars": False}
    works: dict[str, tuple[Callable[[], Any], Callable[[], Any], float]] = {
        f"{SAMPLES:,} samples of one posterior": (
            lambda: theirs.sample((SAMPLES,), x=one, **quiet),
            lambda: ours.sample((SAMPLES,), x=one, seed=1), 1,
        ),
        f"{RANKED:,} samples of each of {CONTEXTS:,}": (
            lambda: theirs.sample_batched((RANKED,), x=few, **quiet),
            lambda: ours.sample_batched((RANKED,), x=batch, seed=1), CONTEXTS / OF_LIBRARY,
        ),
        f"density of {SAMPLES:,} parameters": (
            lambda: theirs.log_prob(theta, x=one, norm_posterior=False),
            lambda: ours.log_prob(theta, x=one, norm_posterior=False), 1,
        ),
    }  # fmt: skip
    result = []
    for work, (library, own, times) in works.items():
        seconds = calls_in_turns({"sbi": library, "seqgap": own}, 3)
        result.append(
            Comparison(work, times * np.median(seconds["sbi"]), float(np.median(seconds["seqgap"])))
        )
    return result


def report(comparisons: list[Comparison], accuracy: float, difference: float) -> None:
    """What came out, as a table."""
    table = Table("work", "sbi, s", "seqgap, s", "times as fast")
    for work, theirs, ours in comparisons:
        table.add_row(work, f"{theirs:.3g}", f"{ours:.3g}", f"{theirs / ours:.0f}")
    console = Console(width=100)
    console.print(table)
    console.print(f"A classifier tells the samples apart with accuracy {accuracy:.3f}; .5 is chance.")
    console.print(f"Log densities differ by at most {difference:.1g} (float32).")


def main(folder: Path) -> None:
    """Train, load, compare, calibrate, draw."""
    warnings.filterwarnings("ignore", "Capping max_sampling_batch_size")
    torch.manual_seed(1)
    torch.set_num_threads(1)
    generator = np.random.default_rng(1)
    theta = generator.uniform(-1, 1, (SIMULATIONS + CONTEXTS, 2)).astype(np.float32)
    x = simulated(theta, generator)
    prior = BoxUniform(-torch.ones(2), torch.ones(2))
    theirs = trained(prior, theta[:SIMULATIONS], x[:SIMULATIONS])
    ours = from_sbi(theirs)
    truths, observations = theta[SIMULATIONS:], x[SIMULATIONS:]
    comparisons = compared(theirs, ours, observations)
    own = ours.sample((2_000,), x=OBSERVED, seed=SEED)
    library = theirs.sample((2_000,), x=torch.from_numpy(OBSERVED), show_progress_bars=False)
    accuracy = float(c2st(library, torch.from_numpy(own)))
    both = [p.log_prob(library, x=torch.from_numpy(OBSERVED), norm_posterior=False) for p in (theirs, ours)]
    report(comparisons, accuracy, float((both[0] - both[1]).abs().max()))
    with house_style():
        save(picture(own, library.numpy(), ranks(ours, truths, observations), RANKED), folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/sbi_posterior.py FOLDER")
    main(Path(sys.argv[1]))
