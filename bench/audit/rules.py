"""The checks of an audit: each takes a run and gives a verdict with its evidence.

Titles are the rules of Hoefler and Belli (SC15) in other words, numbered as there.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.run import Run, timed_run
from seqgap.bench.audit import Finding, Outcome, judge, not_applicable, some
from seqgap.bench.audit.parallel import timing
from seqgap.bench.audit.setup import bounds, pictures, setup, value
from seqgap.bench.audit.statistics import intervals_given, meaningful_centre, normality
from seqgap.bench.audit.tables import reported
from seqgap.bench.model.cell import Cell
from seqgap.bench.results.tables import Table

_NO_RATIOS = "no two of the timed cells are compared"
_NEIGHBOURS = 0.95  # of compared pairs that must have been measured in one block; a stopped run breaks some


def _tables(run: Run) -> str:
    """What is wrong with the tables: ratios, costs and rates are made of the rows, or nothing is known."""
    return some(reported(run), "lines of tables that the rows do not give")


def _ratios(run: Run) -> int:
    return len(gaps(run)) + len(rankings(run))


def base_of_speedups(run: Run) -> Outcome:
    """Every ratio has both times in seconds, those of the rows; threads are compared with one thread."""
    many = [cell for cell in run.measured if cell.threads > 1]
    if not (_ratios(run) or many or _tables(run)):
        return not_applicable(_NO_RATIOS)
    known = run.measured.keys() | {row.cell for row in run.left_out}
    serial = 1 in run.options.threads
    alone = [cell for cell in many if serial and replace(cell, threads=1) not in known]
    based = sum(replace(cell, threads=1) in run.measured for cell in many)
    return judge(
        [_tables(run), some(alone, "cells of several threads without their base")],
        f"{_ratios(run)} ratios, each with the seconds of both sides",
        f"{based} of {len(many)} cells on several threads have their base, the same operation run serially"
        if many else "",
    )  # fmt: skip


def completeness(run: Run) -> Outcome:
    """Every planned cell has a row of every process, or the reason why not."""
    reasons = {row.cell: row for row in run.left_out}
    explained = {str(cell) for cell in reasons}
    timed = {(str(row.cell), row.process) for row in run.rows if row.status == "ok"}
    cells = dict.fromkeys((*run.operations.cells, *(str(row.cell) for row in run.rows)))
    missing = [
        f"{cell} in process {process}"
        for cell in cells
        for process in range(run.options.processes)
        if cell not in explained and (cell, process) not in timed
    ]
    silent = [cell for cell, row in reasons.items() if not row.reason]
    skipped = sum(row.status == "skipped" for row in reasons.values())
    known = value(run.environment, "machine.threads")
    return judge(
        [
            some(run.damaged, "lines that cannot be read"),
            some(missing, "planned measurements without a row"),
            some(silent, "cells left out without a reason"),
        ],
        f"{len(cells)} cells planned: {len(run.measured)} timed in {run.processes} processes,"
        f" {skipped} skipped and {len(reasons) - skipped} failed with their reasons",
        f"{len(run.operations.operations)} of {run.operations.available} operations"
        f" (case: {' '.join(run.options.case)})",
        f"{max(run.options.threads)} of {known or 'unknown'} hardware threads used",
    )


def costs_and_rates(run: Run) -> Outcome:
    """A cost for each sample is the seconds of the call over N; a rate is N over these seconds."""
    if not (_ratios(run) or _tables(run)):
        return not_applicable("no table gives a cost for each sample, or a rate")
    return judge([_tables(run)], "costs for each sample and rates are total seconds and samples, divided")


def no_averaged_ratios(run: Run) -> Outcome:
    """A ratio is that of its two times, of the processes that measured both."""
    if not (_ratios(run) or _tables(run)):
        return not_applicable(_NO_RATIOS)
    return judge([_tables(run)], f"{_ratios(run)} ratios, each of the times of one pair")


def sound_comparisons(run: Run) -> Outcome:
    """Ratios have intervals from pairs of neighbours in time."""
    if not (_ratios(run) or _tables(run)):
        return not_applicable(_NO_RATIOS)
    ratios = [*(gap.ratio for gap in gaps(run)), *(ranking.ratio for ranking in rankings(run))]
    open_ended = sum(not ratio.known for ratio in ratios)
    beside, count = _neighbours(run)
    return judge(
        [
            _tables(run),
            f"{open_ended} ratios without an interval" if open_ended else "",
            "" if beside >= _NEIGHBOURS * count else "compared cells were not neighbours in time",
        ],
        f"{len(ratios)} ratios with intervals over processes, each interval for itself",
        f"{beside} of {count} sequential-parallel pairs measured in one block" if count else "",
        _host(run),
    )


def _host(run: Run) -> str:
    if not run.probes:
        return "no probe of the host"
    low, high = run.drift()
    disturbed = sum(measured.disturbed for measured in run.measured.values())
    return (
        f"{len(run.probes)} probes of the host, {low:+.1%} to {high:+.1%} around their median,"
        f" {disturbed} cells near a slow one"
    )


def _neighbours(run: Run) -> tuple[int, int]:
    """(pairs whose cells have only cells of their D, N and threads between them, all pairs)."""
    block: dict[tuple[Cell, int], int] = {}
    last = {(row.cell, row.process): row for row in run.rows if row.status == "ok" and row.started > 0}
    ordered = sorted(last.values(), key=lambda row: (row.process, row.started))
    stretches = itertools.groupby(
        ordered, key=lambda row: (row.process, row.cell.dim, row.cell.batch, row.cell.threads)
    )
    for index, (_, rows) in enumerate(stretches):
        block |= {(row.cell, row.process): index for row in rows}
    together = [
        (row.cell, row.process) in block
        and block[row.cell, row.process] == block.get((gap.parallel.cell, row.process))
        for gap in gaps(run)
        for row in gap.sequential.rows
    ]
    return sum(together), len(together)


Check: TypeAlias = Callable[[Run], Outcome]

RULES: tuple[tuple[str, Check], ...] = (
    ("Speed-ups name their base and its absolute time", base_of_speedups),
    ("What was left out is named, with the reason", completeness),
    ("Costs are summed; rates are totals", costs_and_rates),
    ("Ratios are not averaged", no_averaged_ratios),
    ("Times that vary have confidence intervals", intervals_given),
    ("A normal distribution is not assumed unseen", normality),
    ("Comparisons are statistically sound", sound_comparisons),
    ("The median is shown to be meaningful", meaningful_centre),
    ("Machine, software and settings are documented", setup),
    ("Parallel timing says how it was taken", timing),
    ("Upper bounds of performance are shown", bounds),
    ("Pictures show what is needed to read them", pictures),
)


def audit(results: Path | Run) -> list[Finding]:
    """The twelve findings of a result folder; ResultError where it is none or nothing was timed."""
    run = timed_run(results) if isinstance(results, Path) else results
    return [Finding(rule, title, *check(run)) for rule, (title, check) in enumerate(RULES, 1)]


def table(findings: Sequence[Finding]) -> Table:
    """Findings, a line each."""
    return Table("audit", Finding._fields, findings)
