"""Every table on a narrow terminal: nothing is cut, nothing is wider."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import invoke
from rich.console import Console
from synthetic import CEILINGS, plausible, write_run

from seqgap.bench.analysis.run import read_run
from seqgap.bench.machine import probe
from seqgap.bench.measure.verify import Verdict
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases, comparisons, implementation_names
from seqgap.bench.plan.options import Options
from seqgap.bench.report.notes import print_other_rows
from seqgap.bench.report.tables import print_all

COMPARED = tuple(sorted({name for c in comparisons() for name in (c.sequential, c.parallel)}))
WIDTHS = (80, 60)
OPTIONS = Options(
    case=COMPARED, impl=implementation_names(), dim=(2, 64, 1024), batch=(1, 1024), map=(),
    ladder_threads=2,
)  # fmt: skip


def scattered(cell: Cell) -> float:
    """Over three orders of magnitude, so that ratios have many digits."""
    return plausible(cell) * 10.0 ** (zlib.crc32(str(cell).encode()) % 4 - 2)


def slower(cell: Cell) -> float:
    """Half of the cells take longer."""
    return scattered(cell) * (1 + cell.batch % 2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of every operation that is compared, in all its implementations."""
    path = tmp_path_factory.mktemp("widths")
    stored = {"ceilings": CEILINGS.to_json()}
    return [
        write_run(path / seconds.__name__, OPTIONS, seconds=seconds, noise=noise, stored=stored)
        for seconds, noise in ((scattered, 0.1), (slower, 0.001))
    ]


def assert_fits(text: str, width: int) -> None:
    lines = text.splitlines()
    assert len(lines) > 5
    assert [line for line in lines if len(line) > width] == []
    assert "…" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tables_of_a_run(folders: list[Path], width: int) -> None:
    console = Console(width=width)
    with console.capture() as captured:
        for folder in folders:
            print_all(console, read_run(folder))
            print_other_rows(console, read_run(folder))
    text = captured.get()
    assert_fits(text, width)
    headings = (
        "Matched",
        "Families",
        "Median time",
        "Latency",
        "Throughput",
        "Crossover",
        "How near",
    )
    for heading in headings:
        assert heading in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "typed",
    [
        "list --dim 1024",
        "show scattered",
        "audit slower",
        "compare scattered slower",
        "machine",
        "verify",
        "run --dry-run --profile full",
    ],
)
def test_the_tables_of_commands(
    folders: list[Path], typed: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders[0].parent)
    monkeypatch.setattr(probe, "measure_machine", lambda **_: probe.Machine(CEILINGS, []))
    monkeypatch.setattr("seqgap.bench.measure.verify.verify", verdicts)
    monkeypatch.setenv("COLUMNS", str(width))
    done = invoke(*typed.split())
    assert done.exit_code in (0, 1), done.output  # a rule may fail, and so do the verdicts
    assert_fits(done.stdout, width)
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())


def verdicts() -> Iterator[Verdict]:
    """Of every operation, with errors of all sizes."""
    for case in cases().values():
        for operation in case.operations:
            for dtype, used in (("float64", 1e-3), ("float32", 123.0)):
                errors = (1.23e-300, 4.56e300, used, 1.23e-10)
                yield Verdict(
                    f"{case.stem}.{operation.name}", np.dtype(dtype), *errors, "D=64 N=33", "because"
                )
