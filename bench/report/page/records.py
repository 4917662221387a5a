"""What the charts of the page show: lists of records, one a mark, that refer to cells by their names."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.analysis import gap as gaps_of
from seqgap.bench.analysis import ladder as ladders_of
from seqgap.bench.analysis import ranking as rankings_of
from seqgap.bench.analysis import rounds as rounds_of
from seqgap.bench.analysis.compare import Change
from seqgap.bench.analysis.gap import Gap
from seqgap.bench.analysis.ladder import Ladder
from seqgap.bench.analysis.run import Measured, Run
from seqgap.bench.analysis.statistics import Interval
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import Comparison
from seqgap.bench.plan.rungs import BEST
from seqgap.bench.report.text import plain_cause

Record: TypeAlias = dict[str, Any]

_DIGITS = 5  # of every number on the page
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def rounded(value: float) -> float | None:
    """Five digits; None, which is null in JSON, for what is no number."""
    return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None


def _interval(name: str, interval: Interval) -> Record:
    middle, low, high = map(rounded, interval.columns)
    return {name: middle, "low": low, "high": high}


def _size(cell: Cell) -> Record:
    return {"impl": cell.impl, "dtype": cell.dtype, "threads": cell.threads, "N": cell.batch, "D": cell.dim}


def _effort(*measured: Measured) -> Record:
    """Rounds and processes behind a figure, of all cells that it is made of."""
    rows = [row for m in measured for row in m.rows]
    return {
        "rounds": sum(len(row.rounds) for row in rows),
        "processes": min(len(m.rows) for m in measured),
        "disturbed": any(m.disturbed for m in measured),
    }


def pair_name(gap: Gap) -> str:
    """How the page calls a pair of operations: linear_ar.forward / linear_ar.inverse."""
    return " / ".join(gap.names)


def gaps(run: Run) -> list[Record]:
    """Every comparison at every size: `ratio` with its interval, seconds of a sample in either direction.

    A matched pair is one too where two families are compared by the same operations.
    """
    matched = {(c.sequential, c.parallel) for c in run.operations.matched}
    return [
        {
            "pair": pair_name(gap),
            "kind": gap.kind,
            "cell": str(gap.cell),
            **_size(gap.cell),
            **_interval("ratio", gap.ratio),
            "sequential": rounded(gap.sequential.per_sample.middle),
            "parallel": rounded(gap.parallel.per_sample.middle),
            **_effort(gap.sequential, gap.parallel),
        }
        for gap in gaps_of.gaps(run)
        if gap.kind == "matched" or gap.names not in matched
    ]


def compiled(run: Run) -> list[Record]:
    """The matched ones of the compiled samplers and of those from outside, each with a label of one line."""
    known = [record for record in gaps(run) if record["kind"] == "matched" and record["impl"] in BEST]
    sequential = Counter(_first(pair) for pair in {record["pair"] for record in known})
    return [{**record, "label": _label(record, sequential)} for record in known]


def _first(pair: str) -> str:
    return pair.split(" / ")[0]


def _label(record: Record, sequential: Counter[str]) -> str:
    """The sequential operation and the size; both operations where it is one of several pairs."""
    first = _first(record["pair"])
    name = first if sequential[first] == 1 else record["pair"]
    return f"{name} D{record['D']} N{record['N']}"


def cells(run: Run) -> list[Record]:
    """Every timed cell: `seconds` of a call with its interval."""
    return [
        {
            "cell": str(measured.cell),
            "operation": measured.cell.name,
            "direction": "sequential" if run.operations[measured.cell.name].sequential else "parallel",
            **_size(measured.cell),
            **_interval("seconds", measured.interval),
            **_effort(measured),
        }
        for measured in run.measured.values()
    ]


def causes(run: Run) -> list[Record]:
    """Every rung of every ladder as a piece of a bar: from the seconds of the rung before to its own."""
    known = ladders_of.ladders(run)
    titles = Counter(_title(run, pair) for pair in {ladder.pair for ladder in known})
    return [piece for ladder in known for piece in _pieces(ladder, _model(run, ladder.pair, titles))]


def _title(run: Run, pair: Comparison) -> str:
    return run.operations[pair.sequential].title or pair.sequential


def _model(run: Run, pair: Comparison, titles: Counter[str]) -> str:
    """The title of a pair, with its operations where others have the same."""
    title = _title(run, pair)
    return title if titles[title] == 1 else f"{title}: {pair.sequential} / {pair.parallel}"


def _pieces(ladder: Ladder, model: str) -> Iterator[Record]:
    cell = ladder.cell
    before = ladder.rungs[0].measured.per_sample.middle
    for rung in ladder.rungs[1:]:
        assert rung.factor is not None
        after = rung.measured.per_sample.middle
        yield {
            "model": model,
            "dtype": cell.dtype,
            "N": cell.batch,
            "D": cell.dim,
            "rung": rung.name,
            "cause": plain_cause(rung.cause),
            "cell": str(rung.measured.cell),
            "from": rounded(before),
            "to": rounded(after),
            **_interval("factor", rung.factor),
        }
        before = after


def peers(run: Run) -> list[Record]:
    """Every implementation of what peers were timed for: `relative` to the fastest of its size."""
    return [
        {
            **_size(ranking.cell),
            "operation": ranking.cell.name,
            "impl": impl,
            "seconds": rounded(seconds),
            "relative": rounded(seconds / min(ranking.medians.values())),
            "fastest": min(ranking.medians, key=ranking.medians.__getitem__),
        }
        for ranking in rankings_of.rankings(run)
        for impl, seconds in ranking.medians.items()
    ]


def probes(run: Run) -> list[Record]:
    """The probes of the host: their time over the median of all."""
    return [
        {"process": str(p.process), "minute": rounded(p.minute), "ratio": rounded(p.ratio)}
        for p in rounds_of.probes(run)
    ]


def offsets(run: Run) -> list[Record]:
    """How far a process's medians are from the means of their cells: quantiles over the cells."""
    logs: dict[int, list[float]] = {}
    for measured in run.measured.values():
        if len(measured.rows) > 1:
            for row, log in zip(measured.rows, measured.logs - measured.logs.mean(), strict=True):
                logs.setdefault(row.process, []).append(float(log))
    return [
        {
            "process": str(process + 1),
            "cells": len(of_process),
            **{
                f"p{round(100 * q)}": rounded(float(np.exp(value)))
                for q, value in zip(_QUANTILES, np.quantile(of_process, _QUANTILES), strict=True)
            },
        }
        for process, of_process in sorted(logs.items())
    ]


def changes(decided: Sequence[Change]) -> list[Record]:
    """Cells before and after: new seconds over old, the slowest first."""
    return [
        {"cell": str(c.cell), "verdict": c.verdict, **_size(c.cell), **_interval("ratio", c.ratio)}
        for c in sorted(decided, key=lambda change: -change.ratio.middle)
    ]
