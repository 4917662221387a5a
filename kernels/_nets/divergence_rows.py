"""As `divergence`, of one lane of a tile alone: its units lie side by side in the lanes, with the same bits.

Where few rows of a tile are left, as when a stiff one takes many steps more than the others, that is less
work than the whole tile.
"""

from typing import Any, NamedTuple

from numba import types

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma, lanes, number
from seqgap.kernels._nets.columns import add_all_columns
from seqgap.kernels._nets.dense import address, entry, moved, put, read, write
from seqgap.kernels._nets.divergence import bend, multiply, on_tile, tile_space
from seqgap.kernels._nets.trace_forms import Exact, Probes, Unscored


class Tiles(NamedTuple):
    """Addresses of tiles of one pitch: what f takes, and what it gives."""

    source: Any  # (D, pitch), and what else of the inputs differs from row to row
    result: Any  # (D, pitch)
    divergence: Any  # (pitch,)


@jit_inline
def _row_space(net: Any) -> Any:
    inputs, units = net.weight_in.shape[1], net.bias_in.shape[1]
    return (net.weight_hidden.shape[0] + 5) * units + net.columns_out.shape[1] + inputs


@jit_inline
def space_of(net: Any, pitch: Any) -> Any:
    """How many numbers of scratch `evaluate` takes."""
    return max(tile_space(net, pitch), _row_space(net))


@jit_exact
def _copy(source: Any, target: Any, count: Any) -> None:
    """So many numbers, whole vectors."""
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, read(source, at))


@jit_exact
def _gather(lane: Any, pitch: Any, tile: Any, count: Any, row: Any) -> None:
    """row <- a lane of the first `count` rows of a tile."""
    isolate()
    for i in range(count):
        put(row, i, entry(tile, i * pitch + lane))


@jit_exact
def _scatter(lane: Any, pitch: Any, row: Any, count: Any, tile: Any) -> None:
    """Undo `_gather`."""
    isolate()
    for i in range(count):
        put(tile, i * pitch + lane, entry(row, i))


@generated
def _first_biases(field: Any, at: Any, lane: Any, pitch: Any, sums: Any) -> Any:
    """What the sums of the first layer start from."""

    def of_all(field: Any, at: Any, lane: Any, pitch: Any, sums: Any) -> None:
        units = field.net.bias_in.shape[1]
        _copy(address(field.net.bias_in, at * units), sums, units)

    def of_context(field: Any, at: Any, lane: Any, pitch: Any, sums: Any) -> None:
        units = field.net.bias_in.shape[1]
        _copy(address(field.net.bias_in, at * units), sums, units)
        for h in range(field.net.weight_in.shape[0]):
            put(sums, h, entry(sums, h) + entry(field.biases, h * pitch + lane))

    return of_all if isinstance(field.types[2], types.NoneType) else of_context


@jit_exact
def _dot(count: Any, left: Any, right: Any) -> Any:
    """The sum of products that `_contract` has of a lane."""
    isolate()
    total = entry(left, 0) * entry(right, 0)
    for i in range(1, count):
        total = total + entry(left, i) * entry(right, i)
    return total


@jit_exact
def _chain(start: Any, count: Any, weight: Any, source: Any) -> Any:
    """start + the sum of products that `dense.product` has of a lane."""
    isolate()
    for k in range(count):
        start = fma(entry(weight, k), entry(source, k), start)
    return start


@jit_exact
def _first_tangent(column: Any, slopes: Any, count: Any, tangent: Any) -> None:
    """tangent = column slopes, for so many numbers."""
    isolate()
    for at in range(0, count, lanes(tangent)):
        write(tangent, at, read(column, at) * read(slopes, at))


@jit_inline
def _onwards(field: Any, slopes: Any, before: Any, after: Any) -> Any:
    """A tangent of the first layer through the hidden ones behind it; where it is then."""
    net, zeros = field.net, address(field.form.zeros, 0)
    width, units = net.weight_in.shape[0], net.bias_in.shape[1]
    for k in range(net.weight_hidden.shape[0]):
        _copy(zeros, after, units)
        columns = moved(address(net.columns_hidden, 0), k * width * units)
        add_all_columns(columns, units, width, before, after, units)
        multiply(units, moved(slopes, (k + 1) * units), after)
        before, after = after, before
    return before


@jit_inline
def _by_form(field: Any, slopes: Any, space: Any) -> Any:
    net, form = field.net, field.form
    width, count = net.weight_in.shape[0], form.columns.shape[1]
    for at in range(0, count, lanes(space)):
        write(space, at, read(address(form.zeros, 0), 0))
    add_all_columns(address(form.columns, 0), count, width, slopes, space, count)
    if net.weight_hidden.shape[0] == 0:
        return entry(space, 0)
    return _dot(width, space, moved(slopes, net.bias_in.shape[1]))


@jit_inline
def _by_tangents(field: Any, slopes: Any, space: Any) -> Any:
    net, total = field.net, number(field.form.zeros, 0)
    width, units, lines = net.weight_in.shape[0], net.bias_in.shape[1], address(net.weight_out, 0)
    for d in range(net.weight_out.shape[0]):
        _first_tangent(address(net.columns_in, d * units), slopes, units, space)
        tangent = _onwards(field, slopes, space, moved(space, units))
        total = _chain(total, width, moved(lines, d * width), tangent)
    return total


@jit_inline
def _by_probes(field: Any, lane: Any, pitch: Any, slopes: Any, space: Any) -> Any:
    net, form, none = field.net, field.form, number(field.form.zeros, 0)
    width, units, lines = net.weight_in.shape[0], net.bias_in.shape[1], address(net.weight_out, 0)
    dim, total = net.weight_out.shape[0], none
    for p in range(form.count):
        _copy(address(form.zeros, 0), space, units)
        for d in range(dim):  # as `add_all_columns`, of a lane of the noise
            factor = entry(field.noise, (p * dim + d) * pitch + lane)
            column = address(net.columns_in, d * units)
            for h in range(width):
                put(space, h, fma(entry(column, h), factor, entry(space, h)))
        multiply(units, slopes, space)
        tangent = _onwards(field, slopes, space, moved(space, units))
        for d in range(dim):
            line = _chain(none, width, moved(lines, d * width), tangent)
            total = total + line * entry(field.noise, (p * dim + d) * pitch + lane)
    return total


@generated
def _divergence(field: Any, lane: Any, pitch: Any, slopes: Any, space: Any, result: Any) -> Any:
    """Write tr df/dz of a lane, from the slopes of the units; of P probes their sum."""

    def left_out(field: Any, lane: Any, pitch: Any, slopes: Any, space: Any, result: Any) -> None:
        pass

    def estimated(field: Any, lane: Any, pitch: Any, slopes: Any, space: Any, result: Any) -> None:
        put(result, lane, _by_probes(field, lane, pitch, slopes, space))

    def in_full(field: Any, lane: Any, pitch: Any, slopes: Any, space: Any, result: Any) -> None:
        if field.net.weight_hidden.shape[0] < 2:
            put(result, lane, _by_form(field, slopes, space))
        else:
            put(result, lane, _by_tangents(field, slopes, space))

    return {Exact: in_full, Probes: estimated, Unscored: left_out}[field.types[1].instance_class]


@jit_inline
def _on_row(field: Any, at: Any, lane: Any, tiles: Tiles, space: Any, pitch: Any) -> None:
    """As `on_tile`, of one lane."""
    net, form = field.net, field.form
    (width, inputs), depth, code = net.weight_in.shape, net.weight_hidden.shape[0], net.activation
    units, outputs = net.bias_in.shape[1], net.columns_out.shape[1]
    before, after, slopes = space, moved(space, units), moved(space, 4 * units)
    result = moved(slopes, (depth + 1) * units)
    source = moved(result, outputs)
    _gather(lane, pitch, tiles.source, inputs, source)
    _first_biases(field, at, lane, pitch, before)
    add_all_columns(address(net.columns_in, 0), units, inputs, source, before, units)
    bend(form, code, before, slopes, units)
    for k in range(depth):
        _copy(address(net.bias_hidden, k * units), after, units)
        columns = moved(address(net.columns_hidden, 0), k * width * units)
        add_all_columns(columns, units, width, before, after, units)
        bend(form, code, after, moved(slopes, (k + 1) * units), units)
        before, after = after, before
    _copy(address(net.bias_out, 0), result, outputs)
    add_all_columns(address(net.columns_out, 0), outputs, width, before, result, outputs)
    _scatter(lane, pitch, result, net.weight_out.shape[0], tiles.result)
    _divergence(field, lane, pitch, slopes, moved(space, 2 * units), tiles.divergence)


@jit_inline
def evaluate(field: Any, at: Any, tiles: Tiles, space: Any, rows: Any) -> None:
    """f and its divergence in the lanes whose entry of rows (pitch,) is not below 0, and maybe in others."""
    pitch = rows.shape[0]
    if 8 * live(rows) > pitch + lanes(space):  # measured: a row takes about a tenth of 64 together
        on_tile(field, at, tiles.source, tiles.result, space, tiles.divergence, pitch)
    else:
        for lane in range(pitch):
            if rows[lane] >= 0:
                _on_row(field, at, lane, tiles, space, pitch)


@jit_inline
def live(rows: Any) -> Any:
    """How many lanes hold rows."""
    count = 0
    for lane in range(rows.shape[0]):
        count += rows[lane] >= 0
    return count
