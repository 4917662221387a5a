"""docs/schema.md names what the files hold, no more and no less."""

import csv
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from synthetic import any_environment, write_run

from seqgap.bench.analysis import scaling as shapes
from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.gap import write_csv as write_gaps
from seqgap.bench.analysis.ranking import rankings
from seqgap.bench.analysis.ranking import write_csv as write_peers
from seqgap.bench.audit.rules import RULES
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import draw
from seqgap.bench.results.rows import PROBES, ROWS, SCHEMA, Probe, Row
from seqgap.bench.results.run import read_run

PAGE = (Path(__file__).parent.parent / "docs" / "schema.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """The text under a heading, up to the next of the same or a higher level."""
    (found,) = re.findall(rf"^(#+) {re.escape(name)}\n(.*?)(?=^#{{1,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found[1])


def names(name: str) -> list[str]:
    """What the first column of a section's table names in backticks."""
    lines = [line for line in section(name).splitlines() if line.startswith("| `")]
    return [key for line in lines for key in re.findall(r"`([^`]+)`", line.split("|")[1])]


def dotted(values: dict[str, Any], outer: str = "") -> list[str]:
    """Keys of nested objects as a.b; objects whose keys are data stay whole."""
    found = []
    for key, value in values.items():
        nested = isinstance(value, dict) and key not in (
            "caches",
            "versions",
            "variables",
            "removed_variables",
        )
        found += dotted(value, f"{outer}{key}.") if nested else [f"{outer}{key}"]
    return found


@pytest.mark.parametrize("kind", [Row, Cell, Probe, Options])
def test_every_field_is_documented_in_its_order(kind: type[Any]) -> None:
    assert names(kind.__name__) == [field.name for field in fields(kind)]


def test_every_entry_of_the_environment_is_documented_in_its_order() -> None:
    assert names("Environment") == dotted(any_environment())


def test_the_number_and_the_files_are_those_of_the_code() -> None:
    assert f"Schema {SCHEMA}." in PAGE
    assert {ROWS, PROBES, "environment.json"} <= set(re.findall(r"`([^`]+)`", PAGE))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all tables of `seqgap run` and `seqgap ladder`."""
    cases = ("linear_ar", "affine_coupling")
    options = Options(case=cases, dim=(2, 64), batch=(1, 64), ladder_threads=2, processes=2)
    path = write_run(tmp_path_factory.mktemp("schema") / "r", options, processes=2)
    run = read_run(path)
    write_gaps(gaps(run), path / "gap.csv")
    write_peers(rankings(run), path / "peers.csv")
    shapes.write_csv(run, path / "shapes.csv")
    draw([path], path)
    return path


def columns(file: Path) -> list[str]:
    with open(file, newline="", encoding="utf-8") as handle:
        return next(csv.reader(handle))


TABLES = ("gap", "shapes", "ladder", "curves", "gap-map", "threads", "compile", "rounds")


@pytest.mark.parametrize("name", [f"{name}.csv" for name in TABLES])
def test_columns_of_tables_are_documented_in_their_order(tables: Path, name: str) -> None:
    assert names(name) == columns(tables / name)


def test_columns_of_peers_are_documented(tables: Path) -> None:
    assert [column for column in columns(tables / "peers.csv") if column != "numpy"] == names("peers.csv")


def test_every_rule_of_the_audit_is_documented() -> None:
    numbers = re.findall(r"^\| (\d+) \|", section("Rules audit"), re.MULTILINE)
    assert numbers == [str(number + 1) for number in range(len(RULES))]
