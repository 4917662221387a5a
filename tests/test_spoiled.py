"""Folders of a run that somebody has spoiled: what commands say, and what they still make of them."""

import json
from pathlib import Path

import pytest
from command import invoke
from synthetic import CEILINGS, Change, edit_rows, in_environment, write, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.plan.options import Options
from seqgap.bench.report import summary
from seqgap.bench.results.folder import ENVIRONMENT, read_environment
from seqgap.bench.results.rows import ROWS

OPTIONS = Options(
    case=("linear_ar",), impl=("numpy", "numba"), dim=(2, 4), batch=(1, 2), map=(), processes=2, seconds=0.002
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run of this machine, with made-up times."""
    stored = {"ceilings": CEILINGS.to_json()}
    return write_run(tmp_path / "run", OPTIONS, processes=OPTIONS.processes, stored=stored)


def half(folder: Path) -> None:
    text = (folder / ENVIRONMENT).read_text()
    (folder / ENVIRONMENT).write_text(text[: len(text) // 2])


SPOILED: list[tuple[str, Change, str]] = [  # test_results.py has more ways
    ("plot", write(ROWS, ""), "no timed cells"),
    ("plot", write(ROWS, "{}\n"), "rows.jsonl:1: not a result row"),
    ("plot", half, "environment.json"),
    ("plot", in_environment("machine"), "environment.json"),
    ("resume", in_environment("options"), "environment.json"),
    ("resume", in_environment("options.dim", [2.5]), "environment.json"),
    ("resume", in_environment("options.unknown", 1), "environment.json"),
    ("resume", in_environment("machine.cpu", "another"), "other machine"),
    ("resume", in_environment("ceilings.timer", -1.0), "no usable ceilings"),
]


@pytest.mark.parametrize(("command", "spoil", "named"), SPOILED)
def test_spoiled_folders_give_one_line(folder: Path, command: str, spoil: Change, named: str) -> None:
    spoil(folder)
    result = invoke(*(["plot"] if command == "plot" else ["run", "--resume"]), folder)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert named in result.output
    assert result.output.count("\n") <= (2 if named.startswith("rows.jsonl") else 1)
    assert "curves.png" not in result.output


def test_damaged_lines_are_named_and_the_others_drawn(folder: Path) -> None:
    lines = (folder / ROWS).read_text().splitlines()
    lines[2:7] = [line.replace('"reason": ""', '"reason": 5') for line in lines[2:7]]
    (folder / ROWS).write_text("\n".join([lines[0], "{", *lines[2:], ""]))
    result = invoke("plot", folder)
    assert result.exit_code == 2
    assert "rows.jsonl:2" in result.stderr
    assert result.stderr.count("\n") == 4  # a line for each of three, and one for the others
    assert "curves.png" in result.stdout


def lose_last(folder: Path) -> None:
    """The last cell of the last process."""
    last = json.loads((folder / ROWS).read_text().splitlines()[-1])
    edit_rows(folder, lambda row: None if (row["cell"], row["process"]) == (last["cell"], 1) else row)


def test_resume_keeps_the_stored_ceilings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "draw", lambda *_: [])
    in_environment("ceilings.call_arrays", 0.01)(folder)
    lose_last(folder)
    result = invoke("run", "--resume", folder)
    assert result.exit_code == 0, result.output
    assert set(read_run(folder).bounds.values()) == {(0.01, "call")}


@pytest.mark.slow
def test_a_folder_without_ceilings_still_plots_and_resumes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment("ceilings")(folder)
    assert invoke("plot", folder).exit_code == 0
    monkeypatch.setattr(summary, "draw", lambda *_: [])
    lose_last(folder)
    result = invoke("run", "--resume", folder)
    assert result.exit_code == 0, result.output
    assert "How near" not in result.output
    assert "ceilings" not in read_environment(folder)
