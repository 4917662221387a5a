"""What is measured of a machine, and by which probes."""

import json
import math
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import HANGS, HEED_CTRL_C, SEQGAP, invoke, seqgap
from numpy.testing import assert_array_equal
from synthetic import BLAS, CEILINGS

from seqgap.bench.machine import kernels as probes
from seqgap.bench.machine import probe as machine
from seqgap.bench.machine import processor
from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.measure import parent as running
from seqgap.bench.model.cell import DTYPES
from seqgap.kernels.normal import standard_normal


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
    monkeypatch.setattr(machine, "measure_machine", lambda *, parallel: machine.Machine(CEILINGS, []))
    result = invoke("machine")
    assert result.exit_code == 0, result.output
    for part in ("L1", "DRAM", "8 threads together", "Gflop/s", "1e+03", "300 ns", "4 us", "30 ns"):
        assert part in result.output
    alone = replace(CEILINGS, threads=1, parallel_region=None, shared=())
    monkeypatch.setattr(machine, "measure_machine", lambda *, parallel: machine.Machine(alone, []))
    result = invoke("machine")
    assert result.exit_code == 0, result.output
    assert "together" not in result.output


def test_a_probe_that_ends_early_gives_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "-1")
    with pytest.raises(machine.MachineError, match="could not be measured") as caught:
        machine.measure_machine(parallel=False)
    assert caught.value.message.count("\n") == 0
    result = invoke("machine")
    assert result.exit_code != 0
    assert "could not be measured" in result.output


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
    result = invoke("run", "--threads", threads, "--out", tmp_path / "results")
    assert result.exit_code != 0
    assert asked == [threads != "1"]


def test_a_blas_with_wrong_results_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for error in (1.5, math.nan):
        found = machine.Machine(CEILINGS, [BLAS[0], BLAS[1] | {"error": error}])
        monkeypatch.setattr(running, "measure_machine", lambda found=found, **_: found)
        result = invoke("run", "--profile", "smoke", "--out", tmp_path / "results")
        assert result.exit_code != 0
        assert "the BLAS of scipy computes wrong results (openblas 0.3.31, kernel SkylakeX)" in result.output
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("threads", [1, 2])
def test_streams_move_what_is_counted(threads: int) -> None:
    a, b, c = np.arange(1.0, 3 * 130 * 2 + 1).reshape(3, 130, 2)
    sink = np.zeros(130, np.int64)

    def rows(kind: int) -> None:
        probes.stream(threads, 130, 2, kind, a.view(np.int64), a, b, c, sink)

    rows(probes.READ)
    assert_array_equal(sink, a.view(np.int64).sum(axis=1))
    rows(probes.COPY)
    assert_array_equal(a, b)
    rows(probes.TRIAD)
    assert_array_equal(a, b + 3 * c)
    rows(probes.WRITE)
    assert_array_equal(a, np.arange(130.0)[:, None] + [0, 0])
    probes.empty_region(threads, 64 * threads, 1, a)


def test_the_probes_do_the_work_that_is_counted() -> None:
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


def test_measuring_leaves_no_thread_pool_and_nothing_compiled(fresh_python: Callable[..., str]) -> None:
    program = """
import sys, threading
from seqgap.bench.machine.probe import measure_machine
from seqgap.kernels._core.rows import _pool
from seqgap.bench.machine import kernels as probes
measure_machine(parallel=False)
print(_pool.cache_info().currsize, probes.stream.rows.signatures, sys.executable != "")
"""
    assert fresh_python(program) == "0 [] True\n"


def test_ctrl_c_ends_machine_with_130(tmp_path: Path) -> None:
    command = [*HEED_CTRL_C, SEQGAP, "machine"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Measuring" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=HANGS)
    assert process.returncode == 130
    assert "Traceback" not in rest
