"""Stages of Dormand and Prince of rows that lie side by side in the lanes of a tile, each with its own step.

All functions pass by vectors of lanes that hold no rows.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, fma, lanes, number, select
from seqgap.kernels._core.vecmath import sincos_lanes
from seqgap.kernels._nets.dense import address, entry, moved, read, spread, write

STAGES = 7
OWN = 9  # numbers of each lane; BUSY and FRESH are of a vector of lanes, in its first
TIME, STEP, LOG_DET, LAST, ENTERS, TRIAL, AT, BUSY, FRESH = range(OWN)


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
def own(work: Any, pitch: Any, row: Any, at: Any) -> Any:
    return read(work.own, row * pitch + at)


@jit_inline
def marked(work: Any, pitch: Any, row: Any, at: Any) -> Any:
    """BUSY or FRESH of the vector of lanes from `at` on."""
    return entry(work.own, row * pitch + at) != number(work.own, 0)


@jit_inline
def _embed(dim: Any, pitch: Any, at: Any, solver: Any, work: Any) -> None:
    """The embedding of a time of each lane, behind the D numbers of its state."""
    count, times = solver.of_time // 2, moved(work.own, AT * pitch)
    if solver.of_time == 1:
        write(work.inputs, dim * pitch + at, read(times, at))
    for j in range(count):
        sine, cosine = sincos_lanes(read(times, at) * spread(solver.turns, j))
        write(work.inputs, (dim + j) * pitch + at, sine)
        write(work.inputs, (dim + count + j) * pitch + at, cosine)


def sums_of(count: int) -> Any:
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
def times_step(table: Any, step: Any) -> Any:
    """step times each of seven numbers."""
    return (
        step * spread(table, 0), step * spread(table, 1), step * spread(table, 2), step * spread(table, 3),
        step * spread(table, 4), step * spread(table, 5), step * spread(table, 6),
    )  # fmt: skip


def _stage(i: int) -> Any:
    """The inputs of stage i; rows that enter have a step of 0, and at stage 2 their trial step."""
    sums = sums_of(i)

    @jit_exact
    def stage(dim: Any, pitch: Any, solver: Any, work: Any) -> None:
        isolate()
        zero = number(work.state, 0)
        for at in range(0, pitch, lanes(work.state)):
            if marked(work, pitch, BUSY, at):
                step, none = own(work, pitch, STEP, at), filled(work.state, zero)
                factors = times_step(moved(solver.stages, STAGES * i), step)
                for d in range(dim):
                    value = sums(
                        read(work.state, d * pitch + at), factors, work.slopes, d * pitch + at, dim * pitch
                    )
                    write(work.inputs, d * pitch + at, value)
                time = fma(step, spread(solver.nodes, i), own(work, pitch, TIME, at))
                if i == 2 and marked(work, pitch, FRESH, at):
                    enters = own(work, pitch, ENTERS, at) > zero
                    trial = select(enters, own(work, pitch, TRIAL, at), none)
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
