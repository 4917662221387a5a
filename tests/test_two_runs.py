"""Two runs of one folder at once: the second is refused, and a killed one leaves nothing that would."""

import errno
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command import SEQGAP, invoke, seqgap
from synthetic import write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.plan.cells import planned
from seqgap.bench.plan.options import Options
from seqgap.bench.results.lock import held
from seqgap.bench.results.rows import ROWS, ResultError

OPTIONS = Options(
    case=("diffusion.noise", "normal"), impl=("numpy",), dim=(2, 3, 4, 5, 6), batch=(1,), map=(), processes=1
)
IN_USE = "another run measures into it; wait for its end, or stop it"


def rows_in(folder: Path) -> list[bytes]:
    return (folder / ROWS).read_bytes().splitlines(keepends=True)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run that was stopped after three rows."""
    folder = write_run(tmp_path / "run", OPTIONS, processes=1)
    (folder / ROWS).write_bytes(b"".join(rows_in(folder)[:3]))
    return folder


def test_a_second_run_is_refused_and_a_killed_one_is_gone(begun: Path, tmp_path: Path) -> None:
    command = [SEQGAP, "run", "--resume", str(begun)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as first:
        try:
            while len(rows_in(begun)) < 4:
                assert first.poll() is None, "ended before it could be stopped"
                time.sleep(0.005)
            first.send_signal(signal.SIGSTOP)  # however slow the second is, the first is not done
            before = rows_in(begun)
            second = seqgap("run", "--resume", str(begun), cwd=tmp_path)
        finally:
            first.kill()
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == f"seqgap: {begun}: {IN_USE}\n"
    assert rows_in(begun) == before
    third = seqgap("run", "--resume", str(begun), cwd=tmp_path)
    assert third.returncode == 0, third.stderr
    measured = [(row.cell, row.process) for row in read_run(begun).rows]
    assert set(measured) == {(cell, 0) for cell in planned(OPTIONS)}


@pytest.mark.parametrize("command", [["run"], ["run", "--profile", "smoke"], ["ladder"]], ids=len)
def test_every_command_that_measures_takes_the_folder_for_itself(
    monkeypatch: pytest.MonkeyPatch, begun: Path, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.setattr("seqgap.bench.measure.parent.measure_machine", lambda **_: pytest.fail("measured"))
    new = len(command) > 1 or command == ["ladder"]
    folder = tmp_path / "new" if new else begun
    folder.mkdir(exist_ok=True)
    with held(folder):
        result = invoke(*command, "--out" if new else "--resume", folder)
    assert result.exit_code != 0
    assert result.output.replace("\n", "") == f"Error: {folder}: {IN_USE}"


def test_a_folder_is_free_after_a_run(tmp_path: Path) -> None:
    for _ in range(2):
        with held(tmp_path), pytest.raises(ResultError), held(tmp_path):
            pytest.fail("held twice")


def test_a_file_system_without_locks_is_used_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("seqgap.bench.results.lock.fcntl.flock", flock)
    with held(tmp_path):
        pass


def test_what_is_not_there_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="nowhere: cannot be read"), held(tmp_path / "nowhere"):
        pytest.fail("held")
