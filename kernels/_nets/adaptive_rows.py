"""The row kernel of dz/dt = f(z, t) in steps of Dormand and Prince, each row with its own.

Rows lie side by side in the lanes of a tile, every lane with its time, its step and its acceptance. When a
row ends, the next one of the batch enters its lane: so the work is the mean of what rows take, not the most,
and what a row becomes depends on no other one. A row that enters takes its slope and its first step in one
round of stages, in which its step is 0 (Hairer, Norsett and Wanner, "Solving ordinary differential equations
I", 1993, section II.4). The error is that of z alone, so that a sample has the same z without its density.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import (
    filled,
    fma,
    lanes,
    magnitude,
    number,
    scratch,
    select,
)
from seqgap.kernels._core.vecmath import exp, log, sincos_turns
from seqgap.kernels._nets.blocks import piece
from seqgap.kernels._nets.dense import address, entry, moved, put, read, write
from seqgap.kernels._nets.divergence_rows import Tiles, evaluate, space_of
from seqgap.kernels._nets.ode_rows import field_of, look_up, width_of_biases

_STAGES = 7
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0
_OWN = 7  # numbers of each lane
_TIME, _STEP, _LOG_DET, _LAST, _ENTERS, _TRIAL, _AT = range(_OWN)


class Solver(NamedTuple):
    """How an equation is solved."""

    nodes: Any  # (7,)
    stages: Any  # (7, 7)
    weights: Any  # (7,)
    error: Any  # (7,), the weights less those of the fourth order
    turns: Any  # (E / 2,): frequencies of the embedding over 2 pi
    of_time: Any  # E
    start: Any  # the time
    end: Any
    relative: Any  # tolerances
    absolute: Any
    most: Any  # steps of a row


class Lanes(NamedTuple):
    """Addresses of tiles."""

    state: Any  # (D, pitch)
    inputs: Any  # (D + E, pitch), those of f at a stage
    slopes: Any  # (7, D, pitch)
    traces: Any  # (7, pitch)
    own: Any  # (7, pitch)
    noise: Any  # (P D, pitch) of probes
    biases: Any  # (H, pitch) where there are contexts
    space: Any


@jit_inline
def _lanes(room: Any, dim: Any, solver: Any, pitch: Any, rest: Any) -> Lanes:
    """rest: rows of the tiles of noise and of biases."""
    state = address(room, 0)
    inputs = moved(state, dim * pitch)
    slopes = moved(inputs, (dim + solver.of_time) * pitch)
    traces = moved(slopes, _STAGES * dim * pitch)
    own = moved(traces, _STAGES * pitch)
    noise = moved(own, _OWN * pitch)
    biases = moved(noise, rest[0] * pitch)
    return Lanes(state, inputs, slopes, traces, own, noise, biases, moved(biases, rest[1] * pitch))


@jit_exact
def _embed(dim: Any, pitch: Any, solver: Any, times: Any, inputs: Any) -> None:
    """The embedding of a time of each lane, behind the D numbers of its state."""
    isolate()
    count = solver.turns.shape[0]
    if count == 0 and solver.of_time == 1:
        for lane in range(pitch):
            put(inputs, dim * pitch + lane, entry(times, lane))
    for j in range(count):
        for lane in range(pitch):
            sine, cosine = sincos_turns(entry(times, lane) * solver.turns[j])
            put(inputs, (dim + j) * pitch + lane, sine)
            put(inputs, (dim + count + j) * pitch + lane, cosine)


@jit_exact
def _prepare(i: Any, dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    """The inputs of stage i; rows that enter have a step of 0, and at stage 2 their trial step."""
    isolate()
    zero = number(work.state, 0)
    for at in range(0, pitch, lanes(work.state)):
        step, enters = read(work.own, _STEP * pitch + at), read(work.own, _ENTERS * pitch + at) > zero
        none = filled(solver.weights, zero)
        factor = select(enters, read(work.own, _TRIAL * pitch + at), none) if i == 2 else none
        for d in range(dim):
            value = read(work.state, d * pitch + at)
            for j in range(i):
                part = solver.stages[i, j]
                if part != 0:
                    slope = read(work.slopes, (j * dim + d) * pitch + at)
                    value = fma(step * filled(solver.stages, part), slope, value)
            value = fma(factor, read(work.slopes, d * pitch + at), value)
            write(work.inputs, d * pitch + at, value)
        time = fma(step, filled(solver.nodes, solver.nodes[i]), read(work.own, _TIME * pitch + at)) + factor
        write(work.own, _AT * pitch + at, time)
    _embed(dim, pitch, solver, moved(work.own, _AT * pitch), work.inputs)


@jit_inline
def _larger(first: Any, second: Any) -> Any:
    return select(first > second, first, second)


@jit_inline
def _allowed(solver: Any, size: Any, like: Any) -> Any:
    return fma(number(like, solver.relative), size, number(like, solver.absolute))


@jit_exact
def _enter(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    """Of rows that enter: their slope and its trace, and the trial step, .01 |z| / |f|."""
    isolate()
    zero, small = number(work.state, 0), number(work.state, 1e-5)
    sense = number(work.state, 1 if solver.end > solver.start else -1)
    for at in range(0, pitch, lanes(work.state)):
        enters = read(work.own, _ENTERS * pitch + at) > zero
        states = slopes = filled(solver.weights, zero)
        for d in range(dim):
            place = d * pitch + at
            slope = read(work.slopes, dim * pitch + place)
            write(work.slopes, place, select(enters, slope, read(work.slopes, place)))
            value = read(work.state, place)
            allowed = _allowed(solver, magnitude(value), work.state)
            states = _larger(states, magnitude(value) / allowed)
            slopes = _larger(slopes, magnitude(slope) / allowed)
        trace = read(work.traces, pitch + at)
        write(work.traces, at, select(enters, trace, read(work.traces, at)))
        guess = number(work.state, 0.01) * states / slopes
        tiny = select(states < slopes, states, slopes) < small
        guess = select(tiny, number(work.state, 1e-6), guess)
        write(work.own, _TRIAL * pitch + at, sense * guess)


@jit_inline
def _first_step(dim: Any, pitch: Any, at: Any, solver: Any, work: Any) -> Any:
    """Of rows that enter, from their slope and that after the trial step."""
    none = filled(solver.weights, number(work.state, 0))
    slopes = bends = none
    for d in range(dim):
        place = d * pitch + at
        slope, after = read(work.slopes, place), read(work.slopes, 2 * dim * pitch + place)
        allowed = _allowed(solver, magnitude(read(work.state, place)), work.state)
        slopes = _larger(slopes, magnitude(slope) / allowed)
        bends = _larger(bends, magnitude(after - slope) / allowed)
    trial = magnitude(read(work.own, _TRIAL * pitch + at))
    largest = _larger(slopes, bends / trial)
    step = exp(number(work.state, 0.2) * log(number(work.state, 0.01) / largest))
    short = number(work.state, 1e-3) * trial
    least = select(short > number(work.state, 1e-6), short, number(work.state, 1e-6))
    step = select(largest > number(work.state, 1e-15), step, least)
    most = number(work.state, 100) * trial
    return select(step < most, step, most)


@jit_inline
def _next_step(ratio: Any, step: Any, like: Any) -> Any:
    """After a step whose error is `ratio` of what is allowed; NaN is too much."""
    factor = number(like, _SAFETY) * exp(number(like, -0.2) * log(ratio))
    floor = select(ratio < number(like, 1), number(like, 1), number(like, _LEAST))
    factor = select(factor > floor, factor, floor)
    return magnitude(step) * select(factor < number(like, _MOST), factor, number(like, _MOST))


@jit_exact
def _accept(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    """Rows whose error is within the tolerances take their step; all choose the next one."""
    isolate()
    zero, one = number(work.state, 0), number(work.state, 1)
    sense = number(work.state, 1 if solver.end > solver.start else -1)
    none = filled(solver.weights, zero)
    for at in range(0, pitch, lanes(work.state)):
        step, time = read(work.own, _STEP * pitch + at), read(work.own, _TIME * pitch + at)
        enters = read(work.own, _ENTERS * pitch + at) > zero
        ratio = nothing = none
        for d in range(dim):
            place = d * pitch + at
            error = none
            for j in range(_STAGES):
                error = fma(
                    filled(solver.error, solver.error[j]), read(work.slopes, j * dim * pitch + place), error
                )
            before, after = magnitude(read(work.state, place)), magnitude(read(work.inputs, place))
            error = step * error / _allowed(solver, _larger(before, after), work.state)
            ratio, nothing = _larger(ratio, magnitude(error)), nothing + (error - error)
        ratio = ratio + nothing  # NaN where any error is none
        chosen = select(
            enters, _first_step(dim, pitch, at, solver, work), _next_step(ratio, step, work.state)
        )
        taken = select(enters, none, select(ratio < one, none + one, none)) > zero
        for d in range(dim):
            place = d * pitch + at
            write(work.state, place, select(taken, read(work.inputs, place), read(work.state, place)))
            last = read(work.slopes, (_STAGES - 1) * dim * pitch + place)
            write(work.slopes, place, select(taken, last, read(work.slopes, place)))
        grown = none
        for j in range(_STAGES):
            grown = fma(filled(solver.weights, solver.weights[j]), read(work.traces, j * pitch + at), grown)
        log_det = read(work.own, _LOG_DET * pitch + at)
        write(work.own, _LOG_DET * pitch + at, select(taken, fma(step, grown, log_det), log_det))
        trace = read(work.traces, (_STAGES - 1) * pitch + at)
        write(work.traces, at, select(taken, trace, read(work.traces, at)))
        time = select(taken, time + step, time)
        ended = select(taken, read(work.own, _LAST * pitch + at), none)
        left = magnitude(number(work.state, solver.end) - time)
        last = chosen < left
        write(work.own, _TIME * pitch + at, time)
        write(work.own, _STEP * pitch + at, sense * select(last, chosen, left))
        write(work.own, _LAST * pitch + at, select(last, none, none + one))
        write(work.own, _ENTERS * pitch + at, -ended)


@jit_inline
def _load(n: Any, lane: Any, pitch: Any, source: Any, arrays: Any, work: Any) -> Any:
    """Row n enters a lane; whether all its numbers are finite."""
    finite, solver, dim = True, arrays.method, arrays.net.weight_out.shape[0]
    for d in range(dim):
        put(work.state, d * pitch + lane, source[n, d])
        put(work.slopes, d * pitch + lane, number(source, 0))
        finite &= source[n, d] - source[n, d] == 0
    for d in range(dim, source.shape[1]):
        put(work.noise, (d - dim) * pitch + lane, source[n, d])
    look_up(arrays.context, n, lane, pitch, work.biases)
    put(work.traces, lane, number(source, 0))
    for row in range(_OWN):
        put(work.own, row * pitch + lane, number(source, 0))
    put(work.own, _TIME * pitch + lane, number(source, solver.start))
    put(work.own, _ENTERS * pitch + lane, number(source, 1))
    return finite


@jit_inline
def _not_solved(n: Any, dim: Any, target: Any, log_det: Any) -> None:
    for d in range(dim):
        target[n, d] = np.nan
    log_det[n] = np.nan


@jit_inline
def _round(dim: Any, pitch: Any, arrays: Any, work: Any, rows: Any) -> None:
    """Six evaluations of f in all lanes."""
    solver, field = arrays.method, field_of(arrays, work.biases, work.noise)
    for i in range(1, _STAGES):
        _prepare(i, dim, pitch, solver, work)
        slopes, trace = moved(work.slopes, i * dim * pitch), moved(work.traces, i * pitch)
        evaluate(field, 0, Tiles(work.inputs, slopes, trace), work.space, rows)
        if i == 1:
            _enter(dim, pitch, solver, work)
    _accept(dim, pitch, solver, work)


class Queue(NamedTuple):
    """Which rows are where."""

    rows: Any  # (pitch,), the row in each lane, -1 for none
    steps: Any  # (pitch,), that it has taken
    next: Any  # (1,): the next row to enter


class Batch(NamedTuple):
    """Rows that are to be solved."""

    source: Any  # (N, D), and the noise of probes behind it
    target: Any  # (N, D), or as wide as the source
    log_det: Any  # (N,)
    failed: Any  # (N,): of each row whether it took too many steps
    end: Any  # the row to stop at


@jit_exact
def _leave(lane: Any, batch: Any, queue: Any, arrays: Any, work: Any) -> None:
    """A row that is solved, or is not in so many steps, leaves its lane."""
    isolate()
    n, dim, pitch = queue.rows[lane], arrays.net.weight_out.shape[0], queue.rows.shape[0]
    solved = n >= 0 and entry(work.own, _ENTERS * pitch + lane) < 0
    if solved:
        for d in range(dim):
            batch.target[n, d] = entry(work.state, d * pitch + lane)
        batch.log_det[n] = entry(work.own, _LOG_DET * pitch + lane)
    elif n >= 0 and queue.steps[lane] > arrays.method.most:
        _not_solved(n, dim, batch.target, batch.log_det)
        solved = batch.failed[n] = True
    if solved:
        queue.rows[lane] = -1
        if arrays.evaluations.shape[0] > 0:  # the round in which it entered takes two
            arrays.evaluations[n] = (_STAGES - 1) * (queue.steps[lane] - 1) + 2


@jit_exact
def _fill(lane: Any, batch: Any, queue: Any, arrays: Any, work: Any) -> None:
    """The next row that is finite enters an empty lane; those that are not are NaN at once."""
    isolate()
    pitch, dim = queue.rows.shape[0], arrays.net.weight_out.shape[0]
    while queue.rows[lane] < 0 and queue.next[0] < batch.end:
        n = queue.next[0]
        queue.next[0] += 1
        if _load(n, lane, pitch, batch.source, arrays, work):
            queue.rows[lane], queue.steps[lane] = n, 0
        else:
            _not_solved(n, dim, batch.target, batch.log_det)
            if arrays.evaluations.shape[0] > 0:
                arrays.evaluations[n] = 0
    if queue.rows[lane] < 0:
        put(work.own, _STEP * pitch + lane, number(batch.source, 0))


@jit_exact
def _solve(start: Any, pitch: Any, batch: Any, arrays: Any) -> None:
    """All rows of a batch from `start` on."""
    isolate()
    solver, net, source = arrays.method, arrays.net, batch.source
    dim = net.weight_out.shape[0]
    rest = source.shape[1] - dim, width_of_biases(arrays.context, net)
    numbers = (_STAGES + 2) * dim + solver.of_time + _STAGES + _OWN + rest[0] + rest[1]
    room = scratch(1, numbers * pitch + space_of(net, pitch), source)
    queue = Queue(np.full(pitch, -1), np.zeros(pitch, np.int64), np.array([start]))
    room[:] = 0
    while True:
        work = _lanes(room, dim, solver, pitch, rest)  # each time: addresses keep no array alive
        for lane in range(pitch):
            _leave(lane, batch, queue, arrays, work)
            _fill(lane, batch, queue, arrays, work)
        if queue.rows.max() < 0:
            return
        _round(dim, pitch, arrays, work, queue.rows)
        queue.steps[:] += 1


@jit_exact
def adaptive_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, failed: Any, arrays: Any) -> None:
    """The row kernel; failed (N,): set for rows that took too many steps, which become NaN."""
    isolate()
    if lo < hi:
        pitch, _ = piece(lo, hi, lanes(source))
        _solve(lo, pitch, Batch(source, target, log_det, failed, hi), arrays)
