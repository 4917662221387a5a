"""How long chains remember, measured and predicted: `python docs/forgetting.py`, a minute.

Writes forgetting.csv, .png and .svg beside this file. Each chain of 2^20 steps (float64) is made in blocks;
what each block redoes is set against (53 ln 2 + ln distance) / |lambda|, both of a trial of two starts.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgap import Flow
from seqgap.bench.report.plots.style import COLOURS, GREY, MARKERS, Picture, house_style, new_figure, save
from seqgap.bench.results.tables import Table
from seqgap.kernels import ar_process, rnn_ar
from seqgap.kernels.normal import standard_normal

STEPS = 2**20
POLES, GAINS, WIDTHS = (0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 1.0), (0.5, 0.9, 1.2, 2.0), (1, 2, 4, 8, 32)


class Chain(NamedTuple):
    """One chain; redone: steps of its blocks, the least, the median and the most."""

    family: str
    features: int
    strength: float  # pole, or gain of the weights
    lyapunov: float
    expected: float
    blocks: int
    least: float
    median: float
    most: float


def measured() -> Iterator[Chain]:
    """AR(1) processes by their pole, networks by the gain and the number of their features."""
    for pole in POLES:
        yield _chain("AR(1)", 1, pole, Flow(ar_process.Params(np.array([pole]), 0.0, 1.0), dim=STEPS))
    for features in WIDTHS:
        for gain in GAINS:
            weight = gain * standard_normal(features, features, 1) / np.sqrt(features)
            params = rnn_ar.Params(weight if features > 1 else np.array([[gain]]), *_drive(features))
            yield _chain("network", features, gain, Flow(params, dim=STEPS))


def _drive(features: int) -> tuple[Any, Any]:
    return np.zeros(features), np.full(features, 0.5)


def _chain(family: str, features: int, strength: float, flow: Flow) -> Chain:
    found = flow.forgetting(standard_normal(1, STEPS, 1))
    redone = found.redone[1:]
    quantiles = np.quantile(redone, (0, 0.5, 1)) if redone.size else np.full(3, np.nan)
    return Chain(family, features, strength, found.lyapunov, found.expected, len(found.redone), *quantiles)


def drawn(chains: list[Chain]) -> Picture:
    """Redone against expected; chains that went step by step are named below."""
    figure = new_figure(8, 6)
    axes: Any = figure.subplots()
    kinds = list(dict.fromkeys((chain.family, chain.features) for chain in chains))
    for kind, colour, marker in zip(kinds, COLOURS, MARKERS, strict=False):
        line = [c for c in chains if (c.family, c.features) == kind and c.blocks]
        if line:
            middle = np.array([c.median for c in line])
            bars = [middle - [c.least for c in line], [c.most for c in line] - middle]
            x = [c.expected for c in line]
            axes.errorbar(x, middle, bars, fmt=marker, color=colour, capsize=2)
            _name(axes, kind, x, middle, colour)
    axes.plot([10, 1e4], [10, 1e4], color=GREY, linewidth=1)
    axes.annotate("as expected", (5e3, 5e3), (-6, 6), textcoords="offset points", ha="right", color=GREY)
    axes.set(xscale="log", yscale="log", xlim=(10, 1e4), ylim=(10, 1e4))
    axes.set_xlabel("steps until 53 bits are forgotten: (53 ln 2 + ln distance) / |Lyapunov exponent|")
    axes.set_ylabel("steps that a block redoes: median, least and most")
    left = [f"{_label(kind)} ({count})" for kind in kinds if (count := _stepwise(chains, kind))]
    axes.set_title(f"2^20 steps in float64\nnot shown, as they go step by step: {', '.join(left) or 'none'}")
    return Picture(figure, Table("forgetting.csv", list(Chain._fields), [tuple(chain) for chain in chains]))


def _label(kind: tuple[str, int]) -> str:
    family, features = kind
    return family if family == "AR(1)" else f"network, {features} feature{'s' * (features > 1)}"


def _stepwise(chains: list[Chain], kind: tuple[str, int]) -> str:
    """How many of a kind went step by step, if any did."""
    blocks = [chain.blocks for chain in chains if (chain.family, chain.features) == kind]
    return f"{blocks.count(0)} of {len(blocks)}" if 0 in blocks else ""


def _name(axes: Any, kind: tuple[str, int], x: list[float], y: Any, colour: str) -> None:
    at = int(np.argmax(x))
    axes.annotate(_label(kind), (x[at], y[at]), (8, -4), textcoords="offset points", color=colour)


if __name__ == "__main__":
    with house_style():
        save(drawn(list(measured())), Path(__file__).parent)
