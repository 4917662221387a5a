"""What got slower or faster between two runs, cell by cell."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from seqgap.bench.analysis.ratio import Side, side
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.statistics import (
    FEWEST,
    LEVEL,
    ROUNDING,
    Array,
    Interval,
    Part,
    around,
    half_widths,
    log_variances,
    moderate,
    p_values,
    split,
)
from seqgap.bench.model.cell import COLUMNS, Cell
from seqgap.bench.results.rows import ResultError
from seqgap.bench.results.tables import Table

CHANGE_MARGIN = 0.03  # differences up to it do not matter
PROBE_MARGIN = 0.02  # a host that got so much slower or faster is named
CORRECTION = "Benjamini-Hochberg at 5%, intervals adjusted for the false coverage rate"
_RATE = 1 - LEVEL  # of false discoveries

Verdict: TypeAlias = Literal["slower", "faster", "same", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("slower", "faster", "same", "undecided")


class Change(NamedTuple):
    """One cell in two runs; ratio is the seconds of the new over those of the old, above 1 = slower.

    The interval has no ends where one of the runs has the cell from one process only.
    """

    cell: Cell
    verdict: Verdict
    ratio: Interval


class _Differences(NamedTuple):
    """log(new / old) of some cells, and what its variance is made of."""

    cells: Sequence[Cell]
    logs: Array
    parts: Sequence[Part]


def changes(old: Run, new: Run, margin: float = CHANGE_MARGIN) -> list[Change]:
    """Every cell that both runs have.

    slower, faster: Benjamini and Hochberg's procedure at 5% over all cells rejects that the times are
    equal, and the interval reaches outside [1 / (1 + margin), 1 + margin]. Its level is then 1 - 0.05 R / m
    for R rejections among m cells (Benjamini and Yekutieli 2005, False discovery rate-adjusted multiple
    confidence intervals), so that it excludes 1. same: the interval lies inside; of 95%, unless equality was
    rejected. undecided: all others, with intervals of 95%.

    Found at the full profile (5 processes against 5): 95% of the cells that got 5% slower, a tenth of some
    thousand, where the logs of a cell's medians have a standard deviation between processes of up to 1.6%
    (where it varies from cell to cell by a factor of 1.35: 1.3% for the median cell; of 1.65: 0.9%). What
    differs between the runs as a whole and not between the processes of one (a busier host, another clock)
    cannot be told from a change of the code.
    ResultError where a run has one process, or none of the cells is in both.
    """
    for run in (old, new):
        if run.processes < 2:
            raise ResultError(
                f"{run.path}: {run.processes} process; a comparison needs 2 or more in each run"
            )
    both = [cell for cell in new.measured if cell in old.measured]
    if not both:
        raise ResultError(f"{old.path} and {new.path}: no timed cell in both")
    decided = {change.cell: change for change in _decided(list(_differences(old, new, both)), margin)}
    return [decided.get(cell) or _from_one_process(old, new, cell) for cell in both]


def change_table(old: Run, new: Run, changed: Sequence[Change]) -> Table:
    """change.csv: a line for each cell, with the names of both folders."""
    head = ["old", "new", *COLUMNS, "old_seconds", "new_seconds", "ratio", "low", "high", "verdict"]
    lines = [
        (
            old.name, new.name, *change.cell.columns(),
            old.measured[change.cell].seconds, new.measured[change.cell].seconds,
            *change.ratio.columns, change.verdict,
        )
        for change in changed
    ]  # fmt: skip
    return Table("change.csv", head, lines)


def visible(changed: Sequence[Change]) -> float:
    """The relative change that is seen in half of the cells: half the width of the interval in the middle."""
    widths = [np.sqrt(c.ratio.high / c.ratio.low) - 1 for c in changed if c.ratio.known]
    return float(np.median(widths)) if widths else np.inf


def _differences(old: Run, new: Run, cells: Sequence[Cell]) -> Iterator[_Differences]:
    """The cells in groups with as many processes in either run; none with one alone."""

    def counts(cell: Cell) -> tuple[int, int]:
        return len(old.measured[cell].rows), len(new.measured[cell].rows)

    for count, group in groupby(sorted(cells, key=counts), counts):
        if min(count) > 1:
            cells = list(group)
            before, after = (np.array([run.measured[cell].logs for cell in cells]) for run in (old, new))
            logs = after.mean(axis=1) - before.mean(axis=1)
            yield _Differences(cells, logs, difference_parts(before, after))


def difference_parts(old: Array, new: Array) -> list[Part]:
    """The variance of mean(new) - mean(old) for each cell; arrays of (cells, processes).

    A cell has one variance for both runs, up to a factor common to all cells, for one run may have met a
    noisier host: twice the degrees of freedom. In simulations of two equal runs of 3 processes, their cells
    unequally noisy (factor 1.65), something was slower or faster in 3% of the comparisons; with variances
    moderated in each run for itself, in 16%. Fewer than 5 cells show no common factor: there each run has
    its own variances, as Welch has it.
    """
    (own_old, common_old), (own_new, common_new) = split(old), split(new)
    few, many = old.shape[1], new.shape[1]
    common = [common_old / few, common_new / many]
    usable = (own_old > ROUNDING) & (own_new > ROUNDING)
    if usable.sum() < FEWEST:
        return [Part(own_old, few - 1) / few, Part(own_new, many - 1) / many, *common]
    logs = log_variances(own_new[usable], many - 1) - log_variances(own_old[usable], few - 1)
    noisier = float(np.exp(logs.mean()))
    freedom = few + many - 2
    pooled = moderate(((few - 1) * own_old + (many - 1) * own_new / noisier) / freedom, freedom)
    return [Part(pooled.variance * (1 / few + noisier / many), pooled.freedom), *common]


def _decided(groups: Sequence[_Differences], margin: float) -> list[Change]:
    if not groups:
        return []
    p = np.concatenate([p_values(group.logs, group.parts) for group in groups])
    rejected = np.asarray(stats.false_discovery_control(p)) <= _RATE
    adjusted = 1 - _RATE * max(int(rejected.sum()), 1) / len(p)
    cells = [cell for group in groups for cell in group.cells]
    logs = np.concatenate([group.logs for group in groups])
    half, wide = (
        np.concatenate([half_widths(group.parts, level) for group in groups]) for level in (LEVEL, adjusted)
    )
    ratios = around(logs, np.where(rejected, wide, half))
    verdicts: dict[Side, Verdict] = {"same": "same", "undecided": "undecided"}
    if_different: dict[Side, Verdict] = verdicts | {"above": "slower", "below": "faster"}
    return [
        Change(cell, (if_different if differs else verdicts).get(side(ratio, margin), "undecided"), ratio)
        for cell, differs, ratio in zip(cells, rejected.tolist(), ratios, strict=True)
    ]


def _from_one_process(old: Run, new: Run, cell: Cell) -> Change:
    ratio = new.measured[cell].seconds / old.measured[cell].seconds
    return Change(cell, "undecided", Interval(np.nan, ratio, np.nan))


_MACHINE = (
    "cpu", "cores", "threads", "memory_gib", "system", "caches", "governor", "turbo", "affinity", "cgroup",
    "vector_bytes",
)  # fmt: skip
_OF_THREADS = ("variables", "blas", "thread_pools", "garbage_collector")


def machine_differences(old: Run, new: Run) -> list[str]:
    """One line for each thing that both runs know of their machine, and that is not the same.

    The versions of everything but seqgap itself are among them, and the speed of the host, as the median
    of the probes of the runs.
    """
    first, second = old.environment, new.environment
    lines = _differing("", first, second, _OF_THREADS)
    for block in ("machine", "versions"):
        before, after = first.get(block), second.get(block)
        if isinstance(before, dict) and isinstance(after, dict):
            keys = _MACHINE if block == "machine" else [k for k in after if k != "seqgap"]
            lines += _differing(f"{block}: ", before, after, keys)
    return lines + _host(old, new)


def _differing(prefix: str, before: dict[str, Any], after: dict[str, Any], keys: Sequence[str]) -> list[str]:
    return [
        f"{prefix}{key} was {_short(before[key])}, is {_short(after[key])}"
        for key in keys
        if None not in (before.get(key), after.get(key)) and _key(before[key]) != _key(after[key])
    ]


def _key(value: Any) -> Any:
    """Lists are compared without their order: libraries come in that of their loading."""
    return sorted(map(repr, value)) if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _host(old: Run, new: Run) -> list[str]:
    if not (old.probes and new.probes):
        return []
    before, after = (np.median([probe.seconds for probe in run.probes]) for run in (old, new))
    ratio = float(after / before)
    if abs(np.log(ratio)) <= np.log1p(PROBE_MARGIN):
        return []
    return [f"host: a fixed piece of work took {ratio:.3g} times as long; changes of that size may be its"]
