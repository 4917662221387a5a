"""One cell: its warm-up, the gate before its timing, and when it is measured again."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from synthetic import once

from seqgap.bench.measure import worker
from seqgap.bench.measure.cell import _warm_up, measure
from seqgap.bench.measure.session import Session, run
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.plan.order import blocks
from seqgap.bench.results.rows import Probe, Row
from seqgap.kernels._core.flow import Flow

CELL = Cell("linear_ar", "forward", "numba", "float64", 6, 9, 1)
SEED = Options(seed=3, longest=1e9)  # nothing is too slow
ORDERED = Options(dim=(2, 8), batch=(1, 4), threads=(1, 2), impl=("numba",), case=("linear_ar",), map=())


class Free(NamedTuple):
    """What psutil knows of memory."""

    available: int


def never(thunk: Any, estimate: float) -> tuple[tuple[float, ...], int]:
    raise AssertionError("timed")


def test_a_right_cell_is_timed() -> None:
    row = measure(CELL, SEED, once)
    assert (row.status, row.rounds, row.iterations, row.median) == ("ok", (1.0, 2.0, 3.0), 4, 2.0)
    assert row.first_call >= row.compile >= 0


def test_cpus_are_processor_seconds_for_each_second_of_the_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, cpu = [10.0], [5.0]

    def timer(thunk: Any, estimate: float) -> tuple[tuple[float, ...], int]:
        wall[0] += 2.0
        cpu[0] += 3.0
        return (1.0,), 1

    monkeypatch.setattr("seqgap.bench.measure.cell._warm_up", lambda *_: 1e-3)
    monkeypatch.setattr("seqgap.bench.measure.cell.time.perf_counter", lambda: wall[0])
    monkeypatch.setattr("seqgap.bench.measure.cell.time.process_time", lambda: cpu[0])
    assert measure(CELL, SEED, timer).cpus == 1.5


@pytest.mark.parametrize(
    ("threads", "doubted", "slow", "expected"),
    [
        (1, 1, [0.008] * 4, (1, 0.008)),
        (2, 1, [0.008] * 4, (5, 0.00004)),  # threads that share a core get time to part,
        (2, 1, [0.06] * 99, (3, 0.06)),  # but not for ever
        (1, 0.004, [0.008], (2, 0.00004)),  # the call had lost its core
        (1, 0.004, [0.02, 0.01] * 9, (3, 0.01)),
    ],
)
def test_warm_up_goes_on_until_calls_are_believed(
    monkeypatch: pytest.MonkeyPatch, threads: int, doubted: float, slow: list[float], expected: Any
) -> None:
    """expected: how many calls there are, and the seconds of the fastest."""
    now, calls = [0.0], [0]
    durations = iter(slow + [0.00004] * 100)
    monkeypatch.setattr("seqgap.bench.measure.cell.time.perf_counter", lambda: now[0])

    def thunk() -> None:
        now[0] += next(durations)
        calls[0] += 1

    fastest = _warm_up(thunk, 0.0006, threads, doubted)
    assert (calls[0], fastest) == (expected[0], pytest.approx(expected[1]))


def wrong_in_last_row(result: tuple[Any, Any]) -> tuple[Any, Any]:
    result[0][-1, -1] += 1e-6
    return result


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (wrong_in_last_row, "tolerance"),
        (lambda r: (r[0], r[1] + 1e-6), "tolerance"),
        (lambda r: (r[0].astype(np.float32), r[1]), "tolerance"),
        (lambda r: (r[0][:, :-1], r[1]), "tolerance"),
        (lambda r: (r[0] * np.nan, r[1]), "tolerance"),
        (lambda r: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_wrong_result_is_never_timed(monkeypatch: pytest.MonkeyPatch, spoil: Any, reason: str) -> None:
    forward = Flow.forward
    monkeypatch.setattr(Flow, "forward", lambda *a, **k: spoil(forward(*a, **k)))
    row = measure(CELL, SEED, never)
    assert row.status == "failed"
    assert reason in row.reason


def no_memory(*_: Any, **__: Any) -> Any:
    raise MemoryError


def too_many(*_: Any, **__: Any) -> Any:
    return np.empty((2**40, 2**40))  # more than NumPy can count


@pytest.mark.parametrize("raising", [no_memory, too_many, lambda *_, **__: np.empty(2**60)])
def test_a_call_that_memory_is_too_small_for_is_skipped_with_the_bytes(
    monkeypatch: pytest.MonkeyPatch, raising: Any
) -> None:
    monkeypatch.setattr(Flow, "forward", raising)
    row = measure(CELL, SEED, never)
    assert (row.status, row.rounds) == ("skipped", ())
    assert re.search(r"\d bytes of data", row.reason), row.reason
    assert row.expected > 0


def test_a_timing_that_runs_out_of_memory_does_not_end_the_run() -> None:
    row = measure(CELL, SEED, no_memory)
    assert (row.status, row.rounds) == ("skipped", ())
    assert re.search(r"\d bytes of data", row.reason), row.reason


def test_what_free_memory_cannot_hold_is_never_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqgap.bench.machine.limits.psutil.virtual_memory", lambda: Free(100))
    monkeypatch.setattr("seqgap.bench.measure.cell._first_call", lambda *_: pytest.fail("allocated"))
    row = measure(CELL, SEED, never)
    assert row.status == "skipped"
    assert re.fullmatch(r"\d+ bytes of data, too many for the memory: 100 are free", row.reason), row.reason


def test_a_batch_beyond_all_memory_is_skipped() -> None:
    """As NumPy itself says it, on a machine of any size: 8 PiB."""
    cell = Cell("diffusion", "noise", "numpy", "float64", 2**24, 2**24, 1)
    row = measure(cell, SEED, never)
    assert row.status == "skipped"
    assert re.search(r"\d bytes of data", row.reason), row.reason


def test_the_reason_of_a_failure_is_one_line_that_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"half a pair \ud800, a colour \x1b[31m,\nlines, {'x' * 10**6}"

    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError(text)

    monkeypatch.setattr(Flow, "forward", failing)
    row = measure(CELL, SEED, never)
    assert row.status == "failed"
    assert row.reason.startswith("RuntimeError: half a pair \ufffd, a colour \ufffd[31m, lines, xxx")
    assert len(row.reason) <= 1000
    assert row.reason.isprintable()


def test_a_call_that_takes_far_too_long_is_cut_off() -> None:
    row = measure(replace(CELL, impl="python"), Options(longest=1e-9), never)
    assert (row.status, row.rounds) == ("skipped", ())
    assert row.expected > 0
    assert "for one call, too far above 1e-09 s" in row.reason


def test_a_cell_that_is_not_timed_raises_no_warning() -> None:
    """As of a fixture without use, which would end the session."""
    rows: list[Row] = []
    cells = [replace(CELL, impl="python"), replace(CELL, operation="no_such")]
    assert run(Session(Options(longest=1e-9), cells, rows.append))
    assert [row.status for row in rows] == ["skipped", "failed"]


@pytest.mark.parametrize(
    ("slow", "again"),
    [
        ([], []),
        ([8], [0]),
        ([13], [4, 5]),  # the probe between two cells
        ([12], [3]),  # the probe after a block: cell 3 comes at once, before the next block
        ([17, 18], [8, 9, 10]),
        (range(10, 99, 2), [1, 2, 3]),  # two more visits each, six in all at most
    ],
)
def test_cells_beside_a_slow_probe_are_measured_again_in_their_block(
    monkeypatch: pytest.MonkeyPatch, slow: Sequence[int], again: Sequence[int]
) -> None:
    """32 cells in 8 blocks after 9 first probes, so probe 8 + k is that after the k-th measurement."""
    probes = iter([2.0 if index in slow else 1.0 for index in range(99)])
    monkeypatch.setattr(worker, "host_probe", lambda: next(probes))

    def run_all(session: Session) -> bool:
        for cell in filter(session.due, session.cells):
            session.finished(Row(cell, "ok", (1.0,), 1))
        return True

    monkeypatch.setattr(worker, "run", run_all)
    found: list[Row | Probe] = []
    todo = blocks(ORDERED, 5)
    worker.Worker(ORDERED, 5, found.append).measure(todo)
    rows = [item.cell for item in found if isinstance(item, Row)]
    cells = [cell for block in todo for cell in block]
    assert {cells.index(cell) for cell in rows if rows.count(cell) > 1} == set(again)
    assert set(rows) == set(cells)
    places = [next(k for k, block in enumerate(todo) if cell in block) for cell in rows]
    assert places == sorted(places)
    assert all(item.process == 5 for item in found)
    assert sum(isinstance(item, Probe) for item in found) == 9 + len(rows)
