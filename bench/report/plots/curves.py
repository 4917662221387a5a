"""Speed against dimension: what every operation takes for one sample, its limits, and where curves cross."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from seqgap.bench.analysis.scaling import Crossing, Curve, crossings, slopes
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases, compared, comparisons
from seqgap.bench.report.plots.limits import draw_limits
from seqgap.bench.report.plots.style import (
    FAINT,
    GREY,
    LIGHT,
    LINES,
    MARKERS,
    SHADES,
    End,
    Picture,
    footed,
    label_ends,
    plain_text,
)
from seqgap.bench.results.rows import Row, read_ceilings
from seqgap.bench.results.run import Measured, Run

_FIRST = ("python", "numpy", "numba")  # panels from slow to fast, as far as anyone can tell beforehand
_TITLE = 8.6  # inches that the title needs
_NOTE = (
    "bar: 95% interval of the median; band: 5 to 95% of the rounds; x: left out as too slow, estimated;"
    " ring: host disturbed; star: crossover D* whose interval ends within the picture\n"
    "grey: what this machine cannot beat, the chain where there are D dependent steps, and where the data"
    " of the smallest operation outgrow a cache"
)


class Kind(NamedTuple):
    """What all curves of one picture share."""

    dtype: str
    threads: int


def kinds(runs: Sequence[Run]) -> list[Kind]:
    """One for each picture, the main one first: float64, and the fewest threads."""
    found = {Kind(c.dtype, c.threads) for run in runs for c in run.measured}
    ordered = sorted(found, key=lambda kind: (kind.threads, kind.dtype != "float64", kind.dtype))
    return [kind for kind in ordered if any(_has_curves(run, kind) for run in runs)] or ordered[:1]


def _has_curves(run: Run, kind: Kind) -> bool:
    """Whether there is more than the few cells of a ladder."""
    return len({c.dim for c in run.measured if (c.dtype, c.threads) == kind}) > 1


class _Known(NamedTuple):
    """A run, and what follows from it, worked out once."""

    run: Run
    exponents: Mapping[Curve, Interval]
    crossings: Sequence[Crossing]


def _know(run: Run) -> _Known:
    return _Known(run, {s.curve: s.exponent for s in slopes(run)}, crossings(run))


def picture(runs: Sequence[Run], kind: Kind, stem: str) -> Picture:
    """The curves of one or more runs, which are told apart by line style."""
    known = [_know(run) for run in runs]
    head = (
        "run what operation impl dtype threads batch dim seconds_per_sample low high p5 p95"
        " samples_per_second exponent exponent_low exponent_high disturbed"
    )
    return Picture(stem, _figure(known, kind), head.split(), _lines(known, kind))


def _figure(known: Sequence[_Known], kind: Kind) -> Figure:
    runs = [run for run, *_ in known]
    cells = [c for run in runs for c in run.measured if (c.dtype, c.threads) == kind]
    shown = _shown(cells)
    batches = sorted({c.batch for c in cells if c.name in shown})
    batches = sorted({batches[0], batches[-1]})
    impls = _impls(runs, kind)
    figure = Figure(
        figsize=(max(1.2 + 4.9 * len(impls), _TITLE), 2 + 4.3 * len(batches)), layout="constrained"
    )
    grid = figure.subplots(len(batches), len(impls), sharex=True, sharey="row", squeeze=False)
    dims = sorted({c.dim for c in cells})
    for i, batch in enumerate(batches):
        panels = [_Panel(grid[i, j], known, kind, batch, impl, shown) for j, impl in enumerate(impls)]
        for panel in panels:
            panel.draw_curves()
        bottom, top = grid[i, 0].get_ylim()
        grid[i, 0].set_ylim(bottom / 1.5, top * 2)
        for panel in panels:
            panel.finish(dims)
        grid[i, 0].set_ylabel("seconds for one sample")
        right = grid[i, -1].secondary_yaxis("right", functions=(_reciprocal, _reciprocal))
        right.set_ylabel("samples for each second")
    for axes in grid[-1]:
        axes.set_xlabel("dimension D")
    plural = "s" * (kind.threads > 1)
    figure.suptitle(
        f"Cost of one sample against dimension ({kind.dtype}, {kind.threads} thread{plural})\n"
        "filled marker: D dependent steps; open marker: all dimensions at once; same colour: same model",
        fontsize=11,
    )
    return footed(figure, runs, _NOTE)


def _shown(cells: Sequence[Cell]) -> list[str]:
    """The operations that take part in a comparison; all where none does."""
    names = sorted({cell.name for cell in cells})
    return [name for name in names if name in compared()] or names


def _impls(runs: Sequence[Run], kind: Kind) -> list[str]:
    """Those with curves, else all: the others are rungs of the ladder, which has a picture of its own."""
    tried = [c for run in runs for c in (*run.measured, *(row.cell for row in run.left_out))]
    found = {c.impl for run in runs for c in run.measured if (c.dtype, c.threads) == kind}
    dims = {impl: {c.dim for c in tried if c.impl == impl} for impl in found}
    kept = {impl for impl in found if len(dims[impl]) > 1} or found
    return sorted(kept, key=lambda impl: (_FIRST.index(impl) if impl in _FIRST else len(_FIRST), impl))


def _model(name: str) -> str:
    """The stem of an operation, or the first of its matched pair: both directions are one model."""
    stem = name.split(".")[0]
    pairs = (
        {p.sequential.split(".")[0], p.parallel.split(".")[0]} for p in comparisons() if p.kind == "matched"
    )
    return min([stem, *(min(pair) for pair in pairs if stem in pair)])


def _reciprocal(values: Any) -> Any:
    with np.errstate(divide="ignore"):
        return 1 / np.asarray(values, float)


class _Panel:
    """One batch size and implementation."""

    def __init__(
        self, axes: Any, known: Sequence[_Known], kind: Kind, batch: int, impl: str, shown: Sequence[str]
    ) -> None:
        self._axes = axes
        self._known = known
        self._kind = kind
        self._batch = batch
        self._impl = impl
        self._shown = shown
        self._ends: dict[str, End] = {}
        axes.set(xscale="log", yscale="log", title=plain_text(f"{impl}, batch N = {batch}"))

    def draw_curves(self) -> None:
        """The curves of all runs; limits come after them."""
        for index, (run, exponents, _) in enumerate(self._known):
            for name in self._shown:
                points = self._points(run, name)
                if points:
                    self._curve(name, points, LINES[index % len(LINES)])
                    power = exponents.get(self._key(name))
                    self._end(name, points[-1], "" if power is None or index else f" {_power(power)}")
                self._too_slow(name, self._rows_left_out(run, name))

    def _key(self, name: str) -> Curve:
        return Curve(name, self._impl, self._kind.dtype, self._kind.threads, self._batch)

    def _mine(self, cell: Cell, name: str) -> bool:
        return Curve(cell.name, cell.impl, cell.dtype, cell.threads, cell.batch) == self._key(name)

    def _points(self, run: Run, name: str) -> list[Measured]:
        found = [m for m in run.measured.values() if self._mine(m.cell, name)]
        return sorted(found, key=lambda m: m.cell.dim)

    def _rows_left_out(self, run: Run, name: str) -> list[Row]:
        return [row for row in run.left_out if row.expected and self._mine(row.cell, name)]

    def _colour(self, name: str) -> str:
        models = sorted(set(map(_model, self._shown)))
        return SHADES[models.index(_model(name)) % len(SHADES)]

    def _curve(self, name: str, points: Sequence[Measured], line: str) -> None:
        stem, operation = name.split(".")
        colour, batch = self._colour(name), self._batch
        dims = [m.cell.dim for m in points]
        middle = np.array([m.seconds / batch for m in points])
        band = [[m.quantile(q) / batch for m in points] for q in (0.05, 0.95)]
        self._axes.fill_between(dims, *band, color=colour, alpha=0.15, linewidth=0)
        bars = [_bar(m) for m in points]
        filled = cases()[stem].operation(operation).sequential
        self._axes.errorbar(
            dims, middle, np.transpose(bars) / batch, linestyle=line, color=colour, linewidth=1.3,
            marker=MARKERS[self._shown.index(name) % len(MARKERS)], markersize=5,
            markerfacecolor=colour if filled else "white", capsize=2, elinewidth=1,
        )  # fmt: skip
        noisy = [(d, s) for d, s, m in zip(dims, middle, points, strict=True) if m.disturbed]
        self._axes.plot(*np.reshape(noisy, (-1, 2)).T, "o", mfc="none", mec=GREY, ms=10, mew=0.8)

    def _end(self, name: str, last: Measured, exponent: str) -> None:
        end = End(last.cell.dim, last.seconds / self._batch, name + exponent, self._colour(name))
        self._ends.setdefault(name, end)

    def _too_slow(self, name: str, rows: Sequence[Row]) -> None:
        dims, seconds = [r.cell.dim for r in rows], [r.expected / self._batch for r in rows]
        self._axes.plot(dims, seconds, "x", color=self._colour(name), markersize=6, alpha=0.7)

    def finish(self, dims: Sequence[int]) -> None:
        """All that needs the limits of the axes."""
        axes = self._axes
        wide = max(dims[-1] / dims[0], 2.0)
        left, right = dims[0] / 1.3, dims[-1] * wide**0.95 * 1.6  # room for the labels
        axes.set_xlim(left, right)
        axes.set_xticks(dims, _tick_labels(dims, right / left))
        axes.set_xticks([], minor=True)
        axes.grid(color=FAINT, linewidth=0.5)
        bottom, top = axes.get_ylim()
        if not self._ends:
            axes.text(0.5, 0.5, "left out:\ntoo slow", transform=axes.transAxes, ha="center", color=LIGHT)
            return
        _slope_guides(axes, dims[0], dims[-1])
        if self._impl.startswith("numba") and len(self._known) == 1:
            ceilings = read_ceilings(self._known[0].run.path)
            if ceilings is not None:
                draw_limits(axes, ceilings, self._cells, dims)
        for run, _, found in self._known:
            self._crossovers(run, found)
        label_ends(axes, list(self._ends.values()), dims[-1] * wide**0.05 * 1.1)
        axes.set_ylim(bottom, top)

    def _cells(self, dim: int) -> list[Cell]:
        names = (name.split(".") for name in self._shown)
        dtype, threads = self._kind
        return [Cell(stem, op, self._impl, dtype, dim, self._batch, threads) for stem, op in names]

    def _crossovers(self, run: Run, found: Sequence[Crossing]) -> None:
        """A star where a sequential curve passes a parallel one for certain, with the interval of D*."""
        for crossing in found:
            at, name = crossing.at, crossing.sequential.name
            if at is None or crossing.sequential != self._key(name) or name not in self._shown:
                continue
            if not 0 < at.low <= at.high < np.inf:  # curves that lie on each other cross somewhere by chance
                continue
            points = self._points(run, name)
            heights = np.log([m.seconds / self._batch for m in points])
            height = np.exp(np.interp(np.log(at.middle), np.log([m.cell.dim for m in points]), heights))
            self._axes.plot([at.low, at.high], [height] * 2, color="black", linewidth=1.5, alpha=0.6)
            self._axes.plot(
                at.middle, height, "*", color=self._colour(crossing.parallel), mec="black", mew=0.6, ms=11,
                zorder=5,
            )  # fmt: skip


def _tick_labels(dims: Sequence[int], wide: float) -> list[str]:
    """Every D that has room on an axis whose ends have this ratio, from the last one down; else empty."""
    gap = np.log(wide) * (0.012 + 0.019 * len(str(dims[-1])))  # of the font, in a panel of 4 inches
    named: list[int] = []
    for dim in reversed(dims):
        if not named or np.log(named[-1] / dim) >= gap:
            named.append(dim)
    return [str(dim) if dim in named else "" for dim in dims]


def _bar(measured: Measured) -> tuple[float, float]:
    """Lengths of the interval below and above the median; none from one process."""
    interval = measured.interval
    ends = (interval.middle - interval.low, interval.high - interval.middle)
    return tuple(np.nan_to_num(np.maximum(ends, 0.0)).tolist())


def _power(exponent: Interval) -> str:
    """The exponent with half the width of its interval; without it from one process."""
    half = (exponent.high - exponent.low) / 2
    return f"D^{exponent.middle:z.2f}" + ("" if np.isnan(half) else f"±{half:.2f}")


def _slope_guides(axes: Any, first: int, last: int) -> None:
    bottom, top = axes.get_ylim()
    start, highest = bottom * 1.5, top / 1.5
    for power, text in ((1, "∝ D"), (2, "∝ D²")):
        end = min(last, first * (highest / start) ** (1 / power))
        if end < 2 * first:  # too steep for these limits
            continue
        height = start * (end / first) ** power
        axes.plot([first, end], [start, height], ":", color=LIGHT, linewidth=1, zorder=0.5)
        axes.text(end, height, text, color=GREY, fontsize=7.5, ha="right", va="bottom")


def _lines(known: Sequence[_Known], kind: Kind) -> Iterator[Sequence[Any]]:
    for run, exponents, found in known:
        for m in run.measured.values():
            c = m.cell
            if (c.dtype, c.threads) != kind:
                continue
            power = exponents.get(Curve(c.name, c.impl, c.dtype, c.threads, c.batch))
            ends = [x / c.batch for x in (m.seconds, m.interval.low, m.interval.high)]
            more = [m.quantile(0.05) / c.batch, m.quantile(0.95) / c.batch, c.batch / m.seconds]
            powers = [power.middle, power.low, power.high] if power else [None] * 3
            yield run.path.name, "median", *_place(c), *ends, *more, *powers, m.disturbed
        for row in run.left_out:
            if row.expected and (row.cell.dtype, row.cell.threads) == kind:
                yield run.path.name, "left out", *_place(row.cell), row.expected / row.cell.batch
        for x in found:
            if (x.sequential.dtype, x.sequential.threads) == kind and x.at is not None:
                place = (f"{x.sequential.name} = {x.parallel}", *x.sequential[1:])
                yield run.path.name, "crossover", *place, x.at.middle, None, x.at.low, x.at.high


def _place(cell: Cell) -> tuple[Any, ...]:
    return cell.name, cell.impl, cell.dtype, cell.threads, cell.batch, cell.dim
