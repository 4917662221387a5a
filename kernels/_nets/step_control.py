"""Which steps of Dormand and Prince rows take, each by its own error.

A row that enters takes its slope and its first step in one round of stages, in which its step is 0 (Hairer,
Norsett and Wanner, 1993, section II.4). The error is that of z alone, in its worst feature, so that a sample
has the same z without its density. All functions pass by vectors of lanes that hold no rows.
"""

from typing import Any

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, magnitude, number, select
from seqgap.kernels._core.vecmath import exp, log
from seqgap.kernels._nets.adaptive_stages import (
    BUSY,
    ENTERS,
    FRESH,
    LAST,
    LOG_DET,
    STAGES,
    STEP,
    TIME,
    TRIAL,
    marked,
    own,
    sums_of,
    times_step,
)
from seqgap.kernels._nets.dense import read, write

_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0
_grown, _error = sums_of(STAGES), sums_of(STAGES)


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
        if marked(work, pitch, FRESH, at):
            enters = own(work, pitch, ENTERS, at) > zero
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
    trial = magnitude(own(work, pitch, TRIAL, at))
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
    factors = times_step(solver.error, own(work, pitch, STEP, at))
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
    step, log_det = own(work, pitch, STEP, at), own(work, pitch, LOG_DET, at)
    grown = _grown(log_det, times_step(solver.weights, step), work.traces, at, pitch)
    write(work.own, LOG_DET * pitch + at, select(taken, grown, log_det))
    trace = read(work.traces, (STAGES - 1) * pitch + at)
    write(work.traces, at, select(taken, trace, read(work.traces, at)))
    before = own(work, pitch, TIME, at)
    time = select(taken, before + step, before)
    ended = select(taken, own(work, pitch, LAST, at), none)
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
        if marked(work, pitch, BUSY, at):
            ratio, step = _ratio(dim, pitch, at, solver, work), own(work, pitch, STEP, at)
            chosen = _next_step(ratio, step, work.state)
            within = select(ratio < one, none + one, none)
            if marked(work, pitch, FRESH, at):
                enters = own(work, pitch, ENTERS, at) > zero
                chosen = select(enters, _first_step(dim, pitch, at, solver, work), chosen)
                within = select(enters, none, within)
            taken = within > zero
            _take(taken, dim, pitch, at, work)
            _finish(taken, chosen, pitch, at, solver, work)
