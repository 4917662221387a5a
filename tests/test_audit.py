"""The rules audit: a good folder passes, and each way to spoil it fails exactly the rules that it breaks."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import invoke
from synthetic import (
    BLAS,
    CEILINGS,
    Change,
    any_environment,
    dotted,
    edit_rows,
    in_environment,
    plausible,
    read_csv,
    write,
    write_run,
)

from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.statistics import METHOD
from seqgap.bench.analysis.tables import tables
from seqgap.bench.audit import statistics as audit_statistics
from seqgap.bench.audit.rules import audit
from seqgap.bench.audit.setup import OPTIONAL, REQUIRED
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import planned, too_slow
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT
from seqgap.bench.results.rows import PROBES, ROWS, ResultError
from seqgap.bench.results.tables import write_table
from seqgap.kernels._core.jit import threads_available

THREADS = (1, 2) if threads_available() > 1 else (1,)
OPTIONS = Options(
    case=("linear_ar.forward", "linear_ar.inverse", "affine_coupling.forward"),
    dim=(256,),
    batch=(1, 1024),
    threads=THREADS,
    processes=5,
)
STORED: dict[str, Any] = {
    "ceilings": CEILINGS.to_json(),
    "timer": {"name": "time.perf_counter", "step": 4e-8},
}
TABLES = {1, 3, 4, 7}  # the rules that speak of what is in the tables


def long(cell: Cell) -> float:
    """Of a round of 1000 timer steps."""
    return (40 if cell.impl == "python" else 400) * plausible(cell)


def tabulate(path: Path) -> Path:
    for table in tables(read_run(path)).values():
        write_table(table, path)
    return path


def make(path: Path, options: Options = OPTIONS, seconds: Callable[[Cell], float] = long) -> Path:
    """A finished run with its tables and a picture."""
    write_run(path, options, seconds=seconds, processes=options.processes, stored=STORED)
    versions = read_run(path).environment["versions"]
    footer = f"Numba {versions['numba']}</text><text>{METHOD}".replace("'", "&#x27;")
    (path / "curves.svg").write_text(f"<svg><text>{footer}</text></svg>")
    return tabulate(path)


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


def rules(path: Path, verdict: str = "fail") -> set[int]:
    return {finding.rule for finding in audit(path) if finding.verdict == verdict}


def evidence(path: Path, rule: int) -> str:
    return audit(path)[rule - 1].evidence


def test_a_good_run_passes_every_rule_with_evidence(good: Path) -> None:
    findings = audit(good)
    assert [finding.rule for finding in findings] == list(range(1, 13))
    expected = {"pass"} if len(THREADS) > 1 else {"pass", "not applicable"}
    assert {finding.verdict for finding in findings} == expected, findings
    assert all(finding.evidence for finding in findings)
    assert audit(read_run(good)) == findings


def in_table(name: str, column: str, factor: float) -> Change:
    """Multiply a column of the first line of a table."""

    def change(path: Path) -> None:
        head, first, *lines = read_csv(path / name)
        first[head.index(column)] = str(float(first[head.index(column)]) * factor)
        with open(path / name, "w", newline="") as file:
            csv.writer(file).writerows([head, first, *lines])

    return change


def without_line(name: str, number: int) -> Change:
    def change(path: Path) -> None:
        lines = (path / name).read_bytes().splitlines(keepends=True)
        del lines[number]
        (path / name).write_bytes(b"".join(lines))

    return change


def ok(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "ok")


def skipped(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "skipped")


def where(name: str, value: Any, wanted: Callable[[dict[str, Any]], bool]) -> Change:
    """Set one key of the rows that are wanted."""
    return lambda path: edit_rows(path, lambda row: row | {name: value} if wanted(row) else row)


def without_rows(unwanted: Callable[[dict[str, Any]], bool]) -> Change:
    return lambda path: edit_rows(path, lambda row: None if unwanted(row) else row)


def remove(name: str) -> Change:
    return lambda path: (path / name).unlink()


def alternate(row: dict[str, Any]) -> dict[str, Any]:
    """Sequential operations first, parallel ones an hour later."""
    hours = (row["cell"]["case"] == "affine_coupling") + 2 * (row["cell"]["operation"] == "inverse")
    return row | {"started": row["started"] + 3600.0 * hours} if ok(row) else row


SPOILED: list[tuple[set[int], str, Change]] = [
    (TABLES, "do not give, first peers.csv:2", in_table("peers.csv", "numba", 2)),
    (TABLES, "do not give, first gap.csv:2", without_line("gap.csv", 1)),
    (TABLES, "do not give, first gap.csv:2", in_table("gap.csv", "dim", 2)),
    (TABLES, "do not give, first gap.csv:2", in_table("gap.csv", "sequential_per_sample", 2)),
    (TABLES, "do not give, first gap.csv:2", in_table("gap.csv", "ratio", 1.1)),
    (TABLES, "do not give, first peers.csv:2", in_table("peers.csv", "ratio", 0.5)),
    (TABLES, "do not give, first gap.csv:2", in_table("gap.csv", "ratio_high", 1.1)),
    (TABLES, "do not give, first shapes.csv:1", write("shapes.csv", "what\nexponent\n")),
    (TABLES, "do not give, first gap.csv is missing", remove("gap.csv")),
    ({2}, "lines that cannot be read, first", write(PROBES, "{\n")),
    ({2, 12}, "planned measurements without a row", without_rows(skipped)),
    ({2}, "without a reason", where("reason", "", skipped)),
    ({7}, "not neighbours in time", lambda path: edit_rows(path, alternate)),
    ({7}, "not neighbours in time", where("started", 0.0, ok)),
    ({9}, "missing: machine.governor", in_environment("machine.governor")),
    ({9}, "missing: source.digest", in_environment("source.digest")),
    ({9}, "without a value: load", in_environment("load", "")),
    ({9}, "missing: removed_variables", in_environment("removed_variables")),
    ({9}, "libraries down: OPENBLAS_CORETYPE", in_environment("variables", {"OPENBLAS_CORETYPE": "X"})),
    ({9}, "the BLAS of scipy is not recorded", in_environment("blas", BLAS[:1])),
    ({9}, "kernel of the BLAS of numpy", in_environment("blas", [BLAS[0] | {"architecture": None}, BLAS[1]])),
    ({9}, "the BLAS of scipy was wrong", in_environment("blas", [BLAS[0], BLAS[1] | {"error": 1.5}])),
    ({9}, "the BLAS of numpy was wrong", in_environment("blas", [{"library": "numpy"}, BLAS[1]])),
    ({10}, "step of the timer is not known", in_environment("timer")),
    ({10}, "fewer than 1000 steps", in_environment("timer.step", 1e-3)),
    ({11}, "no usable ceilings", in_environment("ceilings")),
    ({11}, "no usable ceilings", in_environment("ceilings.fma_flops", 3)),
    ({12}, "no picture", remove("curves.svg")),
    ({12}, "curves.csv is missing", remove("curves.csv")),
    ({12}, "first curves.csv:1", write("curves.csv", "dim,seconds\n2,1.0\n")),
    ({12}, "first curves.csv:2", in_table("curves.csv", "low", 3.0)),
    ({12}, "first curves.csv:2", in_table("curves.csv", "seconds_per_sample", 1.1)),
    ({12}, "first curves.csv:2", in_table("curves.csv", "samples_per_second", 1.1)),
    ({12}, "do not name the versions", write("curves.svg", "<svg></svg>")),
]  # fmt: skip
PARALLEL: list[tuple[set[int], str, Change]] = [
    ({10}, "kept too few cores busy", where("cpus", 1.0, lambda row: row["cell"]["threads"] > 1)),
    ({10}, "without the cores that were busy", where("cpus", 0.0, lambda row: row["cell"]["threads"] > 1)),
]


@pytest.mark.parametrize(("broken", "reason", "change"), SPOILED + (PARALLEL if len(THREADS) > 1 else []))
def test_spoiled_folders_fail_those_rules(good: Path, broken: set[int], reason: str, change: Change) -> None:
    change(good)
    findings = audit(good)
    assert {finding.rule for finding in findings if finding.verdict == "fail"} == broken
    assert reason in findings[min(broken) - 1].evidence


@pytest.mark.skipif(len(THREADS) < 2, reason="one processor")
def test_threads_without_their_base_fail_rule_1(good: Path) -> None:
    base = {"dim": 256, "batch": 1024, "threads": 1}
    edit_rows(good, lambda row: None if base.items() <= row["cell"].items() else row)
    tabulate(good)
    assert "of several threads without their base" in evidence(good, 1)
    assert rules(good) == {1, 2}  # and they were planned


def test_numbers_rounded_to_five_digits_pass(good: Path) -> None:
    for name in ("gap.csv", "peers.csv", "curves.csv"):
        lines = read_csv(good / name)
        for line in lines:
            for column, text in enumerate(line):
                if "." in text and text.replace(".", "").replace("e-", "").isdigit():
                    line[column] = f"{float(text):.5g}"
        with open(good / name, "w", newline="") as file:
            csv.writer(file).writerows(lines)
    assert rules(good) == set()


def small(processes: int, **others: Any) -> Options:
    return Options(case=OPTIONS.case, dim=(2, 64), batch=(1,), processes=processes, **others)


def test_three_processes_fail_rule_5(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(3))
    assert rules(path) == {5}
    assert "3 processes; 5 needed" in evidence(path, 5)


def test_a_cell_of_fewer_processes_fails_rule_5(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(5))
    without_line(ROWS, 0)(path)
    assert {2, 5} <= rules(path)
    assert "1 cells timed by fewer than 5 processes" in evidence(path, 5)


def test_one_process_has_neither_intervals_nor_sound_comparisons(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(1))
    assert rules(path) == {5, 6, 7, 12}
    assert all("without an interval" in evidence(path, rule) for rule in (5, 7, 12))


def test_outliers_among_processes_fail_rule_6(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    path = make(tmp_path / "r", small(5), lambda cell: long(cell) * (3 if random.random() < 0.2 else 1))
    assert rules(path) == {6}


def test_a_process_that_is_slower_throughout_is_no_outlier_of_each_cell(tmp_path: Path) -> None:
    options = small(5)
    count = iter(range(10**6))
    cells = sum(not too_slow(cell, options) for cell in planned(options))
    path = make(tmp_path / "r", options, lambda cell: long(cell) * (1.5 if next(count) < cells else 1))
    assert rules(path) == set()


def test_one_round_is_no_median(tmp_path: Path) -> None:
    path = make(tmp_path / "r", small(5))
    edit_rows(path, lambda row: row | {"rounds": [float(np.median(row["rounds"]))] if ok(row) else []})
    tabulate(path)
    assert rules(path) == {8}


def test_two_modes_are_told_from_long_tails() -> None:
    random = np.random.default_rng(0)
    tail = np.log1p(random.exponential(0.05, 400))
    assert audit_statistics._modes(tail) == 1
    assert audit_statistics._modes(np.concatenate([tail, tail + 0.7])) == 2
    assert audit_statistics._modes(np.zeros(400)) == 1


def test_rules_that_say_nothing_about_a_folder_are_not_applicable(tmp_path: Path) -> None:
    options = Options(case=("normal",), impl=("numba",), dim=(2, 64), batch=(1,), processes=5)
    path = make(tmp_path / "r", options)
    assert rules(path, "not applicable") == {1, 3, 4, 7, 10}
    assert rules(path) == set()
    assert "no cell ran on more than one thread" in evidence(path, 10)


def test_required_entries_are_those_that_a_run_stores() -> None:
    stored = any_environment() | dict.fromkeys(("options", "ceilings", "schema"))
    elsewhere = {"timer.name", "timer.step", "ceilings", "command"}
    known = {key for key in REQUIRED + OPTIONAL if not key.startswith("versions.")} | {"versions"}
    assert set(dotted(stored)) == known | elsewhere


WEIRD: list[Change] = [
    write("gap.csv", "\x00\xff\n"),
    write("gap.csv", ""),
    write("gap.csv", "sequential,parallel,batch\na\n1,2,0,4,5\n"),
    write("peers.csv", "operation,numba,fastest_peer,ratio\n,,,\n"),
    lambda path: (path / "gap.csv").write_bytes(b"\xff\xfe\x00"),
    write(ENVIRONMENT, '{"schema": 3, "options": {}, "machine": 3, "timer": [], "versions": "x"}'),
    write("curves.csv", "low,high\n1\n,,,\n"),
    write("curves.csv", "run\n\n"),
    lambda path: (path / "curves.svg").write_bytes(b"\xff\x00"),
]


@pytest.mark.parametrize("change", WEIRD)
def test_strange_files_are_findings_or_one_line(good: Path, change: Change) -> None:
    change(good)
    result = invoke("audit", good)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert "fail" in result.output


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / "odd.svg").mkdir(),  # a folder that is named as a picture
        lambda path: (path / "notes.csv").write_text("a table of somebody else\n"),
        lambda path: (path / "curves.csv").write_text("run,what\na,median\nb,median\n"),  # of several runs
    ],
)
def test_what_is_no_picture_of_the_run_alone_is_let_pass(good: Path, change: Change) -> None:
    change(good)
    assert rules(good) == set()


def test_command_prints_every_rule_and_passes(good: Path) -> None:
    result = invoke("audit", good)
    assert result.exit_code == 0, result.output
    assert all(f"\n{rule:>2}  " in f"\n{result.output}" for rule in range(1, 13))
    assert "0 fail" in result.output
    assert "…" not in result.output


def test_command_names_damaged_lines_and_fails(good: Path) -> None:
    with open(good / ROWS, "a") as file:
        file.write('{"cell": 3}\n')
    result = invoke("audit", good)
    assert result.exit_code == 1
    count = (good / ROWS).read_text().count("\n")
    assert f"{ROWS}:{count}: not a result row; left out" in result.stderr


@pytest.mark.parametrize("prepare", [remove(ROWS), remove(ENVIRONMENT), write(ROWS, "")])
def test_a_folder_without_times_is_refused_with_one_line(good: Path, prepare: Change) -> None:
    prepare(good)
    with pytest.raises(ResultError) as caught:
        audit(good)
    assert "\n" not in caught.value.format_message()
    assert str(good) in caught.value.format_message()


def test_evidence_has_no_markup_trouble(good: Path) -> None:
    in_environment("timer.name", "[/red]")(good)
    result = invoke("audit", good)
    assert "[/red]" in result.output
