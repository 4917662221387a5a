"""Ceilings: what is measured, how a bound follows from them, and what a run stores."""

import json
import math
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from command import HANGS, HEED_CTRL_C, SEQGAP, seqgap
from numpy.testing import assert_array_equal
from synthetic import BLAS

from seqgap.bench.cli import cli
from seqgap.bench.machine import kernels as probes
from seqgap.bench.machine import probe as machine
from seqgap.bench.machine import processor
from seqgap.bench.machine.ceilings import Bandwidth, Ceilings, bound
from seqgap.bench.measure import parent as running
from seqgap.bench.measure.cell import with_fraction
from seqgap.bench.model.case import EXP_FLOPS, NORMAL_FLOPS, Cost
from seqgap.bench.model.cell import DTYPES, Cell
from seqgap.bench.model.registry import cases
from seqgap.bench.results.rows import Row, read_ceilings, read_environment, read_rows
from seqgap.bench.results.run import read_run
from seqgap.kernels.normal import standard_normal

NS = 1e-9

LEVELS = (
    Bandwidth("L1", 1_000, 500, 8e9, 5e9, 4e9, 3e9),
    Bandwidth("L2", 10_000, 5_000, 4e9, 2.5e9, 1e9, 2e9),
    Bandwidth("L3", 100_000, 50_000, 2e9, 1.5e9, 1e9, 0.5e9),
    Bandwidth("DRAM", 0, 400_000, 1e9, 0.5e9, 0.25e9, 0.125e9),
)
MADE = Ceilings(
    bandwidth=LEVELS,
    fma_latency={"float64": 1 * NS, "float32": 2 * NS},
    fma_flops={"float64": 1e12, "float32": 2e12},
    exp={"float64": 1 * NS, "float32": 0.5 * NS},
    normal={"float64": 3 * NS, "float32": 1.5 * NS},
    timer=30 * NS,
    call_empty=50 * NS,
    call_arrays=300 * NS,
    threads=8,
    parallel_region=4_000 * NS,
    shared=(replace(LEVELS[2], copy=3e9), replace(LEVELS[3], copy=1e9)),
)


def cost(at: Cell, **costs: Any) -> Cost:
    """Of an operation that costs nothing but what is given, and moves 2 D elements, half of them written."""
    free: dict[str, Any] = {"depth": lambda dim: 0, "elements": lambda dim: 2 * dim, "written": of}
    return Cost(**{name: value(at.dim) for name, value in (free | costs).items()})


def cell(dim: int = 1, batch: int = 1, threads: int = 1, dtype: str = "float64") -> Cell:
    return Cell("normal", "standard_normal", "numba", dtype, dim, batch, threads)


def of(dim: int) -> float:
    return dim


MIXED = 2 * EXP_FLOPS + NORMAL_FLOPS
BOUNDS = [
    # name, cost, cell, seconds by hand
    ("call", {}, cell(), 300 * NS),
    ("chain", {"depth": of}, cell(400), 400 * NS),
    ("chain", {"depth": of}, cell(400, dtype="float32"), 800 * NS),
    ("chain", {"depth": of, "elements": lambda dim: 1}, cell(400, 100), 400 * NS),  # once for the batch
    ("arithmetic", {"flops": lambda dim: 1000 * dim}, cell(10, 400), 4e6 / 1e12),
    ("arithmetic", {"flops": lambda dim: 1000 * dim}, cell(10, 400, dtype="float32"), 4e6 / 2e12),
    ("exp", {"exps": of, "flops": lambda dim: EXP_FLOPS * dim}, cell(10, 100), 1000 * NS),
    ("normals", {"normals": of, "flops": lambda dim: NORMAL_FLOPS * dim}, cell(10, 100), 3000 * NS),
    (  # the parts share the units: 2000 exps, 1000 normals and 1e6 flops besides theirs
        "normals",
        {"exps": lambda dim: 2 * dim, "normals": of, "flops": lambda dim: (MIXED + 1000) * dim},
        cell(10, 100),
        (2000 + 3000 + 1000) * NS,
    ),
    ("bandwidth L1", {"elements": lambda dim: 100 * dim, "written": lambda dim: 50}, cell(1, 1), 800 / 4e9),
    ("bandwidth L2", {}, cell(10, 60), 9_600 / 2e9),  # triad is faster than copy here
    ("bandwidth L3", {}, cell(10, 600), 96_000 / 1e9),
    ("bandwidth L3", {"written": lambda dim: 0}, cell(10, 600), 96_000 / 2e9),
    ("bandwidth L3", {"written": lambda dim: 2 * dim}, cell(10, 600), 96_000 / 1.5e9),
    ("bandwidth L3", {}, cell(10, 600, dtype="float32"), 48_000 / 1e9),
    ("bandwidth DRAM", {}, cell(10, 6000), 960_000 / 0.25e9),
    ("bandwidth L3", {"weights": lambda dim: 1000 * dim}, cell(10, 1), 80_000 / 2e9 + 160 / 1e9),
]  # fmt: skip


def unmoved(name: str) -> dict[str, Any]:
    """Hardly any elements where it is not the bandwidth that is to bind."""
    return {} if name.startswith("bandwidth") else {"elements": lambda dim: 1e-6}


@pytest.mark.parametrize(("name", "costs", "at", "seconds"), BOUNDS)
def test_each_ceiling_binds_where_it_should(name: str, costs: Any, at: Cell, seconds: float) -> None:
    ceilings = replace(MADE, call_arrays=100 * NS) if name == "bandwidth L1" else MADE
    assert bound(at, cost(at, **unmoved(name) | costs), ceilings) == (pytest.approx(seconds), name)


@pytest.mark.parametrize(
    ("name", "costs", "at", "seconds"),
    [
        # four threads: four times the arithmetic and four times the private caches
        ("arithmetic", {"flops": lambda dim: 1e6 * dim}, cell(10, 4000, 4), 1e10 / 1e12),
        ("exp", {"exps": of}, cell(10, 4000, 4), 10_000 * NS),
        ("normals", {"normals": of}, cell(10, 4000, 4), 30_000 * NS),
        ("bandwidth L2", {}, cell(10, 225, 4), 36_000 / 8e9),
        # a chain is not cut, a region need not be opened
        ("chain", {"depth": lambda dim: 1e4}, cell(10, 4, 4), 10_000 * NS),
        ("call", {}, cell(1, 1, 4), 300 * NS),
        # what cores share: at most what all threads reached together, 3e9 and 1e9
        ("bandwidth L3", {}, cell(10, 600, 2), 96_000 / 2e9),
        ("bandwidth L3", {}, cell(10, 600, 4), 96_000 / 3e9),
        ("bandwidth DRAM", {}, cell(10, 6000, 8), 960_000 / 1e9),
    ],
)
def test_threads_share_the_work_but_not_a_chain(name: str, costs: Any, at: Cell, seconds: float) -> None:
    assert bound(at, cost(at, **unmoved(name) | costs), MADE) == (pytest.approx(seconds), name)


def test_threads_do_not_multiply_a_shared_level_that_was_measured_on_one() -> None:
    alone = replace(MADE, shared=(), parallel_region=None, threads=1)
    at = cell(10, 6000, 8)
    assert bound(at, cost(at), alone)[0] == pytest.approx(960_000 / 0.25e9)


def test_no_slower_rate_of_all_threads_counts() -> None:
    """All threads together reached less than one alone, as where another process holds a core."""
    disturbed = replace(MADE, shared=(replace(LEVELS[3], copy=1e6),))
    at = cell(10, 6000, 2)
    assert bound(at, cost(at), disturbed)[0] == pytest.approx(960_000 / 0.25e9)


def test_every_cost_of_every_timed_operation_fits_its_flops_and_elements() -> None:
    for case in cases().values():
        for op in case.operations:
            for dim in (1, 2, 7, 64):
                cost = op.cost(dim)
                assert EXP_FLOPS * cost.exps + NORMAL_FLOPS * cost.normals <= cost.flops
                assert cost.written <= cost.elements
                assert cost.weights <= cost.parameters


def declared(name: str, dim: int) -> tuple[float, float]:
    stem, verb = name.split(".")
    cost = cases()[stem].operation(verb).cost(dim)
    return cost.exps, cost.normals


def test_exps_and_normals_are_declared_where_they_are_drawn() -> None:
    assert declared("affine_coupling.inverse", 9) == (4, 0)
    assert declared("affine_coupling.sample", 9) == (4, 9)
    assert declared("mask_stack.log_prob", 9) == (4, 0)
    assert declared("linear_ar.forward", 9) == (0, 0)
    assert declared("ar_process.sample", 9) == (0, 9)
    assert declared("diffusion.sample_noisy", 9) == declared("normal.standard_normal", 9) == (0, 9)
    for case in cases().values():
        for op in case.operations:
            if op.timed:
                drawn = op.noise is not None and op.noise.law == "norm"
                assert op.cost(op.near([5])[0]).normals > 0 or not drawn


def test_fraction_is_the_bound_over_the_median() -> None:
    ok = Row(cell(10, 100), "ok", (6e-6, 1e-6, 9e-6), 1)
    rated = with_fraction(ok, MADE)
    assert (rated.fraction, rated.ceiling) == (pytest.approx(3.2 / 6), "bandwidth L2")  # 8000 bytes written
    assert replace(rated, fraction=0.0, ceiling="") == ok
    skipped = Row(cell(), "skipped", reason="slow")
    assert with_fraction(skipped, MADE) == skipped
    assert with_fraction(ok, None) == ok


def assert_complete(found: Ceilings) -> None:
    assert [level.level for level in found.bandwidth][-1] == "DRAM"
    capacities = [level.capacity for level in found.bandwidth[:-1]]
    assert capacities == sorted(capacities)
    for level in found.bandwidth[:-1]:
        assert 0 < level.working_set < level.capacity
    assert found.bandwidth[-1].working_set > capacities[-1]
    for level in (*found.bandwidth, *found.shared):
        assert min(level.read, level.write, level.copy, level.triad) > 0
    for values in (found.fma_latency, found.fma_flops, found.exp, found.normal):
        assert set(values) == set(DTYPES)
        assert min(values.values()) > 0
    assert min(found.timer, found.call_empty, found.call_arrays) > 0
    assert Ceilings.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_json_round_trip() -> None:
    assert Ceilings.from_json(json.loads(json.dumps(MADE.to_json()))) == MADE


@pytest.mark.slow
def test_machine_prints_json(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")  # the folder is not imported from
    done = seqgap("machine", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = Ceilings.from_json(json.loads(done.stdout))
    assert_complete(found)
    several = machine.threads_available() > 1
    assert (found.threads > 1) == (found.parallel_region is not None) == bool(found.shared) == several
    assert "Measuring" in done.stderr
    assert not any(tmp_path.glob("seqgap-results"))


def test_machine_prints_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "measure_machine", lambda *, parallel: machine.Machine(MADE, []))
    result = CliRunner().invoke(cli, ["machine"])
    assert result.exit_code == 0, result.output
    for part in ("L1", "DRAM", "8 threads together", "Gflop/s", "1e+03", "300 ns", "4 us", "30 ns"):
        assert part in result.output
    alone = replace(MADE, threads=1, parallel_region=None, shared=())
    monkeypatch.setattr(machine, "measure_machine", lambda *, parallel: machine.Machine(alone, []))
    result = CliRunner().invoke(cli, ["machine"])
    assert result.exit_code == 0, result.output
    assert "together" not in result.output


def test_a_probe_that_ends_early_gives_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "-1")
    with pytest.raises(machine.MachineError, match="could not be measured") as caught:
        machine.measure_machine(parallel=False)
    assert caught.value.message.count("\n") == 0
    result = CliRunner().invoke(cli, ["machine"])
    assert result.exit_code != 0
    assert "could not be measured" in result.output


def test_a_run_stores_ceilings_and_fractions(finished: tuple[Path, str]) -> None:
    folder, printed = finished
    ceilings = read_ceilings(folder)
    assert ceilings is not None
    assert_complete(ceilings)
    assert ceilings.parallel_region is None  # on one thread the thread pool is never started
    rows, _ = read_rows(folder)
    assert {row.cell.impl for row in rows} == {"numpy", "numba"}
    for row in rows:
        seconds, name = bound(row.cell, row.cell.cost, ceilings)
        assert (row.fraction, row.ceiling) == (pytest.approx(seconds / row.median), name)
    near = printed.partition("How near the ceilings")[2]
    assert near.count("ar_process.forward") == near.count("diffusion.noise") == 1
    largest = Cell("diffusion", "noise", "numba", "float64", 16, 64, 1)
    seconds, _ = bound(largest, largest.cost, ceilings)
    assert f"{seconds / read_run(folder).measured[largest].seconds:.0%}" in near


def changed(folder: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a result folder, one cell of the last process missing, with another environment."""
    shutil.copytree(folder, to)
    stored = json.loads((to / "environment.json").read_text())
    change(stored)
    (to / "environment.json").write_text(json.dumps(stored))
    lines = (to / "rows.jsonl").read_text().splitlines(keepends=True)
    missing = json.loads(lines[-1])
    kept = [line for line in lines if any(json.loads(line)[k] != missing[k] for k in ("cell", "process"))]
    (to / "rows.jsonl").write_text("".join(kept))
    return to


def test_resume_keeps_the_stored_ceilings(finished: tuple[Path, str], tmp_path: Path) -> None:
    def double(stored: dict[str, Any]) -> None:
        stored["ceilings"]["call_arrays"] = 2000.0

    folder = changed(finished[0], tmp_path / "results", double)
    done = seqgap("run", "--resume", str(folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    last = read_rows(folder)[0][-1]
    assert (last.fraction, last.ceiling) == (pytest.approx(2000 / last.median), "call")


@pytest.mark.slow
def test_a_folder_without_ceilings_still_resumes_and_plots(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    folder = changed(finished[0], tmp_path / "results", lambda stored: stored.pop("ceilings"))
    lines = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    old = [{k: v for k, v in line.items() if k not in ("fraction", "ceiling")} for line in lines]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    done = seqgap("run", "--resume", str(folder), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "How near" not in done.stdout
    assert {(row.fraction, row.ceiling) for row in read_rows(folder)[0]} == {(0.0, "")}
    assert "ceilings" not in read_environment(folder)
    assert CliRunner().invoke(cli, ["plot", str(folder)]).exit_code == 0


def spoil(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(stored: dict[str, Any]) -> None:
        inner = stored
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoil("ceilings", value=3),
        spoil("ceilings", value=[]),
        spoil("ceilings", value={}),
        spoil("ceilings", "timer", value="fast"),
        spoil("ceilings", "timer", value=-1.0),
        spoil("ceilings", "call_arrays", value=float("nan")),
        spoil("ceilings", "parallel_region", value=float("inf")),
        spoil("ceilings", "threads", value=0),
        spoil("ceilings", "exp", value=1.0),
        spoil("ceilings", "exp", value={"float64": 1.0}),
        spoil("ceilings", "fma_flops", "float32", value=0.0),
        spoil("ceilings", "bandwidth", value=[]),
        spoil("ceilings", "bandwidth", value=[1]),
        spoil("ceilings", "bandwidth", 0, value={"level": "L1"}),
        spoil("ceilings", "bandwidth", 0, "read", value=0.0),
        spoil("ceilings", "bandwidth", 0, "capacity", value="48K"),
        spoil("ceilings", "bandwidth", 0, "level", value=1),
        spoil("ceilings", "unknown", value=1.0),
    ],
)
def test_damaged_ceilings_give_one_line(
    finished: tuple[Path, str], tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    folder = changed(finished[0], tmp_path / "results", change)
    result = CliRunner().invoke(cli, ["run", "--resume", str(folder)])
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.output.count("\n") == 1
    assert "environment.json: no usable ceilings" in result.output


@pytest.mark.parametrize(
    "change",
    [{"fraction": "1"}, {"fraction": None}, {"fraction": -0.5}, {"fraction": float("nan")}, {"ceiling": 3}],
)
def test_damaged_fractions_give_one_line(
    finished: tuple[Path, str], tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(finished[0], folder)
    lines = (folder / "rows.jsonl").read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    rows, damaged = read_rows(folder)
    assert damaged == [f"{folder / 'rows.jsonl'}:2: not a result row"]
    assert len(rows) == len(lines) - 1


def test_an_occupied_folder_is_refused_before_anything_is_measured(
    finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "measure_machine", lambda **_: pytest.fail("measured"))
    result = CliRunner().invoke(cli, ["run", "--profile", "smoke", "--out", str(finished[0])])
    assert result.exit_code != 0
    assert "not empty" in result.output


@pytest.mark.parametrize("threads", ["1", "1,2"])
def test_all_threads_are_measured_only_for_runs_that_use_them(
    threads: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if machine.threads_available() == 1 and threads != "1":
        pytest.skip("one thread")
    asked = []

    def measure(*, parallel: bool) -> machine.Machine:
        asked.append(parallel)
        raise machine.MachineError("enough")

    monkeypatch.setattr(running, "measure_machine", measure)
    result = CliRunner().invoke(cli, ["run", "--threads", threads, "--out", str(tmp_path / "results")])
    assert result.exit_code != 0
    assert asked == [threads != "1"]


def test_a_blas_with_wrong_results_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for error in (1.5, math.nan):
        wrong = [BLAS[0], BLAS[1] | {"error": error}]
        monkeypatch.setattr(running, "measure_machine", lambda wrong=wrong, **_: machine.Machine(MADE, wrong))
        result = CliRunner().invoke(cli, ["run", "--profile", "smoke", "--out", str(tmp_path / "results")])
        assert result.exit_code != 0
        assert "the BLAS of scipy computes wrong results (openblas 0.3.31, kernel SkylakeX)" in result.output
        assert not list((tmp_path / "results").iterdir())


def test_the_probes_do_the_work_that_is_counted() -> None:
    values = np.arange(1.0, 13.0).reshape(3, 2, 2)
    a, b, c = values.copy()
    sink = np.zeros(2, np.int64)

    def rows(kind: int) -> None:
        probes.stream(1, 2, 2, kind, a.view(np.int64), a, b, c, sink)

    rows(probes.READ)
    assert_array_equal(sink, a.view(np.int64).sum(axis=1))
    rows(probes.COPY)
    assert_array_equal(a, b)
    rows(probes.TRIAD)
    assert_array_equal(a, b + 3 * c)
    rows(probes.WRITE)
    assert_array_equal(a, [[0, 0], [1, 1]])
    for real in (np.float64, np.float32):
        x = np.linspace(-1, 1, 8, dtype=real)
        out = np.empty_like(x)
        probes.exp_passes(2, x, out)
        np.testing.assert_allclose(out, np.exp(x), rtol=4 * np.finfo(real).eps)
        tile = np.empty((3, 5), real)
        probes.normal_passes(2, tile, np.uint64(9), np.uint32(0))
        assert_array_equal(tile, standard_normal(3, 5, 9, first_row=1, dtype=real))
        one = real(3)  # v = 2 v + 1: 3, 7, 15, 31
        assert probes.fma_chain(3, one, real(2), real(1)) == 31
        assert probes.fma_vectors(3, one, real(2), real(1)) == 31 * probes.CHAINS


def test_the_probes_use_the_widest_vectors_and_no_call() -> None:
    width = {64: "zmm", 32: "ymm"}.get(processor.vector_bytes())
    if width is None:
        pytest.skip("vectors of 16 bytes")
    one = np.float64(1)
    probes.fma_vectors(1, one, one, one)
    probes.fma_chain(1, one, one, one)
    for probe, registers in ((probes.fma_vectors, width), (probes.fma_chain, "xmm")):
        (code,) = [text for kind, text in probe.inspect_asm().items() if "float64" in str(kind)]  # type: ignore[attr-defined]
        steps = [line for line in code.splitlines() if "vfmadd" in line and registers in line]
        assert len(steps) >= (probes.CHAINS if registers == width else 1)


@pytest.mark.parametrize("found", [{}, {"index0": ("Data", "1", "48K"), "index3": ("Unified", "3", "32M")}])
def test_cache_sizes_come_from_the_system_or_a_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: dict[str, tuple[str, str, str]]
) -> None:
    for index, texts in found.items():
        (tmp_path / index).mkdir()
        for name, text in zip(("type", "level", "size"), texts, strict=True):
            (tmp_path / index / name).write_text(text + "\n")
    (tmp_path / "index1").mkdir()  # unreadable
    monkeypatch.setattr(processor, "_CACHES", tmp_path)
    monkeypatch.delattr(os, "sysconf_names")
    expected = {"L1": 48 << 10, "L3": 32 << 20} if found else {"L1": 32 << 10, "L2": 512 << 10, "L3": 8 << 20}
    assert processor.cache_sizes() == expected


def test_working_sets_stay_within_a_level_and_out_of_the_one_before() -> None:
    sizes = {"L1": 32 << 10, "L2": 2 << 20, "L3": 260 << 20}
    sets = [machine.working_set(level, sizes) for level in (*sizes, "DRAM")]
    assert sets[:3] == [16 << 10, 512 << 10, 32 << 20]
    assert 260 << 20 < sets[3] <= 512 << 20
    assert machine.working_set("L3", sizes, threads=2) == 64 << 20
    assert machine.working_set("L3", sizes, threads=64) == 130 << 20


def test_least_seconds_takes_the_best_and_every_job_in_turn() -> None:
    seen: list[str] = []
    jobs = {name: machine.Job(lambda name=name: seen.append(name), 10) for name in "ab"}  # type: ignore[misc]
    best = machine.least_seconds(jobs, rounds=4)
    assert seen == ["a", "b"] * 5  # once before the repetitions, to compile
    assert all(0 < seconds < 1 for seconds in best.values())


def test_help_of_machine_imports_nothing_heavy(fresh_python: Callable[..., str]) -> None:
    program = """
import sys
from click.testing import CliRunner
from seqgap.bench.cli import cli
assert CliRunner().invoke(cli, ["machine", "--help"]).exit_code == 0
print([name for name in ("numba", "numpy", "rich") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"


def test_measuring_for_a_run_leaves_no_thread_pool_and_nothing_compiled(
    fresh_python: Callable[..., str],
) -> None:
    program = """
import sys, threading
from seqgap.bench.machine.probe import measure_machine
from seqgap.kernels._core.rows import _Pool
from seqgap.bench.machine import kernels as probes
measure_machine(parallel=False)
print(_Pool.threads, probes.stream.rows.signatures, sys.executable != "")
"""
    assert fresh_python(program) == "None [] True\n"


def test_ctrl_c_ends_machine_with_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*HEED_CTRL_C, SEQGAP, "machine"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "Measuring" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "Traceback" not in rest
