"""Result folders with made-up timings, for tests of what reads them."""

import csv
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from seqgap.bench.analysis.run import Run
from seqgap.bench.machine.ceilings import Bandwidth, Ceilings
from seqgap.bench.machine.environment import environment
from seqgap.bench.model.case import Thunk
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import planned, too_slow
from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT, RunFolder
from seqgap.bench.results.operations import Operations
from seqgap.bench.results.rows import ROWS, Probe, Row

Change = Callable[[Path], object]  # of a folder
SMALL = Options(
    case=("linear_ar", "ar_process", "affine_coupling"), dim=(2, 8, 64, 256), batch=(1, 64), map=()
)
_RATE = {"python": 1e-7, "numpy": 1e-9, "numba": 1e-10}
_CALL = {"python": 1e-6, "numpy": 5e-6, "numba": 2e-6}
LEVELS = (
    Bandwidth("L1", 1_000, 500, 8e9, 5e9, 4e9, 3e9),
    Bandwidth("L2", 10_000, 5_000, 4e9, 2.5e9, 1e9, 2e9),
    Bandwidth("L3", 100_000, 50_000, 2e9, 1.5e9, 1e9, 0.5e9),
    Bandwidth("DRAM", 0, 400_000, 1e9, 0.5e9, 0.25e9, 0.125e9),
)
CEILINGS = Ceilings(
    bandwidth=LEVELS,
    fma_latency={"float64": 1e-9, "float32": 2e-9},
    fma_flops={"float64": 1e12, "float32": 2e12},
    exp={"float64": 1e-9, "float32": 0.5e-9},
    normal={"float64": 3e-9, "float32": 1.5e-9},
    timer=30e-9,
    call_empty=50e-9,
    call_arrays=300e-9,
    threads=8,
    parallel_region=4_000e-9,
    shared=(replace(LEVELS[2], copy=3e9), replace(LEVELS[3], copy=1e9)),
)
_FACTS = {
    "architecture": "SkylakeX",
    "version": "0.3.31",
    "internal_api": "openblas",
    "prefix": "libopenblas",
}
BLAS = [
    {"library": library, **_FACTS, "threading_layer": "pthreads", "num_threads": 2, "error": 0.02}
    for library in ("numpy", "scipy")
]


def once(thunk: Thunk, estimate: float) -> tuple[tuple[float, ...], int]:
    """A timer that calls and does not time."""
    thunk()
    return (1.0, 2.0, 3.0), 4


@functools.cache
def any_environment() -> dict[str, Any]:
    """An environment: this machine, and BLAS libraries of no machine."""
    return environment(BLAS)


def plausible(cell: Cell) -> float:
    """Seconds of one call: overhead, work, and for NumPy a call for each dependent step."""
    steps = cell.cost.depth if cell.impl == "numpy" else 1
    work = cell.batch * cell.cost.flops * _RATE.get(cell.impl, 1e-10) / cell.threads
    return _CALL.get(cell.impl, 2e-6) * steps + work


@mock.patch("os.fsync", int)  # a call without effect: what is made up need not survive a loss of power
def write_run(
    path: Path,
    options: Options = SMALL,
    *,
    seconds: Callable[[Cell], float] = plausible,
    processes: int = 3,
    noise: float = 0.01,
    seed: int = 0,
    stored: dict[str, Any] | None = None,
) -> Path:
    """A finished run: `noise` is the standard deviation of log time between processes and within."""
    random = np.random.default_rng(seed)
    folder = RunFolder.create(path, any_environment() | (stored or {}), options)
    now = 1.8e9
    for process in range(processes):
        folder.append(Probe(process, now, 1e-3))
        for cell in planned(options):
            reason = too_slow(cell, options)
            if reason:
                folder.append(Row(cell, "skipped", process=process, reason=reason, expected=1.0))
                continue
            level = seconds(cell) * np.exp(noise * random.standard_normal())
            rounds = level * np.exp(noise * random.standard_normal(20))
            row = Row(cell, "ok", tuple(rounds.tolist()), 10, process, now, cpus=float(cell.threads))
            folder.append(replace(row, first_call=1.5, compile=1.0))
            now += 0.05
        folder.append(Probe(process, now, 1e-3))
    return path


def run_of(
    rows: Sequence[Row], probes: Sequence[Probe] = (), environment: dict[str, Any] | None = None
) -> Run:
    """A run that lies in no folder."""
    cells = list(dict.fromkeys(row.cell for row in rows))
    operations = Operations.of(cells, [cell.impl for cell in cells])
    return Run(Path("run"), environment or {}, Options(), operations, rows, probes)


def edit_json(file: Path, edit: Callable[[Any], object]) -> None:
    """Change what a JSON file holds."""
    stored = json.loads(file.read_text())
    edit(stored)
    file.write_text(json.dumps(stored))


def in_environment(dotted: str, value: Any = None) -> Change:
    """Sets an entry of the environment, or leaves it out."""

    def edit(stored: Any) -> None:
        *outer, last = dotted.split(".")
        for key in outer:
            stored = stored[key]
        stored.pop(last, None)
        if value is not None:
            stored[last] = value

    return lambda folder: edit_json(folder / ENVIRONMENT, edit)


def write(name: str, text: str) -> Change:
    """Sets what a file holds."""
    return lambda folder: (folder / name).write_text(text)


def edit_rows(folder: Path, edit: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Change the rows of a folder, or lose those that `edit` returns None for; one at least."""
    before = (folder / ROWS).read_text().splitlines()
    edited = [edit(json.loads(line)) for line in before]
    after = [json.dumps(row) for row in edited if row is not None]
    assert after != before
    (folder / ROWS).write_text("".join(f"{line}\n" for line in after))


def read_csv(file: Path) -> list[list[str]]:
    """The lines of a table, its columns first."""
    with open(file, newline="", encoding="utf-8") as handle:
        return list(csv.reader(handle))


def dotted(values: dict[str, Any], outer: str = "") -> list[str]:
    """Keys of nested objects as a.b; objects whose keys are data stay whole."""
    keys = []
    for key, value in values.items():
        nested = isinstance(value, dict) and key not in (
            "caches",
            "versions",
            "variables",
            "removed_variables",
        )
        keys += dotted(value, f"{outer}{key}.") if nested else [f"{outer}{key}"]
    return keys
