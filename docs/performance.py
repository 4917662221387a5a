"""Writes docs/performance.md: `python docs/performance.py docs/performance.md`, on an idle machine.

Needs `pip install ".[peers]"`. About 8 minutes. The contenders of a row are timed in turns in this one
process, each round long enough for the timer; a figure is a ratio of medians.
"""

import io
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import performance_flows
from rich.console import Console
from threadpoolctl import threadpool_limits
from timing import PEERS, Report, contenders, installed, medians

from seqgap.bench.machine.ceilings import Ceilings
from seqgap.bench.machine.environment import environment
from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call
from seqgap.bench.report.tables import print_ceilings
from seqgap.bench.results.rows import read_ceilings
from seqgap.kernels import affine_coupling, ar_process, diffusion, linear_ar, mask_stack, normal
from seqgap.kernels._core.jit import isolate, jit, jit_exact, threads_available
from seqgap.kernels._core.simd import fma

DTYPES = (np.dtype(np.float64), np.dtype(np.float32))
COMMAND = ("--dim", "64", "--batch", "1,1024", "--impl", ",".join(("numba", *PEERS)))


@jit
def multiply_copy(z: Any, x: Any, c: Any) -> None:
    """x = c z over flat arrays: what a kernel that reads and writes each entry cannot beat."""
    isolate()
    for i in range(z.shape[0]):
        x[i] = c * z[i]


@jit
def triad(a: Any, b: Any, s: Any, x: Any) -> None:
    """x = a + s b over flat arrays."""
    isolate()
    for i in range(a.shape[0]):
        x[i] = a[i] + s * b[i]


@jit_exact
def chain(steps: int, a: Any, b: Any, x: Any) -> Any:
    """Dependent multiply-adds, one after another."""
    for _ in range(steps):
        x = fma(a, x, b)
    return x


def normals(report: Report, dtype: Any) -> None:
    call = Call((1024, 1024, 1), {"first_row": 0, "dtype": dtype})
    times = medians(contenders("normal", "standard_normal", call, 1024, dtype))
    report.row("normals, 2^20", dtype, times, "numpy / numba", times["numpy"] / times["numba"], 4.5)
    if dtype == np.float32:
        report.row("normals, 2^20", dtype, times, "torch / numba", times["torch"] / times["numba"], 2.5)


def coupling(report: Report, dtype: Any) -> None:
    for (n, dim), operation in itertools.product(
        ((65536, 64), (1024, 64), (64, 1024)), ("forward", "inverse")
    ):
        params = affine_coupling.random_params(dim, 1, dtype=dtype)
        z = normal.standard_normal(n, dim, 2, dtype=dtype)
        times = medians(contenders("affine_coupling", operation, Call((z, params)), dim, dtype))
        report.faster(f"affine_coupling.{operation} ({n}, {dim})", dtype, times, 2.5)
        if n == 65536:
            x, kernel = np.empty_like(z), getattr(affine_coupling, operation)
            pair = medians({
                "numba": lambda: kernel(z, params, out=x),
                "multiply-copy": lambda: multiply_copy(z.ravel(), x.ravel(), dtype.type(1.5)),
            })  # fmt: skip
            report.row(
                f"affine_coupling.{operation} ({n}, {dim}), out given", dtype, pair, "numba / multiply-copy",
                pair["numba"] / pair["multiply-copy"], 1.35,
            )  # fmt: skip
    params = affine_coupling.random_params(64, 1, dtype=dtype)
    call = Call((normal.standard_normal(1, 64, 2, dtype=dtype), params))
    times = medians(contenders("affine_coupling", "forward", call, 64, dtype))
    report.faster("affine_coupling.forward (1, 64), public call", dtype, times, 5)


def stack(report: Report, dtype: Any) -> None:
    masks = (np.arange(64) + np.arange(8)[:, None]) % 2 == 0
    theta = (normal.standard_normal(8, 4, 1) * [0.3, 0.2, 0.5, 0.5]).astype(dtype)
    call = Call((normal.standard_normal(4096, 64, 2, dtype=dtype), mask_stack.Params(masks, theta)))
    times = medians(contenders("mask_stack", "forward", call, 64, dtype))
    report.faster("mask_stack.forward, K = 8, (4096, 64)", dtype, times, 3)


def series(report: Report, dtype: Any) -> None:
    params = ar_process.Params(np.array([0.7], dtype), 0.1, 0.5)
    z = normal.standard_normal(1, 4096, 2, dtype=dtype)
    kernel = ar_process._verbs._forward.rows
    x, log_det = np.empty_like(z), np.empty(1, dtype)
    bare = {s: ar_process._arrays(params, dtype, 4096, s) for s in ("recurrence", "scan")}
    times = medians(
        contenders("ar_process", "forward", Call((z, params)), 4096, dtype)
        | {
            "numba-recurrence": lambda: ar_process.forward(z, params, strategy="recurrence"),
            "numba-recurrence, row kernel": lambda: kernel(0, 1, z, x, log_det, *bare["recurrence"]),
            "numba-scan, row kernel": lambda: kernel(0, 1, z, x, log_det, *bare["scan"]),
            "floor": lambda: chain(4096, dtype.type(0.7), dtype.type(0.1), dtype.type(0.2)),
        }
    )
    work = "ar_process.forward, p = 1, (1, 4096)"
    floor = times.pop("floor")
    report.faster(f"{work}, recurrence", dtype, times, 3, "numba-recurrence")
    times["floor"] = floor
    for name in ("numba-recurrence, row kernel", "numba-recurrence"):
        report.row(work, dtype, times, f"{name} / chain of multiply-adds", times[name] / floor, 1.3)
    for scan, recurrence in (
        ("numba-scan, row kernel", "numba-recurrence, row kernel"), ("numba", "numba-recurrence"),
    ):  # fmt: skip
        report.row(work, dtype, times, f"{recurrence} / {scan}", times[recurrence] / times[scan], 2)
    z = normal.standard_normal(4096, 256, 2, dtype=dtype)
    x = np.empty_like(z)
    for order in (1, 2):
        params = ar_process.Params(np.array([0.7, -0.2], dtype)[:order], 0.1, 0.5)
        pair = medians({
            "numba": lambda p=params: ar_process.forward(z, p, out=x),
            "multiply-copy": lambda: multiply_copy(z.ravel(), x.ravel(), dtype.type(1.5)),
        })  # fmt: skip
        report.row(
            f"ar_process.forward, p = {order}, (4096, 256), out given", dtype, pair, "numba / multiply-copy",
            pair["numba"] / pair["multiply-copy"], 1.4,
        )  # fmt: skip


def triangular(report: Report, dtype: Any) -> None:
    for dim in (256, 64):
        params = linear_ar.random_params(dim, 1, dtype=dtype)
        z = normal.standard_normal(4096, dim, 2, dtype=dtype)
        times = medians(contenders("linear_ar", "forward", Call((z, params)), dim, dtype))
        work = f"linear_ar.forward (4096, {dim})"
        report.row(work, dtype, times, "scipy / numba", times["scipy"] / times["numba"], 1.5)
        del times["scipy"]
        report.faster(work, dtype, times, 2)
        square = np.ascontiguousarray(params.weight.T)
        pair = medians({
            "numba": lambda p=params, z=z: linear_ar.inverse(z, p), "BLAS": lambda s=square, z=z: z @ s
        })  # fmt: skip
        report.row(
            f"linear_ar.inverse (4096, {dim})", dtype, pair, "numba / matrix product of BLAS",
            pair["numba"] / pair["BLAS"], 1,
        )  # fmt: skip


def noising(report: Report, dtype: Any) -> None:
    shape = (65536, 64)
    x0, eps = (normal.standard_normal(*shape, seed, dtype=dtype) for seed in (1, 2))
    x, schedule = np.empty_like(x0), diffusion.Schedule(diffusion.linear_betas(16))
    params = affine_coupling.random_params(64, 1, dtype=dtype)
    pair = medians({
        "numba": lambda: diffusion.noise(x0, eps, 9, schedule, out=x),
        "triad": lambda: triad(x0.ravel(), eps.ravel(), dtype.type(0.5), x.ravel()),
    })  # fmt: skip
    work = "diffusion.noise (65536, 64), out given"
    report.row(work, dtype, pair, "numba / triad", pair["numba"] / pair["triad"], 1.2)
    trio = medians({
        "sample_noisy": lambda: diffusion.sample_noisy(x0, 9, schedule, 1, out=x),
        "coupling": lambda: affine_coupling.sample(65536, params, 1, out=x),
        "normals": lambda: normal.standard_normal(*shape, 1, dtype=dtype, out=x),
    })  # fmt: skip
    for name, limit in (("sample_noisy", 1.25), ("coupling", 1.3)):
        work = "diffusion.sample_noisy" if name == "sample_noisy" else "affine_coupling.sample"
        pair = {work: trio[name], "normals": trio["normals"]}
        ratio = trio[name] / trio["normals"]
        report.row(f"{work} (65536, 64), out given", dtype, pair, "numba / normals alone", ratio, limit)


def threads(report: Report, dtype: Any) -> None:
    if threads_available() < 2:
        return
    z = normal.standard_normal(65536, 64, 2, dtype=dtype)
    x = np.empty_like(z)
    models = {
        m: m.random_params(64, 1, dtype=dtype) for m in (affine_coupling, mask_stack, linear_ar, ar_process)
    }
    work: dict[str, Callable[[int], Any]] = {
        "normal.standard_normal": lambda t: normal.standard_normal(
            65536, 64, 1, dtype=dtype, out=x, threads=t
        ),
        "affine_coupling.sample": lambda t: affine_coupling.sample(
            65536, models[affine_coupling], 1, out=x, threads=t
        ),
    }
    for module, params in models.items():
        name = f"{module.__name__.rpartition('.')[2]}.forward"
        work[name] = lambda t, m=module, p=params: m.forward(z, p, out=x, threads=t)
    for name, call in work.items():
        pair = medians({"1 thread": lambda c=call: c(1), "2 threads": lambda c=call: c(2)})
        speedup = pair["1 thread"] / pair["2 threads"]
        report.row(f"{name} (65536, 64), out given", dtype, pair, "1 thread / 2 threads", speedup, 1.7)


def peers_run(folder: Path) -> tuple[str, Ceilings | None]:
    """The table of peers as `seqgap run` prints it, and the ceilings that the run measured."""
    out = folder / "run"
    program = "import sys; from seqgap.bench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "run", *COMMAND, "--out", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    start = printed.index("Median time of one call; ratio")
    table = printed[start : printed.index("\n\n", printed.index("A peer wins", start))]
    return "\n".join(line.rstrip() for line in table.splitlines()).rstrip(), read_ceilings(out)


def ceilings_text(ceilings: Ceilings | None) -> str:
    console = Console(file=io.StringIO(), width=110)
    if ceilings is not None:
        print_ceilings(console, ceilings)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def sections() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        table, ceilings = peers_run(Path(name))
    machine = environment()
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    yield f"Machine: {machine['machine']['cpu']}, {machine['machine']['cores']} cores. {versions}."
    yield (
        "## Ceilings\n\n`seqgap machine`, as measured at the start of the run below.\n\n```\n"
        + ceilings_text(ceilings)
        + "\n```"
    )
    report = Report()
    with ExitStack() as stack_of_settings:
        stack_of_settings.enter_context(threadpool_limits(1, user_api="blas"))
        for name in installed():
            stack_of_settings.enter_context(arrays.settings(name, 1))
        for dtype in DTYPES:
            for part in (normals, coupling, stack, series, triangular, noising):
                part(report, dtype)
        performance_flows.rows(report)
    for dtype in DTYPES:  # last: threads of a pool spin on after a parallel region
        threads(report, dtype)
    head = "| work | dtype | ratio of | is | wanted | met | medians |\n"
    head += "| --- | --- | --- | --- | --- | --- | --- |"
    yield "## Targets\n\n" + head + "\n" + "\n".join(report.lines)
    yield f"## Peers\n\n`seqgap run {' '.join(COMMAND)}`\n\n```\n{table}\n```"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    notes = Path(__file__).with_name("performance_notes.md").read_text(encoding="utf-8")
    target.write_text(notes + "\n" + "\n\n".join(sections()) + "\n", encoding="utf-8")
