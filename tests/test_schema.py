"""docs/schema.md names what the files hold, no more and no less."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from synthetic import any_environment, dotted, write_run

from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.analysis.tables import tables
from seqgap.bench.audit.rules import RULES
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS, SCHEMA
from seqgap.bench.results.rows import PROBES, ROWS, Probe, Row

PAGE = (Path(__file__).parent.parent / "docs" / "schema.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """The text under a heading, up to the next of the same or a higher level."""
    (found,) = re.findall(rf"^(#+) {re.escape(name)}\n(.*?)(?=^#{{1,3}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found[1])


def names(name: str) -> list[str]:
    """What the first column of a section's table names in backticks."""
    lines = [line for line in section(name).splitlines() if line.startswith("| `")]
    return [key for line in lines for key in re.findall(r"`([^`]+)`", line.split("|")[1])]


@pytest.mark.parametrize("kind", [Row, Cell, Probe, Options])
def test_every_field_is_documented_in_its_order(kind: type[Any]) -> None:
    assert names(kind.__name__) == [field.name for field in fields(kind)]


def test_every_entry_of_the_environment_is_documented_in_its_order() -> None:
    assert names("Environment") == dotted(any_environment())


def test_the_number_and_the_files_are_those_of_the_code() -> None:
    assert f"Schema {SCHEMA}." in PAGE
    assert {ROWS, PROBES, ENVIRONMENT, OPERATIONS} <= set(re.findall(r"`([^`]+)`", PAGE))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cases = ("linear_ar", "affine_coupling")
    options = Options(case=cases, dim=(2, 64), batch=(1, 64), ladder_threads=2, threads=(1, 2), processes=2)
    return read_run(write_run(tmp_path_factory.mktemp("schema") / "r", options, processes=2))


def test_operations_are_documented_in_their_order(run: Run) -> None:
    stored = run.operations.to_json()
    assert names("operations.json") == list(stored)
    first = next(iter(stored["operations"].values()))
    assert names("Operation") == list(first)
    assert names("Cost") == list(next(iter(first["costs"].values())))
    assert names("Implementation") == list(next(iter(stored["implementations"].values())))


def test_columns_of_tables_are_documented_in_their_order(run: Run) -> None:
    for name, table in tables(run).items():
        if name.startswith("curves-"):
            continue
        assert table.lines, name
        assert names(name) == [column for column in table.head if (name, column) != ("peers.csv", "numpy")]


def test_every_rule_of_the_audit_is_documented() -> None:
    numbers = re.findall(r"^\| (\d+) \|", section("Rules audit"), re.MULTILINE)
    assert numbers == [str(number + 1) for number in range(len(RULES))]
