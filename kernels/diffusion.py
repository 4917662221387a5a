"""Diffusion noising: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps_t, for t = 1 to T.

Closed form: x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, alpha_bar_t = prod (1 - beta).
Ho, Jain and Abbeel, "Denoising diffusion probabilistic models" (2020), equations 2 and 4. t counts
from 1 as there; t = 0 is the data, alpha_bar_0 = 1. Tables are float64; a kernel rounds each
coefficient once to the dtype of its data.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import types
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import fma, lanes, load, scratch, store
from seqgap.kernels._nets.schedule import Schedule as Schedule
from seqgap.kernels._nets.schedule import cosine_betas as cosine_betas
from seqgap.kernels._nets.schedule import linear_betas as linear_betas
from seqgap.kernels._nets.schedule import scaled_linear_betas as scaled_linear_betas


@jit_inline
def _mix(x0: Any, eps: Any, x: Any, start: Any, stop: Any, skipped: Any, signal: Any, sigma: Any) -> None:
    """x = signal x0 + sigma eps at flat indices start to stop - 1; those of eps are less by `skipped`."""
    rest = (stop - start) % lanes(x)
    for at in range(start, stop - rest, lanes(x)):
        _mix_block(x0, eps, x, at, None, skipped, signal, sigma)
    if rest:
        _mix_block(x0, eps, x, stop - rest, rest, skipped, signal, sigma)


@jit_inline
def _mix_block(x0: Any, eps: Any, x: Any, at: Any, count: Any, skipped: Any, signal: Any, sigma: Any) -> None:
    noise = load(eps, at - skipped, count) * sigma
    store(x, at, fma(signal, load(x0, at, count), noise), count)


@generated
def _mix_rows(x0: Any, eps: Any, x: Any, first: Any, last: Any, skipped: Any, t: Any, table: Any) -> Any:
    """`_mix` for rows first to last - 1: at once where t is one integer for all."""

    def one(x0: Any, eps: Any, x: Any, first: Any, last: Any, skipped: Any, t: Any, table: Any) -> None:
        dim = x0.shape[1]
        _mix(x0, eps, x, first * dim, last * dim, skipped * dim, table[t, 0], table[t, 1])

    def each(x0: Any, eps: Any, x: Any, first: Any, last: Any, skipped: Any, t: Any, table: Any) -> None:
        dim = x0.shape[1]
        for n in range(first, last):
            _mix(x0, eps, x, n * dim, (n + 1) * dim, skipped * dim, table[t[n], 0], table[t[n], 1])

    return one if isinstance(t, types.Integer) else each


@RowKernel
@jit_exact
def _noise(lo: Any, hi: Any, x0: Any, eps: Any, t: Any, table: Any, x: Any) -> None:
    isolate()
    _mix_rows(x0, eps, x, lo, hi, 0, t, table)


@partial(RowKernel, worth=WORTH_HEAVY)
@jit_exact
def _sample_noisy(lo: Any, hi: Any, x0: Any, t: Any, table: Any, x: Any, first_row: Any, seed: Any) -> None:
    isolate()
    dim = x0.shape[1]
    tile = 32 * max(1, 1024 // (32 * dim))  # rows in the first-level cache, or for long ones in the second
    eps = scratch(tile, dim, x0)
    for first in range(lo, hi, tile):
        last = min(first + tile, hi)
        fill(eps[: last - first], first_row + first, seed, np.uint32(0))
        _mix_rows(x0, eps, x, first, last, first, t, table)


@RowKernel
@jit_exact
def _trajectory(lo: Any, hi: Any, x0: Any, eps: Any, table: Any, states: Any) -> None:
    isolate()
    states[0, lo:hi] = x0[lo:hi]
    for t in range(table.shape[0]):
        signal, sigma = table[t, 0], table[t, 1]
        for n in range(lo, hi):
            for d in range(x0.shape[1]):
                states[t + 1, n, d] = fma(signal, states[t, n, d], sigma * eps[t, n, d])


@RowKernel
@jit_exact
def _reverse(lo: Any, hi: Any, x_last: Any, eps: Any, table: Any, x: Any) -> None:
    isolate()
    x[lo:hi] = x_last[lo:hi]
    for t in range(table.shape[0] - 1, -1, -1):
        rate, sigma = x.dtype.type(1) / table[t, 0], -table[t, 1]
        for n in range(lo, hi):
            for d in range(x.shape[1]):
                x[n, d] = fma(sigma, eps[t, n, d], x[n, d]) * rate


@RowKernel
@jit_exact
def _reverse_naive(lo: Any, hi: Any, x_last: Any, table: Any, x: Any) -> None:
    isolate()
    x[lo:hi] = x_last[lo:hi]
    for t in range(table.shape[0] - 1, -1, -1):
        rate = x.dtype.type(1) / table[t, 0]
        for n in range(lo, hi):
            for d in range(x.shape[1]):
                x[n, d] *= rate


def _times(t: Any, schedule: Schedule, rows: int) -> int | Array:
    """t as one integer, or as int64 of shape (rows,)."""
    last = schedule.betas.size
    times = None if type(t) is int else check.asarray("t", t)
    if times is None or times.ndim == 0:
        return check.integer("t", t, 0, last)
    times = check.integers("t", times, times.ndim)
    if times.shape != (rows,):
        raise ValueError(f"t: expected one integer or shape ({rows},), got shape {times.shape}")
    if times.size and not 0 <= times.min() <= times.max() <= last:
        raise ValueError(f"t: expected integers from 0 to {last}, got {times.min()} to {times.max()}")
    return times


def _checked(name: str, value: Any, schedule: Any, threads: Any) -> tuple[Array, int]:
    """(batch, threads) of the public functions."""
    check.instance("schedule", schedule, Schedule)
    return check.batch(name, value), check.threads(threads)


def noise(
    x0: ArrayLike,
    eps: ArrayLike,
    t: int | ArrayLike,
    schedule: Schedule,
    *,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, shape (N, D), dtype of x0.

    x0, eps: (N, D). t: one integer or one for each row (N,), 0 to T. Raises TypeError or ValueError
    for wrong arguments.
    """
    data, threads = _checked("x0", x0, schedule, threads)
    noises = check.shaped("eps", eps, data.dtype, data.shape)
    times = _times(t, schedule, data.shape[0])
    table = schedule._closed[data.dtype]
    if out is None and threads == 1:  # for one row most of the time is the call
        x = np.empty(data.shape, data.dtype)
        _noise.rows(0, data.shape[0], data, noises, times, table, x)
        return x
    x, data = check.output_like(out, data, "x0", x0, eps=eps, t=t)
    _noise(threads, *data.shape, data, noises, times, table, x)
    return x


def sample_noisy(
    x0: ArrayLike,
    t: int | ArrayLike,
    schedule: Schedule,
    seed: Seed = None,
    *,
    rng: RNG = None,
    first_row: int = 0,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """`noise` with the normals of `seed` for eps, drawn on the way: shape (N, D), dtype of x0.

    Row i of x0 takes row first_row + i of the normals. seed, rng: as in the `sample` of a family. Other
    arguments and errors as in `noise`.
    """
    data, threads = _checked("x0", x0, schedule, threads)
    n, dim = data.shape
    times = _times(t, schedule, n)
    key, row = key_of(seed, rng), check.first_row(first_row, n)
    x, data = check.output_like(out, data, "x0", x0, t=t)
    _sample_noisy(threads, n, dim, data, times, schedule._closed[data.dtype], x, row, key)
    return x


def trajectory(
    x0: ArrayLike, eps: ArrayLike, schedule: Schedule, *, out: Array | None = None, threads: int = 1
) -> Array:
    """All states x_0 to x_T, shape (T + 1, N, D), dtype of x0, from eps (T, N, D).

    x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps[t - 1]. Raises TypeError or ValueError for
    wrong arguments.
    """
    data, threads = _checked("x0", x0, schedule, threads)
    steps = schedule.betas.size
    noises = check.shaped("eps", eps, data.dtype, (steps, *data.shape))
    states = check.output(out, data.dtype, (steps + 1, *data.shape), x0=x0, eps=eps)
    _trajectory(threads, *data.shape, data, noises, schedule._step[data.dtype], states)
    return states


def reverse(
    x_T: ArrayLike,  # noqa: N803  # the paper's symbol
    eps: ArrayLike,
    schedule: Schedule,
    *,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """Undo `trajectory` with its true noise: x_{t-1} = (x_t - sqrt(beta_t) eps_t) / sqrt(1 - beta_t).

    x_T: (N, D); eps: (T, N, D); returns x_0, shape (N, D), dtype of x_T. Rounding errors grow by
    1 / sqrt(alpha_bar_T). Raises TypeError or ValueError for wrong arguments.
    """
    data, threads = _checked("x_T", x_T, schedule, threads)
    noises = check.shaped("eps", eps, data.dtype, (schedule.betas.size, *data.shape))
    x, data = check.output_like(out, data, "x_T", x_T, eps=eps)
    _reverse(threads, *data.shape, data, noises, schedule._step[data.dtype], x)
    return x


def reverse_naive(
    x_T: ArrayLike,  # noqa: N803  # the paper's symbol
    schedule: Schedule,
    *,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """x_T / sqrt(alpha_bar_T) step by step, the noise ignored: shows what the true noise is for.

    x_T: (N, D); returns shape (N, D), dtype of x_T; not x_0 unless the noise was 0. Raises TypeError
    or ValueError for wrong arguments.
    """
    data, threads = _checked("x_T", x_T, schedule, threads)
    x, data = check.output_like(out, data, "x_T", x_T)
    _reverse_naive(threads, *data.shape, data, schedule._step[data.dtype], x)
    return x
