"""Defaults of options: [tool.seqgap] in pyproject.toml, and variables."""

import sys
from pathlib import Path

import pytest
from command import invoke

from seqgap.bench.cli import main

FILE = "pyproject.toml"


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below the one with the file."""
    below = tmp_path / "project" / "below"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return below.parent


def table(text: str, folder: Path) -> Path:
    (folder / FILE).write_text(text)
    return folder / FILE


def planned(*typed: str) -> str:
    done = invoke("run", "--dry-run", "--profile", "smoke", "--case", "linear_ar", *typed)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str = "list") -> str:
    """The one line of a command that ends with code 2."""
    monkeypatch.setattr(sys, "argv", ["seqgap", *typed.split()])
    with pytest.raises(SystemExit) as caught:
        main()
    printed = capsys.readouterr()
    assert (caught.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    return printed.err


def test_what_is_typed_comes_before_variables_before_the_file(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert " x 2 processes" in planned()
    table("[tool.seqgap.run]\nprocesses = 7\n", working_folder)
    assert " x 7 processes" in planned()
    monkeypatch.setenv("SEQGAP_RUN_PROCESSES", "8")
    assert " x 8 processes" in planned()
    assert " x 9 processes" in planned("--processes", "9")


def test_values_are_as_typed(working_folder: Path) -> None:
    table(
        "[tool.seqgap.run]\ndim = [4, '8..32']\nimpl = 'numba'\ndry-run = true\ncase = ['maf', 'iaf']\n",
        working_folder,
    )
    done = invoke("run")
    assert done.exit_code == 0, done.output
    assert {line.split()[0] for line in done.stdout.splitlines() if "4, 8, 16, 32" in line} >= {
        "maf.forward",
        "iaf.forward",
    }
    assert "python" not in done.stdout
    table("[tool.seqgap.run]\ncase = 'maf'\ndry-run = true\n", working_folder)
    assert "linear_ar" not in invoke("run").stdout


def test_the_nearest_file_counts(working_folder: Path) -> None:
    table("[tool.seqgap.run]\nprocesses = 7\n", working_folder)
    table("[project]\nname = 'x'\n", working_folder / "below")
    assert " x 2 processes" in planned()


def test_help_shows_the_defaults(working_folder: Path) -> None:
    table("[tool.seqgap.list]\ndim = 128\n", working_folder)
    assert "default: 128" in " ".join(invoke("list", "--help").stdout.split())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "[tool.seqgap.run]\nproceses = 7\n",
            "tool.seqgap.run.proceses: no such option; did you mean processes?",
        ),
        ("[tool.seqgap.rum]\n", "tool.seqgap.rum: no such command; did you mean run?"),
        ("[tool.seqgap]\nrun = 3\n", "tool.seqgap.run: expected a table, got 3"),
        ("[tool]\nseqgap = 3\n", "tool.seqgap: expected a table, got 3"),
        ("tool = 3\n", "tool: expected a table, got 3"),
        ("[tool.seqgap.run.dim]\n", "tool.seqgap.run.dim: expected a text, a number, true, false, or a list"),
        ("[tool.seqgap.run]\nseed = 2026-01-01\n", "tool.seqgap.run.seed: expected a text, a number"),
        ("[tool.seqgap.list]\ndim = 'x'\n", "tool.seqgap.list.dim"),
        ("[tool.seqgap.list]\ndim = [2, 4]\n", "tool.seqgap.list.dim"),
        ("[tool.seqgap.list]\ndim = 2.5\n", "tool.seqgap.list.dim"),
        ("[tool.seqgap.list]\nformat = 'xml'\n", "tool.seqgap.list.format"),
        ('[tool.seqgap.run]\nout = "a\\u0000b"\n', "tool.seqgap.run.out: expected a text without NUL"),
        ("[tool.seqgap.", "not TOML"),
        ("\udcff", "not TOML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(
    working_folder: Path,
    text: str,
    named: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (working_folder / FILE).write_text(text, errors="surrogateescape")
    line = refused(capsys, monkeypatch)
    assert str(working_folder / FILE) in line
    assert named in line


def test_a_value_that_no_run_can_have_is_named_by_its_origin(
    working_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table("[tool.seqgap.run]\nprocesses = 0\nimpl = 'fortran'\n", working_folder)
    assert f"(from {file}: tool.seqgap.run.impl)" in refused(capsys, monkeypatch, "run --dry-run")
    line = refused(capsys, monkeypatch, "run --dry-run --impl numba")
    assert "--processes: expected" in line
    assert f"(from {file}: tool.seqgap.run.processes)" in line
    monkeypatch.setenv("SEQGAP_RUN_PROCESSES", "many")
    line = refused(capsys, monkeypatch, "run --dry-run --impl numba")
    assert "(from the variable SEQGAP_RUN_PROCESSES)" in line
    line = refused(capsys, monkeypatch, "run --dry-run --impl numba --processes 0")
    assert "from" not in line.partition("got")[2]


def test_the_file_does_not_come_into_a_run_that_goes_on(
    working_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which has its own options."""
    table("[tool.seqgap.run]\nprocesses = 7\n", working_folder)
    (working_folder / "begun").mkdir()
    (working_folder / "begun" / "environment.json").write_text("{}")
    line = refused(capsys, monkeypatch, "run --resume ../begun")
    assert "environment.json" in line
    assert "--resume takes its options from DIR; drop --dim" in refused(
        capsys, monkeypatch, "run --resume ../begun --dim 2"
    )


def test_no_variable_of_ours_is_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEQGAP_TEST_CACHE", "SEQGAP_REMOVED_VARIABLES", "SEQGAP_VERSION"):
        monkeypatch.setenv(name, "1")
    assert invoke("list").stdout.startswith("Cost of one sample")
