"""Posteriors of sbi, loaded, against sbi itself: one thread, float32, in turns.

`python -m pip install ".[sbi]" && python docs/performance_sbi.py` prints the rows, about 10 minutes.
"""

import logging
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from sbi.inference.posteriors import DirectPosterior
from sbi.neural_nets import posterior_nn
from sbi.utils import BoxUniform
from timing import Report, Thunks, Work, on_one_thread

from seqgap.bench.machine.variables import restart_without
from seqgap.kernels.interop import from_sbi
from seqgap.kernels.normal import standard_normal

FLOAT32 = np.dtype(np.float32)
ONE = {"maf": 25, "maf_rqs": 80, "zuko_maf": 25, "zuko_nsf": 60, "nsf": 4, "zuko_nice": 4}
BATCHED = {"maf": 12, "maf_rqs": 30, "zuko_maf": 12, "zuko_nsf": 30}
QUIET = {"show_progress_bars": False}


def data(dim: int, context: int) -> tuple[Any, Any]:
    """Parameters and observations to build estimators from."""
    theta, x = (standard_normal(200, columns, 1, dtype=FLOAT32) for columns in (dim, context))
    return torch.from_numpy(theta), torch.from_numpy(x)


def estimator(model: str, dim: int, context: int) -> Any:
    """What sbi's builder makes, weights moved away from where they start."""
    torch.manual_seed(0)
    built = posterior_nn(model)(*data(dim, context)).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            width = parameter.shape[-1] if parameter.ndim else 1
            parameter.add_(0.3 * torch.randn_like(parameter) / max(1, width) ** 0.5)
    return built


def posterior_of(model: str, dim: int, context: int, size: float = 1e3) -> Any:
    """Within a box that holds nearly all samples."""
    return DirectPosterior(
        estimator(model, dim, context), BoxUniform(-size * torch.ones(dim), size * torch.ones(dim))
    )


def one_context(dim: int, context: int) -> Iterator[Work]:
    """10,000 samples at one observation; twice the aim at D = 15."""
    x = torch.zeros(1, context)
    for model, limit in ONE.items():
        theirs = posterior_of(model, dim, context)
        thunks: Thunks = {
            "numba": partial(from_sbi(theirs).sample, (10_000,), x=x, seed=1),
            "sbi": partial(theirs.sample, (10_000,), x=x, **QUIET),
        }
        wanted = limit * (2 if dim == 15 and limit > 4 else 1)
        yield f"{model}, 10000 samples, D = {dim}, K = {context}", thunks, [f"sbi / numba >= {wanted}"]


def batched(count: int) -> Iterator[Work]:
    """1000 samples of each of so many observations; the aim is for 1000, which take sbi minutes."""
    x = torch.from_numpy(standard_normal(count, 8, 3, dtype=FLOAT32))
    for model, limit in BATCHED.items():
        theirs = posterior_of(model, 5, 8)
        thunks: Thunks = {
            "numba": partial(from_sbi(theirs).sample_batched, (1_000,), x=x, seed=1),
            "sbi": partial(theirs.sample_batched, (1_000,), x=x, **QUIET),
        }
        yield f"{model}, 1000 samples of {count}, D = 5, K = 8", thunks, [f"sbi / numba >= {limit}"]


def likelihoods() -> Iterator[Work]:
    """20 parameters a call, as a slice sampler asks."""
    built = estimator("maf", 5, 8)
    x, theta = (torch.from_numpy(standard_normal(n, d, 2, dtype=FLOAT32)) for n, d in ((1, 5), (20, 8)))
    rows = x.expand(20, 5)[None]

    def theirs() -> Any:
        with torch.no_grad():
            return built.log_prob(rows, theta)

    ours = from_sbi(built).likelihood(x.numpy())
    thunks: Thunks = {"numba": partial(ours, theta.numpy()), "sbi": theirs}
    yield "maf, log_prob of 20 rows of their own contexts, D = 5, K = 8", thunks, ["sbi / numba >= 20"]


@torch.inference_mode(False)
def trained(rows: int = 4_000, steps: int = 400) -> Any:
    """A flow of two parameters within (-2, 2), each observed with noise; six columns that tell nothing."""
    torch.manual_seed(0)
    theta = 4 * torch.rand(rows, 2) - 2
    x = torch.from_numpy(standard_normal(rows, 8, 6, dtype=FLOAT32))
    x[:, :2] = theta + 0.3 * x[:, :2]
    built = posterior_nn("maf")(theta, x)
    optimizer = torch.optim.Adam(built.parameters(), 5e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        built.loss(theta, x).mean().backward()
        optimizer.step()
    return built.eval()


def leaks() -> Iterator[Work]:
    """One observation of an acceptance of about 1% among 100 of about 90%, 200 samples each."""
    built, prior = trained(), BoxUniform(-torch.ones(2), torch.ones(2))
    scales = np.linspace(0, 2, 400, dtype=np.float32)
    far = np.column_stack([scales, scales, np.zeros((len(scales), 6), np.float32)])
    drawn = from_sbi(built).sample_batched((2_000,), x=far, seed=2)
    rates = (np.abs(drawn) <= 1).all(-1).mean(0)
    good, bad = (int(np.argmin(np.abs(np.log((rates + 1e-9) / rate)))) for rate in (0.9, 0.01))
    x = np.tile(far[good], (100, 1))
    x[50] = far[bad]
    theirs = DirectPosterior(built, prior)
    ours, others = from_sbi(theirs), np.delete(x, 50, 0)

    def apart() -> None:
        ours.sample_batched((200,), x=others, seed=1)
        ours.sample_batched((200,), x=x[50:51], seed=1)

    thunks: Thunks = {
        "numba": partial(ours.sample_batched, (200,), x=x, seed=1),
        "numba-apart": apart,
        "sbi": partial(theirs.sample_batched, (200,), x=torch.from_numpy(x), **QUIET),
    }
    name = f"maf, D = 2, one of {rates[bad]:.3f} among 100 of acceptance {rates[good]:.2f}, 200 samples"
    yield name, thunks, ["sbi / numba >= 100", "numba / numba-apart <= 1.3"]


if __name__ == "__main__":
    restart_without()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # what sbi warns of is its own affair
    torch.set_num_threads(1)
    with on_one_thread():
        report = Report()
        for works in (
            one_context(5, 8),
            likelihoods(),
            batched(50),
            leaks(),
            one_context(15, 8),
            one_context(5, 50),
        ):
            report.compare(FLOAT32, works)
