"""Folders of a run that somebody has spoiled: what commands say, and what they still make of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import invoke

from seqgap.bench.analysis.run import read_run
from seqgap.bench.results.folder import read_environment

Change = Callable[[str], str]


def change(file: Path, to: Change) -> None:
    before = file.read_text()
    file.write_text(to(before))
    assert file.read_text() != before


def entry(*path: str, value: Any) -> Change:
    """Sets an entry of the environment, or drops it where the value is None."""

    def to(text: str) -> str:
        stored = json.loads(text)
        inner = stored
        for key in path[:-1]:
            inner = inner[key]
        inner.pop(path[-1]) if value is None else inner.update({path[-1]: value})
        return json.dumps(stored)

    return to


def second_line(line: str) -> Change:
    return lambda text: "\n".join([*text.split("\n")[:1], line, *text.split("\n")[2:]])


SPOILED: list[tuple[str, str, Change, str]] = [  # test_results.py has more ways
    ("plot", "rows.jsonl", lambda text: "", "no timed cells"),
    ("plot", "rows.jsonl", lambda text: "{}\n", "rows.jsonl:1: not a result row"),
    ("plot", "environment.json", lambda text: text[: len(text) // 2], "environment.json"),
    ("plot", "environment.json", entry("machine", value=None), "environment.json"),
    ("resume", "environment.json", entry("options", value=None), "environment.json"),
    ("resume", "environment.json", entry("options", "dim", value=[2.5]), "environment.json"),
    ("resume", "environment.json", entry("options", "unknown", value=1), "environment.json"),
    ("resume", "environment.json", entry("machine", "cpu", value="another"), "other machine"),
    ("resume", "environment.json", entry("ceilings", "timer", value=-1.0), "no usable ceilings"),
]


@pytest.mark.parametrize(("command", "name", "to", "named"), SPOILED)
def test_spoiled_folders_give_one_line(copied: Path, command: str, name: str, to: Change, named: str) -> None:
    change(copied / name, to)
    result = invoke(*(["plot"] if command == "plot" else ["run", "--resume"]), copied)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert named in result.output
    assert result.output.count("\n") <= (2 if named.startswith("rows.jsonl") else 1)
    assert "curves.png" not in result.output


def test_damaged_lines_are_named_and_the_others_drawn(copied: Path) -> None:
    change(copied / "rows.jsonl", lambda text: text.replace('"reason": ""', '"reason": 5', 9))
    change(copied / "rows.jsonl", second_line("{"))
    result = invoke("plot", copied)
    assert result.exit_code == 2
    assert "rows.jsonl:2" in result.stderr
    assert result.stderr.count("\n") == 4  # a line for each of three, and one for the others
    assert "curves.png" in result.stdout


def without_last(text: str) -> str:
    """Rows without the last cell of the last process."""
    rows = [json.loads(line) for line in text.splitlines()]
    last = rows[-1]["cell"], rows[-1]["process"]
    return "".join(f"{json.dumps(row)}\n" for row in rows if (row["cell"], row["process"]) != last)


def test_resume_keeps_the_stored_ceilings(copied: Path) -> None:
    change(copied / "environment.json", entry("ceilings", "call_arrays", value=0.01))
    change(copied / "rows.jsonl", without_last)
    result = invoke("run", "--resume", copied)
    assert result.exit_code == 0, result.output
    assert set(read_run(copied).bounds.values()) == {(0.01, "call")}


@pytest.mark.slow
def test_a_folder_without_ceilings_still_resumes_and_plots(copied: Path) -> None:
    change(copied / "environment.json", entry("ceilings", value=None))
    change(copied / "rows.jsonl", without_last)
    result = invoke("run", "--resume", copied)
    assert result.exit_code == 0, result.output
    assert "How near" not in result.output
    assert "ceilings" not in read_environment(copied)
    assert invoke("plot", copied).exit_code == 0
