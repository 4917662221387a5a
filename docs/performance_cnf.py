"""Continuous flows against the libraries that solve them: one thread, float32, in turns.

`python -m pip install ".[peers]" && python docs/performance_cnf.py` prints the rows, about 5 minutes; zuko is
needed, of torchdiffeq, diffrax and SciPy what is missing is left out. Values are compared before timing.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
import zuko
from timing import Report, Thunks, Work, contenders, on_one_thread

from seqgap import Flow
from seqgap.bench.machine.variables import restart_without
from seqgap.kernels import cnf
from seqgap.kernels.interop import from_zuko
from seqgap.kernels.normal import standard_normal

FLOAT32 = np.dtype(np.float32)
ROWS = 256


@torch.inference_mode(mode=False)  # zuko takes its trace from gradients
def flows(dim: int, gain: float = 1.0, **options: Any) -> tuple[Any, Flow]:
    """zuko's default CNF, two hidden layers of 64, and the same one loaded; gain: of all its parameters."""
    torch.manual_seed(0)
    theirs = zuko.flows.CNF(dim, **options).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.mul_(gain)
    return theirs, from_zuko(theirs)


@torch.inference_mode(mode=False)
def density(theirs: Any, x: Any) -> Callable[[], Any]:
    """log_prob of x by a flow of zuko."""
    return torch.inference_mode(mode=False)(partial(theirs().log_prob, torch.tensor(x)))


def evaluations(theirs: Any, work: Callable[[], Any]) -> int:
    """How often a piece of work calls the network of a flow of zuko."""
    count: list[None] = []
    handle = theirs.transform.ode.register_forward_hook(lambda *call: count.append(None))
    work()
    handle.remove()
    return len(count)


def assert_near(ours: Any, theirs: Any) -> None:
    """To what zuko's tolerances leave, a hundred times its 1e-5 for log_det."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-2)


def densities() -> Iterator[Work]:
    """log_prob with the exact trace, each by its own steps at zuko's tolerances."""
    for dim, limit in ((64, 80), (256, 300)):
        theirs, ours = flows(dim)
        x = ours.sample(ROWS, 1)
        score, own = density(theirs, x), cnf.solve(x, ours.params[0], inverse=True).evaluations
        assert_near(ours.log_prob(x), score().detach())
        name = f"log_prob ({ROWS}, {dim}), {own.mean():.1f} evaluations a row, at most {own.max()}"
        thunks: Thunks = {"numba": partial(ours.log_prob, x), "zuko": score}
        yield f"{name}, zuko {evaluations(theirs, score)}", thunks, [f"zuko / numba >= {limit}"]


def equal_evaluations() -> Iterator[Work]:
    """What a density costs beside a sample, in steps of one size."""
    for dim, limit in ((64, 1.35), (256, 1.2)):
        params = cnf.random_params(dim, 1, dtype=FLOAT32)._replace(method="rk4", steps=10)
        flow = Flow(params)
        x = flow.sample(ROWS, 1)
        thunks: Thunks = {"log_prob": partial(flow.log_prob, x), "sample": partial(flow.sample, ROWS, 1)}
        yield f"RK4, 40 evaluations ({ROWS}, {dim})", thunks, [f"log_prob / sample <= {limit}"]


def samples() -> Iterator[Work]:
    """Adaptive steps without a density, at equal tolerances."""
    theirs, ours = flows(64)
    z, law = standard_normal(ROWS, 64, 1, dtype=FLOAT32), theirs()
    back = partial(law.transform.inv, torch.from_numpy(z))
    own = cnf.solve(z, ours.params[0])
    assert_near(own.states, back())
    name = f"sample ({ROWS}, 64), {own.evaluations.mean():.1f} evaluations a row,"
    name += f" at most {own.evaluations.max()}, zuko {evaluations(theirs, back)}"
    thunks: Thunks = {"numba": partial(ours.sample, ROWS, 1), "zuko": partial(law.sample, (ROWS,))}
    yield name, thunks, ["zuko / numba >= 4"]


def stiff_rows() -> Iterator[Work]:
    """One row, 300 times as far out as it was, among 256: for ELU, zuko's default, and for SiLU."""
    for at in (0, ROWS // 2 - 1, ROWS - 1):
        yield stiff_row(at, "ELU")
    yield stiff_row(0, "SiLU")


def stiff_row(at: int, activation: str) -> Work:
    """Parameters of the network are doubled, so that there is curvature."""
    theirs, ours = flows(64, 2.0, activation=getattr(torch.nn, activation))
    z, back = standard_normal(ROWS, 64, 1, dtype=FLOAT32), theirs().transform.inv
    plain = cnf.solve(z, ours.params[0]).evaluations
    far = z.copy()
    far[at] *= 300
    own = cnf.solve(far, ours.params[0])
    assert_near(own.states, back(torch.from_numpy(far)))
    calls = {"numba": partial(ours.forward, z), "numba-stiff": partial(ours.forward, far)}
    tensors = {"zuko": torch.from_numpy(z), "zuko-stiff": torch.from_numpy(far)}
    peers = {name: partial(back, batch) for name, batch in tensors.items()}
    counts = " and ".join(str(evaluations(theirs, call)) for call in peers.values())
    name = (
        f"one stiff row, {activation}, number {at} of {ROWS}: evaluations {plain.mean():.1f} and"
        f" {own.evaluations.mean():.1f} in the mean, {plain.max()} and {own.evaluations.max()} at most,"
        f" zuko {counts}"
    )
    return name, {**calls, **peers}, ["numba-stiff / numba <= 1.2", "zuko-stiff / zuko >= 1.2"]


def solvers() -> Iterator[Work]:
    """All libraries at equal tolerances, random weights."""
    for operation in ("adaptive_log_prob", "adaptive_sample"):
        thunks = contenders(f"cnf.{operation}", ROWS, 64, FLOAT32)
        if operation == "adaptive_log_prob":
            for peer in thunks.values():
                assert_near(np.asarray(peer()), thunks["numba"]())
        targets = [f"{peer} / numba >= 1" for peer in thunks if peer != "numba"]
        yield f"{operation} ({ROWS}, 64)", thunks, targets


def other_bits() -> Iterator[tuple[str, int]]:
    """What a row depends on besides itself, and how many rows it changes."""
    ours, rows = flows(64)[1], 8 * ROWS
    x = ours.sample(rows, 1)
    values = ours.log_prob(x)
    alone = np.concatenate([ours.log_prob(x[n : n + 1]) for n in range(ROWS)])
    yield f"rows of {ROWS} whose log_prob has other bits alone", int((alone != values[:ROWS]).sum())
    yield f"rows of {rows} on two threads", int((ours.log_prob(x, threads=2) != values).sum())
    yield f"samples of {rows} on two threads", int((ours.sample(rows, 1, threads=2) != x).any(1).sum())


if __name__ == "__main__":
    restart_without()
    torch.set_num_threads(1)
    with on_one_thread():
        report = Report()
        for work, count in other_bits():
            report.row(work, FLOAT32, {}, "count", count, "<=", "0")
        for works in (densities(), equal_evaluations(), samples(), stiff_rows(), solvers()):
            report.compare(FLOAT32, works)
