"""Plans, the gate before a timing, gaps and their verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.measure import worker
from seqgap.bench.measure.cell import _warm_up, measure
from seqgap.bench.measure.gate import WrongResultError, check, difference
from seqgap.bench.measure.session import Session, run
from seqgap.bench.model.case import Case, Noise, Operation
from seqgap.bench.model.cell import Cell, matches
from seqgap.bench.model.registry import cases, compared, comparisons
from seqgap.bench.plan.cells import expected_seconds, plan, too_slow
from seqgap.bench.plan.options import Options, profile
from seqgap.bench.plan.order import blocks
from seqgap.bench.report.tables import si
from seqgap.bench.results.rows import Probe, ResultError, Row, RunFolder, read_probes, read_rows
from seqgap.bench.results.run import Run, disturbance, make_run
from seqgap.kernels import linear_ar

CELL = Cell("linear_ar", "forward", "numba", "float64", 6, 9, 1)
FLOAT64 = np.dtype(np.float64)
SEED = Options(seed=3, longest=1e9)  # nothing is too slow


def never(thunk: Any, estimate: float) -> tuple[tuple[float, ...], int]:
    raise AssertionError("timed")


def once(thunk: Any, estimate: float) -> tuple[tuple[float, ...], int]:
    thunk()
    return (1.0, 2.0, 3.0), 4


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
def test_a_wrong_result_is_reported_and_never_timed(
    monkeypatch: pytest.MonkeyPatch, spoil: Any, reason: str
) -> None:
    forward = linear_ar.forward
    monkeypatch.setattr(linear_ar, "forward", lambda *a, **k: spoil(forward(*a, **k)))
    row = measure(CELL, SEED, never)
    assert row.status == "failed"
    assert reason in row.reason


@pytest.mark.dims(6)
def test_samplers_with_a_generator_of_their_own_are_gated_by_their_noise(
    case: Case, numpy_drawing: Operation, dim: int
) -> None:
    """The NumPy sampler passes; the same with noise of another spread, or shifted, does not."""
    cell = Cell(case.stem, numpy_drawing.name, "numpy", "float64", dim, 500, 1)
    assert measure(cell, SEED, once).status == "ok"
    call = numpy_drawing.inputs(dim, 500, FLOAT64, 3)
    output = numpy_drawing.implementations["numpy"](call, dim, FLOAT64)()
    right = numpy_drawing.noise
    assert right is not None
    check(case, numpy_drawing, output, call, dim, FLOAT64, own_noise=True)
    for factor, shift in ((1.3, 0), (1, 0.3)):
        noise = right._replace(of=lambda o, c, f=factor, s=shift: f * right.of(o, c) + s)
        with pytest.raises(WrongResultError, match="has not the distribution"):
            check(case, replace(numpy_drawing, noise=noise), output, call, dim, FLOAT64, own_noise=True)


@pytest.mark.parametrize(
    ("noise", "wrong"),
    [
        (Noise(lambda output, call: output, "uniform"), lambda x: x**1.2),
        (Noise(lambda output, call: output, "gumbel_r", (1.0, 2.0)), lambda x: 1.1 * x),
        (Noise(lambda output, call: output, "randint", (0, 3)), lambda x: np.where(x > 1, x // 2, x)),
        (Noise(lambda output, call: output, "randint", (-2, 3)), lambda x: x + 1),
        (Noise(lambda output, call: output, "bernoulli", (0.3,)), lambda x: 1 - x),
        (Noise(lambda output, call: output, "poisson", (40.0,)), lambda x: 2 * (x // 2)),
    ],
)
def test_noise_may_have_any_distribution(noise: Noise, wrong: Callable[[Any], Any]) -> None:
    case, drawing = cases()["normal"], replace(cases()["normal"].operation("standard_normal"), noise=noise)
    call = drawing.inputs(6, 5000, FLOAT64, 3)
    law = getattr(stats, noise.law)(*noise.parameters)
    right = law.rvs((5000, 6), np.random.default_rng(4))
    check(case, drawing, right, call, 6, FLOAT64, own_noise=True)
    with pytest.raises(WrongResultError, match=f"has not the distribution {noise.law}"):
        check(case, drawing, wrong(right), call, 6, FLOAT64, own_noise=True)


def test_every_numpy_implementation_equals_the_reference() -> None:
    options = Options(impl=("numpy",), dim=(1, 2, 5), batch=(1, 12), dtype=("float64", "float32"))
    for cell in plan(options):
        assert measure(cell, SEED, once).status == "ok", cell


def test_difference_counts_shape_nan_and_inf() -> None:
    same = np.array([1.0, np.nan, np.inf])
    assert difference(same, [1.0, np.nan, np.inf], 0.0, FLOAT64).used == 0
    assert difference(same, [1.0, np.nan, -np.inf], 1.0, FLOAT64).used == np.inf
    assert difference(same, [1.0, 2.0, np.inf], 1.0, FLOAT64).used == np.inf
    assert difference(np.zeros((2, 1)), [0.0, 0.0], 1.0, FLOAT64).used == np.inf
    close = difference(np.array([1 + 2**-50]), [1.0], 1e-14, FLOAT64)
    assert close.ulp == 4
    assert close.used == pytest.approx(2**-50 / 1e-14)
    assert difference(np.array([1], np.uint32), [2], 5.0, FLOAT64).used == np.inf


def test_part_of_a_call_is_the_same_rows() -> None:
    for case in cases().values():
        for operation in case.operations:
            if operation.rows is None:
                continue
            made = operation.inputs(4, 8, FLOAT64, 3)
            whole = case.kernel(operation.name)(*made.args, **made.kwargs)
            part = operation.part(made, 3, 5)
            piece = case.kernel(operation.name)(*part.args, **part.kwargs)
            first, second = (r[0] if isinstance(r, tuple) else r for r in (whole, piece))
            wanted = np.take(first, range(3, 5), operation.output_axis)
            np.testing.assert_array_equal(second, wanted)


def test_plan_is_every_combination_once() -> None:
    options = Options(
        case=("ar_process.forward", "diffusion"), dim=(2, 4), batch=(1,), map=(), threads=(1, 2)
    )
    cells = plan(options)
    assert len(cells) == len(set(cells))
    names = {cell.name for cell in cells}
    assert names == {
        "ar_process.forward", "diffusion.noise", "diffusion.sample_noisy", "diffusion.trajectory",
        "diffusion.reverse", "diffusion.reverse_naive",
    }  # fmt: skip
    per_size = {"python": 1, "numpy": 2, "numba": 2}  # plain Python has one thread
    for impl, threads in per_size.items():
        assert sum(cell.impl == impl for cell in cells) == 6 * 2 * threads


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("linear_ar", True), ("linear_ar.*", True), ("*.forward", True), ("l*", True), ("forward", False)],
)
def test_case_globs(pattern: str, fits: bool) -> None:
    assert matches("linear_ar.forward", (pattern,)) is fits


def test_profiles_grow() -> None:
    smoke, quick, full = (len(plan(profile(name, 2))) for name in ("smoke", "quick", "full"))
    assert smoke < quick < full
    assert profile("quick", 2) == Options(case=tuple(sorted(compared())), ladder_threads=2)
    assert profile("full", 1).threads == (1,)


def test_quick_and_smoke_have_what_is_compared_and_full_has_everything() -> None:
    names = {name: {cell.name for cell in plan(profile(name, 1))} for name in ("smoke", "quick", "full")}
    assert names["smoke"] == names["quick"] == compared()
    assert names["full"] > compared()


def test_the_map_has_further_batch_sizes_of_the_matched_pairs_alone() -> None:
    options = Options(batch=(1, 4), map=(2, 4), dim=(2,), impl=("numba",))
    names = {batch: {cell.name for cell in plan(options) if cell.batch == batch} for batch in (1, 2, 4)}
    pairs = [c for c in comparisons() if c.kind == "matched"]
    assert names[2] == {name for pair in pairs for name in (pair.sequential, pair.parallel)}
    assert names[1] == names[4] > names[2]
    assert len(plan(options)) == len(set(plan(options)))


def test_slow_and_large_cells_are_left_out_with_a_reason() -> None:
    options = Options()
    assert too_slow(Cell("linear_ar", "forward", "python", "float64", 1024, 1024, 1), options)
    assert too_slow(Cell("linear_ar", "forward", "python", "float64", 64, 1024, 1), options) is None
    wide = Cell("linear_ar", "inverse", "numba", "float64", 30_000, 1, 1)  # a weight of 7 GiB
    assert "GiB" in str(too_slow(wide, replace(options, longest=1e9)))
    large = Cell("diffusion", "trajectory", "numba", "float64", 4096, 4096, 1)
    assert "GiB" in str(too_slow(large, replace(options, longest=1e9)))


def test_the_estimate_counts_full_passes_and_pythons_normals() -> None:
    def expected(operation: str, impl: str, stem: str = "linear_ar") -> float:
        return expected_seconds(Cell(stem, operation, impl, "float64", 16, 4, 1))

    assert expected("sample", "python") - expected("forward", "python") > 16 * 4 * 1e-6
    assert expected("sample", "numpy") - expected("forward", "numpy") < 16 * 4 * 1e-7
    for stem, impl, once in (("linear_ar", "numpy-passes", "numpy"), ("maf", "numba-naive", "numba")):
        assert expected("forward", impl, stem) == pytest.approx(16 * expected("forward", once, stem))


def run_of(sequential: list[float], parallel: list[float], **change: Any) -> Run:
    """One median for each process; `change` is of the cell of the parallel operation."""
    inverse = replace(CELL, operation="inverse", **change)
    rows = [
        Row(cell, "ok", (seconds,), 1, process)
        for cell, all_seconds in ((CELL, sequential), (inverse, parallel))
        for process, seconds in enumerate(all_seconds)
    ]
    return make_run(Path(), {}, Options(), rows)


@pytest.mark.parametrize(
    ("sequential", "parallel", "ratio", "verdict"),
    [
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], 2, "2x slower"),
        ([1.0, 1.0, 1.0], [4.0, 4.0, 4.0], 0.25, "4x faster"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], 1, "as fast"),
        ([1.04, 1.04, 1.04], [1.0, 1.0, 1.0], 1.04, "as fast"),
        ([1.0, 1.5, 2.0], [1.0, 1.5, 2.0], 1, "as fast"),  # pairs of neighbours: the drift cancels
        ([1.0, 1.5, 2.0], [2.0, 1.5, 1.0], 1, "undecided"),
        ([1.4, 1.5, 1.6], [1.0, 1.0, 1.0], 1.4977, "1.5x slower"),
        ([1.5], [1.0], 1.5, "undecided"),
    ],
)
def test_gap_and_verdict(sequential: list[float], parallel: list[float], ratio: float, verdict: str) -> None:
    (gap,) = gaps(run_of(sequential, parallel))
    assert gap.kind == "matched"
    assert (gap.sequential, gap.parallel) == ("linear_ar.forward", "linear_ar.inverse")
    assert gap.ratio == pytest.approx(ratio, rel=1e-3)
    assert gap.verdict == verdict
    assert gap.sequential_per_sample == pytest.approx(np.exp(np.mean(np.log(sequential))) / 9)


def test_gaps_pair_equal_cells_only() -> None:
    assert len(gaps(run_of([1.0, 1.0], [1.0, 1.0]))) == 1
    changes: list[dict[str, Any]] = [
        {"dim": 7},
        {"batch": 1},
        {"threads": 2},
        {"dtype": "float32"},
        {"impl": "numpy"},
    ]
    for change in changes:
        assert gaps(run_of([1.0, 1.0], [1.0, 1.0], **change)) == []


def test_a_cell_that_is_wrong_in_one_process_has_no_timing() -> None:
    run = run_of([1.0, 1.0], [1.0, 1.0])
    wrong = make_run(Path(), {}, Options(), [*run.rows, Row(CELL, "failed", process=2, reason="wrong")])
    assert list(wrong.measured) == [replace(CELL, operation="inverse")]
    assert [row.reason for row in wrong.left_out] == ["wrong"]


def test_a_repeated_row_replaces_the_one_before() -> None:
    rows = [Row(CELL, "ok", (seconds,), 1, process) for process, seconds in ((0, 1.0), (1, 2.0), (0, 3.0))]
    assert [row.median for row in make_run(Path(), {}, Options(), rows).measured[CELL].rows] == [3.0, 2.0]


def test_rows_between_slow_probes_are_flagged() -> None:
    probes = [Probe(0, float(at), 2.0 if at == 3 else 1.0) for at in range(8)]
    disturbed = disturbance(probes)
    found = {at: disturbed(Row(CELL, "ok", (1.0,), 1, 0, at)) for at in (0.5, 1.5, 2.5, 3.5, 4.5)}
    assert found == {0.5: False, 1.5: False, 2.5: True, 3.5: True, 4.5: False}
    assert not disturbed(Row(CELL, "ok", (1.0,), 1, 1, 2.5))  # another process


ORDERED = Options(dim=(2, 8), batch=(1, 4), threads=(1, 2), impl=("numba",), case=("linear_ar",), map=())


def test_blocks_hold_every_cell_once_in_another_order_for_each_process() -> None:
    orders = [[cell for block in blocks(ORDERED, process) for cell in block] for process in range(4)]
    assert all(sorted(order, key=str) == sorted(plan(ORDERED), key=str) for order in orders)
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]
    assert orders[0] not in (orders[2], orders[3], plan(ORDERED))
    assert orders == [[cell for block in blocks(ORDERED, p) for cell in block] for p in range(4)]


def test_the_cells_of_a_block_share_all_that_a_ratio_needs() -> None:
    found = blocks(ORDERED, 0)
    sizes = [{(c.dtype, c.dim, c.batch, c.threads) for c in block} for block in found]
    assert all(len(size) == 1 for size in sizes)
    assert len(set.union(*sizes)) == len(found) == 8


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


def test_a_folder_is_never_written_twice(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "a", {}, Options()).append(Row(CELL, "ok", (1.0,), 1))
    with pytest.raises(ResultError, match="not empty"):
        RunFolder.create(tmp_path / "a", {}, Options())
    assert read_rows(tmp_path / "a") == ([Row(CELL, "ok", (1.0,), 1)], [])


def test_rows_survive_being_written_and_read(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", {}, Options())
    rows = [
        Row(CELL, "ok", (0.1, 1e-9), 7, 2, 1.8e9, 1.5, 0.5, 0.25),
        Row(CELL, "skipped", reason='slow\n"x" µ'),
    ]
    for row in rows:
        folder.append(row)
    folder.append(Probe(1, 2.5, 0.5))
    assert read_rows(folder.path) == (rows, [])
    assert read_probes(folder.path) == ([Probe(1, 2.5, 0.5)], [])
    assert RunFolder.resume(folder.path).state(folder.path) == (Options(), {(CELL, 2), (CELL, 0)})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 us"), (7.8e-9, "7.8 ns"), (1e-12, "0.001 ns")],
)
def test_times_have_units(seconds: float, text: str) -> None:
    assert si(seconds) == text


def test_plain_calls_hold_no_arrays() -> None:
    for case in cases().values():
        for operation in case.operations:
            made = operation.inputs(3, 5, FLOAT64, 1)
            plain = case.plain(operation.name, made, FLOAT64)
            for value in (*plain.args, *plain.kwargs.values()):
                items = value if isinstance(value, tuple) else (value,)
                assert not any(isinstance(item, np.ndarray | np.generic) for item in items)
