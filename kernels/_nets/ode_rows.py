"""The row kernels of dz/dt = f(z, t) in fixed steps, with the integral of tr df/dz beside the state."""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.simd import lanes, scratch
from seqgap.kernels._nets.blocks import tile_rows
from seqgap.kernels._nets.chain_rows import add
from seqgap.kernels._nets.dense import address, moved
from seqgap.kernels._nets.divergence import divergence_space, on_tile_with_divergence


class Grid(NamedTuple):
    """Steps of one size by an explicit Runge-Kutta method of S stages."""

    steps: Any  # T
    width: Any  # of a step, below 0 where time runs backwards
    stages: Any  # (S, S)
    weights: Any  # (S,)


class Work(NamedTuple):
    """Tiles of a block of states."""

    state: Any  # (D and a vector, pitch)
    room: Any  # (1, ...): the input of a stage, f at each of them, scratch of f
    sums: Any  # (2, pitch): log_det, and the divergence at a stage


@jit_inline
def _step(t: Any, grid: Any, net: Any, form: Any, work: Any) -> None:
    """Step t of all states of a tile, in place."""
    dim, pitch, count = net.weight_in.shape[1], work.state.shape[1], grid.weights.shape[0]
    size, state, stage = dim * pitch, address(work.state, 0), address(work.room, 0)
    slopes, log_det = moved(stage, size), address(work.sums, 0)
    space, divergence = moved(slopes, count * size), moved(log_det, pitch)
    for i in range(count):
        base = state
        for j in range(i):
            part = grid.stages[i, j]
            if part != 0:
                add(grid.width * part, size, moved(slopes, j * size), base, stage)
                base = stage
        on_tile_with_divergence(
            net, form, t * count + i, base, moved(slopes, i * size), space, divergence, pitch
        )
        add(grid.width * grid.weights[i], pitch, divergence, log_det, log_det)
    for i in range(count):
        add(grid.width * grid.weights[i], size, moved(slopes, i * size), state, state)


@jit_inline
def _workspace(arrays: Any, pitch: Any, source: Any) -> Any:
    grid, net, _ = arrays
    dim, stages = source.shape[1], grid.weights.shape[0]
    room = (1 + stages) * dim * pitch + divergence_space(net, pitch)
    tall = scratch(dim + lanes(source), pitch, source)
    return Work(tall, scratch(1, room, source), scratch(2, pitch, source))


@jit_inline
def _transform(work: Any, arrays: Any) -> None:
    grid, net, form = arrays
    for t in range(grid.steps):
        _step(t, grid, net, form, work)


fixed_rows = tile_rows(_transform, _workspace)
