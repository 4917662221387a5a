"""The row kernels of chains: a block of states goes through all steps while it is in the cache.

Rows of a batch lie side by side in the lanes of tiles; or, for few rows, one by one with the features in
the lanes. Both do the same operations on each number, so that a row has the same bits by either.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.simd import filled, fma, lanes, number, scratch, select
from seqgap.kernels._core.tiles import from_tile
from seqgap.kernels._nets.blocks import load_block, piece
from seqgap.kernels._nets.chain_plan import Rows
from seqgap.kernels._nets.dense import address, entry, moved, put, read, spread, write
from seqgap.kernels._nets.packed import in_vectors


class Table(NamedTuple):
    """`chain.Steps`, bound to a dtype."""

    rows: Any  # (T, 6)
    streams: Any  # (T,)
    stages: Any  # (S, S)
    weights: Any  # (S,)
    limit: Any


class Work(NamedTuple):
    """Addresses of what a block of states takes, each of so many numbers or of that times stages."""

    state: Any
    stage: Any  # the input of one stage
    slopes: Any  # f at each stage
    noise: Any
    space: Any  # of f


@jit_inline
def _work(state: Any, room: Any, noise: Any, size: Any, stages: Any) -> Any:
    """For states of so many numbers. Not before the loop over rows: addresses keep no array alive."""
    stage = address(room, 0)
    slopes = moved(stage, size)
    return Work(address(state, 0), stage, slopes, address(noise, 0), moved(slopes, stages * size))


@jit_exact
def update(step: Any, limit: Any, count: Any, state: Any, slope: Any, noise: Any) -> None:
    """state <- keep state + pull clean + push slope + noise eps, for so many numbers."""
    isolate()
    for at in range(0, count, lanes(state)):
        x, f = read(state, at), read(slope, at)
        result = fma(spread(step, 4), f, spread(step, 2) * x)
        if entry(step, 3) != 0:
            clean = fma(spread(step, 1), f, spread(step, 0) * x)
            high, low = filled(state, limit), filled(state, -limit)
            clean = select(clean < low, low, select(clean > high, high, clean))
            result = fma(spread(step, 3), clean, result)
        if entry(step, 5) != 0:
            result = fma(spread(step, 5), read(noise, at), result)
        write(state, at, result)


@jit_exact
def add(factor: Any, count: Any, source: Any, base: Any, target: Any) -> None:
    """target = base + factor source."""
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, fma(filled(target, factor), read(source, at), read(base, at)))


@jit_exact
def _scale(factor: Any, count: Any, target: Any) -> None:
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, filled(target, factor) * read(target, at))


def _slope(evaluate: Any) -> Any:
    """The weighted mean of the stages of step t; it is where the first stage was."""

    @jit_inline
    def slope(t: Any, table: Any, field: Any, work: Any, count: Any, pitch: Any) -> None:
        stages, push = table.weights.shape[0], table.rows[t, 4]
        evaluate(field, t * stages, work.state, work.slopes, work.space, pitch)
        for i in range(1, stages):
            base = work.state
            for j in range(i):
                part = table.stages[i, j]
                if part != 0:
                    add(push * part, count, moved(work.slopes, j * count), base, work.stage)
                    base = work.stage
            target = moved(work.slopes, i * count)
            evaluate(field, t * stages + i, base, target, work.space, pitch)
        if stages > 1:
            _scale(table.weights[0], count, work.slopes)
        for i in range(1, stages):
            add(table.weights[i], count, moved(work.slopes, i * count), work.slopes, work.slopes)

    return slope


@jit_inline
def unload_block(n: Any, hi: Any, target: Any, tile: Any) -> None:
    """Undo `load_block`."""
    for column in range(0, min(tile.shape[1], hi - n), lanes(target)):
        from_tile(n + column, hi, target, tile, column)


def by_blocks(block: Any) -> Any:
    """The row kernel of block(lo, hi, pitch, (x, states), noise, steps, field), a tile after another."""

    @jit_exact
    def rows(lo: Any, hi: Any, x: Any, states: Any, noise: Any, steps: Any, field: Any) -> None:
        isolate()
        start = lo
        while start < hi:
            pitch, stop = piece(start, hi, lanes(x))
            block(start, stop, pitch, (x, states), noise, steps, field)
            start = stop

    return rows


def _many(evaluate: Any, space_of: Any) -> Any:
    slope = _slope(evaluate)

    @jit_exact
    def block(lo: Any, hi: Any, pitch: Any, batch: Any, noise: Any, steps: Any, field: Any) -> None:
        isolate()
        x, states = batch
        first_row, key = noise
        table, dim = Table(*steps), x.shape[1]
        tall, stages = dim + lanes(x), table.weights.shape[0]
        room = scratch(1, space_of(field, pitch) + stages * dim * pitch + dim * pitch, x)
        state, drawn = scratch(tall, pitch, x), scratch(tall, pitch, x)
        normals = scratch(pitch, dim, x)
        for n in range(lo, hi, pitch):
            work = _work(state, room, drawn, dim * pitch, stages)
            count = min(pitch, hi - n)
            load_block(n, hi, x, state)
            for t in range(table.rows.shape[0]):
                slope(t, table, field, work, dim * pitch, pitch)
                if table.rows[t, 5] != 0:
                    fill(normals[:count], first_row + n, key, table.streams[t])
                    load_block(0, count, normals, drawn)
                step = address(table.rows, 6 * t)
                update(step, table.limit, dim * pitch, work.state, work.slopes, work.noise)
                if states.shape[0] > 0:
                    unload_block(n, hi, states[t + 1], state)
            unload_block(n, hi, x, state)

    return by_blocks(block)


def _few(evaluate: Any, space_of: Any) -> Any:
    slope = _slope(evaluate)

    @jit_exact
    def rows(lo: Any, hi: Any, x: Any, states: Any, noise: Any, steps: Any, field: Any) -> None:
        isolate()
        first_row, key = noise
        table, dim = Table(*steps), x.shape[1]
        size, stages = in_vectors(dim, x), table.weights.shape[0]
        state, room = scratch(1, size, x), scratch(1, (1 + stages) * size + space_of(field, 0), x)
        drawn = scratch(1, dim, x)  # vectors may go beyond it: there is room, whose content nobody reads
        for n in range(lo, hi):
            work = _work(state, room, drawn, size, stages)
            for d in range(size):
                put(work.state, d, x[n, d] if d < dim else number(x, 0))
            for t in range(table.rows.shape[0]):
                slope(t, table, field, work, size, 0)
                if table.rows[t, 5] != 0:
                    fill(drawn, first_row + n, key, table.streams[t])
                step = address(table.rows, 6 * t)
                update(step, table.limit, size, work.state, work.slopes, work.noise)
                if states.shape[0] > 0:
                    for d in range(dim):
                        states[t + 1, n, d] = entry(work.state, d)
            for d in range(dim):
                x[n, d] = entry(work.state, d)

    return rows


def rows_of_tiles(evaluate: Any, space_of: Any) -> Rows:
    """The row kernels of an f that is the same on tiles for any number of rows."""
    many = _many(evaluate, space_of)
    return Rows(many, many)


def rows_of(tile: tuple[Any, Any], row: tuple[Any, Any]) -> Rows:
    """The row kernels of a kind of f, from (evaluate, space) on tiles and on single rows.

    evaluate(field, at, source, result, space, pitch) writes f of evaluation number `at`; space(field, pitch):
    how many numbers of scratch it takes.
    """
    return Rows(_many(*tile), _few(*row))
