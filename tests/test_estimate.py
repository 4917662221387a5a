"""How long a run takes, said before it starts and kept to a budget; and how far it is."""

import io
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from command import invoke
from rich.console import Console

from seqgap.bench.cli.console import make_notes
from seqgap.bench.measure import parent, progress
from seqgap.bench.plan import estimate
from seqgap.bench.plan.cells import planned, too_slow
from seqgap.bench.plan.estimate import duration, expectation, seconds_of, todo_of, within
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import RunFolder

FEW = Options(
    case=("linear_ar", "maf"), impl=("numpy", "numba"), dim=(2, 64), batch=(1, 64), map=(), processes=3
)


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate.cache, "count", lambda: 1000)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"),
        (40.4, "40 s"),
        (99, "99 s"),
        (100, "2 min"),
        (3600, "60 min"),
        (7260, "2 h 1 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations_are_rounded(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_expectation_counts_cells_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    todo = todo_of(FEW)
    count = sum(not too_slow(cell, FEW) for cell in planned(FEW))
    text = f"{count} cells x 3 processes, about {duration(seconds_of(todo, FEW))}"
    assert expectation(todo, FEW) == text
    assert expectation({2: todo[0]}, FEW).startswith(f"{count} cells x 1 process, about ")
    monkeypatch.setattr(estimate.cache, "count", lambda: 0)
    compiling = re.fullmatch(
        rf"{text}; the first run compiles for about (\d+) s more", expectation(todo, FEW)
    )
    assert compiling is not None
    assert int(compiling[1]) > 0


def test_more_of_anything_takes_longer() -> None:
    base = seconds_of(todo_of(FEW), FEW)
    for more in (
        {"processes": 4},
        {"dim": (2, 64, 256)},
        {"batch": (1, 64, 256)},
        {"seconds": 1.0},
        {"case": ("*",)},
    ):
        options = replace(FEW, **more)  # type: ignore[arg-type]
        assert seconds_of(todo_of(options), options) > base


def test_a_budget_is_filled_and_kept() -> None:
    least = seconds_of(todo_of(FEW), FEW)
    for budget in (least, 1.1 * least, 1.5 * least):
        options = within(FEW, budget)
        assert replace(options, seconds=FEW.seconds) == FEW
        assert seconds_of(todo_of(options), options) == pytest.approx(budget, rel=0.15)
        assert seconds_of(todo_of(options), options) <= budget * 1.01
    assert within(FEW, 1e6).seconds == pytest.approx(20 * FEW.seconds)
    with pytest.raises(ValueError, match=f"takes about {duration(least)} at least, more than 10 s"):
        within(FEW, 10)


def test_a_budget_counts_what_is_to_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = seconds_of(todo_of(FEW), FEW) + 1
    assert within(FEW, budget).seconds > FEW.seconds
    monkeypatch.setattr(estimate.cache, "count", lambda: 0)
    with pytest.raises(ValueError, match="at least"):
        within(FEW, budget)


def test_a_dry_run_writes_and_measures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parent, "measure_machine", lambda **_: pytest.fail("measured"))
    done = invoke("run", "--dry-run", "--case", "linear_ar.*", "--dim", "2..8", "--impl", "numpy,numba")
    assert done.exit_code == 0, done.output
    assert re.search(r"^linear_ar.forward +\d+ +numpy, numba +2, 4, 8$", done.stdout, re.MULTILINE)
    assert re.search(r"^\d+ cells x \d+ processes, about .*$", done.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


def test_the_budget_is_stored_as_seconds_of_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = []

    def begun(options: Options, path: Path, notes: Console) -> RunFolder:
        stored.append(options.seconds)
        raise parent.WorkerError("enough")

    monkeypatch.setattr(parent, "started", begun)
    invoke("run", "--case", "linear_ar", "--impl", "numpy", "--out", tmp_path / "r")
    invoke("run", "--case", "linear_ar", "--impl", "numpy", "--budget", "10m", "--out", tmp_path / "r")
    assert stored[1] > stored[0]


def test_one_process_is_warned_of_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "Warning: one process gives no intervals, so every comparison stays undecided\n"
    monkeypatch.chdir(tmp_path)
    assert invoke("run", "--dry-run", "--case", "linear_ar", "--processes", "1").stderr == warning
    assert invoke("run", "--dry-run", "--case", "linear_ar", "--processes", "2").stderr == ""


def test_an_implementation_that_nothing_has_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = invoke("run", "--dry-run", "--case", "maf", "--impl", "numba,scipy").stderr
    assert told == "No chosen operation runs in scipy; left out\n"
    assert invoke("run", "--dry-run", "--case", "maf", "--impl", "numba,numpy").stderr == ""


def test_a_line_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell takes 4 seconds on the made-up clock."""
    clock = itertools.count(0.0, 4.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    notes = Console(file=io.StringIO(), width=200)
    with progress.progress(notes, 100) as advance:
        for number in range(9):
            advance(f"cell {number}", once=3.0)  # to compile
    assert notes.file.getvalue() == (  # type: ignore[attr-defined]
        "4 of 100 (4%), about 96 s left; cell 3\n8 of 100 (8%), about 92 s left; cell 7\n"
    )


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_cuts_no_figure(width: int) -> None:
    notes = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    with progress.progress(notes, 112) as advance:
        advance("process 1 of 2: linear_ar.forward-python-float64-D16-N64-t1")
    assert "1/112 left -:--:-- process 1 of 2: linear_" in notes.file.getvalue()  # type: ignore[attr-defined]


def test_cells_measured_again_are_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 9.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    notes = Console(file=io.StringIO(), width=200)
    with progress.progress(notes, 2) as advance:
        for number in range(6):
            advance(f"cell {number % 2}", again=number > 1)
    lines = notes.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines == [
        "2 of 2 (100%), about 1 s left; cell 1",
        "2 of 2 (100%), once more, since other load was met; cell 1",
        "2 of 2 (100%), once more, since other load was met; cell 1",
    ]


def test_quiet_notes_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    make_notes(quiet=True).print("told")
    make_notes().print("told, [bold]as it is[/bold]")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "told, [bold]as it is[/bold]\n")
