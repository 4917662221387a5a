"""The command line as its users meet it, most of it in a process of its own."""

import itertools
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import CASES, HANGS, HEED_CTRL_C, SEQGAP, completed, invoke, seqgap

from seqgap.bench.analysis.run import read_run
from seqgap.bench.cli import cli
from seqgap.bench.model import registry
from seqgap.bench.plan.cells import plan, too_slow
from seqgap.bench.plan.options import Options, profile
from seqgap.bench.report import summary
from seqgap.bench.results.folder import read_environment
from seqgap.kernels import diffusion


def test_help_imports_nothing_heavy(fresh_python: Callable[..., str]) -> None:
    program = """
import sys
from click.testing import CliRunner
from seqgap.bench.cli import cli, main
for command in ("", *cli.commands):
    assert CliRunner().invoke(cli, [*command.split(), "--help"]).exit_code == 0
assert CliRunner().invoke(cli, ["--version"]).exit_code == 0
print([name for name in ("numba", "matplotlib", "numpy", "scipy", "pytest", "rich") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"


def test_the_help_of_the_group_is_not_cut() -> None:
    _, _, text = invoke("--help").stdout.partition("Commands:")
    assert "..." not in text
    for name in cli.commands:
        assert re.search(rf"^  {name} +[A-Z].*\.$", text, re.MULTILINE)
    for code in ("0 ", "1 ", "2 ", "130", "143", "141"):
        assert code in text.partition("Exit codes")[2]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_help_text_has_examples_of_what_there_is(name: str) -> None:
    text = invoke(name, "--help").stdout
    examples = text.partition("Examples:")[2].splitlines()[1:]
    assert len(examples) >= 2
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}
    for example in examples:
        assert example.split()[:2] == ["seqgap", name]
        assert {word for word in example.split() if word.startswith("-")} <= options
    assert max(map(len, text.splitlines())) <= 80


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert seqgap("--version", cwd=tmp_path).stdout == f"seqgap {version('seqgap')}\n"


def start(*arguments: str, rows: int, cwd: Path) -> subprocess.Popen[str]:
    """`seqgap run`, once there are so many rows in the folder that the last argument names."""
    command = [*HEED_CTRL_C, SEQGAP, "run", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stderr=subprocess.PIPE, text=True)
    file = Path(arguments[-1]) / "rows.jsonl"
    while not file.exists() or file.read_bytes().count(b"\n") < rows:
        assert process.poll() is None, "ended before it could be stopped"
        time.sleep(0.005)
    return process


def test_a_run_stopped_twice_is_finished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without loss or repeat. Of NumPy alone, which needs no compiling."""
    folder = tmp_path / "results"
    file = folder / "rows.jsonl"
    choices = ["--profile", "smoke", "--impl", "numpy", "--dim", "2,3,4", *CASES]
    stopped = start(*choices, "--out", str(folder), rows=7, cwd=tmp_path)
    stopped.send_signal(signal.SIGINT)
    _, printed = stopped.communicate(timeout=HANGS)
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

    monkeypatch.setattr(summary, "draw", lambda *_: [])
    done = invoke("run", "--resume", folder)
    assert done.exit_code == 0, done.output
    after = file.read_bytes()
    assert after.startswith(second)
    rows = read_run(folder).rows
    assert not read_run(folder).damaged
    assert {(row.cell, row.process) for row in rows} == {*itertools.product(cells, (0, 1))}
    assert len({row.started for row in rows if row.status == "ok"}) == sum(row.status == "ok" for row in rows)
    assert "How much slower is one at a time?" in done.stdout


def test_list_names_every_operation() -> None:
    result = invoke("list")
    assert result.exit_code == 0
    for case in registry.cases().values():
        for operation in case.operations:
            assert f"{case.stem}.{operation.name}" in result.output


def test_verify_fails_when_a_kernel_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"diffusion": registry.cases()["diffusion"]}
    monkeypatch.setattr("seqgap.bench.measure.verify.cases", lambda: only)
    right = invoke("verify")
    assert right.exit_code == 0, right.output
    assert "16 of 16 within tolerance" in right.output
    noise = diffusion.noise
    monkeypatch.setattr(diffusion, "noise", lambda *a, **k: noise(*a, **k) * (1 + 1e-5))
    wrong = invoke("verify")
    assert wrong.exit_code == 1
    assert wrong.output.count("WRONG") == 2
    assert "14 of 16 within tolerance" in wrong.output


BENCH = str(Path(__file__).parents[1] / "bench")


def pytest_bench(*arguments: str, cwd: Path) -> int:
    """How many tests passed, or were skipped as too slow; all must."""
    command = [sys.executable, "-m", "pytest", BENCH, "-p", "no:cacheprovider", "-q", *arguments]
    alone = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=HANGS, env=alone)
    assert done.returncode == 0, done.stdout
    return sum(map(int, re.findall(r"(\d+) (?:passed|skipped)", done.stdout.splitlines()[-1])))


_KERNELS = "ar_process and D2 and numba-"


def test_pytest_bench_and_compare_work_as_their_users_expect(tmp_path: Path) -> None:
    storage = f"file://{tmp_path}/stored"
    stored = ["--benchmark-storage", storage, "--benchmark-autosave", "--benchmark-only"]
    assert pytest_bench(*stored, "--benchmark-max-time=0.01", "-k", _KERNELS, cwd=tmp_path) == 4
    command = Path(sysconfig.get_path("scripts")) / "pytest-benchmark"
    compared = completed(str(command), "--storage", storage, "compare", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert "ar_process.forward-numba-float64-D2-N64-t1" in compared.stdout


@pytest.mark.slow
def test_every_small_smoke_cell_runs_once_without_timing(tmp_path: Path) -> None:
    options = profile("smoke", 1)
    small = [cell for cell in plan(options) if cell.dim == 2 and not too_slow(cell, options)]
    assert pytest_bench("--benchmark-disable", "-k", "D2-", cwd=tmp_path) == len(small) > 50
