"""The row kernel of dz/dt = f(z, t) in steps of Dormand and Prince, each row with its own.

Rows lie side by side in the lanes of a tile, every lane with its time, its step and its acceptance. When a
row ends, the next one of the batch enters its lane: so the work is the mean of what rows take, not the most,
and what a row becomes depends on no other one.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import lanes, number, scratch
from seqgap.kernels._nets.adaptive_stages import (
    BUSY,
    ENTERS,
    FRESH,
    LOG_DET,
    OWN,
    STAGES,
    STEP,
    TIME,
    in_addresses,
    lanes_of,
    stage_1,
    stage_2,
    stage_3,
    stage_4,
    stage_5,
    stage_6,
)
from seqgap.kernels._nets.blocks import piece
from seqgap.kernels._nets.dense import address, entry, moved, put
from seqgap.kernels._nets.divergence import clear
from seqgap.kernels._nets.divergence_rows import Tiles, evaluate, space_of
from seqgap.kernels._nets.ode_rows import field_of, look_up, width_of_biases
from seqgap.kernels._nets.step_control import accept, enter


class Batch(NamedTuple):
    """Rows that are to be solved."""

    source: Any  # (N, D), and the noise of probes behind it
    target: Any  # (N, D), or as wide as the source
    log_det: Any  # (N,)
    failed: Any  # (N,): of each row whether it took too many steps
    end: Any  # the row to stop at


class Queue(NamedTuple):
    """Which rows are where."""

    rows: Any  # (pitch,), the row in each lane, -1 for none
    steps: Any  # (pitch,), that it has begun, with the round in which it enters
    next: Any  # (1,): the next row to enter


@jit_inline
def _load(n: Any, lane: Any, pitch: Any, source: Any, arrays: Any, work: Any) -> Any:
    """Row n enters a lane; whether all its numbers are finite."""
    finite, dim, zero = True, arrays.net.weight_out.shape[0], number(source, 0)
    for d in range(dim):
        put(work.state, d * pitch + lane, source[n, d])
        put(work.slopes, d * pitch + lane, zero)
        finite &= source[n, d] - source[n, d] == 0
    for d in range(dim, source.shape[1]):
        put(work.noise, (d - dim) * pitch + lane, source[n, d])
    look_up(arrays.context, n, lane, pitch, work.biases)
    put(work.traces, lane, zero)
    for row in range(BUSY):
        put(work.own, row * pitch + lane, zero)
    put(work.own, TIME * pitch + lane, number(source, arrays.method.start))
    put(work.own, ENTERS * pitch + lane, number(source, 1))
    return finite


@jit_inline
def _not_solved(n: Any, dim: Any, target: Any, log_det: Any) -> None:
    for d in range(dim):
        target[n, d] = np.nan
    log_det[n] = np.nan


@jit_inline
def _leave(lane: Any, batch: Any, queue: Any, arrays: Any, work: Any) -> None:
    """The row of a lane is solved, or is not in so many steps."""
    n, dim, pitch = queue.rows[lane], arrays.net.weight_out.shape[0], queue.rows.shape[0]
    if entry(work.own, ENTERS * pitch + lane) < 0:
        for d in range(dim):
            batch.target[n, d] = entry(work.state, d * pitch + lane)
        batch.log_det[n] = entry(work.own, LOG_DET * pitch + lane)
    else:
        _not_solved(n, dim, batch.target, batch.log_det)
        batch.failed[n] = True
    queue.rows[lane] = -1
    put(work.own, STEP * pitch + lane, number(batch.source, 0))
    put(work.own, ENTERS * pitch + lane, number(batch.source, 0))
    if arrays.evaluations.shape[0] > 0:  # the round in which it entered takes two
        arrays.evaluations[n] = (STAGES - 1) * (queue.steps[lane] - 1) + 2


@jit_inline
def _fill(lane: Any, batch: Any, queue: Any, arrays: Any, work: Any) -> None:
    """The next row that is finite enters an empty lane; those that are not are NaN at once."""
    pitch, dim = queue.rows.shape[0], arrays.net.weight_out.shape[0]
    while queue.rows[lane] < 0 and queue.next[0] < batch.end:
        n = queue.next[0]
        queue.next[0] += 1
        if _load(n, lane, pitch, batch.source, arrays, work):
            queue.rows[lane], queue.steps[lane] = n, 0
        else:
            put(work.own, ENTERS * pitch + lane, number(batch.source, 0))
            _not_solved(n, dim, batch.target, batch.log_det)
            if arrays.evaluations.shape[0] > 0:
                arrays.evaluations[n] = 0


@jit_inline
def _mark(first: Any, width: Any, pitch: Any, busy: Any, own: Any) -> None:
    """Whether the vector of lanes from `first` on holds rows, and any that enter."""
    fresh, zero = False, number(own, 0)
    for lane in range(first, first + width):
        fresh |= entry(own, ENTERS * pitch + lane) > zero
    put(own, BUSY * pitch + first, number(own, 1 if busy else 0))
    put(own, FRESH * pitch + first, number(own, 1 if fresh else 0))


@jit_inline
def _exchange(batch: Any, queue: Any, arrays: Any, work: Any) -> Any:
    """Rows leave and enter; whether there are any left.

    What counts references of arrays is done for lanes alone whose row changes: it took a quarter of the time.
    """
    rows, taken, following, own = queue.rows, queue.steps, queue.next, work.own
    pitch, width, most, end = rows.shape[0], lanes(batch.source), arrays.method.most, batch.end
    working = False
    for first in range(0, pitch, width):
        busy = False
        for lane in range(first, first + width):
            if rows[lane] >= 0 and (entry(own, ENTERS * pitch + lane) < 0 or taken[lane] > most):
                _leave(lane, batch, queue, arrays, work)
            if rows[lane] < 0 and following[0] < end:
                _fill(lane, batch, queue, arrays, work)
            busy |= rows[lane] >= 0
            taken[lane] += 1
        _mark(first, width, pitch, busy, own)
        working |= busy
    return working


@jit_inline
def _prepare(i: Any, dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    if i == 1:
        stage_1(dim, pitch, solver, work)
    elif i == 2:
        stage_2(dim, pitch, solver, work)
    elif i == 3:
        stage_3(dim, pitch, solver, work)
    elif i == 4:
        stage_4(dim, pitch, solver, work)
    elif i == 5:
        stage_5(dim, pitch, solver, work)
    else:
        stage_6(dim, pitch, solver, work)


@jit_inline
def _round(dim: Any, pitch: Any, arrays: Any, work: Any, rows: Any) -> None:
    """Six evaluations of f in all lanes."""
    solver, field = in_addresses(arrays.method), field_of(arrays, work.biases, work.noise)
    for i in range(1, STAGES):
        _prepare(i, dim, pitch, solver, work)
        slopes, trace = moved(work.slopes, i * dim * pitch), moved(work.traces, i * pitch)
        evaluate(field, 0, Tiles(work.inputs, slopes, trace), work.space, rows)
        if i == 1:
            enter(dim, pitch, solver, work)
    accept(dim, pitch, solver, work)


@jit_exact
def _solve(start: Any, pitch: Any, batch: Any, arrays: Any) -> None:
    """All rows of a batch from `start` on."""
    isolate()
    solver, net, source = arrays.method, arrays.net, batch.source
    dim = net.weight_out.shape[0]
    rest = source.shape[1] - dim, width_of_biases(arrays.context, net)
    numbers = (STAGES + 2) * dim + solver.of_time + STAGES + OWN + rest[0] + rest[1]
    room = scratch(1, numbers * pitch + space_of(net, pitch), source)
    queue = Queue(np.full(pitch, -1), np.zeros(pitch, np.int64), np.array([start]))
    clear(numbers * pitch, address(room, 0))  # lanes without rows compute, too
    while True:
        work = lanes_of(room, dim, solver, pitch, rest)  # each time: addresses keep no array alive
        if not _exchange(batch, queue, arrays, work):
            return
        _round(dim, pitch, arrays, work, queue.rows)


@jit_exact
def adaptive_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, failed: Any, arrays: Any) -> None:
    """The row kernel; failed (N,): set for rows that took too many steps, which become NaN."""
    isolate()
    if lo < hi:
        pitch, _ = piece(lo, hi, lanes(source))
        _solve(lo, pitch, Batch(source, target, log_det, failed, hi), arrays)
