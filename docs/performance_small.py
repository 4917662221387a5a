"""The rows of docs/performance.md on small batches of the neural flows: float32, one thread, through `Flow`.

Run alone it prints the rows: `python docs/performance_small.py`, about 3 minutes; with a file as argument it
adds to that for how many rows the kernel with the units in the lanes is the faster one, 3 minutes.
"""

import csv
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numba.core.registry import cpu_target
from performance_flows import FLOAT32, batch, of_zuko
from timing import Report, Thunks, Work, contenders, medians, on_one_thread

from seqgap import Flow
from seqgap.bench.machine.probe import probe
from seqgap.bench.machine.variables import restart_without
from seqgap.kernels import iaf, maf, realnvp, rq_spline
from seqgap.kernels._core.rows import Step

COUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def one_row() -> Iterator[Work]:
    """Against the libraries, and the engines that networks are deployed with."""
    for name, limits in (("realnvp.forward", (5, 4)), ("maf.log_prob", (5, 5)), ("rq_spline.forward", (5,))):
        for dim, limit in zip((64, 256), limits, strict=False):
            yield f"{name} (1, {dim})", contenders(name, 1, dim, FLOAT32), [f"fastest / numba >= {limit}"]
    for architecture, dim, limit in (("MAF", 64, 400), ("MAF", 256, 1000), ("NSF", 64, 800)):
        thunks = of_zuko(architecture, 1, dim)
        yield f"{architecture}, sampling (1, {dim})", thunks, [f"zuko / numba of zuko >= {limit}"]


def dependence() -> Iterator[Work]:
    """What D dependent steps cost where both directions have the units in the lanes."""
    for dim in (16, 64, 256):
        params = maf.random_params(dim, 1, dtype=FLOAT32)
        flows, z = {"maf": Flow(params), "iaf": Flow(iaf.Params(*params))}, batch(1, dim)
        thunks: Thunks = {
            "MAF sampling": partial(flows["maf"].forward, z), "MAF density": partial(flows["maf"].inverse, z),
            "IAF sampling": partial(flows["iaf"].forward, z),
        }  # fmt: skip
        wanted = ["MAF sampling / MAF density <= 4", "MAF sampling / IAF sampling <= 4"]
        yield f"one sample, D dependent steps against one pass (1, {dim})", thunks, wanted


def compiled(step: Step, z: Any) -> Any:
    """The row kernel of a step alone, as a call of no arguments."""
    assert step.few is not None
    results = np.empty_like(z), np.empty(len(z), z.dtype)
    return partial(step.few, 0, len(z), z, *results, False, *step.few_arrays)


def absolute(report: Report) -> None:
    """Times wanted as such: a density in an MCMC step, and the distance of a coupling from its floor."""
    params = maf.random_params(5, 1, layers=1, depth=3, width=50, activation="tanh", dtype=FLOAT32)
    times = medians({"numba": partial(Flow(params).log_prob, batch(20, 5))})
    work = "maf.log_prob (20, 5), three hidden layers of 50, tanh"
    report.row(work, FLOAT32, times, "microseconds", 1e6 * times["numba"], "<=", "10")
    coupling = realnvp.random_params(256, 1, dtype=FLOAT32)
    level = next(level for level in probe(parallel=False).bandwidth if level.level == "L2")
    weights = sum(np.size(field) for field in (coupling.weight_in, coupling.weight_out))
    floor = 4 * weights / level.read
    times = medians({"row kernel": compiled(Flow(coupling)._own.forward[0], batch(1, 256))})
    name = f"row kernel / {weights} weights at the bandwidth of L2, {1e6 * floor:.2f} us"
    ratio = times["row kernel"] / floor
    report.row("realnvp.forward (1, 256)", FLOAT32, times, name, ratio, "<=", "3")


def rows(report: Report) -> None:
    """All of them, with the settings of the caller."""
    report.compare(FLOAT32, one_row())
    report.compare(FLOAT32, dependence())
    absolute(report)


def vector_bits() -> int:
    """Of the processor that the kernels are compiled for."""
    return 512 if "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2] else 256


def crossings() -> Iterator[dict[str, Any]]:
    """How many rows are faster one by one, for each family, direction, dtype and D."""
    vectors = vector_bits()
    models: list[tuple[str, Any, dict[str, Any]]] = [
        ("realnvp", realnvp, {}), ("maf", maf, {}), ("maf, 3 layers of 2", maf, {"layers": 3, "depth": 2}),
        ("spline coupling", rq_spline, {}), ("autoregressive spline", rq_spline, {"coupling": False}),
    ]  # fmt: skip
    for name, module, options in models:
        for dtype in (np.float32, np.float64):
            for dim in (5, 64, 256):
                flow = Flow(module.random_params(dim, 1, dtype=dtype, **options))
                for direction, (step,) in flow._own._asdict().items():
                    times = {count: _both(step, batch(count, dim).astype(dtype)) for count in COUNTS}
                    yield {
                        "vectors": vectors, "flow": name, "direction": direction, "dtype": np.dtype(dtype),
                        "D": dim, "N = 1, rows in lanes, us": f"{times[1][0]:.2f}",
                        "N = 1, units in lanes, us": f"{times[1][1]:.2f}",
                        "faster up to N": max((n for n in COUNTS if times[n][1] < times[n][0]), default=0),
                        "used up to N": step.most,
                    }  # fmt: skip


def _both(step: Step, z: Any) -> tuple[float, float]:
    """Microseconds with rows and with units in the lanes."""
    x, log_det = np.empty_like(z), np.empty(len(z), z.dtype)
    forms = {"rows": step._replace(most=-1), "units": step._replace(most=len(z))}
    times = medians({name: partial(form, z, x, log_det) for name, form in forms.items()}, 0.02)
    return 1e6 * times["rows"], 1e6 * times["units"]


if __name__ == "__main__":
    restart_without()
    with on_one_thread():
        if sys.argv[1:]:
            lines = list(crossings())
            with open(sys.argv[1], "a", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, lines[0])
                if not file.tell():
                    table.writeheader()
                table.writerows(lines)
        else:
            rows(Report())
