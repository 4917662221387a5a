"""The row kernels of dz/dt = f(z, t) in fixed steps, with the integral of tr df/dz beside the state."""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, lanes, number, scratch
from seqgap.kernels._core.tiles import from_tile
from seqgap.kernels._nets.blocks import load_block, piece
from seqgap.kernels._nets.chain_rows import add
from seqgap.kernels._nets.dense import address, entry, moved, put, write
from seqgap.kernels._nets.divergence_rows import Tiles, evaluate, space_of
from seqgap.kernels._nets.trace_forms import Field


class Grid(NamedTuple):
    """Steps of one size by an explicit Runge-Kutta method of S stages."""

    stages: Any  # (S, S)
    weights: Any  # (S,)
    steps: Any  # T
    width: Any  # of a step, below 0 where time runs backwards


class Context(NamedTuple):
    """What contexts add to the first layer, and which of them each row has."""

    table: Any  # (B, H)
    index: Any  # (N,) rows of the table, or (1,): that of all rows


class Arrays(NamedTuple):
    """What the row kernels take besides a batch."""

    method: Any  # a Grid, or the Solver of adaptive_rows
    net: Any  # perceptron.Evaluations
    form: Any  # of the divergence
    context: Any  # a Context, or None
    evaluations: Any  # (N,) of each row, written where steps are adaptive; or (0,)


class Work(NamedTuple):
    """Addresses of tiles of a block of rows."""

    state: Any  # (D, pitch), and the noise of probes behind it
    stage: Any  # (D, pitch)
    slopes: Any  # (S, D, pitch)
    log_det: Any  # (pitch,)
    divergence: Any  # (pitch,)
    biases: Any  # (H, pitch) where there are contexts
    space: Any


@jit_inline
def _step(t: Any, grid: Any, field: Any, work: Any, rows: Any) -> None:
    """Step t of all states of a tile, in place."""
    dim, pitch, count = field.net.weight_out.shape[0], rows.shape[0], grid.weights.shape[0]
    size = dim * pitch
    for i in range(count):
        base = work.state
        for j in range(i):
            part = grid.stages[i, j]
            if part != 0:
                add(grid.width * part, size, moved(work.slopes, j * size), base, work.stage)
                base = work.stage
        tiles = Tiles(base, moved(work.slopes, i * size), work.divergence)
        evaluate(field, t * count + i, tiles, work.space, rows)
        add(grid.width * grid.weights[i], pitch, work.divergence, work.log_det, work.log_det)
    for i in range(count):
        add(grid.width * grid.weights[i], size, moved(work.slopes, i * size), work.state, work.state)


@generated
def width_of_biases(context: Any, net: Any) -> Any:
    """Rows of a tile of what contexts add."""

    def none(context: Any, net: Any) -> Any:
        return 0

    def units(context: Any, net: Any) -> Any:
        return net.weight_in.shape[0]

    return none if isinstance(context, types.NoneType) else units


@generated
def look_up(context: Any, n: Any, lane: Any, pitch: Any, biases: Any) -> Any:
    """Write what the context of row n adds to a lane."""

    def nothing(context: Any, n: Any, lane: Any, pitch: Any, biases: Any) -> None:
        pass

    def of_row(context: Any, n: Any, lane: Any, pitch: Any, biases: Any) -> None:
        row = context.index[0] if context.index.shape[0] == 1 else context.index[n]
        for h in range(context.table.shape[1]):
            put(biases, h * pitch + lane, context.table[row, h])

    return nothing if isinstance(context, types.NoneType) else of_row


@generated
def field_of(arrays: Any, biases: Any, noise: Any) -> Any:
    """The Field of these addresses, None for biases without contexts."""

    def plain(arrays: Any, biases: Any, noise: Any) -> Any:
        return Field(arrays.net, arrays.form, None, noise)

    def conditional(arrays: Any, biases: Any, noise: Any) -> Any:
        return Field(arrays.net, arrays.form, biases, noise)

    return plain if isinstance(arrays.types[3], types.NoneType) else conditional


@jit_inline
def _work(tile: Any, room: Any, size: Any, stages: Any, height: Any) -> Any:
    """size: of a tile of states; height: rows of biases."""
    stage, pitch = address(room, 0), tile.shape[1]
    slopes = moved(stage, size)
    log_det = moved(slopes, stages * size)
    biases = moved(log_det, 2 * pitch)
    space = moved(biases, height * pitch)
    return Work(address(tile, 0), stage, slopes, log_det, moved(log_det, pitch), biases, space)


@jit_inline
def _begin(n: Any, hi: Any, context: Any, rows: Any, biases: Any, log_det: Any) -> None:
    """Which lanes have rows, what their contexts add, and log_det = 0."""
    pitch = rows.shape[0]
    for lane in range(pitch):
        rows[lane] = n + lane if n + lane < hi else -1
        look_up(context, min(n + lane, hi - 1), lane, pitch, biases)
    for at in range(0, pitch, lanes(log_det)):
        write(log_det, at, filled(log_det, number(log_det, 0)))


@jit_inline
def _unload(n: Any, hi: Any, target: Any, tile: Any) -> None:
    """Rows from n on, below hi. Lanes without a row hold anything, which `from_tile` would not forgive."""
    width = lanes(target)
    for column in range(0, min(tile.shape[1], hi - n), width):
        if n + column + width <= hi:
            from_tile(n + column, hi, target, tile, column)
        else:
            for lane in range(column, hi - n):
                for d in range(target.shape[1]):
                    target[n + lane, d] = tile[d, lane]


@jit_exact
def _block(lo: Any, hi: Any, pitch: Any, batch: Any, arrays: Any) -> None:
    isolate()
    source, target, log_det = batch
    grid, net, context = arrays.method, arrays.net, arrays.context
    size, stages = net.weight_out.shape[0] * pitch, grid.weights.shape[0]
    height, tall = width_of_biases(context, net), source.shape[1] + lanes(source)
    numbers = (1 + stages) * size + (2 + height) * pitch + space_of(net, pitch)
    tile, room, rows = scratch(tall, pitch, source), scratch(1, numbers, source), np.empty(pitch, np.int64)
    for n in range(lo, hi, pitch):
        work = _work(tile, room, size, stages, height)  # each time: addresses keep no array alive
        load_block(n, hi, source, tile)
        field = field_of(arrays, work.biases, moved(work.state, size))
        _begin(n, hi, context, rows, work.biases, work.log_det)
        for t in range(grid.steps):
            _step(t, grid, field, work, rows)
        _unload(n, hi, target, tile)
        for lane in range(min(pitch, hi - n)):
            log_det[n + lane] = entry(work.log_det, lane)


@jit_exact
def fixed_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, arrays: Any) -> None:
    """The row kernel."""
    isolate()
    start = lo
    while start < hi:
        pitch, stop = piece(start, hi, lanes(source))
        _block(start, stop, pitch, (source, target, log_det), arrays)
        start = stop
