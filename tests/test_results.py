"""Result files that were damaged, cut off, or never ours: file and line are named, the rest is kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import edit_json, write_run

from seqgap.bench.analysis.run import read_run, timed_run
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS, RunFolder
from seqgap.bench.results.operations import Operations
from seqgap.bench.results.rows import PROBES, ROWS, Probe, ResultError, Row, read_rows

OPTIONS = Options(
    case=("linear_ar.forward",), impl=("numpy", "numba"), dim=(2,), batch=(1,), map=(), processes=2
)
CELL = Cell("linear_ar", "forward", "numba", "float64", 2, 1, 1)
SOUND: dict[str, Any] = {"cell": vars(CELL), "status": "ok", "rounds": [1e-6, 2e-6], "iterations": 10}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of 4 rows and 4 probes."""
    return write_run(tmp_path / "r", OPTIONS, processes=2)


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def put(file: Path, number: int, line: bytes) -> None:
    """A line in place of another, counted from 1."""
    lines = lines_of(file)
    lines[number - 1] = line + b"\n"
    file.write_bytes(b"".join(lines))


def row(**changes: Any) -> bytes:
    return json.dumps(SOUND | changes).encode()


def cell(**changes: Any) -> bytes:
    return row(cell=vars(CELL) | changes)


def without(key: str) -> bytes:
    return json.dumps({k: v for k, v in SOUND.items() if k != key}).encode()


ROW_LINES = [
    b"", b"{", b"[]", b"null", b"5", b'"text"', b"{}", b"\x00\xff\xfe\x80", b"\x89PNG\r", 5000 * b"[",
    row()[:-1], row() + row(), b'{"benchmarks": [], "version": "5.1.0"}',
    b'{"process": 0, "at": 1.0, "seconds": 1.0}',
    row(unknown=1), without("cell"), without("status"), without("rounds"),
    row(status="other"), row(status=None), row(status="skipped"), row(rounds=[]),
    row(rounds=[float("nan")]), row(rounds=[float("inf")]), row(rounds=[-1.0]), row(rounds=[0.0]),
    row(rounds=[5e-324]), row(rounds=[1e300]), row(rounds=[1]), row(rounds=["x"]), row(rounds=[None]),
    row(rounds=1.0), row(rounds={"a": 1.0}), row(rounds=[[1.0]]), row(rounds=[True]),
    b'{"cell": %s, "status": "ok", "rounds": [1e999]}' % json.dumps(vars(CELL)).encode(),
    row(iterations=-1), row(iterations=1.5), row(iterations=2**31), row(iterations=True),
    row(process=-1), row(process="0"), row(process=2**31), row(process=None),
    row(started=float("nan")), row(started=-1.0), row(started=1), row(cpus=float("inf")), row(compile="x"),
    row(reason=5), row(reason="\ud800"), row(fraction=0.5), row(ceiling="call"),
    row(cell=3), row(cell={}), row(cell=[]), row(cell=None),
    cell(case="no_such"), cell(operation="no_such"), cell(case=[]), cell(impl=["numba"]), cell(impl=None),
    cell(impl="\ud800"), cell(dtype="float16"), cell(dim="2"), cell(dim=0), cell(dim=2.0), cell(dim=True),
    cell(dim=2**31), cell(dim=4), cell(batch=-1), cell(threads=0), cell(more=1), cell(operation="inverse"),
    cell(impl="torch-xla"),
    *(row().replace(b'"dim": 2', b'"dim": 1' + zeros * b"0") for zeros in (400, 5000)),
]  # fmt: skip


def probe(**changes: Any) -> bytes:
    return json.dumps({"process": 0, "at": 1.8e9, "seconds": 1e-3} | changes).encode()


PROBE_LINES = [
    b"", b"{", b"[]", b"3", b"{}", b"\xff\x00", row(), probe(more=1), probe()[:-1],
    probe(process=-1), probe(process="0"), probe(process=1.0), probe(process=True),
    probe(at=float("nan")), probe(at=-1.0), probe(at=1), probe(at="now"),
    probe(seconds=0.0), probe(seconds=float("nan")), probe(seconds=float("inf")), probe(seconds=None),
]  # fmt: skip


DAMAGED = [(ROWS, "a result row", line) for line in ROW_LINES]
DAMAGED += [(PROBES, "a probe", line) for line in PROBE_LINES]


@pytest.mark.parametrize(("name", "wanted", "line"), DAMAGED, ids=lambda value: str(value)[:60])
def test_a_damaged_line_is_named_and_the_rest_kept(folder: Path, name: str, wanted: str, line: bytes) -> None:
    sound = read_run(folder)
    put(folder / name, 2, line)
    run = read_run(folder)
    assert run.damaged == [f"{folder / name}:2: not {wanted}"]
    kept = {ROWS: [sound.rows, sound.probes], PROBES: [sound.probes, sound.rows]}[name]
    found = {ROWS: [run.rows, run.probes], PROBES: [run.probes, run.rows]}[name]
    assert found == [[kept[0][0], *kept[0][2:]], kept[1]]


def test_every_damaged_line_of_both_files_is_named(folder: Path) -> None:
    put(folder / ROWS, 1, b"x")
    put(folder / ROWS, 4, b"y")
    put(folder / PROBES, 2, b"z")
    run = read_run(folder)
    assert [message.split(":")[-2:] for message in run.damaged] == [
        ["1", " not a result row"],
        ["4", " not a result row"],
        ["2", " not a probe"],
    ]
    assert len(run.rows) == 2
    assert len(run.probes) == 3


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    (folder / ROWS).write_bytes(junk + b"\n")
    found, damaged = read_rows(folder, Operations.of([CELL]))
    assert not found
    assert len(damaged) == junk.count(b"\n") + 1


@pytest.mark.parametrize("name", [ROWS, PROBES])
@pytest.mark.parametrize("kept", [0, 1, 20, -1])
def test_a_last_line_that_was_cut_off_is_left_out(folder: Path, name: str, kept: int) -> None:
    sound = read_run(folder)
    *before, last = lines_of(folder / name)
    (folder / name).write_bytes(b"".join(before) + last[:kept])
    run = read_run(folder)
    assert (len(run.rows), len(run.probes)) == ((3, 4) if name == ROWS else (4, 3))
    assert (run.rows, run.probes) == (sound.rows[: len(run.rows)], sound.probes[: len(run.probes)])
    assert not run.damaged


def test_what_was_cut_off_is_removed_before_a_run_goes_on(folder: Path) -> None:
    sound = read_run(folder).rows
    for name in (ROWS, PROBES):
        (folder / name).write_bytes((folder / name).read_bytes()[:-5])
    RunFolder.resume(folder).append(sound[-1])
    run = read_run(folder)
    assert (run.rows, run.damaged) == (sound, [])
    assert len(run.probes) == 3


def test_the_last_of_repeated_rows_counts(folder: Path) -> None:
    again = Row(CELL, "ok", (0.5, 0.5), 1, process=1, started=2e9)
    RunFolder(folder).append(again)
    run = read_run(folder)
    assert len(run.rows) == 5
    assert run.measured[CELL].rows[1] == again
    assert len(run.measured[CELL].rows) == 2


def test_all_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "r", {}, OPTIONS)
    rows = [
        Row(CELL, "ok", (1e-6, 2.5e-6), 10, 1, 1.8e9, 1.9, 1.5, 1.0, 0.2),
        Row(CELL, "failed", reason='wrong: "größer" [bold]\n'),
        Row(CELL, "skipped", reason="too slow", expected=3.0),
    ]
    for item in (*rows, Probe(1, 1.8e9, 1e-3)):
        folder.append(item)
    run = read_run(folder.path)
    assert (run.rows, run.probes, run.damaged) == (rows, [Probe(1, 1.8e9, 1e-3)], [])
    assert run.options == OPTIONS
    assert RunFolder.resume(folder.path).state(folder.path) == (OPTIONS, {(CELL, 1), (CELL, 0)})
    assert run.operations == Operations.of(plan(OPTIONS), OPTIONS.impl)


@contextmanager
def refused(start: object) -> Iterator[None]:
    """An error of one line that starts so."""
    with pytest.raises(ResultError) as caught:
        yield
    message = caught.value.format_message()
    assert message.startswith(str(start))
    assert "\n" not in message


ENVIRONMENTS = [
    b"", b"{}", b"[1]", b"3", b"null", b'{"schema": 3', 100_000 * b"[", b"\x00\xff", b"\x89PNG\r\n",
    b'{"schema": 1, "options": {}}', b'{"schema": 5, "options": {}}', b'{"schema": "3", "options": {}}',
]  # fmt: skip


@pytest.mark.parametrize("content", ENVIRONMENTS, ids=lambda content: content[:30].decode(errors="replace"))
def test_a_foreign_environment_is_refused_with_one_line(folder: Path, content: bytes) -> None:
    (folder / ENVIRONMENT).write_bytes(content)
    with refused(f"{folder / ENVIRONMENT}: not "):
        read_run(folder)


def test_an_older_schema_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / ENVIRONMENT).write_text('{"schema": 2, "options": {}}')
    with pytest.raises(ResultError, match="of schema 4 but 2; measure again, or read it with the version"):
        read_run(folder)


def test_a_folder_of_the_schema_before_is_read(folder: Path) -> None:
    def older(stored: Any) -> None:
        stored["schema"] = 3
        del stored["options"]["curve"]

    edit_json(folder / ENVIRONMENT, older)
    assert read_run(folder).options.curve == ()
    assert read_run(folder).measured


def stored_in(file: Path) -> Any:
    return json.loads(file.read_text())


OPTION_CHANGES: list[Any] = [
    None, 3, [], {"seed": "x"}, {"seed": -1}, {"seconds": float("nan")}, {"dim": [0]}, {"dim": []},
    {"dim": [2.5]}, {"dim": "2"}, {"dtype": ["float16"]}, {"impl": ["fortran"]}, {"processes": 0},
    {"processes": 1.0}, {"unknown": 1}, {"to_json": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", OPTION_CHANGES, ids=str)
def test_options_that_no_run_has_are_refused_with_one_line(folder: Path, change: Any) -> None:
    stored = stored_in(folder / ENVIRONMENT)
    stored["options"] = stored["options"] | change if isinstance(change, dict) else change
    (folder / ENVIRONMENT).write_text(json.dumps(stored))
    with refused(f"{folder / ENVIRONMENT}: no usable options"):
        read_run(folder)


OPERATION_CHANGES: list[Any] = [
    None, 3, [], {"operations": 3}, {"operations": {"a.b": {}}}, {"operations": {"a.b": 3}},
    {"comparisons": [1]},
    {"comparisons": [{"kind": "matched"}]}, {"implementations": {"numba": {"unknown": 1}}}, {"cells": 3},
    {"cells": [3]}, {"available": "x"},
]  # fmt: skip
COST_CHANGES: list[Any] = [
    {"costs": 3}, {"costs": {"x": {}}}, {"costs": {"2": {"flops": -1}}}, {"costs": {"2": {"flops": "x"}}},
    {"costs": {"2": {"other": 1}}}, {"costs": {"2": {"flops": float("nan")}}}, {"costs": {}},
    {"sequential": 1},
    {"axis": None}, {"implementations": "numba"}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("change", [*OPERATION_CHANGES, *COST_CHANGES], ids=str)
def test_operations_that_no_run_has_are_refused_with_one_line(folder: Path, change: Any) -> None:
    stored = stored_in(folder / OPERATIONS)
    if change in COST_CHANGES:
        stored["operations"]["linear_ar.forward"] |= change
    else:
        stored = stored | change if isinstance(change, dict) else change
    (folder / OPERATIONS).write_text(json.dumps(stored))
    with refused(f"{folder / OPERATIONS}: not the operations of a run"):
        read_run(folder)


def test_costs_between_the_sizes_of_a_run_lie_between_its_costs() -> None:
    cells = [Cell("linear_ar", "forward", "numba", "float64", dim, 1, 1) for dim in (2, 8)]
    stored = Operations.of(cells)["linear_ar.forward"]
    assert stored.cost(8) == cells[1].cost
    low, between, high = (stored.cost(dim) for dim in (2, 4, 8))
    assert between.depth == pytest.approx(4)
    costs = np.array([low, between, high])
    assert np.all(costs[:-1] <= costs[1:] * (1 + 1e-9))


@pytest.mark.parametrize("name", [ROWS, ENVIRONMENT, OPERATIONS])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with refused(f"{folder / name}: cannot be read"):
        read_run(folder)


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("")
    with refused(str(tmp_path / "r")):
        read_run(tmp_path / "r")


def test_nothing_timed_is_an_error_where_times_are_needed(folder: Path) -> None:
    (folder / ROWS).write_bytes(b"")
    assert read_run(folder).measured == {}
    with refused(f"{folder / ROWS}: no timed cells"):
        timed_run(folder)


def test_two_runs_into_one_folder_are_refused(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with refused(f"{folder}: not empty"):
        RunFolder.create(folder, {}, OPTIONS)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with refused(str(tmp_path / "file" / "below")):
        RunFolder.create(tmp_path / "file" / "below", {}, OPTIONS)
