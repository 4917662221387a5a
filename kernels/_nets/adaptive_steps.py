"""Steps of Dormand and Prince of rows that lie side by side in the lanes of a tile, each with its own.

A row that enters takes its slope and its first step in one round of stages, in which its step is 0 (Hairer,
Norsett and Wanner, 1993, section II.4). The error is that of z alone, in its worst feature, so that a sample
has the same z without its density. All functions pass by vectors of lanes that hold no rows.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import exp, log, sincos_turns
from seqgap.kernels._nets.dense import address, entry, moved, put, read, spread, write

STAGES = 7
OWN = 9  # numbers of each lane; BUSY and FRESH are of a vector of lanes, in its first
TIME, STEP, LOG_DET, LAST, ENTERS, TRIAL, AT, BUSY, FRESH = range(OWN)
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


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


@jit_inline
def in_addresses(solver: Solver) -> Solver:
    """With addresses for arrays: a call that passes an array costs as much as 50 products."""
    return Solver(
        address(solver.nodes, 0), address(solver.stages, 0), address(solver.weights, 0),
        address(solver.error, 0), address(solver.turns, 0), solver.of_time, solver.start, solver.end,
        solver.relative, solver.absolute, solver.most,
    )  # fmt: skip


class Lanes(NamedTuple):
    """Addresses of tiles."""

    state: Any  # (D, pitch)
    inputs: Any  # (D + E, pitch), those of f at a stage
    slopes: Any  # (7, D, pitch)
    traces: Any  # (7, pitch)
    own: Any  # (9, pitch)
    noise: Any  # (P D, pitch) of probes
    biases: Any  # (H, pitch) where there are contexts
    space: Any


@jit_inline
def lanes_of(room: Any, dim: Any, solver: Any, pitch: Any, rest: Any) -> Lanes:
    """rest: rows of the tiles of noise and of biases."""
    state = address(room, 0)
    inputs = moved(state, dim * pitch)
    slopes = moved(inputs, (dim + solver.of_time) * pitch)
    traces = moved(slopes, STAGES * dim * pitch)
    own = moved(traces, STAGES * pitch)
    noise = moved(own, OWN * pitch)
    biases = moved(noise, rest[0] * pitch)
    return Lanes(state, inputs, slopes, traces, own, noise, biases, moved(biases, rest[1] * pitch))


@jit_inline
def _own(work: Any, pitch: Any, row: Any, at: Any) -> Any:
    return read(work.own, row * pitch + at)


@jit_inline
def _is(work: Any, pitch: Any, row: Any, at: Any) -> Any:
    """BUSY or FRESH of the vector of lanes from `at` on."""
    return entry(work.own, row * pitch + at) != number(work.own, 0)


@jit_inline
def _embed(dim: Any, pitch: Any, at: Any, solver: Any, work: Any) -> None:
    """The embedding of a time of each lane, behind the D numbers of its state."""
    count, times = solver.of_time // 2, moved(work.own, AT * pitch)
    if solver.of_time == 1:
        write(work.inputs, dim * pitch + at, read(times, at))
    for j in range(count):
        for lane in range(at, at + lanes(work.state)):
            sine, cosine = sincos_turns(entry(times, lane) * entry(solver.turns, j))
            put(work.inputs, (dim + j) * pitch + lane, sine)
            put(work.inputs, (dim + count + j) * pitch + lane, cosine)


def _sums(count: int) -> Any:
    """value + the sum of so many slopes, each times its factor."""

    @jit_inline
    def sums(value: Any, factors: Any, slopes: Any, start: Any, size: Any) -> Any:
        value = fma(factors[0], read(slopes, start), value)
        if count > 1:
            value = fma(factors[1], read(slopes, start + size), value)
        if count > 2:
            value = fma(factors[2], read(slopes, start + 2 * size), value)
        if count > 3:
            value = fma(factors[3], read(slopes, start + 3 * size), value)
        if count > 4:
            value = fma(factors[4], read(slopes, start + 4 * size), value)
        if count > 5:
            value = fma(factors[5], read(slopes, start + 5 * size), value)
        if count > 6:
            value = fma(factors[6], read(slopes, start + 6 * size), value)
        return value

    return sums


@jit_inline
def _times_step(table: Any, step: Any) -> Any:
    """step times each of seven numbers."""
    return (
        step * spread(table, 0), step * spread(table, 1), step * spread(table, 2), step * spread(table, 3),
        step * spread(table, 4), step * spread(table, 5), step * spread(table, 6),
    )  # fmt: skip


def _stage(i: int) -> Any:
    """The inputs of stage i; rows that enter have a step of 0, and at stage 2 their trial step."""
    sums = _sums(i)

    @jit_exact
    def stage(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
        isolate()
        zero = number(work.state, 0)
        for at in range(0, pitch, lanes(work.state)):
            if _is(work, pitch, BUSY, at):
                step, none = _own(work, pitch, STEP, at), filled(work.state, zero)
                factors = _times_step(moved(solver.stages, STAGES * i), step)
                for d in range(dim):
                    value = sums(
                        read(work.state, d * pitch + at), factors, work.slopes, d * pitch + at, dim * pitch
                    )
                    write(work.inputs, d * pitch + at, value)
                time = fma(step, spread(solver.nodes, i), _own(work, pitch, TIME, at))
                if i == 2 and _is(work, pitch, FRESH, at):
                    enters = _own(work, pitch, ENTERS, at) > zero
                    trial = select(enters, _own(work, pitch, TRIAL, at), none)
                    for d in range(dim):
                        place = d * pitch + at
                        write(
                            work.inputs, place, fma(trial, read(work.slopes, place), read(work.inputs, place))
                        )
                    time = time + trial
                write(work.own, AT * pitch + at, time)
                _embed(dim, pitch, at, solver, work)

    return stage


stage_1, stage_2, stage_3, stage_4, stage_5, stage_6 = (_stage(i) for i in range(1, STAGES))
_grown, _error = _sums(STAGES), _sums(STAGES)


@jit_inline
def _larger(first: Any, second: Any) -> Any:
    return select(first > second, first, second)


@jit_inline
def _allowed(solver: Any, size: Any, like: Any) -> Any:
    return fma(number(like, solver.relative), size, number(like, solver.absolute))


@jit_exact
def enter(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    """Of rows that enter: their slope and its trace, and the trial step, .01 |z| / |f|."""
    isolate()
    zero, small = number(work.state, 0), number(work.state, 1e-5)
    sense = number(work.state, 1 if solver.end > solver.start else -1)
    for at in range(0, pitch, lanes(work.state)):
        if _is(work, pitch, FRESH, at):
            enters = _own(work, pitch, ENTERS, at) > zero
            states = slopes = filled(work.state, zero)
            for d in range(dim):
                place = d * pitch + at
                slope = read(work.slopes, dim * pitch + place)
                write(work.slopes, place, select(enters, slope, read(work.slopes, place)))
                value = magnitude(read(work.state, place))
                allowed = _allowed(solver, value, work.state)
                states = _larger(states, value / allowed)
                slopes = _larger(slopes, magnitude(slope) / allowed)
            trace = read(work.traces, pitch + at)
            write(work.traces, at, select(enters, trace, read(work.traces, at)))
            guess = number(work.state, 0.01) * states / slopes
            tiny = select(states < slopes, states, slopes) < small
            guess = select(tiny, number(work.state, 1e-6), guess)
            write(work.own, TRIAL * pitch + at, sense * guess)


@jit_inline
def _first_step(dim: Any, pitch: Any, at: Any, solver: Any, work: Any) -> Any:
    """Of rows that enter, from their slope and that after the trial step."""
    slopes = bends = filled(work.state, number(work.state, 0))
    for d in range(dim):
        place = d * pitch + at
        slope, after = read(work.slopes, place), read(work.slopes, 2 * dim * pitch + place)
        allowed = _allowed(solver, magnitude(read(work.state, place)), work.state)
        slopes = _larger(slopes, magnitude(slope) / allowed)
        bends = _larger(bends, magnitude(after - slope) / allowed)
    trial = magnitude(_own(work, pitch, TRIAL, at))
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


@jit_inline
def _ratio(dim: Any, pitch: Any, at: Any, solver: Any, work: Any) -> Any:
    """The largest error of a feature over what is allowed; NaN where any is none."""
    ratio = nothing = filled(work.state, number(work.state, 0))
    factors = _times_step(solver.error, _own(work, pitch, STEP, at))
    none = nothing
    for d in range(dim):
        place = d * pitch + at
        error = _error(none, factors, work.slopes, place, dim * pitch)
        before, after = magnitude(read(work.state, place)), magnitude(read(work.inputs, place))
        error = error / _allowed(solver, _larger(before, after), work.state)
        ratio, nothing = _larger(ratio, magnitude(error)), nothing + (error - error)
    return ratio + nothing


@jit_inline
def _take(taken: Any, dim: Any, pitch: Any, at: Any, work: Any) -> None:
    """The last stage is the new state, and its slope the first of the next step."""
    last = (STAGES - 1) * dim * pitch
    for place in range(at, dim * pitch, pitch):
        write(work.state, place, select(taken, read(work.inputs, place), read(work.state, place)))
        write(work.slopes, place, select(taken, read(work.slopes, last + place), read(work.slopes, place)))


@jit_inline
def _finish(taken: Any, chosen: Any, pitch: Any, at: Any, solver: Any, work: Any) -> None:
    """log_det and time after a step, and the next one, which ends at the end."""
    zero, one, none = (
        number(work.state, 0),
        number(work.state, 1),
        filled(work.state, number(work.state, 0)),
    )
    step, log_det = _own(work, pitch, STEP, at), _own(work, pitch, LOG_DET, at)
    grown = _grown(log_det, _times_step(solver.weights, step), work.traces, at, pitch)
    write(work.own, LOG_DET * pitch + at, select(taken, grown, log_det))
    trace = read(work.traces, (STAGES - 1) * pitch + at)
    write(work.traces, at, select(taken, trace, read(work.traces, at)))
    before = _own(work, pitch, TIME, at)
    time = select(taken, before + step, before)
    ended = select(taken, _own(work, pitch, LAST, at), none)
    left = magnitude(number(work.state, solver.end) - time)
    last, sense = chosen < left, number(work.state, 1 if solver.end > solver.start else -1)
    write(work.own, TIME * pitch + at, time)
    write(work.own, STEP * pitch + at, sense * select(last, chosen, left))
    write(work.own, LAST * pitch + at, select(last, none, none + one))
    write(work.own, ENTERS * pitch + at, zero - ended)


@jit_exact
def accept(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
    """Rows whose error is within the tolerances take their step; all choose the next one."""
    isolate()
    zero, one = number(work.state, 0), number(work.state, 1)
    none = filled(work.state, zero)
    for at in range(0, pitch, lanes(work.state)):
        if _is(work, pitch, BUSY, at):
            ratio, step = _ratio(dim, pitch, at, solver, work), _own(work, pitch, STEP, at)
            chosen = _next_step(ratio, step, work.state)
            within = select(ratio < one, none + one, none)
            if _is(work, pitch, FRESH, at):
                enters = _own(work, pitch, ENTERS, at) > zero
                chosen = select(enters, _first_step(dim, pitch, at, solver, work), chosen)
                within = select(enters, none, within)
            taken = within > zero
            _take(taken, dim, pitch, at, work)
            _finish(taken, chosen, pitch, at, solver, work)
