"""Gaps, their verdicts, and which rows of a run count."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from synthetic import run_of

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.run import Run
from seqgap.bench.model.cell import Cell
from seqgap.bench.report.text import si
from seqgap.bench.results.rows import Probe, Row

CELL = Cell("linear_ar", "forward", "numba", "float64", 6, 9, 1)


def two_sided(sequential: list[float], parallel: list[float], **change: Any) -> Run:
    """One median for each process; `change` is of the cell of the parallel operation."""
    inverse = replace(CELL, operation="inverse", **change)
    rows = [
        Row(cell, "ok", (seconds,), 1, process)
        for cell, all_seconds in ((CELL, sequential), (inverse, parallel))
        for process, seconds in enumerate(all_seconds)
    ]
    return run_of(rows)


@pytest.mark.parametrize(
    ("sequential", "parallel", "ratio", "verdict"),
    [
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], 2, "2x slower"),
        ([1.0, 1.0, 1.0], [4.0, 4.0, 4.0], 0.25, "4x faster"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1, "as fast"),
        ([1.04, 1.04, 1.04], [1.0, 1.0, 1.0], 1.04, "as fast"),
        ([1.0, 1.5, 2.0], [1.0, 1.5, 2.0], 1, "as fast"),  # pairs of neighbours: the drift cancels
        ([1.0, 1.5, 2.0], [2.0, 1.5, 1.0], 1, "no gap seen, at most 5.59x"),
        ([1.4, 1.5, 1.6], [1.0, 1.0, 1.0], 1.4977, "1.5x slower"),
        ([1.5], [1.0], 1.5, "no interval"),
    ],
)
def test_gap_and_verdict(sequential: list[float], parallel: list[float], ratio: float, verdict: str) -> None:
    (gap,) = gaps(two_sided(sequential, parallel))
    assert gap.kind == "matched"
    assert gap.names == ("linear_ar.forward", "linear_ar.inverse")
    assert gap.ratio.middle == pytest.approx(ratio, rel=1e-3)
    assert gap.verdict == verdict
    assert gap.sequential.per_sample.middle == pytest.approx(np.exp(np.mean(np.log(sequential))) / 9)


def test_gaps_pair_equal_cells_only() -> None:
    assert len(gaps(two_sided([1.0, 1.0], [1.0, 1.0]))) == 1
    changes: list[dict[str, Any]] = [
        {"dim": 7},
        {"batch": 1},
        {"threads": 2},
        {"dtype": "float32"},
        {"impl": "numpy"},
    ]
    for change in changes:
        assert gaps(two_sided([1.0, 1.0], [1.0, 1.0], **change)) == []


def test_a_cell_that_is_wrong_in_one_process_has_no_timing() -> None:
    run = two_sided([1.0, 1.0], [1.0, 1.0])
    wrong = run_of([*run.rows, Row(CELL, "failed", process=2, reason="wrong")])
    assert list(wrong.measured) == [replace(CELL, operation="inverse")]
    assert [row.reason for row in wrong.left_out] == ["wrong"]


def test_a_repeated_row_replaces_the_one_before() -> None:
    rows = [Row(CELL, "ok", (seconds,), 1, process) for process, seconds in ((0, 1.0), (1, 2.0), (0, 3.0))]
    assert [row.median for row in run_of(rows).measured[CELL].rows] == [3.0, 2.0]


def test_rows_between_slow_probes_are_flagged() -> None:
    probes = [Probe(0, float(at), 2.0 if at == 3 else 1.0) for at in range(8)]
    disturbed = run_of([], probes).disturbed
    found = {at: disturbed(Row(CELL, "ok", (1.0,), 1, 0, at)) for at in (0.5, 1.5, 2.5, 3.5, 4.5)}
    assert found == {0.5: False, 1.5: False, 2.5: True, 3.5: True, 4.5: False}
    assert not disturbed(Row(CELL, "ok", (1.0,), 1, 1, 2.5))  # another process


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 us"), (7.8e-9, "7.8 ns"), (1e-12, "0.001 ns")],
)
def test_times_have_units(seconds: float, text: str) -> None:
    assert si(seconds) == text
