"""The rows of docs/performance.md on the neural flows: float32, one hidden layer of 128, N = 256, one thread.

Whole flows of zuko and nflows, as their users make them, against the same flow loaded by `kernels.interop`,
whose results are compared first; and the libraries' transforms with the weights of a case, checked by its
tests. Run alone it prints the rows: `python docs/performance_flows.py`, about 3 minutes.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from timing import Report, Thunk, contenders, installed, medians

from seqgap.bench.model import arrays
from seqgap.bench.model.registry import cases
from seqgap.kernels import interop, maf
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._nets.dense import address, product
from seqgap.kernels.normal import standard_normal

N, WIDTH = 256, 128
FLOAT32 = np.dtype(np.float32)


def zuko_flow(kind: str, dim: int) -> Any:
    """MAF or NSF of one transform."""
    import torch
    import zuko

    torch.manual_seed(dim)
    return getattr(zuko.flows, kind)(dim, transforms=1, hidden_features=(WIDTH,))


def nflows_flow(dim: int) -> Any:
    """A masked autoregressive flow of one transform."""
    import torch
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform

    torch.manual_seed(dim)
    transform = MaskedAffineAutoregressiveTransform(dim, WIDTH, num_blocks=0, use_residual_blocks=False)
    return Flow(transform, StandardNormal([dim])).eval()


def batch(count: int, dim: int) -> Any:
    return standard_normal(count, dim, 2, dtype=FLOAT32)


def samplers(library: str, theirs: Callable[[Any], Any], flow: interop.Flow, z: Any) -> dict[str, Thunk]:
    """A library's sampler and ours of the same flow, after a look at their samples."""
    import torch

    tensor = torch.from_numpy(z)
    x = flow.forward(z)[0]
    # nflows' own passes and ours differ by more than one rounding where D rounded steps follow each other.
    np.testing.assert_allclose(theirs(tensor).numpy(), x, rtol=1e-4, atol=1e-5)
    return {f"numba of {library}": lambda: flow.forward(z), library: lambda: theirs(tensor)}


def loaded(kind: str, count: int, dim: int) -> dict[str, Thunk]:
    """Samplers of a flow of zuko."""
    flow = zuko_flow(kind, dim)
    return samplers("zuko", flow.transform().inv, interop.from_zuko(flow), batch(count, dim))


def case_of(stem: str, operation: str, dim: int, *left_out: str) -> dict[str, Thunk]:
    """The kernel and the installed peers on the params of a case."""
    call = cases()[stem].operation(operation).inputs(dim, N, FLOAT32, 1)
    found = contenders(stem, operation, call, dim, FLOAT32)
    return {name: thunk for name, thunk in found.items() if name not in left_out}


def against(
    report: Report, work: str, times: dict[str, float], limits: dict[str, float], ours: str = "numba"
) -> None:
    """A row for each library with a limit."""
    for name, limit in limits.items():
        mine = f"numba of {name}" if f"numba of {name}" in times else ours
        report.row(work, FLOAT32, times, f"{name} / {mine}", times[name] / times[mine], limit)


def masked(report: Report) -> None:
    for dim, limits in ((64, (40, 100, 25)), (256, (120, 250, 75))):
        flow = nflows_flow(dim)
        inverse = flow._transform.inverse
        nflows = samplers(
            "nflows", lambda z, i=inverse: i(z)[0], interop.from_nflows(flow), batch(N, dim)
        )  # fmt: skip
        rest = case_of("maf", "forward", dim, "zuko", "nflows")
        times = medians(loaded("MAF", N, dim) | nflows | rest)
        names = ("zuko", "nflows", "flowjax")
        against(report, f"maf, sampling ({N}, {dim})", times, dict(zip(names, limits, strict=True)))
        params, z = maf.random_params(dim, 1, dtype=FLOAT32), batch(N, dim)
        pair = medians(two_directions(params, z, maf.forward(z, params)[0]))
        work = f"maf, sampling against its one pass ({N}, {dim})"
        report.row(work, FLOAT32, pair, "forward / inverse", pair["forward"] / pair["inverse"], 2, False)
    times = medians(loaded("MAF", 1, 64))
    against(report, "maf, sampling (1, 64)", times, {"zuko": 100})
    for dim in (64, 256):
        times = medians(case_of("maf", "log_prob", dim))
        report.faster(f"maf.log_prob ({N}, {dim})", FLOAT32, times, 1, at_least=True)


def two_directions(params: maf.Params, z: Any, x: Any) -> dict[str, Thunk]:
    return {"forward": lambda: maf.forward(z, params), "inverse": lambda: maf.inverse(x, params)}


def splines(report: Report) -> None:
    for operation in ("forward", "inverse"):
        for dim in (64, 256):
            times = medians(case_of("rq_spline", operation, dim))
            against(report, f"rq_spline.{operation} ({N}, {dim})", times, {"nflows": 5, "flowjax": 2.5})
    times = medians(loaded("NSF", N, 64))
    against(report, f"rq_spline, autoregressive, sampling ({N}, 64)", times, {"zuko": 100})


def coupling(report: Report) -> None:
    for dim in (64, 256):
        times = medians(case_of("realnvp", "forward", dim))
        report.faster(f"realnvp.forward ({N}, {dim})", FLOAT32, times, 1.5)


def growth(report: Report) -> None:
    """Log-log slopes, least squares over five sizes."""
    dims = (64, 128, 256, 512, 1024)
    for strategy, limit, at_least in (("incremental", 1.15, False), ("naive", 1.85, True)):
        thunks: dict[str, Thunk] = {}
        for dim in dims:
            params, z = maf.random_params(dim, 1, dtype=FLOAT32), batch(N, dim)
            thunks[f"D = {dim}"] = lambda p=params, z=z, s=strategy: maf.forward(z, p, strategy=s)
        times = medians(thunks)
        slope = float(np.polyfit(np.log(dims), np.log(list(times.values())), 1)[0])
        work = f"maf.forward, {strategy}, D from 64 to 1024"
        report.row(work, FLOAT32, times, "growth: exponent of D", slope, limit, at_least)


def degree_groups(report: Report) -> None:
    """The gap where each hidden unit waits for a feature of its own, and where several wait for one."""
    dim, count = 128, 1024
    z = batch(count, dim)
    params = maf.random_params(dim, 1, width=WIDTH, dtype=FLOAT32)
    for size in (1, 2, 4, 8):
        degrees = np.sort(np.arange(WIDTH) // size * size % (dim - 1) + 1)
        grouped = params._replace(degrees=degrees[None, None])
        x = maf.forward(z, grouped)[0]
        times = medians(two_directions(grouped, z, x))
        work = f"maf, sampling against its one pass ({count}, {dim}), units to a degree: {size}"
        report.row(work, FLOAT32, times, "forward / inverse", times["forward"] / times["inverse"], 2, False)


@jit_exact
def _product(vectors: Any, weight: Any, bias: Any, ends: Any, source: Any, result: Any) -> None:
    """result[:, tile] = bias + weight source[:, tile], tile by tile."""
    for tile in range(source.shape[0]):
        product(
            vectors, address(weight, 0), weight.shape[1], address(bias, 0), address(ends, 0),
            address(source[tile], 0), address(result[tile], 0), source.shape[2], weight.shape[0],
        )  # fmt: skip


def aligned(*shape: int) -> Any:
    """An array that starts where a vector of 64 bytes may."""
    size = int(np.prod(shape))
    room = np.empty(size + 16, FLOAT32)
    start = -room.ctypes.data % 64 // 4
    return room[start : start + size].reshape(shape)


def matrix_products(report: Report) -> None:
    """Our products on sample lanes against the BLAS of NumPy on the full matrix."""
    for rows, columns in ((128, 64), (128, 256), (512, 128)):
        weight, bias = batch(rows, columns), np.zeros(rows, FLOAT32)
        source = batch(columns, N)
        tiles, result = aligned(N // 64, columns, 64), aligned(N // 64, rows, 64)
        tiles[:] = source.reshape(columns, -1, 64).swapaxes(0, 1)
        ends = np.full(rows, columns)
        _product(4, weight, bias, ends, tiles, result)
        expected = np.concatenate(list(result), axis=1)
        np.testing.assert_allclose(expected, weight @ source, rtol=1e-4, atol=1e-4)
        out = np.empty((rows, N), FLOAT32)
        times = medians({
            "numba": lambda w=weight, b=bias, e=ends, t=tiles, r=result: _product(4, w, b, e, t, r),
            "BLAS": lambda w=weight, s=source, o=out: np.matmul(w, s, out=o),
        })  # fmt: skip
        work = f"product ({rows}, {columns}) by ({columns}, {N})"
        report.row(work, FLOAT32, times, "BLAS / numba", times["BLAS"] / times["numba"], 1, True)


def rows(report: Report) -> None:
    """All of them, with the settings of the caller."""
    for part in (masked, splines, coupling, growth, degree_groups, matrix_products):
        part(report)


if __name__ == "__main__":
    with ExitStack() as settings:
        settings.enter_context(threadpool_limits(1, user_api="blas"))
        for name in installed():
            settings.enter_context(arrays.settings(name, 1))
        rows(Report())
