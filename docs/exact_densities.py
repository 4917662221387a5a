"""What densities of continuous flows cost, and how far estimates of them scatter, against the dimension.

`python docs/exact_densities.py` writes exact_densities.csv, .png and .svg beside this file, in about a
minute: float32, one thread, random weights, 256 rows, 10 classical Runge-Kutta steps: 40 evaluations. zuko is
left out where it is not installed.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from timing import on_one_thread

from seqgap import Flow
from seqgap.bench.machine.processor import name as processor_name
from seqgap.bench.machine.turns import in_turns
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.peers import fields
from seqgap.bench.report.plots.style import COLOURS, GREY, MARKERS, Picture, house_style, new_figure, save
from seqgap.bench.report.plots.style import spread as spread_apart
from seqgap.bench.results.tables import Table
from seqgap.kernels import cnf

DIMS, ROWS, STEPS = (2, 4, 8, 16, 32, 64, 128, 256), 256, 10
ROUNDS, SECONDS = 7, 0.7  # of each dimension, at least
POINTS, DRAWS = 32, 200  # of the scatter: densities, and estimates of each
EVALUATIONS = 4 * STEPS
PROBES = (1, 8)


class Cell(NamedTuple):
    """A point of the picture: milliseconds of a call, or the standard deviation of an estimate in nats."""

    panel: str
    name: str
    dim: int
    low: float  # a quarter of the rounds, or of the points, is below
    median: float
    high: float
    expected: float  # of the standard deviation: the median of the law; else nan


def params_of(dim: int, depth: int = 2) -> cnf.Params:
    """Random weights, layers of 64."""
    return cnf.random_params(dim, 1, depth=depth, dtype=np.float32)._replace(method="rk4", steps=STEPS)


def measured() -> Iterator[Cell]:
    """All points, dimension by dimension."""
    for dim in DIMS:
        for cell in (*times(dim), *scatter(dim)):
            print(*(f"{v:.3g}" if isinstance(v, float) else v for v in cell), flush=True)
            yield cell


def times(dim: int) -> Iterator[Cell]:
    """Milliseconds for 256 rows, in turns."""
    params, flow = params_of(dim), Flow(params_of(dim))
    deep = Flow(params_of(dim, depth=3))
    x = flow.sample(ROWS, 2)
    calls: dict[str, Callable[[], Any]] = {
        "sample, no density": partial(flow.sample, ROWS, 2),
        "exact, one more layer": partial(flow.log_prob, x),
        "exact, D tangents\n(3 hidden layers)": partial(deep.log_prob, x),
    }
    for probes in PROBES:
        calls[f"estimate, {counted(probes)}"] = partial(cnf.estimated_log_prob, x, params, 1, probes=probes)
    factors = dict.fromkeys(calls, 1e3)
    if importlib.util.find_spec("zuko"):
        calls["zuko,\nD backward passes"], evaluations = zuko_density(params, x)
        factors["zuko,\nD backward passes"] = 1e3 * EVALUATIONS / evaluations
    for name, seconds in in_turns(calls, ROUNDS, SECONDS).items():
        yield Cell("time", name, dim, *quartiles(np.array(seconds) * factors[name]), np.nan)


def zuko_density(params: cnf.Params, x: Any) -> tuple[Callable[[], Any], int]:
    """One step of its solver with the exact trace, for the same network, and the evaluations it takes."""
    import torch
    from zuko.transforms import FreeFormJacobianTransform

    gradients = torch.inference_mode(mode=False)  # zuko takes its trace from gradients
    with gradients:
        net = fields.Tables(*map(torch.tensor, fields.tables(params, x.shape[1])))
        batch = torch.tensor(x)
    velocity, seen = fields.torch_velocity(torch, net), []

    def counting(t: Any, z: Any) -> Any:
        seen.append(t)
        return velocity(z, t)

    transform = FreeFormJacobianTransform(counting, 1.0, 0.0, atol=1e38, rtol=0.0)  # any error is accepted
    call = gradients(partial(transform.call_and_ladj, batch))
    _, log_det = call()
    one_step = params._replace(method="dormand_prince", steps=1)
    np.testing.assert_allclose(log_det, cnf.inverse(x, one_step)[1], rtol=1e-3, atol=1e-4 * x.shape[1] ** 0.5)
    return call, len(seen)


def scatter(dim: int) -> Iterator[Cell]:
    """Standard deviations of the estimates of log p at samples of the flow, and those of the law."""
    params = params_of(dim)
    x = cnf.sample(POINTS, params, 3)
    exact = cnf.log_prob(x, params)
    along = integrated(params, x.astype(float))
    for noise in cnf.NOISES:
        law = np.sqrt(variance(along, noise))
        for probes in PROBES:
            estimates = cnf.estimated_log_prob(
                np.repeat(x, DRAWS, 0), params, 4, noise=noise, probes=probes
            ).reshape(POINTS, DRAWS)
            errors = estimates.astype(float) - exact[:, None]
            expected = float(np.median(law)) / np.sqrt(probes)
            name = f"{noise.title()}, {counted(probes)}"
            yield Cell("scatter", name, dim, *quartiles(errors.std(1)), expected)


def integrated(params: cnf.Params, x: Any) -> Any:
    """The integral of df/dz on the way of each row, of which an estimate takes e^T (...) e."""
    wide = params._replace(**{name: getattr(params, name).astype(float) for name in cnf.Params._fields[:6]})
    return fields.solved(fields.numpy_jacobian(fields.tables(wide, x.shape[1])), x, 1.0, STEPS)[1]


def variance(jacobians: Any, noise: str) -> Any:
    """2 sum S_ij^2 of each, S the symmetric part; without the diagonal for signs."""
    squares = ((jacobians + jacobians.swapaxes(1, 2)) / 2) ** 2
    whole, diagonal = squares.sum((1, 2)), np.einsum("nii->n", squares)
    return 2 * (whole - diagonal if noise == "rademacher" else whole)


def counted(probes: int) -> str:
    """With its noun."""
    return f"{probes} probe{'s' * (probes > 1)}"


def quartiles(values: Any) -> Any:
    """The lower one, the median and the upper one."""
    return map(float, np.quantile(values, (0.25, 0.5, 0.75)))


def drawn(cells: list[Cell]) -> Picture:
    """Time on the left, scatter on the right."""
    figure = new_figure(10, 5)
    left, right = figure.subplots(1, 2)
    panel(left, [cell for cell in cells if cell.panel == "time"], 0.5)
    left.set_ylabel(f"ms for {ROWS} rows: median and quartiles of rounds")
    left.set_title("what a density costs")
    panel(right, [cell for cell in cells if cell.panel == "scatter"], 0.2)
    right.set_ylabel(f"standard deviation, nats: median and quartiles of {POINTS} points")
    right.set_title("how far an estimate scatters (dashed: its law)")
    right.set_yticks([0.1, 0.2, 0.5, 1, 2, 5])
    figure.suptitle(
        f"Two hidden layers of 64 units, random weights, {EVALUATIONS} evaluations (RK4)\n"
        f"float32, one thread of {processor_name()}",
        fontsize=10,
    )
    rows = [tuple(cell._replace(name=cell.name.replace("\n", " "))) for cell in cells]
    return Picture(figure, Table("exact_densities.csv", list(Cell._fields), rows))


def panel(axes: Any, cells: list[Cell], gap: float) -> None:
    """A line for each name, which stands beside its end."""
    lines = {name: [c for c in cells if c.name == name] for name in dict.fromkeys(c.name for c in cells)}
    axes.set(xscale="log", yscale="log", xlim=(1.7, 2500), xlabel="dimension D")
    for line, colour, marker in zip(lines.values(), COLOURS, MARKERS, strict=False):
        x, middle = [c.dim for c in line], np.array([c.median for c in line])
        bars = [middle - [c.low for c in line], [c.high for c in line] - middle]
        axes.errorbar(x, middle, bars, color=colour, marker=marker, markersize=5, capsize=2, linewidth=1)
        axes.plot(x, [c.expected for c in line], color=GREY, linestyle="--", linewidth=1, zorder=3)
    ends = sorted(zip(lines.items(), COLOURS, strict=False), key=lambda end: end[0][1][-1].median)
    heights = np.exp(spread_apart([np.log(line[-1].median) for (_, line), _ in ends], gap))
    for ((name, _), colour), height in zip(ends, heights, strict=True):
        axes.text(1.2 * DIMS[-1], height, name, color=colour, va="center")
    axes.set_xticks(DIMS, map(str, DIMS))
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")


if __name__ == "__main__":
    restart_without()
    if importlib.util.find_spec("zuko") is None:
        print("zuko is not installed: its line is left out")
    with on_one_thread(), house_style():
        save(drawn(list(measured())), Path(__file__).parent)
