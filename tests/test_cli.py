"""The command line as its users meet it, most of it in a process of its own."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from command import CASES, HANGS, HEED_CTRL_C, SEQGAP, seqgap

from seqgap.bench.cli import cli, main
from seqgap.bench.machine.processor import timer_step
from seqgap.bench.model import registry
from seqgap.bench.plan.cells import plan, too_slow
from seqgap.bench.plan.options import Options, profile
from seqgap.bench.results.rows import read_environment, read_rows
from seqgap.bench.results.run import read_run
from seqgap.kernels import diffusion
from seqgap.kernels._core.jit import threads_available


def test_help_imports_nothing_heavy(fresh_python: Callable[..., str]) -> None:
    program = """
import sys
from click.testing import CliRunner
from seqgap.bench.cli import cli, main
for arguments in (["--help"], ["run", "--help"], ["plot", "--help"], ["--version"]):
    assert CliRunner().invoke(cli, arguments).exit_code == 0
print([name for name in ("numba", "matplotlib", "numpy", "scipy", "pytest", "rich") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert seqgap("--version", cwd=tmp_path).stdout == f"seqgap {version('seqgap')}\n"


def test_run_writes_what_it_says(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    names = {path.name for path in folder.iterdir()}
    assert names >= {"rows.jsonl", "probes.jsonl", "environment.json", "gap.csv", "peers.csv", "curves.png"}
    assert all(name in printed for name in names)
    assert str(folder) in printed
    assert "Matched pairs" in printed
    assert "Families" in printed
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "curves.svg").read_text()


def test_rows_are_all_cells_with_all_rounds(finished: tuple[Path, str]) -> None:
    """Where the machine is slow or busy, cells may be skipped, and rounds be few or short; but not most."""
    folder, _ = finished
    options = Options.from_json(read_environment(folder)["options"])
    rows, damaged = read_rows(folder)
    assert not damaged
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


def start(*arguments: str, rows: int, cwd: Path) -> subprocess.Popen[str]:
    """`seqgap run`, once there are so many rows in the folder that the last argument names."""
    command = [*HEED_CTRL_C, SEQGAP, "run", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True)
    file = Path(arguments[-1]) / "rows.jsonl"
    while not file.exists() or file.read_bytes().count(b"\n") < rows:
        assert process.poll() is None, "ended before it could be stopped"
        time.sleep(0.005)
    return process


def test_a_run_stopped_twice_is_finished_without_loss_or_repeat(tmp_path: Path) -> None:
    """Of NumPy alone, which needs no compiling."""
    folder = tmp_path / "results"
    file = folder / "rows.jsonl"
    choices = ["--profile", "smoke", "--impl", "numpy", "--dim", "2,3,4,5,6", *CASES]
    stopped = start(*choices, "--out", str(folder), rows=7, cwd=tmp_path)
    stopped.send_signal(signal.SIGINT)
    printed, _ = stopped.communicate(timeout=HANGS)
    assert stopped.returncode == 130
    assert f"seqgap run --resume {folder}" in printed.replace("\n", "")
    first = file.read_bytes()

    killed = start("--resume", str(folder), rows=first.count(b"\n") + 7, cwd=tmp_path)
    killed.kill()
    killed.communicate(timeout=HANGS)
    second = file.read_bytes()
    assert second.startswith(first)
    cells = plan(Options.from_json(read_environment(folder)["options"]))
    assert 14 <= second.count(b"\n") < 2 * len(cells)
    with file.open("ab") as opened:
        opened.write(b'{"cell": {"case": "ar_pro')  # as if killed in the middle of a write

    done = seqgap("run", "--resume", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    after = file.read_bytes()
    assert after.startswith(second)
    rows, damaged = read_rows(folder)
    assert not damaged
    assert {(row.cell, row.process) for row in rows} == {
        (cell, process) for cell in cells for process in (0, 1)
    }
    assert len({row.started for row in rows if row.status == "ok"}) == sum(row.status == "ok" for row in rows)
    assert (folder / "curves.png").exists()
    assert "Matched pairs" in done.stdout


WRONG_OPTIONS = [
    (["run", "--impl", "python", "--threads", "2"], "--impl" if threads_available() > 1 else "--threads"),
    (["run", "--case", "a\nb"], "--case"),
    (["run", "--dim", str(2**24 + 1)], "--dim"),
    (["run", "--profile", "huge"], "--profile"),
    (["run", "--case", "no_such"], "--case"),
    (["run", "--impl", "fortran"], "--impl"),
    (["run", "--dim", "2,x"], "--dim"),
    (["run", "--dim", "0"], "--dim"),
    (["run", "--dim", ""], "--dim"),
    (["run", "--batch", "-1"], "--batch"),
    (["run", "--threads", str(threads_available() + 1)], "--threads"),
    (["run", "--threads", "0"], "--threads"),
    (["run", "--dtype", "float16"], "--dtype"),
    (["run", "--seed", "-1"], "--seed"),
    (["run", "--seed", str(2**64)], "--seed"),
    (["run", "--seed", "x"], "--seed"),
    (["run", "--processes", "0"], "--processes"),
    (["run", "--processes", "two"], "--processes"),
    (["run", "--no-such-option"], "--no-such-option"),
    (["run", "--resume", "nowhere"], "nowhere"),
    (["run", "--resume", "nowhere", "--dim", "2"], "--dim"),
    (["run", "--out", "file/below"], "file"),
    (["run", "--out", "full"], "full"),
    (["plot"], "RESULTS"),
    (["plot", "nowhere"], "nowhere"),
    (["plot", "empty"], "empty"),
    (["plot", "file"], "file"),
    (["list", "--dim", "0"], "--dim"),
    (["no-such-command"], "no-such-command"),
]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "file").write_text("not a folder")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "something").touch()
    return folder


@pytest.mark.parametrize(("arguments", "named"), WRONG_OPTIONS, ids=lambda v: " ".join(v) if v else v)
def test_wrong_options_give_one_line_and_code_2(
    surroundings: Path,
    arguments: list[str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(surroundings)
    monkeypatch.setattr(sys, "argv", ["seqgap", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert_one_line(capsys.readouterr().err, named)
    assert not (surroundings / "seqgap-results").exists()


def test_the_line_comes_alone_from_a_process_of_its_own(surroundings: Path) -> None:
    done = seqgap("run", "--case", "no_such", cwd=surroundings)
    assert done.returncode == 2, done.stdout
    assert_one_line(done.stderr, "--case")


def assert_one_line(printed: str, named: str) -> None:
    assert printed.count("\n") == 1
    assert printed.startswith("seqgap: ")
    assert named in printed


def damage(folder: Path, name: str, change: Callable[[str], str]) -> None:
    file = folder / name
    file.write_text(change(file.read_text()))


def drop_key(key: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        stored = json.loads(text)
        del stored[key]
        return json.dumps(stored)

    return change


def second_line(line: str) -> Callable[[str], str]:
    return lambda text: "\n".join([*text.split("\n")[:1], line, *text.split("\n")[2:]])


DAMAGED = [  # test_results.py has more ways
    ("rows.jsonl", lambda text: "", "no timed cells"),
    ("rows.jsonl", second_line("{"), "rows.jsonl:2"),
    ("rows.jsonl", lambda text: text.replace('"reason": ""', '"reason": 5', 9), "rows.jsonl:"),
    ("environment.json", lambda text: text[: len(text) // 2], "environment.json"),
    ("environment.json", drop_key("machine"), "environment.json"),
]


@pytest.mark.parametrize(("name", "change", "named"), DAMAGED)
def test_damaged_files_give_one_line(
    finished: tuple[Path, str], tmp_path: Path, name: str, change: Callable[[str], str], named: str
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(finished[0], folder)
    damage(folder, name, change)
    result = CliRunner().invoke(cli, ["plot", str(folder)])
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert named in result.stderr
    assert result.stderr.count("\n") <= 4  # a line for each damaged one, and one for those beyond three
    lost_everything = name == "environment.json" or not (folder / name).read_text()
    assert ("curves.png" in result.stdout) is not lost_everything
    assert (finished[0] / name).read_text() != (folder / name).read_text()


def test_damaged_lines_are_named_where_nothing_is_left_to_draw(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(finished[0], folder)
    damage(folder, "rows.jsonl", lambda text: "{}\n")
    result = CliRunner().invoke(cli, ["plot", str(folder)])
    assert result.exit_code != 0
    assert "rows.jsonl:1: not a result row" in result.stderr
    assert isinstance(result.exception, SystemExit), result.exception


def with_option(name: str, value: Any) -> Callable[[str], str]:
    def change(text: str) -> str:
        stored = json.loads(text)
        stored["options"][name] = value
        return json.dumps(stored)

    return change


BAD_OPTIONS = [drop_key("options"), with_option("dim", [2.5]), with_option("unknown", 1)]


@pytest.mark.parametrize("change", BAD_OPTIONS)
def test_resume_refuses_damaged_options(
    finished: tuple[Path, str], tmp_path: Path, change: Callable[[str], str]
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(finished[0], folder)
    damage(folder, "environment.json", change)
    result = CliRunner().invoke(cli, ["run", "--resume", str(folder)])
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.output.count("\n") == 1
    assert "environment.json" in result.output


def test_resume_refuses_another_machine(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "results"
    shutil.copytree(finished[0], folder)
    stored = json.loads((folder / "environment.json").read_text())
    stored["machine"]["cpu"] = "another"
    (folder / "environment.json").write_text(json.dumps(stored))
    done = seqgap("run", "--resume", str(folder), cwd=tmp_path)
    assert done.returncode == 2
    assert "other machine" in done.stderr


def test_plot_needs_the_files_alone(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("rows.jsonl", "environment.json"):
        shutil.copy(finished[0] / name, folder)
    result = CliRunner().invoke(cli, ["plot", str(folder)])
    assert result.exit_code == 0, result.output
    assert str(folder / "curves.png") in result.output.split()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    [
        r"m[/x]y$\bad$",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("a[red]b", "with space", "日本")),
    ],
)
def test_folders_may_have_any_name(finished: tuple[Path, str], tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    shutil.copytree(finished[0], folder)
    again = CliRunner().invoke(cli, ["run", "--resume", str(folder)])
    assert again.exit_code == 0, again.output
    assert f"Written to {folder}:" in again.output
    assert (folder / "rows.jsonl").read_bytes() == (finished[0] / "rows.jsonl").read_bytes()
    both = CliRunner().invoke(cli, ["plot", str(folder), str(finished[0]), "--out", str(tmp_path / "both")])
    assert both.exit_code == 0, both.output
    assert both.output.splitlines() == [
        str(tmp_path / "both" / f"curves.{kind}") for kind in ("png", "svg", "csv")
    ]


def test_plot_overlays_folders(finished: tuple[Path, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(finished[0], other)
    result = CliRunner().invoke(cli, ["plot", str(finished[0]), str(other), "--out", str(tmp_path / "both")])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "both" / "curves.svg").read_text()
    alone = (finished[0] / "curves.svg").read_text()
    assert "other (--)" in text
    assert "other" not in alone
    for name in ("ar_process.forward", "ar_process.inverse", "diffusion.noise"):
        assert text.count(f">{name} D^") == alone.count(f">{name} D^") > 0


def test_curves_name_lines_axes_guides_and_machine(finished: tuple[Path, str]) -> None:
    text = (finished[0] / "curves.svg").read_text()
    cpu = read_environment(finished[0])["machine"]["cpu"]
    for part in ("seconds for one sample", "samples for each second", "dimension D", "∝ D", "∝ D²", cpu):
        assert part in text
    for panel in ("numpy, batch N = 1", "numba, batch N = 64"):
        assert panel in text


def test_list_names_every_operation() -> None:
    result = CliRunner().invoke(cli, ["list"])
    assert result.exit_code == 0
    for case in registry.cases().values():
        for operation in case.operations:
            assert f"{case.stem}.{operation.name}" in result.output


def test_verify_fails_when_a_kernel_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"diffusion": registry.cases()["diffusion"]}
    monkeypatch.setattr("seqgap.bench.measure.verify.cases", lambda: only)
    right = CliRunner().invoke(cli, ["verify"])
    assert right.exit_code == 0, right.output
    assert "14 of 14 within tolerance" in right.output
    noise = diffusion.noise
    monkeypatch.setattr(diffusion, "noise", lambda *a, **k: noise(*a, **k) * (1 + 1e-5))
    wrong = CliRunner().invoke(cli, ["verify"])
    assert wrong.exit_code == 1
    assert wrong.output.count("WRONG") == 2
    assert "12 of 14 within tolerance" in wrong.output


BENCH = str(Path(__file__).parents[1] / "bench")


def pytest_bench(*arguments: str, cwd: Path) -> int:
    """How many tests passed, or were skipped as too slow; all must."""
    command = [sys.executable, "-m", "pytest", BENCH, "-p", "no:cacheprovider", "-q", *arguments]
    alone = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=HANGS, env=alone)
    assert done.returncode == 0, done.stdout
    return sum(map(int, re.findall(r"(\d+) (?:passed|skipped)", done.stdout.splitlines()[-1])))


def test_pytest_bench_and_compare_work_as_their_users_expect(tmp_path: Path) -> None:
    storage = f"file://{tmp_path}/stored"
    stored = ["--benchmark-storage", storage, "--benchmark-autosave", "--benchmark-only"]
    assert pytest_bench(*stored, "--benchmark-max-time=0.01", "-k", "noise and D2", cwd=tmp_path) == 6
    compared = subprocess.run(
        ["pytest-benchmark", "--storage", storage, "compare"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"},
    )
    assert compared.returncode == 0, compared.stderr
    assert "diffusion.noise-numba-float64-D2-N64-t1" in compared.stdout


def test_every_small_smoke_cell_runs_once_without_timing(tmp_path: Path) -> None:
    options = profile("smoke", 1)
    small = [cell for cell in plan(options) if cell.dim == 2 and not too_slow(cell, options)]
    assert pytest_bench("--benchmark-disable", "-k", "D2-", cwd=tmp_path) == len(small) > 50
