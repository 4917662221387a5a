"""The tables behind the curves: every median, what was left out, and the crossovers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqgap.bench.analysis.run import Run, once
from seqgap.bench.analysis.scaling import Curve, crossings, slopes
from seqgap.bench.results.rows import Row
from seqgap.bench.results.tables import Table, Value

_SIZE = ("operation", "impl", "dtype", "threads", "batch", "dim")
_HEAD = (
    "run", "what", *_SIZE, "seconds_per_sample", "low", "high", "p5", "p95", "samples_per_second",
    "exponent", "exponent_low", "exponent_high", "disturbed",
)  # fmt: skip


class Kind(NamedTuple):
    """What all curves of one picture share."""

    dtype: str
    threads: int


def kinds(runs: Sequence[Run]) -> dict[str, Kind]:
    """One for each picture by its name, the main one first: float64, and the fewest threads."""
    timed = {Kind(c.dtype, c.threads) for run in runs for c in run.measured}
    ordered = sorted(timed, key=lambda kind: (kind.threads, kind.dtype != "float64", kind.dtype))
    shown = [kind for kind in ordered if any(_has_curves(run, kind) for run in runs)] or ordered[:1]
    return {f"curves-{k.dtype}-t{k.threads}" if index else "curves": k for index, k in enumerate(shown)}


def _has_curves(run: Run, kind: Kind) -> bool:
    """Whether there is more than the few cells of a ladder."""
    return len({c.dim for c in run.measured if (c.dtype, c.threads) == kind}) > 1


@once
def too_slow(run: Run) -> dict[Curve, list[Row]]:
    """The rows of cells that were left out with an estimate of their time."""
    groups: dict[Curve, list[Row]] = {}
    for row in run.left_out:
        if row.expected:
            groups.setdefault(Curve.of(row.cell), []).append(row)
    return groups


def table(runs: Sequence[Run], name: str) -> Table:
    """curves.csv and its like, by the name of the picture; `run` is the name of the folder."""
    kind = kinds(runs)[name]
    return Table(f"{name}.csv", _HEAD, [(run.name, *line) for run in runs for line in _lines(run, kind)])


def _exponent(run: Run, curve: Curve, dim: int) -> Sequence[Value]:
    """The local exponent up to this D, with its ends; nothing at the first."""
    known = (slope.exponent.columns for slope in slopes(run)[curve] if slope.last == dim)
    return next(known, (None,) * 3)


def _lines(run: Run, kind: Kind) -> Iterator[Sequence[Value]]:
    for m in run.measured.values():
        curve, batch = Curve.of(m.cell), m.cell.batch
        if (curve.dtype, curve.threads) == kind:
            more = m.quantile(0.05) / batch, m.quantile(0.95) / batch, batch / m.seconds
            power = _exponent(run, curve, m.cell.dim)
            yield "median", *m.cell.columns(*_SIZE), *m.per_sample.columns, *more, *power, m.disturbed
    for row in run.left_out:
        if row.expected and (row.cell.dtype, row.cell.threads) == kind:
            yield "left out", *row.cell.columns(*_SIZE), row.expected / row.cell.batch
    for _, sequential, parallel, _, _, at in crossings(run):
        if (sequential.dtype, sequential.threads) == kind and at is not None:
            names = f"{sequential.name} = {parallel}"
            yield "crossover", names, *sequential[1:], at.middle, None, at.low, at.high
