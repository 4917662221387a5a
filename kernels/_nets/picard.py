"""Chains in parallel over their steps: Picard's iteration over a window of steps.

A sweep evaluates f at all states of a window at once, the steps side by side in the lanes, and then redoes
the steps from the exact first state with these values (Shih et al., "Parallel sampling of diffusion models",
2023). The first step is exact after one sweep; the window moves on past it and past what follows without a
change of more than the tolerance. Where nothing changes at all, the states have the bits of steps one by one.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.simd import lanes, magnitude, number, scratch, select
from seqgap.kernels._core.tiles import from_tile
from seqgap.kernels._nets.blocks import load_block
from seqgap.kernels._nets.chain_rows import Table, update
from seqgap.kernels._nets.dense import address, entry, put
from seqgap.kernels._nets.packed import in_vectors


@jit_exact
def _replace(count: Any, known: Any, value: Any, tolerance: Any) -> Any:
    """Write `value` over `known`; whether that changes any number by more than tolerance max(1, |value|)."""
    isolate()
    one, moves = number(known, 1), False  # no count: its integers would halve the vectors of float32
    for at in range(count):
        before, after = entry(known, at), entry(value, at)
        change, size = magnitude(after - before), magnitude(after)
        moves = moves | (change > number(known, tolerance) * select(size > one, size, one))
        put(known, at, after)
    return moves


class Window(NamedTuple):
    """Rows of a window of W steps, and one row of whole vectors for each of state, slope and noise."""

    states: Any  # (W + 1, D): the first is exact
    slopes: Any  # (W, D): f at all but the last
    normals: Any  # (W, D)
    copies: Any  # (3, D in whole vectors): a step is done on them, since rows may end within a vector


@jit_inline
def _redo(done: Any, width: Any, table: Any, tolerance: Any, window: Any) -> Any:
    """Steps done + 1 to done + width again with these slopes; how many of them are exact or settled."""
    dim, size = window.states.shape[1], window.copies.shape[1]
    exact, settled = 0, True
    for j in range(width):
        state, slope, eps = (
            address(window.copies, 0), address(window.copies, size), address(window.copies, 2 * size)
        )  # fmt: skip
        for d in range(dim):
            put(state, d, window.states[j, d])
            put(slope, d, window.slopes[j, d])
            put(eps, d, window.normals[j, d])
        update(address(table.rows, 6 * (done + j)), table.limit, size, state, slope, eps)
        moves = _replace(dim, address(window.states, (j + 1) * dim), state, tolerance)
        settled = settled and (j == 0 or not moves)
        exact += settled
    return exact


@jit_inline
def _move_on(exact: Any, width: Any, window: Any) -> None:
    """The window begins after the exact steps; what enters it starts from the last state known."""
    for j in range(window.states.shape[0]):
        window.states[j] = window.states[min(j + exact, width)]
    for j in range(width - exact):
        window.normals[j] = window.normals[j + exact]


@jit_inline
def _draw(drawn: Any, done: Any, width: Any, table: Any, noise: Any, window: Any) -> Any:
    """The noise of steps drawn + 1 to done + width; noise: (row, key)."""
    for j in range(drawn - done, width):
        if table.rows[done + j, 5] != 0:
            fill(window.normals[j : j + 1], noise[0], noise[1], table.streams[done + j])
    return done + width


def picard_rows(evaluate: Any, space_of: Any) -> Any:
    """rows(lo, hi, x, sweeps, noise, steps, field): all steps for each row, in place, and how many sweeps.

    evaluate(field, first, source, result, space, pitch): f of evaluation first + j at column j of a tile.
    """

    @jit_inline
    def sweep(done: Any, width: Any, field: Any, tiles: Any, window: Any) -> None:
        tile, values, room = tiles
        pitch = tile.shape[1]
        load_block(0, width, window.states, tile)
        evaluate(field, done, address(tile, 0), address(values, 0), address(room, 0), pitch)
        for column in range(0, width, lanes(tile)):
            from_tile(column, width, window.slopes, values, column)

    @jit_exact
    def rows(lo: Any, hi: Any, x: Any, sweeps: Any, noise: Any, steps: Any, field: Any) -> None:
        isolate()
        table, dim, pitch = Table(*steps[0]), x.shape[1], 4 * lanes(x)
        length, tall = table.rows.shape[0], dim + lanes(x)
        window = Window(
            np.zeros((pitch + 1, dim), x.dtype), np.zeros((pitch, dim), x.dtype),
            np.zeros((pitch, dim), x.dtype), scratch(3, in_vectors(dim, x), x),
        )  # fmt: skip
        tiles = scratch(tall, pitch, x), scratch(tall, pitch, x), scratch(1, space_of(field, pitch), x)
        for n in range(lo, hi):
            done = drawn = count = 0  # steps that are exact, those whose noise is drawn, sweeps
            for j in range(pitch + 1):
                window.states[j] = x[n]
            while done < length:
                width = min(pitch, length - done)
                drawn = _draw(drawn, done, width, table, (noise[0] + n, noise[1]), window)
                sweep(done, width, field, tiles, window)
                exact = _redo(done, width, table, steps[1], window)
                _move_on(exact, width, window)
                done, count = done + exact, count + 1
            x[n] = window.states[0]
            sweeps[n] = count

    return rows
