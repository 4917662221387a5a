"""Ctrl-C, SIGTERM and readers that go away: a message, a code, nothing lost and nothing left behind."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command import CASES, HANGS, HEED_CTRL_C, SEQGAP, completed
from synthetic import write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.machine.probe import MEASURING
from seqgap.bench.measure.stop import Stopped, heeding_signals, nothing_measured, stoppable
from seqgap.bench.plan.options import Options

SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
ONE = Options(case=("linear_ar",), impl=("numpy", "numba"), dim=(2, 8), batch=(1,), map=(), processes=2)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signals as a program in the foreground has them, others ignore Ctrl-C; what was there comes back."""
    before = {number: signal.getsignal(number) for number, _ in SIGNALS}
    for number, _ in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_says_how_to_go_on(number: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left, heeding_signals(), stoppable(Path("r")):  # noqa: PT012
        try:
            signal.raise_signal(number)  # to this thread; os.kill may reach another one, later
        finally:
            signal.raise_signal(signal.SIGINT)  # an impatient second one
            signal.raise_signal(signal.SIGTERM)
    assert left.value.code == code
    assert capsys.readouterr().err == "Stopped. Go on with: seqgap run --resume r\n"


@pytest.mark.usefixtures("handlers")
def test_what_is_ignored_stays_ignored_and_others_are_put_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = signal.getsignal(signal.SIGTERM)
    with heeding_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("error", [Stopped(signal.SIGTERM), KeyboardInterrupt(), OSError("no room")])
def test_an_early_end_leaves_no_folder(
    tmp_path: Path, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").mkdir()

    def begin(folder: Path) -> None:
        with nothing_measured(folder):
            folder.mkdir(parents=True, exist_ok=True)
            raise error

    for folder in (tmp_path / "seqgap-results" / "run", tmp_path / "kept"):
        with pytest.raises(OSError if isinstance(error, OSError) else SystemExit):
            begin(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    said = "" if isinstance(error, OSError) else "Stopped; nothing was measured yet\n"
    assert capsys.readouterr().err == 2 * said


def run(folder: Path, *choices: str) -> "subprocess.Popen[str]":
    command = [*HEED_CTRL_C, SEQGAP, "run", "--profile", "smoke", "--impl", "numpy", *CASES, *choices]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, "--out", str(folder)], stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_stop_during_the_ceilings(tmp_path: Path, number: int, code: int) -> None:
    stopped = run(tmp_path / "deep" / "results")
    assert stopped.stderr is not None
    assert stopped.stderr.readline() == f"{MEASURING}\n"
    stopped.send_signal(number)
    printed, told = stopped.communicate(timeout=HANGS)
    assert (stopped.returncode, printed) == (code, "")
    assert told.strip() == "Stopped; nothing was measured yet"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_stop_between_cells_ends_all_processes(tmp_path: Path, number: int, code: int) -> None:
    stopped = run(tmp_path / "results", "--dim", "2..64")
    file = tmp_path / "results" / "rows.jsonl"
    while not file.exists() or not file.stat().st_size:
        assert stopped.poll() is None, "ended before it could be stopped"
        time.sleep(0.005)
    children = psutil.Process(stopped.pid).children(recursive=True)
    assert children
    for _ in range(3):
        stopped.send_signal(number)
    printed, told = stopped.communicate(timeout=HANGS)
    assert (stopped.returncode, printed) == (code, "")
    assert told.endswith(f"\nStopped. Go on with: seqgap run --resume {tmp_path / 'results'}\n")
    psutil.wait_procs(children, timeout=HANGS)
    assert not read_run(tmp_path / "results").damaged


def piped(command: str, cwd: Path) -> tuple[list[int], str, str]:
    """The codes of a pipeline, what came out, and what it said on standard error."""
    told = cwd / "told"
    script = f"{{ {command.format(seqgap=shlex.quote(SEQGAP))}; }} 2>{told}; echo ${{PIPESTATUS[@]}}"
    *lines, codes = completed("bash", "-c", script, cwd=cwd).stdout.splitlines()
    return list(map(int, codes.split())), "\n".join(lines), told.read_text()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    codes, printed, told = piped("{seqgap} list | head -n 1", tmp_path)
    assert (codes, told) == ([141, 0], "")
    assert printed.startswith("Cost of one sample")


@pytest.mark.parametrize("command", ["list", "show run", "compare run run --json", "--help"])
def test_a_standard_stream_that_takes_nothing_is_no_traceback(tmp_path: Path, command: str) -> None:
    write_run(tmp_path / "run", ONE, processes=2)
    full = "seqgap: standard output: No space left on device\n"
    for streams, code, told in ((">&-", 0, ""), (">&- 2>&- <&-", 0, ""), (">/dev/full", 2, full)):
        assert piped(f"{{seqgap}} {command} {streams}", tmp_path) == ([code], "", told), streams
    assert piped(f"{{seqgap}} {command} | head -n 0", tmp_path) == ([141, 0], "", "")


def test_standard_error_that_takes_nothing_ends_no_work(tmp_path: Path) -> None:
    plan = "{seqgap} run --dry-run --processes 1 --case linear_ar"  # warns
    codes, printed, _ = piped(f"{plan} 2>/dev/full", tmp_path)
    assert codes == [0]
    assert printed.endswith("Nothing was measured or written.")
    assert piped("{seqgap} run --dry-run --dim 0 2>/dev/full", tmp_path)[0] == [2]


def test_a_run_whose_reader_goes_away_has_all_its_files(tmp_path: Path) -> None:
    """The reader of its progress too: it goes on without."""
    write_run(tmp_path / "run", ONE, processes=2)
    codes, _, told = piped("{seqgap} run --resume run 2>&1 | head -n 1", tmp_path)
    assert (codes, told) == ([141, 0], "")
    for name in ("gap.csv", "peers.csv", "shapes.csv", "curves.png", "gap-map.png", "rounds.png"):
        assert (tmp_path / "run" / name).exists()
