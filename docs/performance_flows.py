"""The rows of docs/performance.md on the neural flows: float32, one hidden layer of 128, N = 256, one thread.

Whole flows of zuko and nflows, as their users make them, against the same flow loaded by `kernels.interop`,
whose results are compared first; and the libraries' transforms with the weights of a case, checked by its
tests. Run alone it prints the rows: `python docs/performance_flows.py`, about 3 minutes.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from timing import Report, Thunks, Work, contenders, medians, on_one_thread

from seqgap.bench.machine.variables import restart_without
from seqgap.kernels import interop, maf
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._nets.dense import address, product
from seqgap.kernels.normal import standard_normal

N, WIDTH = 256, 128
FLOAT32 = np.dtype(np.float32)


def batch(count: int, dim: int) -> Any:
    return standard_normal(count, dim, 2, dtype=FLOAT32)


def samplers(library: str, theirs: Callable[[Any], Any], flow: Any, z: Any) -> Thunks:
    """A library's sampler and ours of the same flow, after a look at their samples."""
    import torch

    tensor = torch.from_numpy(z)
    # nflows' own passes and ours differ by more than one rounding where D rounded steps follow each other.
    np.testing.assert_allclose(theirs(tensor).numpy(), flow.forward(z)[0], rtol=1e-4, atol=1e-5)
    return {f"numba of {library}": partial(flow.forward, z), library: partial(theirs, tensor)}


def of_zuko(architecture: str, count: int, dim: int) -> Thunks:
    """MAF or NSF of one transform."""
    import torch
    import zuko

    torch.manual_seed(dim)
    flow = getattr(zuko.flows, architecture)(dim, transforms=1, hidden_features=(WIDTH,))
    return samplers("zuko", flow.transform().inv, interop.from_zuko(flow), batch(count, dim))


def of_nflows(dim: int) -> Thunks:
    """A masked autoregressive flow of one transform."""
    import torch
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms.autoregressive import MaskedAffineAutoregressiveTransform

    torch.manual_seed(dim)
    transform = MaskedAffineAutoregressiveTransform(dim, WIDTH, num_blocks=0, use_residual_blocks=False)
    flow = interop.from_nflows(Flow(transform, StandardNormal([dim])).eval())
    return samplers("nflows", lambda z: transform.inverse(z)[0], flow, batch(N, dim))


def two_directions(params: maf.Params, z: Any) -> Thunks:
    x = maf.forward(z, params)[0]
    return {"forward": partial(maf.forward, z, params), "inverse": partial(maf.inverse, x, params)}


def masked() -> Iterator[Work]:
    """Sampling and density of masked autoregressive flows."""
    for dim, zuko, nflows, flowjax in ((64, 40, 100, 25), (256, 120, 250, 75)):
        thunks = contenders("maf.forward", N, dim, FLOAT32) | of_zuko("MAF", N, dim) | of_nflows(dim)
        wanted = [f"zuko / numba of zuko >= {zuko}", f"nflows / numba of nflows >= {nflows}"]
        yield f"maf, sampling ({N}, {dim})", thunks, [*wanted, f"flowjax / numba >= {flowjax}"]
        pair = two_directions(maf.random_params(dim, 1, dtype=FLOAT32), batch(N, dim))
        yield f"maf, sampling against its one pass ({N}, {dim})", pair, ["forward / inverse <= 2"]
    yield "maf, sampling (1, 64)", of_zuko("MAF", 1, 64), ["zuko / numba of zuko >= 100"]
    for dim in (64, 256):
        thunks = contenders("maf.log_prob", N, dim, FLOAT32)
        yield f"maf.log_prob ({N}, {dim})", thunks, ["fastest / numba >= 1"]


def others() -> Iterator[Work]:
    """Splines and couplings."""
    for name in ("rq_spline.forward", "rq_spline.inverse"):
        for dim in (64, 256):
            thunks = contenders(name, N, dim, FLOAT32)
            yield f"{name} ({N}, {dim})", thunks, ["nflows / numba >= 5", "flowjax / numba >= 2.5"]
    work = f"rq_spline, autoregressive, sampling ({N}, 64)"
    yield work, of_zuko("NSF", N, 64), ["zuko / numba of zuko >= 100"]
    for dim in (64, 256):
        thunks = contenders("realnvp.forward", N, dim, FLOAT32)
        yield f"realnvp.forward ({N}, {dim})", thunks, ["fastest / numba >= 1.5"]


def growth(report: Report) -> None:
    """Log-log slopes, least squares over five sizes."""
    dims = (64, 128, 256, 512, 1024)
    for strategy, sense, limit in (("incremental", "<=", "1.15"), ("naive", ">=", "1.85")):
        times = medians({
            f"D = {dim}": partial(
                maf.forward, batch(N, dim), maf.random_params(dim, 1, dtype=FLOAT32), strategy=strategy
            )
            for dim in dims
        })  # fmt: skip
        slope = float(np.polyfit(np.log(dims), np.log(list(times.values())), 1)[0])
        work = f"maf.forward, {strategy}, D from 64 to 1024"
        report.row(work, FLOAT32, times, "growth: exponent of D", slope, sense, limit)


def degree_groups() -> Iterator[Work]:
    """The gap where each hidden unit waits for a feature of its own, and where several wait for one."""
    dim, count = 128, 1024
    params = maf.random_params(dim, 1, width=WIDTH, dtype=FLOAT32)
    for size in (1, 2, 4, 8):
        degrees = np.sort(np.arange(WIDTH) // size * size % (dim - 1) + 1)
        pair = two_directions(params._replace(degrees=degrees[None, None]), batch(count, dim))
        work = f"maf, sampling against its one pass ({count}, {dim}), units to a degree: {size}"
        yield work, pair, ["forward / inverse <= 2"]


@jit_exact
def products(weight: Any, bias: Any, ends: Any, source: Any, result: Any) -> None:
    """result[:, tile] = bias + weight source[:, tile], tile by tile."""
    for tile in range(source.shape[0]):
        product(
            address(weight, 0), weight.shape[1], address(bias, 0), address(ends, 0),
            address(source[tile], 0), address(result[tile], 0), source.shape[2], weight.shape[0],
        )  # fmt: skip


def aligned(*shape: int) -> Any:
    """An array that starts where a vector of 64 bytes may."""
    size = int(np.prod(shape))
    room = np.empty(size + 16, FLOAT32)
    return room[-room.ctypes.data % 64 // 4 :][:size].reshape(shape)


def matrix_products() -> Iterator[Work]:
    """Our products on sample lanes against the BLAS of NumPy on the full matrix."""
    for rows, columns in ((128, 64), (128, 256), (512, 128)):
        weight, source, out = batch(rows, columns), batch(columns, N), np.empty((rows, N), FLOAT32)
        tiles, result = aligned(N // 64, columns, 64), aligned(N // 64, rows, 64)
        tiles[:] = source.reshape(columns, -1, 64).swapaxes(0, 1)
        bias, ends = np.zeros(rows, FLOAT32), np.full(rows, columns)
        ours = partial(products, weight, bias, ends, tiles, result)
        ours()
        np.testing.assert_allclose(np.concatenate(list(result), 1), weight @ source, rtol=1e-4, atol=1e-4)
        thunks = {"numba": ours, "BLAS": partial(np.matmul, weight, source, out=out)}
        yield f"product ({rows}, {columns}) by ({columns}, {N})", thunks, ["BLAS / numba >= 1"]


def rows(report: Report) -> None:
    """All of them, with the settings of the caller."""
    report.compare(FLOAT32, masked())
    report.compare(FLOAT32, others())
    growth(report)
    report.compare(FLOAT32, degree_groups())
    report.compare(FLOAT32, matrix_products())


if __name__ == "__main__":
    restart_without()
    with on_one_thread():
        rows(Report())
