"""One picture a family, drawn from its plain-Python reference: what it shows follows from what that has."""

import functools
import importlib
import inspect
import io
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqgap.reference.normal import standard_normal

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"  # Okabe and Ito
SEED = 2
SMALL = {"width": 16, "depth": 1, "hidden": 8}  # of networks, at most: the reference is slow
STYLE: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"} | {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 110,
}  # fmt: skip

Draw = Callable[[ModuleType, list[Axes]], None]  # on two axes; its docstring is the caption


def drawn(stem: str) -> Figure:
    """The picture of a family."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.7), layout="constrained")
        rule(stem)(reference(stem), list(figure.subplots(1, 2)))
    return figure


def png(figure: Figure) -> bytes:
    """The file of a picture, with the same bytes each time."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def reference(stem: str) -> ModuleType:
    """The module that a family is drawn from."""
    return importlib.import_module(f"seqgap.reference.{stem}")


@functools.cache
def rule(stem: str) -> Draw:
    """How a family is drawn: the first rule that fits what its module has."""
    module = reference(stem)
    rules: tuple[tuple[Callable[[], bool], Draw], ...] = (
        (lambda: hasattr(module, "prdc"), neighbourhoods),
        (lambda: hasattr(module, "trajectory"), chains),
        (lambda: not hasattr(module, "random_params"), normals),
        (lambda: _has_images(module), images),
        (lambda: hasattr(module, "forward") and _is_a_series(module), series),
        (lambda: hasattr(module, "forward"), plane),
        (lambda: "length" in _options(module.sample), tokens),
        (lambda: _draws_bits(module), bits),
        (lambda: True, density),
    )
    return next(draw for fits, draw in rules if fits())


def _options(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def _has_images(module: ModuleType) -> bool:
    return "image_shape" in getattr(getattr(module, "Params", None), "_fields", ())


def _is_a_series(module: ModuleType) -> bool:
    """Whether the same parameters go with rows of any length."""
    return bool(module.random_params(2, SEED) == module.random_params(5, SEED))


def _draws_bits(module: ModuleType) -> bool:
    return isinstance(module.sample(1, _params(module, 4), SEED)[0][0], int)


def _params(module: ModuleType, dim: int, **more: Any) -> Any:
    """Random parameters, of small networks where there are any, and of `more` where these options exist."""
    known = inspect.signature(module.random_params).parameters
    passed_on = {"width", "depth"} if "options" in known else set()  # to another family's random_params
    small = {
        name: min(known[name].default, most) if name in known else most
        for name, most in SMALL.items()
        if name in known.keys() | passed_on
    }
    return module.random_params(dim, SEED, **small, **{k: v for k, v in more.items() if k in known})


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def plane(module: ModuleType, axes: list[Axes]) -> None:
    """`forward` of random parameters, D = 2: where a grid of latents and 200 normals go."""
    params = _params(module, 2)
    ticks, fine = np.linspace(-2, 2, 9), np.linspace(-2, 2, 25)
    lines = [[(t, f) for f in fine] for t in ticks] + [[(f, t) for f in fine] for t in ticks]
    points = standard_normal(200, 2, SEED)
    for ax, move in ((axes[0], lambda rows: rows), (axes[1], lambda rows: module.forward(rows, params)[0])):
        for number, line in enumerate(lines):
            ax.plot(*np.transpose(move([list(p) for p in line])), lw=1, color=(BLUE, ORANGE)[number // 9])
        ax.scatter(*np.transpose(move(points)), s=5, color="black", alpha=0.4, lw=0)
    _frame(axes[0], "latent z", "z₁", "z₂")
    _frame(axes[1], "data x", "x₁", "x₂")


def series(module: ModuleType, axes: list[Axes]) -> None:
    """`forward` of random parameters: a series of 600 steps, and the normals that drive it."""
    length, shown = 600, 80
    z = standard_normal(1, length, SEED)
    x, _ = module.forward(z, _params(module, length))
    for row, colour, name in ((z[0], GREY, "latent z"), (x[0], BLUE, "data x")):
        axes[0].plot(range(1, shown + 1), row[:shown], lw=1.2, color=colour, label=name)
    axes[0].legend(frameon=False, loc="upper right")
    axes[1].scatter(x[0][:-1], x[0][1:], s=6, color=BLUE, alpha=0.6, lw=0)
    _frame(axes[0], f"the first {shown} steps", "t", "")
    _frame(axes[1], f"{length} steps", "x at t - 1", "x at t")


def images(module: ModuleType, axes: list[Axes]) -> None:
    """`inverse` of random parameters: an image, one disc in each channel, and its latents."""
    channels, side = inspect.signature(module.random_params).parameters["channels"].default, 16
    params = _params(module, channels * side * side)
    place = np.linspace(-1, 1, side)
    down, right = np.meshgrid(place, place, indexing="ij")
    turns = [2 * math.pi * k / channels for k in range(channels)]
    x = [np.exp(-6 * ((down - 0.4 * math.sin(a)) ** 2 + (right - 0.4 * math.cos(a)) ** 2)) for a in turns]
    z, _ = module.inverse([np.ravel(x).tolist()], params)
    latent = np.reshape(z[0], (-1, side // 2, side // 2) if _squeezes(params) else (channels, side, side))
    for ax, tiles, name in ((axes[0], np.array(x), "image x"), (axes[1], latent, "latent z")):
        shown = ax.imshow(_mosaic(tiles), cmap="viridis")
        ax.set_axis_off()
        ax.set_title(f"{name}, {len(tiles)} channels of {tiles.shape[1]} x {tiles.shape[2]}", fontsize=10)
        ax.figure.colorbar(shown, ax=ax, shrink=0.7)


def _squeezes(params: Any) -> bool:
    """Whether z has other channels than x and is no flow of levels, whose latents lie where pixels do."""
    return hasattr(params, "order") and not hasattr(params, "levels")


def _mosaic(tiles: Any) -> Any:
    """Channels side by side, in a square as nearly as can be, with gaps between them."""
    columns = math.ceil(math.sqrt(len(tiles)))
    padded = [np.pad(tile, 1, constant_values=np.nan) for tile in tiles]
    padded += [np.full_like(padded[0], np.nan)] * (-len(padded) % columns)
    return np.vstack([np.hstack(padded[k : k + columns]) for k in range(0, len(padded), columns)])


def chains(module: ModuleType, axes: list[Axes]) -> None:
    """`trajectory`, D = 2: chains from their first states to their last."""
    states = np.array(_states(module, 100))  # (T + 1, N, 2)
    axes[0].plot(states[:, :12, 0], lw=0.8)
    for state, colour, name in ((states[0], GREY, "first"), (states[-1], BLUE, "last")):
        axes[1].scatter(*state.T, s=8, color=colour, label=f"{name} state")
    axes[1].legend(frameon=False)
    _frame(axes[0], "12 chains", "step", "x₁")
    _frame(axes[1], f"{states.shape[1]} chains", "x₁", "x₂")


def _states(module: ModuleType, count: int) -> Any:
    if hasattr(module, "random_params"):
        return module.trajectory(standard_normal(count, 2, SEED), _params(module, 2, steps=50), SEED)
    turns = np.linspace(0, 2 * math.pi, count, endpoint=False)  # data that are noised: a ring
    ring = np.transpose([2 * np.cos(turns), 2 * np.sin(turns)]).tolist()
    schedule = module.Schedule(module.linear_betas(100))
    noise = [standard_normal(count, 2, SEED, stream=t) for t in range(100)]
    return module.trajectory(ring, noise, schedule)


def tokens(module: ModuleType, axes: list[Axes]) -> None:
    """Random parameters of 12 tokens, and what 10 chains of 400 tokens have drawn."""
    count, length = 12, 400
    params = module.random_params(count, SEED, spread=1.5)
    rows = module.sample(10, params, SEED, length=length)
    pairs = np.zeros((count, count))
    for row in rows:
        np.add.at(pairs, (row[:-1], row[1:]), 1)
    known = np.array(params.probability)
    for ax, table, name in (
        (axes[0], known, "probability"),
        (axes[1], pairs / np.maximum(pairs.sum(1, keepdims=True), 1), "frequency"),
    ):
        shown = ax.imshow(table, cmap="viridis", vmin=0, vmax=known.max())
        ax.figure.colorbar(shown, ax=ax, shrink=0.8)
        _frame(ax, name, "next token", "token")


def bits(module: ModuleType, axes: list[Axes]) -> None:
    """Samples of random parameters, D = 16; black is 1."""
    rows = np.array(module.sample(400, _params(module, 16), SEED))
    axes[0].imshow(rows[:24], cmap="Greys", aspect="auto")
    axes[1].bar(range(rows.shape[1]), rows.mean(0), color=BLUE)
    axes[1].set_ylim(0, 1)
    for ax in axes:
        ax.set_xticks(range(0, rows.shape[1], 5))
    _frame(axes[0], "24 samples", "bit", "sample")
    _frame(axes[1], "400 samples", "bit", "share of ones")


def density(module: ModuleType, axes: list[Axes]) -> None:
    """Random parameters, D = 2: samples, and exp of `log_prob`."""
    params = _params(module, 2)
    x = np.array(module.sample(500, params, SEED))
    low, high = x.min(0) - 0.5, x.max(0) + 0.5
    across, up = (np.linspace(a, b, 60) for a, b in zip(low, high, strict=True))
    grid = [[a, b] for b in up.tolist() for a in across.tolist()]
    values = np.exp(module.log_prob(grid, params)).reshape(60, 60)
    axes[0].scatter(*x.T, s=6, color=BLUE, alpha=0.6, lw=0)
    axes[1].contourf(across, up, values, levels=12, cmap="viridis")
    for ax, name in ((axes[0], "500 samples"), (axes[1], "density p(x)")):
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        _frame(ax, name, "x₁", "x₂")


def normals(module: ModuleType, axes: list[Axes]) -> None:
    """`standard_normal`: two columns against each other, and all values beside their law."""
    x = np.array(module.standard_normal(3000, 2, SEED))
    axes[0].scatter(*x.T, s=4, color=BLUE, alpha=0.5, lw=0)
    axes[0].set_aspect("equal")
    axes[1].hist(x.ravel(), bins=40, density=True, color=GREY)
    place = np.linspace(-4, 4, 200)
    axes[1].plot(place, np.exp(-place * place / 2) / math.sqrt(2 * math.pi), color=ORANGE)
    _frame(axes[0], "3000 rows", "column 0", "column 1")
    _frame(axes[1], "their values, and the density of N(0, 1)", "value", "density")


def neighbourhoods(module: ModuleType, axes: list[Axes]) -> None:
    """`prdc` with k = 3: which points lie in balls around the data, and in balls around the sample."""
    real = np.array(standard_normal(40, 2, SEED))
    fake = 0.4 * np.array(standard_normal(40, 2, SEED, stream=1)) + [0.8, 0.0]
    scores = module.prdc(real.tolist(), fake.tolist(), 3)
    for ax, around, colour in ((axes[0], real, BLUE), (axes[1], fake, ORANGE)):
        for row in around:
            radius = sorted(np.linalg.norm(around - row, axis=1))[3]
            ax.add_patch(matplotlib.patches.Circle(tuple(row), radius, color=colour, alpha=0.08, lw=0))
        ax.scatter(*real.T, s=14, color=BLUE, label="data")
        ax.scatter(*fake.T, s=14, color=ORANGE, label="sample")
        ax.set_aspect("equal")
    axes[0].legend(frameon=False)
    _frame(axes[0], f"precision {scores.precision:.2f}, density {scores.density:.2f}", "x₁", "x₂")
    _frame(axes[1], f"recall {scores.recall:.2f}, coverage {scores.coverage:.2f}", "x₁", "x₂")
