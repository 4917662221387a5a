"""`--format`: what programs read."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import invoke
from synthetic import CEILINGS, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.analysis.tables import tables
from seqgap.bench.machine import probe
from seqgap.bench.plan.options import Options
from seqgap.bench.report.formats import FORMATS, formatted
from seqgap.bench.results.tables import Table

ONE = Options(
    case=("linear_ar",), impl=("python", "numpy", "numba"), dim=(2, 64), batch=(1,), map=(), processes=2
)
TABLE = Table(
    "t",
    ["name", "value", "note"],
    [("a|b\\", 1 / 3, None), ('c "d", e\nf', math.nan, "x"), ("g", np.float64(2), ""), ("h", 5)],
)


def test_json_has_all_digits_and_null() -> None:
    stored = json.loads(formatted([TABLE], "json"))
    assert stored[0] == {"name": "a|b\\", "value": 1 / 3, "note": None}
    assert [line["value"] for line in stored] == [1 / 3, None, 2, 5]
    assert list(stored[3]) == ["name", "value"]
    infinite = TABLE._replace(lines=[("i", math.inf)])
    assert json.loads(formatted([infinite, TABLE], "json")) == {"t": stored}
    both = formatted([infinite._replace(name="u"), TABLE], "json")
    assert json.loads(both) == {"u": [{"name": "i", "value": None}], "t": stored}


def test_csv_is_read_back() -> None:
    text = formatted([TABLE], "csv")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert lines[0] == ["name", "value", "note"]
    assert lines[1:] == [["a|b\\", repr(1 / 3), ""], ['c "d", e\nf', "", "x"], ["g", "2.0", ""], ["h", "5"]]
    assert formatted([TABLE, TABLE], "csv") == f"{text}\r\n\r\n{text}"


def test_markdown_escapes_what_would_end_a_cell() -> None:
    assert formatted([TABLE], "markdown").split("\n") == [
        "| name | value | note |",
        "| --- | ---: | --- |",
        r"| a\|b\\ | 0.333333 |  |",
        '| c "d", e f |  | x |',
        "| g | 2 |  |",
        "| h | 5 |  |",
    ]
    assert formatted([TABLE, TABLE._replace(name="u")], "markdown").count("### ") == 2


@pytest.mark.parametrize("style", FORMATS)
def test_every_table_of_a_run_has_every_format(tmp_path: Path, style: str) -> None:
    run = read_run(write_run(tmp_path / "run", ONE, processes=2))
    assert formatted(list(tables(run).values()), style).count("linear_ar") > 10


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("typed", ["list", "audit run", "compare run run", "machine"])
def test_commands_print_data_and_nothing_else(
    tmp_path: Path, typed: str, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probe, "measure_machine", lambda **_: probe.Machine(CEILINGS, []))
    write_run(tmp_path / "run", ONE, processes=2)
    done = invoke(*typed.split(), "--format", style)
    read: dict[str, Any] = {
        "json": json.loads,
        "csv": lambda text: [len(line) for line in csv.reader(io.StringIO(text, newline=""))],
        "markdown": lambda text: [line.count(" | ") for line in text.splitlines()],
    }
    stored = read[style](done.stdout)
    assert len(stored) > 3
    assert style == "json" or len(set(stored)) == 1  # as many columns in every line


@pytest.mark.parametrize("command", ["compare run run", "machine"])
def test_json_is_short_for_the_format(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(probe, "measure_machine", lambda **_: probe.Machine(CEILINGS, []))
    write_run(tmp_path / "run", ONE, processes=2)
    assert invoke(*command.split(), "--json").stdout == invoke(*command.split(), "--format", "json").stdout
