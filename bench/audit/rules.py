"""The checks of an audit: each takes a run and gives a verdict with its evidence.

Titles are the rules of Hoefler and Belli (SC15) in other words, numbered as there.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from seqgap.bench.analysis.gap import pairs
from seqgap.bench.audit.parallel import timing
from seqgap.bench.audit.setup import bounds, pictures, setup
from seqgap.bench.audit.statistics import intervals_given, meaningful_centre, normality
from seqgap.bench.audit.tables import GAPS, PEERS, expected_ratios, given_ratios, near, number, tables
from seqgap.bench.audit.verdict import Outcome, judge, not_applicable, some
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases
from seqgap.bench.plan.cells import plan, planned
from seqgap.bench.plan.options import LADDER
from seqgap.bench.results.run import Run, drift

_NO_RATIOS = f"no two of the timed cells are compared in {GAPS} or {PEERS}"
_NEIGHBOURS = 0.95  # of compared pairs that must have been measured in one block; a stopped run breaks some


def base_of_speedups(run: Run) -> Outcome:
    """Every ratio has both times in seconds, those of the rows; threads are compared with one thread."""
    expected, given = expected_ratios(run), given_ratios(run)
    many = [cell for cell in run.measured if cell.threads > 1]
    if not expected and not given and not many:
        return not_applicable(_NO_RATIOS)
    wrong = [
        name
        for name in expected.keys() & given.keys()
        if not near(given[name].first, expected[name].first)
        or not near(given[name].second, expected[name].second)
    ]
    known = run.measured.keys() | {row.cell for row in run.left_out}
    serial = 1 in run.options.threads
    alone = [cell for cell in many if serial and replace(cell, threads=1) not in known]
    based = sum(replace(cell, threads=1) in run.measured for cell in many)
    return judge(
        [
            some(sorted(expected.keys() - given.keys()), "comparisons without a line in the tables"),
            some(sorted(given.keys() - expected.keys()), "lines of the tables without timed cells"),
            some(sorted(wrong), "lines with other seconds than the rows give"),
            some(alone, "cells of several threads without their base"),
        ],
        f"{len(given)} ratios, each with the seconds of both sides",
        f"{based} of {len(many)} cells on several threads have their base, the same operation run serially"
        if many else "",
    )  # fmt: skip


def completeness(run: Run) -> Outcome:
    """Every planned cell has a row of every process, or the reason why not."""
    reasons = {row.cell: row for row in run.rows if row.status != "ok"}
    timed = {(row.cell, row.process) for row in run.rows if row.status == "ok"}
    cells = _planned(run)
    missing = [
        f"{cell} in process {process}"
        for cell in cells
        for process in range(run.options.processes)
        if cell not in reasons and (cell, process) not in timed
    ]
    silent = [cell for cell, row in reasons.items() if not row.reason]
    skipped = sum(row.status == "skipped" for row in reasons.values())
    names = {cell.name for cell in cells}
    every = sum(operation.timed for case in cases().values() for operation in case.operations)
    return judge(
        [
            some(run.damaged, "lines that cannot be read"),
            some(missing, "planned measurements without a row"),
            some(silent, "cells left out without a reason"),
        ],
        f"{len(cells)} cells planned: {len(run.measured)} timed in {run.processes} processes,"
        f" {skipped} skipped and {len(reasons) - skipped} failed with their reasons",
        f"{len(names)} of {every} operations (case: {' '.join(run.options.case)})",
        f"{max(run.options.threads)} of {_machine(run, 'threads')} hardware threads used",
    )


def _planned(run: Run) -> list[Cell]:
    """Every cell that the options ask for, and the ladder's, whose threads are those of the run's machine."""
    asked = planned(run.options) if run.options.profile == LADDER else plan(run.options)
    return list(dict.fromkeys([*asked, *(row.cell for row in run.rows)]))


def _machine(run: Run, key: str) -> object:
    machine = run.environment.get("machine")
    return machine.get(key, "unknown") if isinstance(machine, dict) else "unknown"


def costs_and_rates(run: Run) -> Outcome:
    """A cost for each sample is the seconds of the call over N; a rate is N over these seconds."""
    wrong, count = [], 0
    for table in tables(run.path):
        for line_number, line in enumerate(table.lines, 2):
            for given, expected in _derived(line):
                count += 1
                if not near(given, expected):
                    wrong.append(f"{table.path.name}:{line_number}")
    if not count and not expected_ratios(run):
        return not_applicable("no table gives a cost for each sample, or a rate")
    return judge(
        ["" if count else f"{GAPS}: missing", some(wrong, "lines whose figures are not totals")],
        f"{count} costs for each sample and rates equal total seconds and total samples divided",
    )


def _derived(line: dict[str, str]) -> list[tuple[float, float]]:
    """(total made of what a line derives, total) for its costs of one sample and its rates."""
    found = []
    for key, text in line.items():
        sample = f"{key.removesuffix('call')}sample" if key and key.endswith("_per_call") else ""
        if sample in line and "batch" in line:
            found.append((number(line[sample]) * number(line["batch"]), number(text)))
    if line.get("samples_per_second") and line.get("seconds_per_sample"):
        found.append((number(line["samples_per_second"]) * number(line["seconds_per_sample"]), 1.0))
    return found


def no_averaged_ratios(run: Run) -> Outcome:
    """A ratio is that of its two times, or of the times of the processes that measured both."""
    expected, given = expected_ratios(run), given_ratios(run)
    if not expected and not given:
        return not_applicable(_NO_RATIOS)
    averaged = [
        name
        for name, ratio in given.items()
        if not near(ratio.ratio * ratio.second, ratio.first)
        and not (name in expected and near(ratio.ratio, expected[name].ratio))
    ]
    return judge(
        [
            "" if given else "no ratio in the tables",
            some(averaged, "ratios that are not those of their times"),
        ],
        f"{len(given) - len(averaged)} ratios are the quotients of the two times beside them",
    )


def sound_comparisons(run: Run) -> Outcome:
    """Ratios have intervals from pairs of neighbours in time."""
    expected, given = expected_ratios(run), given_ratios(run)
    if not expected and not given:
        return not_applicable(_NO_RATIOS)
    wrong = [
        name
        for name, ratio in given.items()
        if name in expected
        and not (near(ratio.low, expected[name].low) and near(ratio.high, expected[name].high))
    ]
    beside, count = _neighbours(run)
    return judge(
        [
            "" if given else "no ratio in the tables",
            some(wrong, "ratios without the interval that the pairs give"),
            "" if beside >= _NEIGHBOURS * count else "compared cells were not neighbours in time",
        ],
        f"{len(given)} ratios with intervals over processes, each interval for itself",
        f"{beside} of {count} sequential-parallel pairs measured in one block" if count else "",
        _host(run),
    )


def _host(run: Run) -> str:
    if not run.probes:
        return "no probe of the host"
    low, high = drift(run.probes)
    disturbed = sum(found.disturbed for found in run.measured.values())
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
    found = [
        (row.cell, row.process) in block
        and block[row.cell, row.process] == block.get((other.cell, row.process))
        for _, one, other in pairs(run)
        for row in one.rows
    ]
    return sum(found), len(found)


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
