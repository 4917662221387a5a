"""The folder of a run: what is in it, and what commands make of it, or of a spoiled copy."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import CASES, invoke, seqgap

from seqgap.bench.analysis.run import read_run
from seqgap.bench.machine.ceilings import bound
from seqgap.bench.machine.processor import timer_step
from seqgap.bench.measure import parent
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options
from seqgap.bench.report import summary
from seqgap.bench.results.folder import read_ceilings, read_environment

SMALL = ["--profile", "smoke", "--impl", "numpy,numba", *CASES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A result folder and what its run printed; it compiled, amid settings of others for pytest and BLAS."""
    folder = tmp_path_factory.mktemp("run") / "results"
    (folder.parent / "pytest.ini").write_text("[pytest]\naddopts = --benchmark-disable -n 4\n")
    (folder.parent / "conftest.py").write_text("raise SystemExit('loaded')\n")
    variables = {"NUMBA_CACHE_DIR": str(folder.parent / "cache"), "PYTEST_ADDOPTS": "--benchmark-skip"}
    variables |= {"OPENBLAS_CORETYPE": "Prescott"}
    done = seqgap("run", *SMALL, "--verbose", "--out", str(folder), cwd=folder.parent, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_run_writes_what_it_says(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    names = {path.name for path in folder.iterdir()}
    assert names >= {"rows.jsonl", "probes.jsonl", "environment.json", "gap.csv", "peers.csv", "curves.png"}
    assert str(folder) in printed
    assert "How much slower is one at a time?" in printed
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "curves.svg").read_text()


def test_rows_are_all_cells_with_all_rounds(finished: tuple[Path, str]) -> None:
    """Where the machine is slow or busy, cells may be skipped, and rounds be few or short; but not most."""
    folder, _ = finished
    options = Options.from_json(read_environment(folder)["options"])
    rows = read_run(folder).rows
    assert not read_run(folder).damaged
    assert {(row.cell, row.process) for row in rows} == {(cell, p) for cell in plan(options) for p in (0, 1)}
    assert {row.status for row in rows} <= {"ok", "skipped"}
    timed = [row for row in rows if row.status == "ok"]
    assert len(timed) > len(rows) / 2
    assert all(len(row.rounds) >= 2 and row.first_call > 0 and row.cpus > 0 for row in timed)
    assert np.median([len(row.rounds) for row in timed]) > 2
    assert np.median([min(row.rounds) * row.iterations for row in timed]) >= 1000 * timer_step()
    assert any(row.load > 0 and not row.compile for row in rows if row.process == 1)
    compiled = [row for row in rows if row.cell.impl == "numba" and row.compile > 0]
    assert len({row.cell.name for row in compiled}) == len({row.cell.name for row in rows})


def test_environment_names_machine_versions_and_options(finished: tuple[Path, str]) -> None:
    stored = read_environment(finished[0])
    assert stored["machine"]["cpu"]
    assert stored["machine"]["threads"] == os.cpu_count()
    assert {"python", "numpy", "numba", "llvmlite", "seqgap"} <= set(stored["versions"])
    assert stored["options"]["seed"] == 25
    assert stored["options"]["impl"] == ["numpy", "numba"]


def test_a_run_does_without_variables_that_slow_libraries_down(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    stored = read_environment(folder)
    assert stored["removed_variables"]["OPENBLAS_CORETYPE"] == "Prescott"
    assert "OPENBLAS_CORETYPE" in printed
    assert "OPENBLAS_CORETYPE" not in stored["variables"]
    assert [library["library"] for library in stored["blas"]] == ["numpy", "scipy"]
    assert not {"Prescott", "Katmai"} & {library["architecture"] for library in stored["blas"]}


def test_gap_csv_has_both_times_and_their_ratio(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    seconds = [measured.seconds for measured in read_run(folder).measured.values()]
    with (folder / "gap.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["kind"] for line in lines} == {"matched", "family"}
    for line in lines:
        one, other = float(line["sequential_per_call"]), float(line["parallel_per_call"])
        assert {one, other} <= set(seconds)
        assert float(line["ratio"]) == pytest.approx(one / other)
        assert float(line["ratio_low"]) <= float(line["ratio"]) <= float(line["ratio_high"])
        assert float(line["sequential_per_sample"]) == pytest.approx(one / int(line["batch"]))
        assert line["verdict"]


def test_a_run_stores_ceilings_and_fractions(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    ceilings = read_ceilings(folder)
    assert ceilings is not None
    assert ceilings.parallel_region is None  # on one thread the thread pool is never started
    bounds = read_run(folder).bounds
    assert {cell.impl for cell in bounds} == {"numpy", "numba"}
    assert bounds == {cell: bound(cell, cell.cost, ceilings) for cell in bounds}
    near = printed.partition("How near the ceilings")[2].partition("Measuring the ceilings")[0]
    assert near.count("ar_process.forward") == near.count("diffusion.noise") == 1
    largest = Cell("diffusion", "noise", "numba", "float64", 16, 64, 1)
    seconds, _ = bound(largest, largest.cost, ceilings)
    assert f"{seconds / read_run(folder).measured[largest].seconds:.0%}" in near


def test_an_occupied_folder_is_refused_before_anything_is_measured(
    finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "measure_machine", lambda **_: pytest.fail("measured"))
    result = invoke("run", "--profile", "smoke", "--out", finished[0])
    assert result.exit_code != 0
    assert "not empty" in result.output


def test_plot_needs_the_files_alone(finished: tuple[Path, str], tmp_path: Path) -> None:
    for name in ("rows.jsonl", "environment.json", "operations.json"):
        shutil.copy(finished[0] / name, tmp_path)
    result = invoke("plot", tmp_path)
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "curves.png") in result.output.split()
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [r"m[/x]y$\bad$", *(pytest.param(n, marks=pytest.mark.slow) for n in ("a[red]b", "with space", "日本"))],
)
def test_folders_may_have_any_name_and_overlay(
    finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    folder, both = tmp_path / name, tmp_path / "both"
    shutil.copytree(finished[0], folder)
    monkeypatch.setattr(summary, "draw", lambda *_: [])  # by the command that resumes
    again = invoke("run", "--resume", folder)
    assert again.exit_code == 0, again.output
    assert f"Open {folder}/report.html; pictures" in again.output
    assert (folder / "rows.jsonl").read_bytes() == (finished[0] / "rows.jsonl").read_bytes()
    result = invoke("plot", finished[0], folder, "--out", both)
    assert result.exit_code == 0, result.output
    names = [f"{name}.{kind}" for name in ("curves", "change") for kind in ("png", "svg", "csv")]
    assert result.output.splitlines() == [str(both / name) for name in names]
    text, alone = ((path / "curves.svg").read_text() for path in (both, finished[0]))
    assert " (--)" in text
    assert " (--)" not in alone
    assert text.count(">D^") == alone.count(">D^") > 0


def test_curves_name_lines_panels_and_machine(finished: tuple[Path, str]) -> None:
    text = (finished[0] / "curves.svg").read_text()
    cpu = read_environment(finished[0])["machine"]["cpu"]
    for part in (
        "Time of one sample",
        "NumPy",
        "compiled (Numba)",
        "all at once",
        ">N = 1<",
        ">N = 64<",
        cpu,
    ):
        assert part in text
    assert "ar_process.forward / inverse" in text
