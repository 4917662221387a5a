"""Pictures of threads, compiling and rounds: their numbers, their labels, and odd runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import faults
from synthetic import plausible, run_of, write_run

from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.speedup import serial_fraction
from seqgap.bench.model.cell import DTYPES, Cell
from seqgap.bench.model.registry import cases
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import compiling, rounds, threads
from seqgap.bench.report.plots.style import Picture, house_style, save
from seqgap.bench.results.rows import Probe, Row

MANY = Options(
    case=("linear_ar", "ar_process", "diffusion", "mask_stack.forward"), impl=("numba",), dim=(8, 64),
    batch=(1, 64), threads=(1, 2, 4), dtype=("float64", "float32"),
)  # fmt: skip
LINEAR = Cell("linear_ar", "forward", "numba", "float64", 64, 64, 1)
KNOWN: dict[str, Any] = {
    "machine": {"cpu": "made up", "cores": 2, "threads": 4, "system": "Linux"},
    "versions": dict.fromkeys(("python", "numpy", "numba", "llvmlite"), "1.0"),
    "started": "2026-01-01T00:00:00+00:00",
}


def serial(cell: Cell) -> float:
    """The serial fraction that is planted in an operation."""
    return 0.02 + sum(map(ord, cell.name)) % 7 * 0.05


def amdahl(cell: Cell) -> float:
    s = serial(cell)
    return plausible(replace(cell, threads=1)) * (s + (1 - s) / cell.threads)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("panels") / "run"
    return read_run(write_run(path, MANY, seconds=amdahl, noise=0.01, stored=KNOWN))


@pytest.fixture(params=[threads, compiling, rounds], ids=["threads", "compiling", "rounds"])
def draws(request: pytest.FixtureRequest) -> Callable[[Run], Picture | None]:
    """Each of the three in turn."""
    drawing: Callable[[Run], Picture | None] = request.param.picture
    return drawing


def small(rows: list[Row], probes: Sequence[Probe] = ()) -> Run:
    return run_of(rows, probes, KNOWN)


def rows_of(cell: Cell, processes: int = 2, count: int = 10, **change: Any) -> list[Row]:
    """Rows of 1 ms a call, a minute apart, 10 calls a round."""
    return [Row(cell, "ok", (1e-3,) * count, 10, p, 1.8e9 + 60 * p, 1.0, **change) for p in range(processes)]


def drawn(found: Picture | None) -> Picture:
    assert found is not None
    return found


def lines_of(found: Picture | None) -> list[dict[str, Any]]:
    table = drawn(found).table
    return [dict(zip(table.head, line, strict=True)) for line in table.lines]


def test_texts_are_legible_and_inside(run: Run, draws: Callable[[Run], Picture | None]) -> None:
    with house_style():
        found = drawn(draws(run))
    assert faults(found) == []


def test_speed_ups_are_ratios_within_processes(run: Run) -> None:
    for line in lines_of(threads.picture(run)):
        sizes = (line[name] for name in ("dtype", "dim", "batch", "threads"))
        cell = Cell(*line["operation"].split("."), "numba", *sizes)
        here, base = run.measured[cell], run.measured[replace(cell, threads=1)]
        assert line["speed_up"] == pytest.approx(np.exp(np.mean(base.logs - here.logs)))
        assert line["base_seconds_per_sample"] == pytest.approx(base.seconds / cell.batch)
        assert line["cores_busy"] == cell.threads
        assert (cell.dim, cell.batch) == (64, 64)
        if cell.threads > 1:
            assert line["speed_up_low"] < line["speed_up"] < line["speed_up_high"]


def test_each_operation_has_its_planted_serial_fraction(run: Run) -> None:
    lines = lines_of(threads.picture(run))
    assert len({line["operation"] for line in lines}) > 8
    for line in lines:
        planted = serial(replace(LINEAR, case=(name := line["operation"].split("."))[0], operation=name[1]))
        assert line["serial_fraction"] == pytest.approx(planted, abs=0.02)


@pytest.mark.parametrize(("speed_up", "expected"), [(1.6, 0.25), (2.5, 0.0), (0.5, 1.0)])
def test_serial_fraction_of_one_point_is_exact_or_a_bound(speed_up: float, expected: float) -> None:
    assert serial_fraction([2], [speed_up]) == pytest.approx(expected, abs=1e-9)


def test_the_compared_operations_come_first_at_most_7_in_a_panel(run: Run) -> None:
    with house_style():
        found = drawn(threads.picture(run))
    for axes in found.figure.axes:
        texts = [text.get_text() for text in axes.texts if "s = " in text.get_text()]
        assert len(texts) == 7
        assert sum("forward" in text or "inverse" in text or "noise:" in text for text in texts) >= 5
    footer = found.figure.get_supxlabel()
    kernels = {(line["operation"], line["dtype"]) for line in lines_of(found)}
    assert f"Operations in the table alone: {len(kernels) - 2 * 7}." in footer


def test_below_three_numbers_of_threads_there_is_a_row_each_and_no_fit(tmp_path: Path) -> None:
    options = replace(MANY, threads=(1, 2), case=("linear_ar", "ar_process"))
    run = read_run(write_run(tmp_path / "run", options, seconds=amdahl, stored=KNOWN))
    with house_style():
        found = drawn(threads.picture(run))
    assert faults(found) == []
    (axes,) = found.figure.axes
    lines = [line for line in lines_of(found) if line["threads"] == 2]
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == sorted((line["speed_up"] for line in lines), reverse=True)
    assert any(line.get_linestyle() == "--" and set(line.get_xdata()) == {2} for line in axes.lines)
    assert all(np.isnan(line["serial_fraction"]) for line in lines)


def test_threads_that_no_process_measured_beside_one_have_no_picture() -> None:
    one, two = rows_of(LINEAR), rows_of(replace(LINEAR, threads=2))
    assert threads.picture(small(one)) is None
    assert threads.picture(small(two)) is None
    assert threads.picture(small([one[0], two[1]])) is None
    assert threads.picture(small([one[0], two[0]])) is not None


def test_threads_are_drawn_on_an_unknown_machine_and_with_one_process(tmp_path: Path) -> None:
    rows = [*rows_of(LINEAR, 1), *rows_of(replace(LINEAR, threads=2), 1)]
    for cores in (None, "?", 0, 64):
        found = replace(small(rows), environment=KNOWN | {"machine": KNOWN["machine"] | {"cores": cores}})
        with house_style():
            picture = drawn(threads.picture(found))
            save(picture, tmp_path)
        assert not any("core" in text.get_text() for text in picture.figure.axes[0].texts)
    assert (
        (tmp_path / "threads.csv")
        .read_text()
        .splitlines()[2]
        .startswith("linear_ar.forward,float64,64,64,2,1.0,,,")
    )


def test_compiling_is_of_the_slowest_row_and_loading_the_median_of_processes() -> None:
    first = rows_of(LINEAR, 1, compile=2.0, load=0.5)
    other = rows_of(replace(LINEAR, dim=8), 1, compile=3.0)
    loads = [
        replace(row, load=value)
        for row, value in zip(rows_of(LINEAR, 4)[1:], (0.01, 0.02, 0.09), strict=True)
    ]
    parallel = rows_of(replace(LINEAR, threads=2), 1, compile=1.0)
    other_impl = rows_of(replace(LINEAR, impl="numpy"), 1, compile=9.0)
    lines = lines_of(compiling.picture(small([*first, *other, *loads, *parallel, *other_impl])))
    assert [tuple(line.values()) for line in lines] == [
        ("linear_ar.forward", "float64", "1", 3.0, 0.02),
        ("linear_ar.forward", "float64", "2 or more", 1.0, None),
    ]


def test_a_kernel_measured_again_keeps_what_its_first_visit_compiled() -> None:
    first, again = rows_of(LINEAR, 1, compile=2.0), rows_of(LINEAR, 1)
    lines = lines_of(compiling.picture(small([*first, *again])))
    assert [line["compile_seconds"] for line in lines] == [2.0]


def test_loaded_kernels_alone_are_said_to_come_from_the_cache() -> None:
    found = drawn(compiling.picture(small(rows_of(LINEAR, load=1e-4))))
    assert "All came from the cache on disk" in found.figure.get_supxlabel()
    assert lines_of(found)[0]["compile_seconds"] is None


def test_no_compiling_no_picture() -> None:
    assert compiling.picture(small(rows_of(LINEAR))) is None
    assert compiling.picture(small(rows_of(replace(LINEAR, impl="numpy"), compile=1.0))) is None


def test_the_longest_40_kernels_are_shown_and_the_table_has_all() -> None:
    operations = [(case.stem, operation.name) for case in cases().values() for operation in case.operations]
    cells = [Cell(*name, "numba", dtype, 8, 8, 1) for name in operations for dtype in DTYPES][:50]
    rows = [row for k, cell in enumerate(cells) for row in rows_of(cell, 1, compile=1.0 + k)]
    found = drawn(compiling.picture(small(rows)))
    ticks = [label.get_text() for label in found.figure.axes[0].get_yticklabels()]
    assert len(ticks) == 40
    assert ticks[0].startswith(f"{cells[-1].name}, {cells[-1].dtype}")
    assert len(lines_of(found)) == 50
    assert "10 more kernels" in " ".join(found.figure.get_supxlabel().split())


def test_rounds_are_at_their_minute_and_over_the_median_of_the_cell() -> None:
    one, two = rows_of(LINEAR, count=2)
    two = replace(two, rounds=(2e-3, 4e-3))
    probes = [Probe(1, 1.8e9 + 90, 1.0), Probe(1, 1.8e9 + 30, 3.0)]
    lines = lines_of(rounds.picture(small([two, one], probes)))
    assert {line["cell"] for line in lines} == {str(LINEAR), ""}
    found = [(line["kind"], line["process"], line["minute"], line["ratio"]) for line in lines]
    assert found == [
        ("round", 1, round(0.005 / 60, 6), round(1 / 1.5, 6)),
        ("round", 1, round(0.015 / 60, 6), round(1 / 1.5, 6)),
        ("round", 2, round(1 + 0.015 / 60, 6), round(2 / 1.5, 6)),
        ("round", 2, round(1 + 0.045 / 60, 6), round(4 / 1.5, 6)),
        ("probe", 2, 0.5, 1.5),
        ("probe", 2, 1.5, 0.5),
    ]


def test_slow_probes_are_orange_and_disturbed_blocks_counted() -> None:
    rows = rows_of(LINEAR, 3)
    quiet = [Probe(p, row.started + at, 1e-3) for p, row in enumerate(rows) for at in (-2, -1, 1, 2)]
    probes = [replace(p, seconds=2e-3) if p.at == rows[1].started + 1 else p for p in quiet]
    found = drawn(rounds.picture(small(rows, probes)))
    slow = [line for line in found.figure.axes[1].lines if line.get_marker() == "D"]
    assert [np.asarray(line.get_ydata()).tolist() for line in slow] == [[2.0]]
    assert "1 of 3 blocks were beside one" in caption(found)


def caption(found: Picture) -> str:
    return " ".join(found.figure.get_supxlabel().split())


def test_rounds_outside_are_counted() -> None:
    rows = [replace(rows_of(LINEAR, 1)[0], rounds=(1e-3,) * 10 + (0.6e-3, 1.6e-3, 1.9e-3))]
    found = drawn(rounds.picture(small(rows, [Probe(0, 1.8e9, 1e-3)] * 3 + [Probe(0, 1.8e9, 9e-3)])))
    assert "13 rounds, 2 above 1.5 and 1 below 0.7" in caption(found)


def test_offsets_of_the_processes_are_about_the_mean_of_each_cell() -> None:
    rows = [replace(row, rounds=(1e-3 * 2**row.process,) * 4) for row in rows_of(LINEAR, 3)]
    run = small(rows)
    found = [rounds.offsets(run, process).tolist() for process in range(3)]
    assert np.allclose(found, [[0.5], [1.0], [2.0]])


def test_of_many_rounds_every_kth_is_drawn() -> None:
    rows = rows_of(LINEAR, 3, count=15_001)
    found = rounds.picture(small(rows))
    lines = lines_of(found)
    assert len(lines) == 15_001
    step = 3 * 1e-3 * 10 / 60
    inside = [line["minute"] for line in lines if line["process"] == 2]
    assert np.allclose(np.diff(inside), step, atol=2e-6)


def test_the_median_of_the_rounds_shows_drift() -> None:
    cells = [replace(LINEAR, dim=d) for d in range(1, 41)]
    rows = [
        Row(cell, "ok", tuple(1e-3 * (1 + 0.2 * p + 0.005 * k) * np.ones(20)), 10, p, 1.8e9 + 60 * p + k)
        for p in range(2) for k, cell in enumerate(cells)
    ]  # fmt: skip
    found = drawn(rounds.picture(small(rows)))
    middles = [
        np.asarray(line.get_ydata())
        for axes in found.figure.axes[2:4]
        for line in axes.lines
        if len(line.get_xdata()) > 2
    ]
    assert len(middles) == 2
    assert np.mean(middles[1]) / np.mean(middles[0]) == pytest.approx(1.2, abs=0.04)


def test_a_run_without_times_has_no_pictures(draws: Callable[[Run], Picture | None]) -> None:
    assert draws(small([])) is None


def test_one_cell_without_probes_is_drawn(tmp_path: Path) -> None:
    found = drawn(rounds.picture(small(rows_of(LINEAR, 1, count=1))))
    assert len(found.figure.axes) == 3
    assert len(save(found, tmp_path)) == 3
