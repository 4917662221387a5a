"""The rules audit: a good folder passes, and each way to spoil it fails exactly the rule that it breaks."""

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from synthetic import BLAS, any_environment, plausible, write_run

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.gap import write_csv as write_gaps
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.ranking import write_csv as write_peers
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.audit import Finding, audit
from seqgap.bench.audit import statistics as audit_statistics
from seqgap.bench.audit.setup import _PLACE, OPTIONAL, REQUIRED
from seqgap.bench.cli import cli
from seqgap.bench.machine.ceilings import Bandwidth, Ceilings
from seqgap.bench.measure.cell import with_fraction
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import planned, too_slow
from seqgap.bench.plan.options import Options
from seqgap.bench.results.rows import PROBES, ROWS, ResultError, read_rows
from seqgap.bench.results.run import read_run
from seqgap.kernels._core.jit import threads_available

THREADS = (1, 2) if threads_available() > 1 else (1,)
OPTIONS = Options(
    case=("linear_ar.forward", "linear_ar.inverse", "affine_coupling.forward"),
    dim=(256,),
    batch=(1, 1024),
    threads=THREADS,
    processes=5,
)
CEILINGS = Ceilings(
    bandwidth=(
        Bandwidth("L1", 32768, 16384, 1e11, 1e11, 1e11, 1e11),
        Bandwidth("DRAM", 0, 2**27, *[1e10] * 4),
    ),
    fma_latency={"float64": 1e-9, "float32": 1e-9},
    fma_flops={"float64": 1e11, "float32": 2e11},
    exp={"float64": 4e-10, "float32": 2e-10},
    normal={"float64": 2e-9, "float32": 1e-9},
    timer=4e-8,
    call_empty=6e-8,
    call_arrays=4e-7,
)
LONG = {"python": 40}  # times what is plausible, others 400: a round has 1000 timer steps
STORED: dict[str, Any] = {
    "ceilings": CEILINGS.to_json(),
    "timer": {"name": "time.perf_counter", "step": 4e-8},
}


def long(cell: Cell) -> float:
    return LONG.get(cell.impl, 400) * plausible(cell)


def make(path: Path, options: Options = OPTIONS, seconds: Callable[[Cell], float] = long) -> Path:
    """A finished run with its tables and a picture."""
    write_run(path, options, seconds=seconds, processes=options.processes, stored=STORED)
    rows, _ = read_rows(path)
    lines = [json.dumps(asdict(with_fraction(row, CEILINGS))) for row in rows]
    (path / ROWS).write_text("\n".join(lines) + "\n")
    run = read_run(path)
    write_gaps(gaps(run), path / "gap.csv")
    write_peers(rankings(run), path / "peers.csv")
    with open(path / "curves.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*_PLACE, "seconds_per_sample", "low", "high"])
        for c, found in run.measured.items():
            times = np.array([found.seconds, found.interval.low, found.interval.high]) / c.batch
            writer.writerow([c.name, c.impl, c.dtype, c.threads, c.batch, c.dim, *times.tolist()])
    footer = f"Numba {run.environment['versions']['numba']}</text><text>{METHOD.replace(chr(39), '&#x27;')}"
    (path / "curves.svg").write_text(f"<svg><text>{footer}</text></svg>")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a good run."""
    path = make(tmp_path_factory.mktemp("good") / "results")
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def good(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def verdicts(path: Path) -> dict[int, str]:
    return {finding.rule: finding.verdict for finding in audit(path)}


def failed(path: Path) -> set[int]:
    return {rule for rule, verdict in verdicts(path).items() if verdict == "fail"}


def evidence(path: Path, rule: int) -> str:
    return audit(path)[rule - 1].evidence


def test_a_good_run_passes_every_rule_with_evidence(good: Path) -> None:
    found = audit(good)
    assert [finding.rule for finding in found] == list(range(1, 13))
    expected = {"pass"} if len(THREADS) > 1 else {"pass", "not applicable"}
    assert {finding.verdict for finding in found} == expected, [f for f in found if f.verdict == "fail"]
    assert all(finding.evidence and finding.title for finding in found)
    assert audit(read_run(good)) == found


Change = Callable[[Path], None]


def in_table(name: str, column: str, factor: float) -> Change:
    """Multiply a column of the first line of a table."""

    def change(path: Path) -> None:
        with open(path / name, newline="") as file:
            reader = csv.DictReader(file)
            lines = list(reader)
        lines[0][column] = str(float(lines[0][column]) * factor)
        with open(path / name, "w", newline="") as file:
            writer = csv.DictWriter(file, reader.fieldnames or ())
            writer.writeheader()
            writer.writerows(lines)

    return change


def without_line(name: str, number: int) -> Change:
    def change(path: Path) -> None:
        lines = (path / name).read_bytes().splitlines(keepends=True)
        del lines[number]
        (path / name).write_bytes(b"".join(lines))

    return change


def in_rows(edit: Callable[[dict[str, Any]], None]) -> Change:
    def change(path: Path) -> None:
        rows = [json.loads(line) for line in (path / ROWS).read_text().splitlines()]
        for row in rows:
            edit(row)
        (path / ROWS).write_text("".join(json.dumps(row) + "\n" for row in rows))

    return change


def where(name: str, value: Any, wanted: Callable[[dict[str, Any]], bool]) -> Change:
    """Set one key of the rows that are wanted."""

    def edit(row: dict[str, Any]) -> None:
        if wanted(row):
            row[name] = value

    return in_rows(edit)


def in_environment(dotted: str, value: Any = None) -> Change:
    """Set a key of the environment, or leave it out."""

    def change(path: Path) -> None:
        stored = json.loads((path / "environment.json").read_text())
        *outer, last = dotted.split(".")
        place = stored
        for key in outer:
            place = place[key]
        del place[last]
        if value is not None:
            place[last] = value
        (path / "environment.json").write_text(json.dumps(stored))

    return change


def write(name: str, text: str) -> Change:
    return lambda path: (path / name).write_text(text) and None


def remove(name: str) -> Change:
    return lambda path: (path / name).unlink()


def without_cell(path: Path) -> None:
    """Without any row of a cell that was left out."""
    lines = (path / ROWS).read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"skipped"' not in line]
    assert len(kept) < len(lines)
    (path / ROWS).write_text("".join(kept))


def ok(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "ok")


def alternate(row: dict[str, Any]) -> None:
    """Sequential operations first, parallel ones an hour later."""
    row["started"] += 3600.0 * (row["cell"]["case"] == "affine_coupling") if ok(row) else 0.0
    row["started"] += 7200.0 * (row["cell"]["operation"] == "inverse") if ok(row) else 0.0


SPOILED: list[tuple[int, str, Change]] = [
    (1, "other seconds than the rows", in_table("peers.csv", "numba", 2)),
    (1, "without a line", without_line("gap.csv", 1)),
    (1, "without timed cells", in_table("gap.csv", "dim", 2)),
    (2, "lines that cannot be read, first", write(PROBES, "{\n")),
    (2, "planned measurements without a row", without_cell),
    (2, "without a reason", where("reason", "", lambda row: row["status"] == "skipped")),
    (3, "gap.csv:2", in_table("gap.csv", "sequential_per_sample", 2)),
    (3, "a.csv:2", write("a.csv", "seconds_per_sample,samples_per_second\n1e-3,900\n")),
    (4, "not those of their times", in_table("gap.csv", "ratio", 1.1)),
    (4, "not those of their times", in_table("peers.csv", "ratio", 0.5)),
    (7, "without the interval", in_table("gap.csv", "ratio_high", 1.1)),
    (7, "not neighbours in time", in_rows(alternate)),
    (7, "not neighbours in time", where("started", 0.0, ok)),
    (9, "missing: machine.governor", in_environment("machine.governor")),
    (9, "missing: source.digest", in_environment("source.digest")),
    (9, "without a value: load", in_environment("load", "")),
    (9, "missing: removed_variables", in_environment("removed_variables")),
    (9, "libraries down: OPENBLAS_CORETYPE", in_environment("variables", {"OPENBLAS_CORETYPE": "X"})),
    (9, "the BLAS of scipy is not recorded", in_environment("blas", BLAS[:1])),
    (9, "kernel of the BLAS of numpy", in_environment("blas", [BLAS[0] | {"architecture": None}, BLAS[1]])),
    (9, "the BLAS of scipy was wrong", in_environment("blas", [BLAS[0], BLAS[1] | {"error": 1.5}])),
    (9, "the BLAS of numpy was wrong", in_environment("blas", [{"library": "numpy"}, BLAS[1]])),
    (10, "step of the timer is not known", in_environment("timer")),
    (10, "fewer than 1000 steps", in_environment("timer.step", 1e-3)),
    (11, "no usable ceilings", in_environment("ceilings")),
    (11, "no usable ceilings", in_environment("ceilings.fma_flops", 3)),
    (11, "or with a wrong one", where("fraction", 0.5, ok)),
    (11, "without the fraction", where("ceiling", "", ok)),
    (12, "no picture", remove("curves.svg")),
    (12, "without a CSV file, first curves.svg", remove("curves.csv")),
    (12, "no picture has intervals", write("curves.csv", "dim,seconds\n2,1.0\n")),
    (12, "curves.csv:2", write("curves.csv", "dim,low,high\n2,3.0,1.0\n")),
    (12, "curves.csv:2", in_table("curves.csv", "seconds_per_sample", 1.1)),
    (12, "do not name the versions", write("curves.svg", "<svg></svg>")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "reason", "change"), SPOILED)
def test_a_spoiled_folder_fails_that_rule_alone(good: Path, rule: int, reason: str, change: Change) -> None:
    change(good)
    found = audit(good)
    assert {finding.rule for finding in found if finding.verdict == "fail"} == {rule}
    assert reason in found[rule - 1].evidence


PARALLEL: list[tuple[str, Change]] = [
    ("kept too few cores busy", where("cpus", 1.0, lambda row: row["cell"]["threads"] > 1)),
    ("without the cores that were busy", where("cpus", 0.0, lambda row: row["cell"]["threads"] > 1)),
]


@pytest.mark.skipif(len(THREADS) < 2, reason="one processor")
@pytest.mark.parametrize(("reason", "change"), PARALLEL)
def test_parallel_cells_have_to_run_in_parallel(good: Path, reason: str, change: Change) -> None:
    change(good)
    assert failed(good) == {10}
    assert reason in evidence(good, 10)


@pytest.mark.skipif(len(THREADS) < 2, reason="one processor")
def test_threads_without_their_base_fail_rule_1(good: Path) -> None:
    lines = (good / ROWS).read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"dim": 256, "batch": 1024, "threads": 1}' not in line]
    (good / ROWS).write_text("".join(kept))
    run = read_run(good)
    write_gaps(gaps(run), good / "gap.csv")
    write_peers(rankings(run), good / "peers.csv")
    assert "of several threads without their base" in evidence(good, 1)
    assert failed(good) == {1, 2}  # and they were planned


def test_numbers_rounded_to_five_digits_pass(good: Path) -> None:
    for name in ("gap.csv", "peers.csv"):
        with open(good / name, newline="") as file:
            table = list(csv.reader(file))
        for line in table[1:]:
            for place, text in enumerate(line):
                if "." in text and text.replace(".", "").replace("e-", "").isdigit():
                    line[place] = f"{float(text):.5g}"
        with open(good / name, "w", newline="") as file:
            csv.writer(file).writerows(table)
    assert failed(good) == set()


def small(processes: int, **others: Any) -> Options:
    case = ("linear_ar.forward", "affine_coupling.forward", "linear_ar.inverse")
    return Options(case=case, dim=(2, 64), batch=(1,), processes=processes, **others)


def test_three_processes_fail_rule_5(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(3))
    assert failed(path) == {5}
    assert "3 processes; 5 needed" in evidence(path, 5)


def test_a_cell_of_fewer_processes_fails_rule_5(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(5))
    without_line(ROWS, 0)(path)
    assert {2, 5} <= failed(path)
    assert "1 cells timed by fewer than 5 processes" in evidence(path, 5)


def test_one_process_has_neither_intervals_nor_sound_comparisons(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(1))
    assert failed(path) == {5, 6, 7, 12}
    assert "cells without an interval" in evidence(path, 5)


def test_outliers_among_processes_fail_rule_6(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = make(tmp_path / "r", small(5), lambda cell: long(cell) * (3 if random.random() < 0.2 else 1))
    assert failed(path) == {6}


def test_a_process_that_is_slower_throughout_is_no_outlier_of_each_cell(tmp_path: Path) -> None:
    options = small(5)
    count = iter(range(10**6))
    cells = sum(not too_slow(cell, options) for cell in planned(options))
    path = make(tmp_path / "r", options, lambda cell: long(cell) * (1.5 if next(count) < cells else 1))
    assert failed(path) == set()


def test_one_round_is_no_median(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(5))
    in_rows(lambda row: row.update(rounds=[float(np.median(row["rounds"]))] if ok(row) else []))(path)
    assert failed(path) == {8}


def test_two_modes_are_told_from_long_tails() -> None:
    random = np.random.default_rng(0)
    tail = np.log1p(random.exponential(0.05, 400))
    assert audit_statistics._modes(tail) == 1
    assert audit_statistics._modes(np.concatenate([tail, tail + 0.7])) == 2
    assert audit_statistics._modes(np.zeros(400)) == 1


def test_rules_that_say_nothing_about_a_folder_are_not_applicable(tmp_path: Path) -> None:
    path = make(
        tmp_path / "r", Options(case=("normal",), impl=("numba",), dim=(2, 64), batch=(1,), processes=5)
    )
    assert {rule for rule, verdict in verdicts(path).items() if verdict == "not applicable"} == {
        1,
        3,
        4,
        7,
        10,
    }
    assert failed(path) == set()
    assert "no cell ran on more than one thread" in evidence(path, 10)


def test_required_entries_are_those_that_a_run_stores() -> None:
    stored = any_environment() | {"options": {}, "ceilings": {}, "schema": 2}
    free = {"versions", "caches", "variables", "removed_variables", "options", "ceilings"}

    def dotted(values: dict[str, Any], outer: str = "") -> set[str]:
        found = set()
        for key, value in values.items():
            nested = isinstance(value, dict) and key not in free
            found |= dotted(value, f"{outer}{key}.") if nested else {f"{outer}{key}"}
        return found

    elsewhere = {"timer.name", "timer.step", "ceilings"}
    known = {key for key in REQUIRED + OPTIONAL if not key.startswith("versions.")} | {"versions"}
    assert dotted(stored) == known | elsewhere


WEIRD = [
    write("gap.csv", "\x00\xff\n"),
    write("gap.csv", ""),
    write("gap.csv", "sequential,parallel,batch\na\n1,2,0,4,5\n"),
    write("peers.csv", "operation,numba,fastest_peer,ratio\n,,,\n"),
    lambda path: (path / "gap.csv").write_bytes(b"\xff\xfe\x00"),
    write("environment.json", '{"schema": 2, "options": {}, "machine": 3, "timer": [], "versions": "x"}'),
    write("curves.csv", "low,high\n1\n,,,\n"),
    lambda path: (path / "curves.svg").write_bytes(b"\xff\x00"),
]


@pytest.mark.parametrize("change", WEIRD)
def test_strange_files_are_findings_or_one_line(good: Path, change: Change) -> None:
    change(good)
    result = CliRunner().invoke(cli, ["audit", str(good)])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "fail" in result.output


def test_a_folder_named_as_a_picture_is_none(good: Path) -> None:
    (good / "odd.svg").mkdir()
    assert failed(good) == set()


def test_command_prints_every_rule_and_passes(good: Path) -> None:
    result = CliRunner().invoke(cli, ["audit", str(good)])
    assert result.exit_code == 0, result.output
    assert all(f"\n{rule:>2}  " in f"\n{result.output}" for rule in range(1, 13))
    assert "0 fail" in result.output
    assert "…" not in result.output


def test_command_names_damaged_lines_and_fails(good: Path) -> None:
    with open(good / ROWS, "a") as file:
        file.write('{"cell": 3}\n')
    result = CliRunner().invoke(cli, ["audit", str(good)])
    assert result.exit_code == 1
    count = (good / ROWS).read_text().count("\n")
    assert f"{ROWS}:{count}: not a result row; left out" in result.stderr


@pytest.mark.parametrize("prepare", [remove(ROWS), remove("environment.json"), write(ROWS, "")])
def test_a_folder_without_times_is_refused_with_one_line(good: Path, prepare: Change) -> None:
    prepare(good)
    with pytest.raises(ResultError) as caught:
        audit(good)
    assert "\n" not in caught.value.format_message()
    assert str(good) in caught.value.format_message()


def test_evidence_has_no_markup_trouble(good: Path) -> None:
    in_environment("timer.name", "[/red]")(good)
    result = CliRunner().invoke(cli, ["audit", str(good)])
    assert "[/red]" in result.output


def test_findings_are_plain_values(good: Path) -> None:
    assert all(
        isinstance(f, Finding) and f.verdict in ("pass", "fail", "not applicable") for f in audit(good)
    )
