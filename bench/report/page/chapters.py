"""The chapters of the page: their sentences, charts and tables, in the order of a reader's questions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seqgap.bench.analysis.compare import CORRECTION, VERDICTS, Change, machine_differences, visible
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.page import records, tables
from seqgap.bench.report.page.charts import quality, ratios, times
from seqgap.bench.report.page.charts.common import Spec
from seqgap.bench.report.page.choices import Choice, Choices
from seqgap.bench.report.page.records import Record
from seqgap.bench.report.page.tables import PageTable
from seqgap.bench.results.tables import Table


class Chart(NamedTuple):
    """A chart with what it shows, and what is chosen for it alone."""

    name: str
    spec: Spec
    caption: str
    choice: Choice | None = None


class Chapter(NamedTuple):
    """A heading with what stands below it."""

    name: str
    title: str
    texts: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[PageTable] = ()


class Before(NamedTuple):
    """An earlier run, and what has changed since."""

    run: Run
    changes: Sequence[Change]


_CAPTIONS = {
    "gap": "Time of one at a time over time of all at once; ribbon: 95% interval; dashed: no gap.",
    "causes": "From the slowest way (right) to the best (left). Each piece is as long as its factor, which is"
    " written on it; a thin piece below a bar is a step that made it slower.",
    "forest": "Every pair at every size, compiled or your own; line: 95% interval. Where it crosses 1, no gap"
    " is seen.",
    "curves": "Filled and solid: one at a time; open and dashed: all at once; bar: 95% interval.",
    "peers": "1 is the fastest of each size; above it, how many times its time.",
    "changes": "New time over old time; line: its interval.",
    "probes": "A fixed piece of work between the cells; level: a steady machine.",
    "offsets": "What intervals are made of; line: 90% of the cells, bar: half of them, mark: their middle.",
}


def _chart(name: str, spec: Spec, choice: Choice | None = None) -> Chart:
    return Chart(name, spec, _CAPTIONS[name], choice)


def chapters(run: Run, choices: Choices, audited: Table | None, before: Before | None) -> list[Chapter]:
    """Those that a run has something for; the verdict and how to read it are the page's own."""
    known = [_gap(run, choices), _causes(run, choices), _forest(run, choices), _curves(run, choices)]
    known += [
        _peers(run, choices),
        _changes(run, before),
        _cells(run),
        _quality(run, audited),
        _ceilings(run),
    ]
    return [chapter for chapter in known if chapter]


def _axis(run: Run) -> str:
    """What the sizes of the compared operations count."""
    axes = sorted({operation.axis for operation in run.operations.operations.values()})
    return ", ".join("dimension D" if axis == "D" else axis for axis in axes[:3]) + ", ..." * (len(axes) > 3)


def _gap(run: Run, choices: Choices) -> Chapter | None:
    if not records.gaps(run):
        return None
    chart = _chart("gap", ratios.gap(choices.impls, _axis(run), choices.values))
    return Chapter("gap", "The gap against the size", charts=[chart], tables=[tables.gaps(run)])


def _causes(run: Run, choices: Choices) -> Chapter | None:
    causes = list(dict.fromkeys(piece["cause"] for piece in records.causes(run)))
    if not causes:
        return None
    chart = _chart("causes", times.causes(causes, choices.values), choices.ladder)
    return Chapter("causes", "What made it slow", charts=[chart], tables=[tables.causes(run)])


def _forest(run: Run, choices: Choices) -> Chapter | None:
    groups = Counter((record["dtype"], record["threads"]) for record in records.compiled(run))
    if not groups:
        return None
    chart = _chart("forest", ratios.forest(max(groups.values()), choices.impls, choices.values))
    return Chapter("forest", "All compiled ratios", charts=[chart])


def _curves(run: Run, choices: Choices) -> Chapter:
    chart = _chart("curves", times.curves(choices.impls, _axis(run), choices.values))
    return Chapter("curves", "Time against the size", charts=[chart])


def _peers(run: Run, choices: Choices) -> Chapter | None:
    if not choices.operation:
        return None
    chart = _chart("peers", times.peers(choices.impls, _axis(run), choices.values), choices.operation)
    return Chapter("peers", "Other libraries", charts=[chart], tables=[tables.peers(run)])


def _changes(run: Run, before: Before | None) -> Chapter | None:
    if not before:
        return None
    counts = Counter(change.verdict for change in before.changes)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    seen = f"In half of the cells a change of less than {visible(before.changes):.1%} is not seen."
    texts = [
        f"Old: {before.run.name}; new: {run.name}. {len(before.changes)} cells: {told}. {seen}",
        f"slower, faster: {CORRECTION}.",
        *(f"Not the same in both runs: {line}." for line in machine_differences(before.run, run)),
    ]
    chart = _chart("changes", ratios.changes(len(before.changes)))
    table = tables.changes(before.run, run, before.changes)
    return Chapter("changes", "Before and after", texts, [chart], [table])


def _cells(run: Run) -> Chapter:
    text = "The name of a cell leads to its rounds; the address then is a link to it that can be sent."
    return Chapter("cells", "All cells", [text], tables=[tables.cells(run)])


def _quality(run: Run, audited: Table | None) -> Chapter:
    shown = [tables.left_out(run), tables.offsets(run)]
    if audited:
        shown.insert(0, tables.plain(audited, "audit-table", "The rules of Hoefler and Belli (SC15)"))
    charts = [_chart("probes", quality.probes())] if run.probes else []
    charts += [_chart("offsets", quality.offsets())] if records.offsets(run) else []
    filled = [table for table in shown if table.lines]
    return Chapter("quality", "Quality of the run", list(_host(run)), charts, filled)


def _host(run: Run) -> Iterator[str]:
    if run.probes:
        least, most = run.drift()
        yield (
            f"98% of the times of a fixed piece of work lie {least:+.0%} to {most:+.0%} off their median: so"
            " steady was the machine."
        )


def _ceilings(run: Run) -> Chapter | None:
    known = [tables.fractions(run), tables.ceilings(run)]
    shown = [table for table in known if table and table.lines]
    return Chapter("ceilings", "The machine's ceilings", tables=shown) if shown else None


def datasets(run: Run, before: Before | None) -> dict[str, list[Record]]:
    """The records of all charts by name."""
    known = {
        "gaps": records.gaps(run),
        "compiled": records.compiled(run),
        "cells": records.cells(run),
        "causes": records.causes(run),
        "peers": records.peers(run),
        "probes": records.probes(run),
        "offsets": records.offsets(run),
        "changes": records.changes(before.changes) if before else [],
    }
    return {name: of_chart for name, of_chart in known.items() if of_chart}
