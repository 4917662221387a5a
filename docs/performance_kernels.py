"""The rows of docs/performance.md on the kernels without networks, for one dtype."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from timing import Thunks, Work, call_of, contenders, installed

from seqgap import Flow
from seqgap.kernels import affine_coupling, affine_lu, ar_process, diffusion, linear_ar, mask_stack, normal
from seqgap.kernels._core.family import family_of
from seqgap.kernels._core.jit import isolate, jit, jit_exact
from seqgap.kernels._core.simd import fma


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


def process(order: int, dtype: Any) -> ar_process.Params:
    return ar_process.Params(np.array([0.7, -0.2], dtype)[:order], 0.1, 0.5)


def libraries(dtype: Any) -> Iterator[Work]:
    """The kernels against every peer."""
    torch = ["torch / numba >= 2.5"] if dtype == np.float32 else []
    thunks = contenders("normal.standard_normal", 1024, 1024, dtype)
    yield "normals, 2^20", thunks, ["numpy / numba >= 4.5", *torch]
    for shape in ((65536, 64), (1024, 64), (64, 1024)):
        for name in ("affine_coupling.forward", "affine_coupling.inverse"):
            yield f"{name} {shape}", contenders(name, *shape, dtype), ["fastest / numba >= 2.5"]
    masks = (np.arange(64) + np.arange(8)[:, None]) % 2 == 0
    theta = (normal.standard_normal(8, 4, 1) * [0.3, 0.2, 0.5, 0.5]).astype(dtype)
    thunks = contenders("mask_stack.forward", 4096, 64, dtype, mask_stack.Params(masks, theta))
    yield "mask_stack.forward, K = 8, (4096, 64)", thunks, ["fastest / numba >= 3"]
    for shape in ((4096, 256), (4096, 64)):
        thunks = contenders("linear_ar.forward", *shape, dtype)
        wanted = ["scipy / numba >= 1.5", "fastest but scipy / numba >= 2"]
        yield f"linear_ar.forward {shape}", thunks, wanted


def one_row(dtype: Any) -> Iterator[Work]:
    """Calls that are hardly more than a call."""
    z, params = call_of("affine_coupling.forward", 1, 64, dtype).args
    x, flow = np.empty_like(z), Flow(params)
    thunks = contenders("affine_coupling.forward", 1, 64, dtype) | {
        "numba, out given": lambda: affine_coupling.forward(z, params, out=x),
        "Flow, out given": lambda: flow.forward(z, out=x),
    }
    wanted = ["public call: fastest / numba >= 5", "public call: numba, out given / numba <= 1"]
    yield "affine_coupling.forward (1, 64)", thunks, [*wanted, "Flow: fastest / Flow, out given >= 5"]


def one_series(dtype: Any) -> Iterator[Work]:
    """The recurrence, its chain of multiply-adds, and the scan."""
    params, z = process(1, dtype), normal.standard_normal(1, 4096, 2, dtype=dtype)
    flow, x, log_det = Flow(params, dim=4096), np.empty_like(z), np.empty(1, dtype)

    def row_kernel(strategy: str) -> Callable[[], Any]:
        (step,) = family_of("params", type(params)).directions(params, dtype, 4096, strategy).forward
        return partial(step.rows, 0, 1, z, x, log_det, *step.arrays)

    work = "ar_process.forward, p = 1, (1, 4096)"
    peers = contenders("ar_process.forward", 1, 4096, dtype, params)
    ours: Thunks = {
        "numba-recurrence": partial(ar_process.forward, z, params, strategy="recurrence"),
        "numba-recurrence, row kernel": row_kernel("recurrence"),
        "numba-scan, row kernel": row_kernel("scan"),
        "chain of multiply-adds": partial(chain, 4096, *np.array([0.7, 0.1, 0.2], dtype)),
    }
    wanted = [
        "recurrence: fastest / numba-recurrence >= 3",
        "numba-recurrence, row kernel / chain of multiply-adds <= 1.3",
        "numba-recurrence / chain of multiply-adds <= 1.3",
        "numba-recurrence, row kernel / numba-scan, row kernel >= 2",
        "numba-recurrence / numba >= 2",
    ]
    yield work, peers | ours, wanted
    through_flow: Thunks = {"Flow, out given": partial(flow.forward, z, out=x)}
    yield f"{work}, Flow", peers | jax_scan(params, z) | through_flow, ["fastest / Flow, out given >= 3"]


def jax_scan(params: ar_process.Params, z: Any) -> Thunks:
    """One series of order 1, as a recurrence is written in JAX; it is fastest unrolled by 8."""
    if "jax" not in installed():
        return {}
    import jax

    def step(x: Any, z: Any) -> tuple[Any, Any]:
        x = params.coefficients[0] * x + (params.bias + params.scale * z)
        return x, x

    run = jax.jit(lambda z: jax.lax.scan(step, jax.numpy.zeros((), z.dtype), z, unroll=8)[1])
    series = jax.numpy.array(z[0])
    np.testing.assert_allclose(run(series), ar_process.forward(z, params)[0][0], rtol=1e-4, atol=1e-4)
    return {"jax-lax.scan": lambda: run(series).block_until_ready()}


def closed_flows(dtype: Any) -> Iterator[Work]:
    """Triangular factors against dense products and solves; planar layers."""
    shape, name = (4096, 64), "affine_lu"
    z, params = call_of(f"{name}.forward", *shape, dtype).args
    unmoved = params._replace(shift=np.zeros(64))
    dense = np.ascontiguousarray(affine_lu.forward(np.eye(64, dtype=dtype), unmoved)[0])
    product: Thunks = {"numpy-dense product and shift": lambda: z @ dense + params.shift}
    thunks = contenders(f"{name}.forward", *shape, dtype) | product
    yield f"{name}.forward {shape}", thunks, ["fastest / numba >= 1.1"]
    yield f"{name}.inverse {shape}", contenders(f"{name}.inverse", *shape, dtype), ["fastest / numba >= 2"]
    yield f"{name} {shape}", both_directions(Flow(params), z), ["inverse / forward <= 1.1"]
    shape, name = (1024, 64), "planar"
    z, params = call_of(f"{name}.forward", *shape, dtype).args
    flow = both_directions(Flow(params), z)
    yield f"{name}, 16 layers, {shape}", flow, ["inverse / forward <= 4"]
    thunks = contenders(f"{name}.forward", *shape, dtype) | {"Flow": flow["forward"]}
    yield f"{name}.forward, 16 layers, {shape}", thunks, ["normflows / Flow >= 20"]


def both_directions(flow: Flow, batch: Any) -> Thunks:
    return {"forward": partial(flow.forward, batch), "inverse": partial(flow.inverse, batch)}


def passes(dtype: Any) -> Iterator[Work]:
    """Kernels that write to an array that is there, and what they cannot beat."""
    coupling = affine_coupling.random_params(64, 1, dtype=dtype)
    kernels: list[tuple[str, Any, int, int, Any, float]] = [
        ("affine_coupling.forward", affine_coupling.forward, 65536, 64, coupling, 1.35),
        ("affine_coupling.inverse", affine_coupling.inverse, 65536, 64, coupling, 1.35),
        ("ar_process.forward, p = 1,", ar_process.forward, 4096, 256, process(1, dtype), 1.4),
        ("ar_process.forward, p = 2,", ar_process.forward, 4096, 256, process(2, dtype), 1.4),
    ]
    for name, kernel, count, dim, params, limit in kernels:
        z = normal.standard_normal(count, dim, 2, dtype=dtype)
        x, wanted = np.empty_like(z), [f"numba / multiply-copy <= {limit}"]
        copy = partial(multiply_copy, z.ravel(), x.ravel(), dtype.type(1.5))
        thunks = {"numba": partial(kernel, z, params, out=x), "multiply-copy": copy}
        yield f"{name} ({count}, {dim}), out given", thunks, wanted
    for shape in ((4096, 256), (4096, 64)):
        x, params = call_of("linear_ar.inverse", *shape, dtype).args
        product = partial(np.matmul, x, np.ascontiguousarray(params.weight.T))
        thunks = {"numba": partial(linear_ar.inverse, x, params), "matrix product of BLAS": product}
        yield f"linear_ar.inverse {shape}", thunks, ["numba / matrix product of BLAS <= 1"]


def noise(dtype: Any) -> Iterator[Work]:
    """Noising, and noise fused with what uses it."""
    x0, eps = (normal.standard_normal(65536, 64, seed, dtype=dtype) for seed in (1, 2))
    x, schedule = np.empty_like(x0), diffusion.Schedule(diffusion.linear_betas(16))
    params, shape = affine_coupling.random_params(64, 1, dtype=dtype), "(65536, 64), out given"
    noised = partial(diffusion.noise, x0, eps, 9, schedule, out=x)
    sums = partial(triad, x0.ravel(), eps.ravel(), dtype.type(0.5), x.ravel())
    yield f"diffusion.noise {shape}", {"numba": noised, "triad": sums}, ["numba / triad <= 1.2"]
    alone: Thunks = {"normals alone": partial(normal.standard_normal, 65536, 64, 1, dtype=dtype, out=x)}
    noisy = {"numba": partial(diffusion.sample_noisy, x0, 9, schedule, 1, out=x)}
    yield f"diffusion.sample_noisy {shape}", noisy | alone, ["numba / normals alone <= 1.25"]
    coupled = {"numba": partial(affine_coupling.sample, 65536, params, 1, out=x)}
    yield f"affine_coupling.sample {shape}", coupled | alone, ["numba / normals alone <= 1.3"]


def threads(dtype: Any) -> Iterator[Work]:
    """What a second thread gains."""
    z = normal.standard_normal(65536, 64, 2, dtype=dtype)
    params = affine_coupling.random_params(64, 1, dtype=dtype)
    works = {
        "normal.standard_normal": partial(normal.standard_normal, 65536, 64, 1, dtype=dtype),
        "affine_coupling.sample": partial(affine_coupling.sample, 65536, params, 1),
    }
    for module in (affine_coupling, mask_stack, linear_ar, ar_process):
        name = f"{module.__name__.rpartition('.')[2]}.forward"
        works[name] = partial(module.forward, z, module.random_params(64, 1, dtype=dtype))
    x = np.empty_like(z)
    for name, work in works.items():
        pair = {"1 thread": partial(work, out=x, threads=1), "2 threads": partial(work, out=x, threads=2)}
        yield f"{name} (65536, 64), out given", pair, ["1 thread / 2 threads >= 1.7"]


PARTS = (libraries, one_row, one_series, closed_flows, passes, noise)
