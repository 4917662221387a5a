"""Long chains of few rows in blocks: the row kernels that `coalescence.Series` asks of a chain.

All steps of the chain are alike, so that the lanes of a tile may be at different ones. A series of T states
of D features is (T D,); what drives it are the streams of its steps, (T,), of which a row has D normals each
and, in an adjusted chain, a uniform: the bits that they have step by step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill_steps
from seqgap.kernels._core.simd import bits_of, lanes, number, scratch
from seqgap.kernels._core.tiles import gather_columns, scatter_columns
from seqgap.kernels._nets.blocks import piece
from seqgap.kernels._nets.chain_rows import update
from seqgap.kernels._nets.coalescence import Chain, Memory, Series
from seqgap.kernels._nets.components import fill_uniforms_of_steps
from seqgap.kernels._nets.dense import address, entry, moved, spread, write

_VECTORS = 4  # of blocks at once
_COLUMNS = 96  # of noise that is drawn at once, about


class Tables(NamedTuple):
    """A chain whose steps are alike, of one row, from one state."""

    start: Array  # (D,)
    step: Array  # (1, 6), as in `chain_plan.Steps`
    field: Any  # what the row kernels read of f
    width: int  # numbers of noise in a step: D, and one more for an adjusted chain
    row: np.int64
    key: np.uint64


def long_chain(
    begin: Callable[..., Any], move: Callable[..., Any], space: Callable[..., Any]
) -> Series:  # fmt: skip
    """Of row kernels on tiles at addresses, states (D, pitch) and noise (W, pitch); shape is (D, pitch).

    begin(field, shape, state, room) prepares `room` for states, move(step, field, shape, state, noise, room)
    takes them a step further; space(field, shape): how many numbers room takes.
    """
    chain = Chain(
        _advance(begin, move, space),
        _together(begin, move, space),
        _VECTORS,
        tables=lambda tables: tables,
        memory=lambda tables: Memory(tables.start.size, noise=1),
        finish=lambda *batch: None,
    )
    return Series(chain, lambda *batch: None)


@jit_inline
def _steps_at_once(width: Any) -> Any:
    return 8 * max(1, _COLUMNS // (8 * width))


@jit_exact
def _draw(noise: Any, normals: Any, stream: Any, tables: Any) -> None:
    """That of as many steps as there are rows (S, W), the first of this stream; normals: room for (S, D)."""
    isolate()
    steps, dim = noise.shape[0], tables.start.size
    if tables.width == dim:
        fill_steps(noise, tables.row, tables.key, stream)
        return
    fill_steps(normals[:steps], tables.row, tables.key, stream)  # not into columns: those take no vectors
    for t in range(steps):
        for d in range(dim):
            noise[t, d] = normals[t, d]
    fill_uniforms_of_steps(noise[:, dim], tables.row, tables.key, stream)


@jit_inline
def _spread_out(source: Any, count: Any, target: Any, pitch: Any) -> None:
    """Numbers at an address, each in all lanes of a vector."""
    for d in range(count):
        write(target, d * pitch, spread(source, d))


def _advance(begin: Any, move: Any, space: Any) -> Any:
    @jit_exact
    def advance(streams: Any, x: Any, lo: Any, hi: Any, meets: Any, tables: Any) -> Any:
        """As in `coalescence.Chain`: the chain in all lanes of one vector."""
        isolate()
        dim, width, pitch, field = tables.start.size, tables.width, lanes(x), tables.field
        state, spreaded = scratch(dim, pitch, x), scratch(width, pitch, x)
        room, many = scratch(1, space(field, (dim, pitch)), x), _steps_at_once(width)
        drawn, normals = np.empty((many, width), x.dtype), np.empty((many, dim), x.dtype)
        before = address(x, (lo - 1) * dim) if lo > 0 else address(tables.start, 0)
        _spread_out(before, dim, address(state, 0), pitch)
        begin(field, (dim, pitch), address(state, 0), address(room, 0))
        for t in range(lo, hi):
            i = (t - lo) % many
            if i == 0:
                _draw(drawn[: min(many, hi - t)], normals, streams[t], tables)
            at, noise = address(state, 0), address(spreaded, 0)
            _spread_out(address(drawn, i * width), width, noise, pitch)
            move(address(tables.step, 0), field, (dim, pitch), at, noise, address(room, 0))
            changed = False
            for d in range(dim):
                value = entry(at, d * pitch)
                changed |= bits_of(value) != bits_of(x[t * dim + d])
                x[t * dim + d] = value
            if meets and not changed:
                return t + 1 - lo
        return hi - lo

    return advance


def _together(begin: Any, move: Any, space: Any) -> Any:
    @jit_exact
    def together(lo: Any, hi: Any, streams: Any, x: Any, tables: Any) -> None:
        """As in `coalescence.Chain`: a block in each lane."""
        isolate()
        dim, width, field = tables.start.size, tables.width, tables.field
        side, _ = piece(lo, hi, lanes(x))
        shape, steps = (dim, side), x.shape[1] // dim
        state, room = scratch(dim, side, x), scratch(1, space(field, shape), x)
        many = _steps_at_once(width)
        drawn, normals = np.empty((side, many, width), x.dtype), np.empty((many, dim), x.dtype)
        noise, states = scratch(many * width + lanes(x), side, x), scratch(many * dim + lanes(x), side, x)
        for n in range(lo, hi, side):
            rows = min(side, hi - n)
            for d in range(dim):
                state[d] = tables.start[d]
            begin(field, shape, address(state, 0), address(room, 0))
            for t in range(0, steps, many):
                count = min(many, steps - t)
                for r in range(rows):
                    _draw(drawn[r, :count], normals, streams[n + r, t], tables)
                gather_columns(drawn.reshape(side, many * width), 0, rows, 0, count * width, noise, 0)
                for i in range(count):
                    step, at = address(tables.step, 0), address(state, 0)
                    move(step, field, shape, at, address(noise, i * width * side), address(room, 0))
                    states[i * dim : (i + 1) * dim] = state
                scatter_columns(x, n, rows, t * dim, count * dim, states, 0)

    return together


def unadjusted(evaluate: Callable[..., Any], space: Callable[..., Any]) -> Series:
    """x + push f + noise eps, of an f as `chain_rows.rows_of` takes it on tiles."""

    @jit_inline
    def begin(field: Any, shape: Any, state: Any, room: Any) -> None:
        return

    @jit_exact
    def move(step: Any, field: Any, shape: Any, state: Any, noise: Any, room: Any) -> None:
        isolate()
        size = shape[0] * shape[1]
        evaluate(field, 0, state, room, moved(room, size), shape[1])
        update(step, number(state, np.inf), size, state, room, noise)

    @jit_inline
    def room_of(field: Any, shape: Any) -> Any:
        return shape[0] * shape[1] + space(field, shape[1])

    return long_chain(begin, move, room_of)
