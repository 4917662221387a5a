"""The parent of the measuring processes: what it stores, and what it does when one of them fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import HANGS
from rich.console import Console
from synthetic import SMALL, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.measure import parent as running
from seqgap.bench.plan.options import Options
from seqgap.bench.report import summary
from seqgap.bench.results.folder import RunFolder

ONE = Options(case=("normal",), impl=("numpy",), dim=(2,), batch=(1,), processes=2, seconds=0.002)


def program(path: Path, text: str) -> str:
    """A program that stands for the Python of a worker."""
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def test_rows_and_probes_of_every_process_are_stored(tmp_path: Path) -> None:
    """In a folder whose name is not UTF-8."""
    folder = RunFolder.create(tmp_path / os.fsdecode(b"caf\xe9"), {}, ONE)
    running.measure_run(Console(), folder)
    run = read_run(folder.path)
    rows, probes = run.rows, run.probes
    assert [(str(row.cell), row.process, row.status) for row in rows] == [
        ("normal.standard_normal-numpy-float64-D2-N1-t1", process, "ok") for process in (0, 1)
    ]
    for row in rows:
        times = [probe.at for probe in probes if probe.process == row.process]
        assert min(times) <= row.started <= max(times)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys; sys.exit('no such kernel')", "no such kernel; see"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9; see"),
        ("print('not a row')", "no row: b'not a row"),
        ("import os, sys; sys.exit(os.environ.get('OPENBLAS_CORETYPE', 'not slowed'))", "not slowed; see"),
    ],
)
def test_a_worker_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str
) -> None:
    folder = RunFolder.create(tmp_path / "run", {}, ONE)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setattr(sys, "executable", program(tmp_path / "python", text))
    with pytest.raises(running.WorkerError) as caught:
        running.measure_run(Console(), folder)
    assert message in caught.value.message
    assert caught.value.message.count("\n") == 0
    assert (read_run(folder.path).rows, read_run(folder.path).damaged) == ([], [])


def test_a_worker_without_a_parent_ends(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {}, ONE)
    command = [sys.executable, "-P", "-m", "seqgap.bench.measure.worker", str(folder.path), "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert json.loads(worker.stdout.readline())["process"] == 0
        worker.stdin.close()
        assert worker.wait(HANGS) == 1
    assert (read_run(folder.path).rows, read_run(folder.path).damaged) == ([], [])


def test_a_finished_run_starts_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = RunFolder(write_run(tmp_path / "run", SMALL, processes=SMALL.processes))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    before = (folder.path / "rows.jsonl").read_bytes()
    running.measure_run(Console(), folder)
    assert (folder.path / "rows.jsonl").read_bytes() == before


def test_every_table_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run", SMALL)
    monkeypatch.setattr(summary, "draw", lambda *_: [path / "made.png"])
    assert summary.report(path, Console(width=160), Console(width=160))
    first = capsys.readouterr()
    assert all((path / name).exists() for name in ("gap.csv", "peers.csv", "shapes.csv"))
    for heading in (
        "Matched pairs",
        "Families",
        "Crossover dimension",
    ):
        assert heading in first.out
    assert first.err == ""


def test_a_report_of_damaged_rows_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run", SMALL)
    with open(path / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write("{}\n")
    monkeypatch.setattr(summary, "draw", lambda *_: [])
    assert not summary.report(path, Console(width=160))
    assert "rows.jsonl:" in capsys.readouterr().err
