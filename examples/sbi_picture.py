"""The picture of sbi_posterior.py: samples of both libraries, and whether ranks are uniform."""

from typing import Any

import numpy as np
from scipy import stats

from seqgap.bench.report.plots.style import COLOURS, FAINT, GREY, MARKERS, Picture, new_figure
from seqgap.bench.results import tables

BINS = 20


def picture(own: Any, library: Any, ranks: Any, ranked: int) -> Picture:
    """Samples (N, 2) of one posterior by both, and the ranks (B, D) of true parameters among samples."""
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    for x, label, number in ((library, "sbi", 1), (own, "seqgap", 0)):
        left.plot(
            x[:, 0], x[:, 1], MARKERS[number], markersize=3, alpha=0.35, color=COLOURS[number], label=label,
            markeredgewidth=0,
        )  # fmt: skip
    left.legend(frameon=False, markerscale=2)
    left.set(title="2,000 samples of one posterior each", xlabel="first parameter", ylabel="second parameter")
    counts = np.array([np.histogram(column, BINS, (0, ranked + 1))[0] for column in ranks.T])
    band(right, len(ranks))
    middles = (np.arange(BINS) + 0.5) / BINS
    for number, line in enumerate(counts):
        right.plot(middles, line, MARKERS[number], color=COLOURS[number], linestyle="-", linewidth=1)
        right.annotate(
            f"parameter {number + 1}", (middles[-1], line[-1]), (6, 0), textcoords="offset points",
            color=COLOURS[number], va="center", annotation_clip=False,
        )  # fmt: skip
    right.set(
        title=f"{len(ranks):,} true parameters among {ranked:,} samples each",
        xlabel="rank, as a part of the samples", ylabel=f"how many of {len(ranks):,}", xlim=(0, 1.25),
        ylim=(0, None),
    )  # fmt: skip
    head = ["parameter", "bin", "count"]
    lines = [(d + 1, b, int(n)) for d, row in enumerate(counts) for b, n in enumerate(row)]
    return Picture(figure, tables.Table("sbi_posterior.csv", head, lines))


def band(axes: Any, count: int) -> None:
    """Where 99% of uniform ranks are, in each bin."""
    low, high = stats.binom.ppf([0.005, 0.995], count, 1 / BINS)
    axes.axhspan(low, high, color=FAINT)
    axes.annotate(
        "99% of\nuniform ranks",
        (1.24, high),
        (0, -3),
        textcoords="offset points",
        color=GREY,
        ha="right",
        va="top",
    )
