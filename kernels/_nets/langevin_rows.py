"""The row kernels of Langevin chains whose target is a mixture of Gaussians, unadjusted and adjusted.

Adjusted is the Metropolis-adjusted Langevin algorithm: from x with score s(x) a step of size h proposes
y = x + h s(x) + sqrt(2 h) xi, and takes it with probability min(1, alpha). As the density of a proposal y
from x is that of N(x + h s(x), 2 h I), and with v = sqrt(h / 2) (s(x) + s(y)),

    log alpha = log p(y) - log p(x) - sum of v (xi + v / 2),

which has no difference of squares. Roberts and Tweedie, "Exponential convergence of Langevin distributions"
(1996), section 1.4.1. Tiles do all batches: few rows are no faster one by one.
"""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.simd import fma, lanes, number, scratch, select
from seqgap.kernels._core.vecmath import log
from seqgap.kernels._nets.blocks import load_block
from seqgap.kernels._nets.chain_plan import Rows
from seqgap.kernels._nets.chain_rows import Table, by_blocks, rows_of_tiles, unload_block
from seqgap.kernels._nets.chain_series import long_chain, unadjusted
from seqgap.kernels._nets.components import UNIFORMS, fill_uniforms
from seqgap.kernels._nets.dense import address, moved, read, spread, write
from seqgap.kernels._nets.mixtures import evaluate, scratch_rows


@jit_inline
def _space(mixture: Any, pitch: Any) -> Any:
    return (1 + scratch_rows(mixture)) * pitch


@jit_inline
def _on_tile(mixture: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """The score at a tile (D, pitch), the same at every evaluation."""
    evaluate(mixture, source, result, space, moved(space, pitch), pitch)


class Point(NamedTuple):
    """Addresses of what is known of a block of states."""

    x: Any  # (D, pitch)
    score: Any  # (D, pitch)
    density: Any  # (pitch,): log p


@jit_inline
def _points(state: Any, room: Any, shape: Any) -> Any:
    """(states, proposals, space) for states of shape (D, pitch) at an address."""
    size, pitch = shape[0] * shape[1], shape[1]
    proposal, densities = moved(room, size), moved(room, 3 * size)
    states = Point(state, room, densities)
    proposals = Point(proposal, moved(proposal, size), moved(densities, pitch))
    return states, proposals, moved(densities, 2 * pitch)


@jit_exact
def _propose(step: Any, count: Any, point: Any, noise: Any, proposal: Any) -> None:
    """proposal = x + h score + sqrt(2 h) xi, for so many numbers."""
    isolate()
    for at in range(0, count, lanes(proposal)):
        mean = fma(spread(step, 4), read(point.score, at), read(point.x, at))
        write(proposal, at, fma(spread(step, 5), read(noise, at), mean))


@jit_exact
def _accept(step: Any, shape: Any, point: Any, proposal: Any, noise: Any, uniforms: Any) -> None:
    """point = proposal in the lanes where log u < log alpha, which no NaN is."""
    isolate()
    (dim, pitch), half = shape, number(uniforms, 0.5)
    for lane in range(0, pitch, lanes(uniforms)):
        before, after = read(point.density, lane), read(proposal.density, lane)
        ratio, rate = after - before, half * spread(step, 5)
        for at in range(lane, dim * pitch, pitch):
            pull = rate * (read(point.score, at) + read(proposal.score, at))
            ratio = fma(-pull, fma(pull, half, read(noise, at)), ratio)
        accepted = log(read(uniforms, lane)) < ratio
        write(point.density, lane, select(accepted, after, before))
        for at in range(lane, dim * pitch, pitch):
            write(point.x, at, select(accepted, read(proposal.x, at), read(point.x, at)))
            write(point.score, at, select(accepted, read(proposal.score, at), read(point.score, at)))


@jit_inline
def _room(mixture: Any, shape: Any) -> Any:
    return (3 * shape[0] + 2 + scratch_rows(mixture)) * shape[1]


@jit_exact
def _begin(mixture: Any, shape: Any, state: Any, room: Any) -> None:
    """What `_move` reads of the states it starts from."""
    isolate()
    point, _, space = _points(state, room, shape)
    evaluate(mixture, point.x, point.score, point.density, space, shape[1])


@jit_exact
def _move(step: Any, mixture: Any, shape: Any, state: Any, noise: Any, room: Any) -> None:
    """A proposal, taken or not; noise: D normals and a uniform, (D + 1, pitch)."""
    isolate()
    point, proposal, space = _points(state, room, shape)
    size = shape[0] * shape[1]
    _propose(step, size, point, noise, proposal.x)
    evaluate(mixture, proposal.x, proposal.score, proposal.density, space, shape[1])
    _accept(step, shape, point, proposal, noise, moved(noise, size))


@jit_exact
def _adjusted_block(
    lo: Any, hi: Any, pitch: Any, batch: Any, noise: Any, steps: Any, mixture: Any
) -> None:  # fmt: skip
    isolate()
    x, states = batch
    first_row, key = noise
    table, dim = Table(*steps), x.shape[1]
    state, drawn = scratch(dim + lanes(x), pitch, x), scratch(dim + lanes(x), pitch, x)
    normals, room = scratch(pitch, dim, x), scratch(1, _room(mixture, (dim, pitch)), x)
    for n in range(lo, hi, pitch):
        shape, at, space = (dim, pitch), address(state, 0), address(room, 0)
        count, row = min(pitch, hi - n), first_row + n
        load_block(n, hi, x, state)
        _begin(mixture, shape, at, space)
        for t in range(table.rows.shape[0]):
            step, stream = address(table.rows, 6 * t), table.streams[t]
            fill(normals[:count], row, key, stream)
            load_block(0, count, normals, drawn)
            fill_uniforms(drawn[dim, :count], row, key, stream + UNIFORMS)
            drawn[dim, count:] = drawn[dim, count - 1]  # as the last row is repeated, and stored again
            _move(step, mixture, shape, at, address(drawn, 0), space)
            if states.shape[0] > 0:
                unload_block(n, hi, states[t + 1], state)
        unload_block(n, hi, x, state)


_adjusted = by_blocks(_adjusted_block)
UNADJUSTED = rows_of_tiles(_on_tile, _space)._replace(blocks=unadjusted(_on_tile, _space))
ADJUSTED = Rows(_adjusted, _adjusted, blocks=long_chain(_begin, _move, _room), uniforms=1)
