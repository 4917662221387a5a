"""Wrong uses of the command line: code 2, one line on standard error that names what is wrong, no output."""

import re
import sys
from pathlib import Path

import pytest
from command import seqgap
from synthetic import write_run

from seqgap.bench.cli import main
from seqgap.bench.measure import parent
from seqgap.bench.plan.options import Options
from seqgap.kernels._core.jit import threads_available

THREADS = threads_available()
ONE = Options(case=("linear_ar",), impl=("numpy", "numba"), dim=(2,), batch=(1,), map=(), processes=2)
# What is typed, and what the line has to name.
WRONG = [
    ("no-such-command", "no-such-command"),
    ("rum", "rum"),
    ("--no-such-option", "--no-such-option"),
    ("run surplus", "surplus"),
    ("run --no-such-option", "--no-such-option"),
    ("run --profile huge", "'huge' is not one of 'smoke', 'quick', 'full'"),
    ("run --profile quik", "did you mean quick?"),
    ("run --case no_such", "--case: nothing matches no_such; see seqgap list"),
    ("run --case lin", "did you mean linear_ar?"),
    ("run --case maf,mfa", "nothing matches mfa; did you mean maf?"),
    ("run --case maf.forwrd", "did you mean maf.forward?"),
    ("run --case normal --case no_such*", "no_such*"),
    ("run --case normal.* --case ar_process.no_such --case maf", "ar_process.no_such"),
    ("run --case a\nb", "--case"),
    ("run --impl fortran", "--impl: expected some of python, numpy, numba, "),
    ("run --impl numpi", "did you mean numpy?"),
    ("run --impl python,,numba", "--impl"),
    ("run --impl flowjax --case linear_ar", "--impl"),  # not installed, or nothing that it has
    ("run --dim 2,x", "expected integers and ranges such as 2..1024"),
    ("run --dim 0", "--dim"),
    ("run --dim 5..2", "expected a range from a smaller number to a larger one, got '5..2'"),
    ("run --dim 0..8", "0..8"),
    ("run --dim 2..", "'2..'"),
    ("run --dim 2..4..8", "2..4..8"),
    (f"run --dim 2..{2**25}", "--dim"),
    (f"run --dim 1..{10**30}", f"from 1 to 16777216, got '1..{10**30}'"),
    (f"run --dim {2**24 + 1}", "--dim"),
    ("run --case ", "nothing matches ''"),
    ("run --out ", "--out': expected a folder, got ''"),
    ("run --resume ", "expected a folder, got ''"),
    ("plot --out  done", "--out': expected a folder, got ''"),
    ("show ", "expected a folder, got ''"),
    ("report done done done", "expected one folder, or an old and a new one, got 3"),
    ("report done --out .", "--out: expected a file, got the folder ."),
    ("report nothere", "nothere: no such folder"),
    ("run --batch -1", "--batch"),
    ("run --batch 1e3", "--batch"),
    (f"run --threads {THREADS + 1}", f"from 1 to {THREADS}, the hardware threads of this machine"),
    ("run --threads 0", "--threads"),
    ("run --impl python --threads 2", "--impl" if THREADS > 1 else "--threads"),
    ("run --dtype float16", "--dtype: expected some of float64, float32"),
    ("run --seed -1", "--seed"),
    (f"run --seed {2**64}", "--seed"),
    ("run --seed x", "--seed"),
    ("run --processes 0", "--processes"),
    ("run --processes two", "--processes"),
    ("run --budget soon", "expected a duration such as 90s, 10m or 1h30m, got 'soon'"),
    ("run --budget 0m", "--budget"),
    ("run --budget 5s", "--budget: takes about"),
    ("machine --json --format csv", "--json is --format json, not --format csv"),
    ("machine --format table --json", "--format table"),
    ("run --quiet --verbose", "--quiet and --verbose"),
    ("run --out file/below", "file"),
    ("run --out full", "full"),
    ("run --resume nowhere", "nowhere: no such folder"),
    ("run --resume empty", "empty: not a result folder"),
    ("run --resume done --dim 2", "drop --dim"),
    ("run --resume done --dry-run --budget 5m", "drop --budget, --dry-run"),
    ("run --resume latest", "there is no run in seqgap-results"),
    ("plot", "there is no run in seqgap-results"),
    ("plot nowhere", "nowhere"),
    ("plot done file", "file: not a result folder"),
    ("plot done --out file/below", "file/below"),
    ("audit empty", "empty: not a result folder"),
    ("audit done --format yaml", "--format"),
    ("audit latest~1", "latest~1"),
    ("audit latest~x", "latest~x: no such folder"),
    ("audit done done", "done"),
    ("compare done", "latest"),
    ("compare done empty", "empty"),
    ("compare done done --margin 2", "--margin"),
    ("compare done done --fail-on slow", "did you mean slower?"),
    ("list --dim 0", "--dim"),
    ("list --format jsn", "did you mean json?"),
    ("verify --case maf", "--case"),
    ("machine --json --fast", "--fast"),
    ("ladder --case radial", "which have both directions, got 'radial'"),
    ("ladder --case linear_a", "did you mean linear_ar?"),
    ("ladder --dim 0", "--dim"),
    ("ladder --dim 2,4", "--dim"),
    ("ladder --dtype float65", "did you mean float64?"),
    ("ladder -q -v", "--quiet and --verbose"),
]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "file").write_text("not a folder")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "something").touch()
    write_run(folder / "done", ONE, processes=2)
    return folder


@pytest.mark.parametrize(("typed", "named"), WRONG, ids=lambda text: text)
def test_a_wrong_use_is_one_line_that_names_it(
    surroundings: Path,
    typed: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(surroundings.rglob("*"))
    monkeypatch.setattr(parent, "measure_machine", lambda **_: pytest.fail("measured"))
    monkeypatch.chdir(surroundings)
    monkeypatch.setattr(sys, "argv", ["seqgap", *typed.split(" ")])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out) == (2, "")
    assert re.fullmatch(r"seqgap: .*\n", printed.err)
    assert named in printed.err
    assert sorted(surroundings.rglob("*")) == before


def test_the_line_comes_alone_from_a_process_of_its_own(surroundings: Path) -> None:
    done = seqgap("run", "--case", "no_such", cwd=surroundings)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch("seqgap: .*--case.*\n", done.stderr)


def test_a_folder_that_holds_no_run_is_told_the_newest(
    surroundings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    newest = Path("seqgap-results/2026-01-01-120000")
    write_run(tmp_path / newest, ONE, processes=2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seqgap", "audit", str(surroundings)])
    with pytest.raises(SystemExit):
        main()
    assert f"{surroundings}: not a result folder; the newest is {newest}" in capsys.readouterr().err
