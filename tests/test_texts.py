"""Texts of others in what commands print and write: names of folders, machines, versions, operations."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command import completed, invoke
from synthetic import CEILINGS, edit_json, read_csv, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import ResultError

FEW = Options(case=("linear_ar",), impl=("numpy", "numba"), dim=(2, 8), batch=(1, 4), map=())
HOSTILE = "half \ud800 \x1b[31mred\x00 $x^{$ [/bold] \\$ line\nline \u202e & < \ufffe "
# The commands one after another, each with the code that it ends with.
COMMANDS = """
import json, sys
from seqgap.bench.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as error:
        print("code", error.code, flush=True)
"""


def hostile(value: Any) -> Any:
    """The value with something else in each of its texts."""
    if isinstance(value, dict):
        return {key: hostile(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return value if not isinstance(value, str) else HOSTILE + value


def spoil(stored: dict[str, Any], change: Callable[[Any], Any]) -> None:
    """All that no command computes with."""
    for key in stored.keys() - {"schema", "options", "ceilings"}:
        stored[key] = change(stored[key])


def long(value: Any) -> Any:
    return dict.fromkeys(value, 2000 * "long ") if isinstance(value, dict) else [value] * 10_000


@pytest.mark.parametrize("change", [hostile, long])
@pytest.mark.parametrize("command", ["plot", "audit", "compare"])
def test_texts_of_the_environment_are_printable_everywhere(
    tmp_path: Path, change: Callable[[Any], Any], command: str
) -> None:
    folder, sound = (write_run(tmp_path / name, FEW, processes=2, seed=k) for k, name in enumerate("ab"))
    edit_json(folder / ENVIRONMENT, lambda stored: spoil(stored, change))
    result = invoke(command, folder, *([sound] if command == "compare" else []))
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.output
    assert result.output.replace("\n", "").isprintable()
    if command == "plot":
        assert (result.exit_code, result.stderr) == (0, "")
        text = (folder / "curves.svg").read_text(encoding="utf-8")
        ElementTree.fromstring(text)  # control characters are no XML
        assert len(text) < 1e6
        assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


NAMES = ["a b.c", "a.b\ud800", "a.b[/red]", "a.$x^{$", "a.b\n", "a", "a.b.c", "", ".", "a." + "b" * 10**6]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name)[:20])
@pytest.mark.parametrize("kind", ["operation", "implementation", "comparison"])
def test_names_that_no_operation_can_have_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    folder = write_run(tmp_path / "run", FEW, processes=1)

    def rename(stored: dict[str, Any]) -> None:
        if kind == "comparison":
            stored["comparisons"][0]["parallel"] = name
        elif kind == "operation":
            stored["operations"][name] = stored["operations"]["linear_ar.forward"]
        else:
            stored["implementations"][name.replace(".", "")[:10] + "!"] = stored["implementations"]["numba"]

    edit_json(folder / OPERATIONS, rename)
    with pytest.raises(ResultError, match="not the operations of a run"):
        read_run(folder)


def test_levels_of_the_memory_are_printable(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", FEW, processes=1, stored={"ceilings": CEILINGS.to_json()})
    edit_json(
        folder / ENVIRONMENT, lambda stored: stored["ceilings"]["bandwidth"][0].update(level="$x^{$[/b]")
    )
    result = invoke("plot", folder)
    assert "no usable ceilings" in result.output
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_folders_whose_names_are_not_utf_8(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        path.mkdir()
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    folder, beside = (write_run(at, FEW, processes=2) for at in (path, tmp_path / "größe"))
    a, b, both = str(folder), str(beside), str(tmp_path / os.fsdecode(b"\xff"))
    lines = [
        ["audit", a], ["compare", a, b], ["compare", b, a, "--json"], ["plot", f"{a}/none"],
        ["run", "--out", a, "--case", "normal"], ["plot", a, b, "--out", both],
        ["run", "--resume", a] if encoding.startswith("utf") else ["plot", a],
    ]  # fmt: skip
    program = [sys.executable, "-c", COMMANDS, json.dumps(lines)]
    done = completed(*program, cwd=tmp_path, PYTHONIOENCODING=encoding)
    codes = [line for line in done.stdout.splitlines() if line.startswith("code")]
    assert codes == [f"code {code}" for code in (1, 0, 0, 2, 2, 0, 0)], done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "curves.svg").exists()
    assert {line[0] for line in read_csv(Path(both) / "curves.csv")[1:]} == {"caf\ufffd", "größe"}
    assert "caf\ufffd (-): " in (Path(both) / "curves.svg").read_text(encoding="utf-8")
