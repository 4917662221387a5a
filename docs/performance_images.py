"""Glow on images against normflows, PyTorch and JAX: one thread, float32, in turns.

`python -m pip install ".[peers]" && python docs/performance_images.py` prints the rows, about 4 minutes.
Images are 3 x 16 x 16, with two levels of four steps and conditioners of 64 hidden channels. Peers are
compared by value first.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from timing import Report, Thunks, Work, contenders, medians, on_one_thread

from seqgap import Flow
from seqgap.bench.machine.probe import arithmetic
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.model.registry import operation_of
from seqgap.kernels import glow
from seqgap.kernels.normal import standard_normal

FLOAT32 = np.dtype(np.float32)
DIM = 3 * 16 * 16
LIMITS = {1: 15, 16: 4}  # rows, and how many times as fast as normflows


def verbs() -> Iterator[Work]:
    """Samples and densities beside what is installed."""
    for verb in ("sample", "log_prob"):
        for rows, limit in LIMITS.items():
            thunks = contenders(f"glow.{verb}", rows, DIM, FLOAT32)
            if verb == "log_prob":
                for thunk in thunks.values():
                    np.testing.assert_allclose(np.asarray(thunk()), thunks["numba"](), rtol=1e-4)
            targets = [f"normflows / numba >= {limit}", "fastest / numba >= 1"]
            yield f"glow.{verb} ({rows}, {DIM})", thunks, targets


def directions() -> Iterator[Work]:
    """The control of the study: both directions have equally many steps and the same arithmetic."""
    flow = Flow(glow.random_params(DIM, 1, dtype=FLOAT32))
    for rows in LIMITS:
        z = standard_normal(rows, DIM, 1, dtype=FLOAT32)
        thunks: Thunks = {"forward": partial(flow.forward, z), "inverse": partial(flow.inverse, z)}
        limits = ["forward / inverse <= 1.15", "inverse / forward <= 1.15"]
        yield f"glow, directions ({rows}, {DIM})", thunks, limits


def multiply_adds(report: Report) -> None:
    """Beside the machine's fused multiply-adds, in turns: what shares a core slows down both."""
    probe = arithmetic(FLOAT32.name)["flop"]
    flow = Flow(glow.random_params(DIM, 1, dtype=FLOAT32))
    for rows in LIMITS:
        z = standard_normal(rows, DIM, 1, dtype=FLOAT32)
        times = medians({"forward": partial(flow.forward, z), "probe": probe.run}, 3)
        times["arithmetic"] = times.pop("probe") * rows * flops() / probe.units
        name = f"glow.forward ({rows}, {DIM}), {flops() / 2e6:.2f} M multiply-adds an image"
        report.row(
            name, FLOAT32, times, "forward / arithmetic", times["forward"] / times["arithmetic"], "<=", "2"
        )


def flops() -> float:
    """Of one image."""
    return float(operation_of("glow.forward").cost(DIM).flops)


def other_sizes() -> Iterator[Work]:
    """Where the images are smaller or larger."""
    for dim in (3 * 8 * 8, 3 * 32 * 32):
        thunks: dict[str, Any] = contenders("glow.sample", 16, dim, FLOAT32)
        yield f"glow.sample (16, {dim})", thunks, ["normflows / numba >= 1"]


if __name__ == "__main__":
    restart_without()
    torch.set_num_threads(1)
    with on_one_thread():
        results = Report()
        multiply_adds(results)
        for works in (verbs(), directions(), other_sizes()):
            results.compare(FLOAT32, works)
