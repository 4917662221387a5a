"""Autoregressive process of order 2: a matched pair with a short chain."""

from dataclasses import replace
from typing import Any, NamedTuple

import numba
import numpy as np
import scipy  # its parts load when they are used: scipy.signal alone takes a second

from seqgap.bench.model.case import Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import ar_process


def numpy_forward(z: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """D steps over the batch, time-major so that each step is contiguous."""
    x = params.scale * np.ascontiguousarray(z.T) + z.dtype.type(params.bias)
    for t in range(1, len(x)):
        for i, c in enumerate(params.coefficients[:t]):
            x[t] += c * x[t - 1 - i]
    return x.T, np.full(len(z), len(x) * np.log(params.scale), z.dtype)


def numpy_passes(z: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """D full passes over shifted views, as samplers of masked autoregressive flows do it."""
    log_det = z.shape[1] * np.log(params.scale)
    return sweeps(z, params, z.shape[1]), np.full(len(z), log_det, z.dtype)


def sweeps(z: Any, params: ar_process.Params, count: int) -> Any:
    """x after `count` passes x_t <- bias + sum_i c_i x_{t-i} + scale z_t from zeros: `count` values right."""
    driven = z.dtype.type(params.scale) * z + z.dtype.type(params.bias)
    x = np.zeros_like(z)
    for _ in range(count):
        before, x = x, driven.copy()
        for i, c in enumerate(params.coefficients):
            x[:, i + 1 :] += c * before[:, : -(i + 1)]
    return x


def plain_forward(z: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """Compiled loops over rows, steps and coefficients."""
    result: tuple[Any, Any] = _plain_loops(z, params.coefficients, params.bias, params.scale)
    return result


@numba.njit  # type: ignore[untyped-decorator]  # Numba's defaults: each sum is one chain of scalar additions
def _plain_loops(z: Any, coefficients: Any, bias: Any, scale: Any) -> tuple[Any, Any]:
    x, log_det = np.empty_like(z), np.empty(z.shape[0], z.dtype)
    dim, offset, factor = z.shape[1], z.dtype.type(bias), z.dtype.type(scale)
    for n in range(z.shape[0]):
        for t in range(dim):
            value = offset + factor * z[n, t]
            for i in range(min(len(coefficients), t)):
                value += coefficients[i] * x[n, t - 1 - i]
            x[n, t] = value
        log_det[n] = dim * np.log(scale)
    return x, log_det


def numpy_inverse(x: Any, params: ar_process.Params) -> tuple[Any, Any]:
    """One pass over shifted views for each coefficient."""
    z = x - x.dtype.type(params.bias)
    for i, c in enumerate(params.coefficients):
        z[:, i + 1 :] -= c * x[:, : -(i + 1)]
    z *= x.dtype.type(1 / params.scale)
    return z, np.full(len(x), -x.shape[1] * np.log(params.scale), x.dtype)


_BLOCK = 32  # steps


class Tables(NamedTuple):
    """The process in blocks of steps, from which two or three matrix products make it.

    The blocks are first filtered as if nothing came before them; then each gets what the last p values
    of the block before still do to it. A loop over the steps, the other way to write it, was 200 times
    slower for one series in torch (and is not there for torch-compile, which would unroll it);
    jax.lax.scan was twice as slow as this for 1024 series, jax.lax.associative_scan 20 times.
    """

    response: Any  # (B, B), z @ response + offset is a block with nothing before
    offset: Any  # (B,)
    before: Any  # (p, B), what the last p values before a block do in it
    carry: Any  # (K p, K p), from the last p values of each block filtered alone to the true ones before
    coefficients: Any  # (p,)
    bias: Any  # ()
    scale: Any  # ()
    log_det: Any  # (), of forward


def tables(params: ar_process.Params, dim: int) -> Tables:
    """What users of the other libraries compute once for a process and a number of steps."""
    dtype, block = params.coefficients.dtype, min(_BLOCK, dim)
    blocks, order = -(-dim // block), min(len(params.coefficients), block)
    denominator = np.concatenate([[1.0], -params.coefficients])
    impulse = scipy.signal.lfilter([1.0], denominator, np.eye(1, block)[0])
    response = np.array([np.concatenate([np.zeros(i), impulse[: block - i]]) for i in range(block)])
    unit = np.eye(order)[:, ::-1]
    states = [scipy.signal.lfiltic([1.0], denominator, recent) for recent in unit]
    before = np.array(
        [scipy.signal.lfilter([1.0], denominator, np.zeros(block), zi=state)[0] for state in states]
    )
    exact = Tables(
        params.scale * response,
        params.bias * np.cumsum(impulse),
        before,
        _carry(before[:, block - order :], blocks),
        params.coefficients,
        params.bias,
        params.scale,
        dim * np.log(params.scale),
    )
    return Tables(*(np.asarray(table, dtype) for table in exact))


def _carry(step: Any, blocks: int) -> Any:
    """(K p, K p): to block k comes step**(k - 1 - j) of the last values of block j."""
    order = len(step)
    carry = np.zeros((blocks, order, blocks, order))
    for k in range(1, blocks):
        carry[:, :, k] = carry[:, :, k - 1] @ step
        carry[k - 1, :, k] += np.eye(order)
    return carry.reshape(blocks * order, blocks * order)


def scipy_forward(scipy: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """A recursive filter along the rows."""
    leading = np.ones(1, z.dtype)
    driven = tables.scale * z
    driven += tables.bias
    x = scipy.signal.lfilter(leading, np.concatenate([leading, -tables.coefficients]), driven)
    return x, np.full(len(z), tables.log_det)


def scipy_inverse(scipy: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """A correlation along the rows; lfilter without feedback goes row by row in Python."""
    taps = np.concatenate([-tables.coefficients[::-1], [1.0]]) / tables.scale
    origin = len(taps) // 2
    z = scipy.ndimage.correlate1d(x, taps, mode="constant", origin=len(taps) - 1 - origin)
    z -= tables.bias / tables.scale
    return z, np.full(len(x), -tables.log_det)


def _blocks(dim: int, tables: Tables) -> tuple[int, int]:
    """Number of blocks and of steps that are missing in the last one."""
    return -(-dim // len(tables.offset)), -dim % len(tables.offset)


def torch_forward(torch: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """Blocks of steps as matrix products."""
    (count, dim), (order, block) = z.shape, tables.before.shape
    blocks, missing = _blocks(dim, tables)
    if missing:
        z = torch.nn.functional.pad(z, (0, missing))
    x = torch.addmm(tables.offset, z.view(count * blocks, block), tables.response)
    if blocks > 1:
        last = x.view(count, blocks, block)[:, :, block - order :].reshape(count, blocks * order)
        x.addmm_((last @ tables.carry).view(count * blocks, order), tables.before)
    return x.view(count, blocks * block)[:, :dim], tables.log_det.expand(count)


def torch_inverse(torch: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One pass over shifted views for each coefficient."""
    z = torch.sub(x, tables.bias)
    for i, c in enumerate(tables.coefficients):
        z[:, i + 1 :].addcmul_(x[:, : -(i + 1)], c, value=-1)
    return z.mul_(tables.scale.reciprocal()), (-tables.log_det).expand(x.shape[0])


def jax_forward(jax: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """Blocks of steps as matrix products."""
    (count, dim), (order, block) = z.shape, tables.before.shape
    blocks, missing = _blocks(dim, tables)
    if missing:
        z = jax.numpy.pad(z, ((0, 0), (0, missing)))
    x = z.reshape(count * blocks, block) @ tables.response + tables.offset
    if blocks > 1:
        last = x.reshape(count, blocks, block)[:, :, block - order :].reshape(count, blocks * order)
        x += (last @ tables.carry).reshape(count * blocks, order) @ tables.before
    return x.reshape(count, blocks * block)[:, :dim], jax.numpy.full(count, tables.log_det)


def jax_inverse(jax: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One expression over shifted copies, fused by the compiler."""
    z = x - tables.bias
    for i, c in enumerate(tables.coefficients):
        z -= c * jax.numpy.pad(x, ((0, 0), (i + 1, 0)))[:, : x.shape[1]]
    return z / tables.scale, jax.numpy.full(len(x), -tables.log_det)


_LARGEST_BAND = 64  # steps: up to it one product with a matrix was the fastest in both engines


def onnx_inverse(graph: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One product with a banded matrix for a few steps; else what an engine is best at."""
    taps, bias = np.append(1, -tables.coefficients) / tables.scale, -tables.bias / tables.scale
    if graph.dim <= _LARGEST_BAND:
        band = sum(tap * np.eye(graph.dim, k=i) for i, tap in enumerate(taps))
        z = graph.add("Gemm", x, band, np.full(graph.dim, bias))
    else:
        z = (_shifts if graph.fuses_elementwise else _convolution)(graph, x, taps, bias)
    return z, -tables.log_det


def _shifts(graph: Any, x: Any, taps: Any, bias: Any) -> Any:
    """One expression over shifted copies."""
    order, one = len(taps) - 1, np.array([1])
    padded, z = graph.add("Pad", x, np.array([0, order, 0, 0])), taps[0] * x + bias
    for start, tap in zip(range(order - 1, -1, -1), taps[1:], strict=True):
        z = z + tap * graph.add("Slice", padded, np.array([start]), np.array([start + graph.dim]), one)
    return z


def _convolution(graph: Any, x: Any, taps: Any, bias: Any) -> Any:
    """One Conv, with zeros before the series."""
    series = graph.add("Reshape", x, np.array([-1, 1, graph.dim]))
    z = graph.add("Conv", series, taps[None, None, ::-1], np.array([bias]), pads=[len(taps) - 1, 0])
    return graph.add("Reshape", z, np.array([-1, graph.dim]))


def _cost(dim: int) -> Cost:
    return Cost(flops=6 * dim, parameters=4)  # two coefficients, bias and scale


CASE = flow(
    "ar_process",
    ar_process.random_params,
    Direction(
        lambda dim: _cost(dim)._replace(depth=dim), numpy_forward, torch_forward, jax_forward, scipy_forward,
        tables, explaining={"numpy-passes": numpy_passes, "numba-plain": plain_forward},
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, scipy_inverse, tables,
        deployed=deployed.exported(onnx_inverse, tables),
    ),
    matched=("forward", "inverse"),
    strategies=("recurrence", "scan", "blocks"),
)  # fmt: skip
CASE = replace(CASE, title="AR(2) time series", quick=True)
