"""Stacks of layers that transform features by numbers of a conditioner; both directions, on tiles.

The data-to-latent direction has all features, so each layer is one pass of its network. Back, a layer of
an autoregressive conditioner knows a feature only after those before it:

- incremental: hidden units are computed once, as soon as the features that they see are known;
- naive: D passes of the whole network, as libraries of masked flows sample;
- jacobi: the same passes, ended as soon as one changes nothing (Song et al., 2021): exact, at most D.

All three do the same arithmetic for the values that count, so their results have the same bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import HeavyVerbs
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import bits_of, filled, lanes, scratch, store
from seqgap.kernels._core.tiles import from_tile, to_tile
from seqgap.kernels._nets.dense import address, entry, number, read, write
from seqgap.kernels._nets.mlp import advance, ends_of, outputs_for

STRATEGIES = ("incremental", "naive", "jacobi")
_JACOBI = 2
_OUTPUTS = 64  # rows of a tile of outputs, at least those of one feature


@jit_inline
def _copy(source: Any, target: Any, vectors: Any) -> None:
    step = lanes(source)
    for v in range(vectors):
        write(target, v * step, read(source, v * step))


@jit_inline
def _clear(place: Any, vectors: Any) -> None:
    for v in range(vectors):
        write(place, v * lanes(place), filled(place, number(place, 0)))


@jit_inline
def _start(done: Any) -> None:
    for k in range(done.shape[0]):
        done[k] = 0


@jit_exact
def _same(one: Any, other: Any, count: Any) -> Any:
    """Whether so many numbers have the same bits."""
    isolate()
    different = 0
    for i in range(count):
        different += bits_of(entry(one, i)) != bits_of(entry(other, i))
    return different == 0


@jit_inline
def _load(n: Any, hi: Any, source: Any, tile: Any) -> None:
    for column in range(0, tile.shape[1], lanes(source)):
        to_tile(n + column, hi, source, tile, column)


@jit_inline
def _unload(n: Any, hi: Any, target: Any, log_det: Any, tile: Any, sums: Any) -> None:
    width = lanes(target)
    for column in range(0, tile.shape[1], width):
        left = hi - n - column
        if left > 0:
            from_tile(n + column, hi, target, tile, column)
            store(log_det, n + column, read(address(sums, 0), column), min(width, left))


@jit_exact
def _see(degrees: Any, first: Any, last: Any, each: Any, seen: Any) -> None:
    """seen[i * each + j] = how many units feature first + i sees; degrees: (H,), ascending."""
    count = 0
    for i in range(first, last):
        while count < degrees.shape[0] and degrees[count] <= i:
            count += 1
        for j in range(each):
            seen[(i - first) * each + j] = count


@jit_exact
def _next_degree(degrees: Any, done: Any, otherwise: Any) -> Any:
    """The least degree of the units that are not done; degrees: (K, H)."""
    least = otherwise
    for k in range(degrees.shape[0]):
        if done[k] < degrees.shape[1]:
            least = min(least, degrees[k, done[k]])
    return least


@jit_inline
def _workspace(network: Any, dim: Any, pitch: Any, source: Any) -> Any:
    """Tiles for a block of rows, and counts."""
    (depth, units), each = network[0].shape[1:], network[4].shape[2]
    group = max(1, _OUTPUTS // each)
    tiles = (
        scratch(dim + lanes(source), pitch, source),  # the features in their places
        scratch(dim, pitch, source),  # the features in the order of a layer, as far as they are known
        scratch(depth * units, pitch, source),  # hidden units
        scratch(units, pitch, source),  # what residual blocks add to
        scratch(group * each, pitch, source),  # outputs
        scratch(3, pitch, source),  # log_det, log_det before a layer, one feature
    )
    return tiles, (np.zeros(depth, np.int64), np.empty(group * each, np.int64))


def _incremental(transform: Any) -> Any:
    """A layer, latent to data, feature by feature."""

    @jit_inline
    def incremental(
        layer: Any, order: Any, start: Any, vectors: Any, network: Any, tiles: Any, counts: Any,
        strategy: Any, kind: Any, bound: Any,
    ) -> None:  # fmt: skip
        given, known, hidden, raw, outputs, sums = tiles
        done, seen = counts
        degrees, each = network[0][layer], network[4].shape[2]
        dim, pitch, group = known.shape[0], known.shape[1], outputs.shape[0] // each
        _start(done)
        i = start
        while i < dim:
            advance(layer, i, vectors, done, network, known, hidden, raw)
            last = min(i + group, _next_degree(degrees, done, dim))  # these see the same units
            for row in range((last - i) * each):
                seen[row] = done[degrees.shape[0] - 1]
            outputs_for(layer, i - start, last - start, vectors, seen, network, hidden, outputs)
            for f in range(i, last):
                place, result = address(given, order[layer, f] * pitch), address(known, f * pitch)
                numbers = address(outputs, (f - i) * each * pitch)
                transform(kind, bound, numbers, each, pitch, place, result, address(sums, 0), vectors)
                _copy(result, place, vectors)
            i = last

    return incremental


def _sweeps(transform: Any) -> Any:
    """A layer, latent to data, by passes of the whole network."""

    @jit_inline
    def sweep(
        layer: Any, order: Any, start: Any, vectors: Any, network: Any, tiles: Any, counts: Any, kind: Any,
        bound: Any,
    ) -> Any:  # fmt: skip
        """One pass of the whole network; whether it changed nothing."""
        given, known, hidden, raw, outputs, sums = tiles
        done, seen = counts
        degrees, each = network[0][layer], network[4].shape[2]
        dim, pitch, group = known.shape[0], known.shape[1], outputs.shape[0] // each
        _start(done)
        advance(layer, dim - 1, vectors, done, network, known, hidden, raw)
        settled, result = True, address(sums, 2 * pitch)
        for i in range(start, dim, group):
            last = min(i + group, dim)
            _see(degrees[degrees.shape[0] - 1], i, last, each, seen)
            outputs_for(layer, i - start, last - start, vectors, seen, network, hidden, outputs)
            for f in range(i, last):
                place, numbers = (
                    address(given, order[layer, f] * pitch),
                    address(outputs, (f - i) * each * pitch),
                )
                transform(kind, bound, numbers, each, pitch, place, result, address(sums, 0), vectors)
                settled = settled and _same(result, address(known, f * pitch), pitch)
                _copy(result, address(known, f * pitch), vectors)
        return settled

    @jit_inline
    def sweeps(
        layer: Any, order: Any, start: Any, vectors: Any, network: Any, tiles: Any, counts: Any,
        strategy: Any, kind: Any, bound: Any,
    ) -> None:  # fmt: skip
        given, known, _, _, _, sums = tiles
        dim, pitch = known.shape
        for i in range(start, dim):
            _clear(address(known, i * pitch), vectors)
        log_det, before = address(sums, 0), address(sums, pitch)
        _copy(log_det, before, vectors)
        for _ in range(start, dim):
            _copy(before, log_det, vectors)
            settled = sweep(layer, order, start, vectors, network, tiles, counts, kind, bound)
            if settled and strategy == _JACOBI:
                break
        for i in range(start, dim):
            _copy(address(known, i * pitch), address(given, order[layer, i] * pitch), vectors)

    return sweeps


def _to_data(run: Any) -> Any:
    """Latent to data, a tile at a time; run: what does a layer."""

    @jit_exact
    def block(
        lo: Any, hi: Any, vectors: Any, source: Any, target: Any, log_det: Any, order: Any, kept: Any,
        network: Any, strategy: Any, kind: Any, bound: Any,
    ) -> None:  # fmt: skip
        isolate()
        pitch = vectors * lanes(source)
        tiles, counts = _workspace(network, order.shape[1], pitch, source)
        given, known, _, _, _, sums = tiles
        for n in range(lo, hi, pitch):
            _load(n, hi, source, given)
            _clear(address(sums, 0), vectors)
            for layer in range(order.shape[0]):
                start = kept[layer]
                for i in range(start):
                    _copy(address(given, order[layer, i] * pitch), address(known, i * pitch), vectors)
                run(layer, order, start, vectors, network, tiles, counts, strategy, kind, bound)
            _unload(n, hi, target, log_det, given, sums)

    return block


def _to_latent(transform: Any) -> Any:
    """Data to latent, a tile at a time: one pass of each network."""

    @jit_inline
    def one_pass(
        layer: Any, order: Any, start: Any, vectors: Any, network: Any, tiles: Any, counts: Any, kind: Any,
        bound: Any,
    ) -> None:  # fmt: skip
        given, known, hidden, raw, outputs, sums = tiles
        done, seen = counts
        degrees, each = network[0][layer], network[4].shape[2]
        dim, pitch, group = known.shape[0], known.shape[1], outputs.shape[0] // each
        for i in range(dim):
            _copy(address(given, order[layer, i] * pitch), address(known, i * pitch), vectors)
        _start(done)
        advance(layer, dim - 1, vectors, done, network, known, hidden, raw)
        for i in range(start, dim, group):
            last = min(i + group, dim)
            _see(degrees[degrees.shape[0] - 1], i, last, each, seen)
            outputs_for(layer, i - start, last - start, vectors, seen, network, hidden, outputs)
            for f in range(i, last):
                place, result = address(known, f * pitch), address(given, order[layer, f] * pitch)
                numbers = address(outputs, (f - i) * each * pitch)
                transform(kind, bound, numbers, each, pitch, place, result, address(sums, 0), vectors)

    @jit_exact
    def block(
        lo: Any, hi: Any, vectors: Any, source: Any, target: Any, log_det: Any, order: Any, kept: Any,
        network: Any, strategy: Any, kind: Any, bound: Any,
    ) -> None:  # fmt: skip
        isolate()
        pitch = vectors * lanes(source)
        tiles, counts = _workspace(network, order.shape[1], pitch, source)
        for n in range(lo, hi, pitch):
            _load(n, hi, source, tiles[0])
            _clear(address(tiles[5], 0), vectors)
            for index in range(order.shape[0]):
                layer = order.shape[0] - 1 - index
                one_pass(layer, order, kept[layer], vectors, network, tiles, counts, kind, bound)
            _unload(n, hi, target, log_det, tiles[0], tiles[5])

    return block


def _rows(block: Any) -> Any:
    @jit_exact
    def rows(
        lo: Any, hi: Any, source: Any, target: Any, log_det: Any, order: Any, kept: Any, degrees: Any,
        weight_in: Any, weight_hidden: Any, weight_out: Any, bias_hidden: Any, bias_out: Any,
        activation: Any, residual: Any, strategy: Any, kind: Any, bound: Any,
    ) -> None:  # fmt: skip
        isolate()
        width = lanes(source)
        network = (
            degrees, ends_of(degrees), weight_in, weight_hidden, weight_out, bias_hidden, bias_out,
            activation, residual,
        )  # fmt: skip
        start = lo
        while start < hi:  # four vectors at a time, and then what is left
            left = hi - start
            vectors = 4 if left > 2 * width else (2 if left > width else 1)
            stop = hi if left < 4 * width else hi - left % (4 * width)
            block(start, stop, vectors, source, target, log_det, order, kept, network, strategy, kind, bound)
            start = stop

    return rows


def stack_rows(to_data: Any, to_latent: Any) -> tuple[Any, Any, Any]:
    """The row kernels of a stack: (latent to data feature by feature, by passes, data to latent).

    Each is made of a transform(kind, bound, numbers, each, pitch, given, result, total, vectors) of one
    feature of a tile; numbers: address of the outputs for it, `each` rows of `pitch`; total: of the sum of
    log_det.
    """
    blocks = (_to_data(_incremental(to_data)), _to_data(_sweeps(to_data)), _to_latent(to_latent))
    by_feature, by_passes, inverse = (_rows(block) for block in blocks)
    return by_feature, by_passes, inverse


class StackVerbs(HeavyVerbs):
    """The verbs of a family of stacks; arrays: as in `Verbs`, with a strategy as the last option."""

    def __init__(self, arrays: Callable[..., tuple[Any, ...]], rows: tuple[Any, Any, Any]) -> None:
        by_feature, by_passes, inverse = rows
        super().__init__(arrays, by_feature, inverse)
        self._passes = HeavyVerbs(arrays, by_passes, inverse)

    def forward(self, z: Any, params: Any, out: Any, threads: int, *options: Any) -> tuple[Array, Array]:
        """Latent to data; an option is the strategy."""
        if options in ((), (STRATEGIES[0],)):
            return super().forward(z, params, out, threads)
        return self._passes.forward(z, params, out, threads, *options)
