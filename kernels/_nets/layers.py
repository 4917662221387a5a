"""Stacks of layers that transform features by parameters of a conditioner; both directions, on tiles.

The data-to-latent direction has all features, so each layer is one pass of its network. Back, a layer of
an autoregressive conditioner knows a feature only after those before it:

- incremental: hidden units are computed once, as soon as the features that they see are known;
- naive: D passes of the whole network, as libraries of masked flows sample;
- jacobi: the same passes, ended as soon as one changes nothing (Song et al., 2021): exact, at most D.

All three do the same arithmetic for the values that count, so their results have the same bits.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import bits_of, filled, lanes, number, scratch
from seqgap.kernels._nets.blocks import tile_rows
from seqgap.kernels._nets.contexts import context_of, look_up
from seqgap.kernels._nets.dense import address, entry, read, write
from seqgap.kernels._nets.mlp import Network, Workspace, advance, ends_of, outputs_for

STRATEGIES = ("incremental", "naive", "jacobi")
_JACOBI = 2
_OUTPUTS = 64  # rows of a tile of outputs, at least those of one feature


class Layers(NamedTuple):
    """Which features the layers of a stack transform, and how."""

    order: Any  # (L, D): the feature that comes i-th in each layer
    identity: Any  # (L,): so many of them pass unchanged, the first ones
    strategy: Any  # its number among STRATEGIES
    form: Any  # (variant, bound) of the transform: the number of a scale or spline, and where a spline ends


@jit_inline
def _copy(source: Any, target: Any, pitch: Any) -> None:
    for at in range(0, pitch, lanes(source)):
        write(target, at, read(source, at))


@jit_inline
def _clear(target: Any, pitch: Any) -> None:
    for at in range(0, pitch, lanes(target)):
        write(target, at, filled(target, number(target, 0)))


@jit_exact
def _same(first: Any, second: Any, count: Any) -> Any:
    """Whether so many numbers have the same bits."""
    isolate()
    different = 0
    for i in range(count):
        different += bits_of(entry(first, i)) != bits_of(entry(second, i))
    return different == 0


@jit_exact
def _see(degrees: Any, first: Any, last: Any, outputs: Any, seen: Any) -> None:
    """seen[i * outputs + j] = how many units feature first + i sees; degrees: (H,), ascending."""
    count = 0
    for i in range(first, last):
        while count < degrees.shape[0] and degrees[count] <= i:
            count += 1
        for j in range(outputs):
            seen[(i - first) * outputs + j] = count


@jit_exact
def _next_degree(degrees: Any, done: Any, otherwise: Any) -> Any:
    """The least degree of the units that are not done; degrees: (K, H)."""
    least = otherwise
    for k in range(degrees.shape[0]):
        if done[k] < degrees.shape[1]:
            least = min(least, degrees[k, done[k]])
    return least


@jit_inline
def _workspace(arrays: Any, pitch: Any, source: Any) -> Any:
    network, dim = Network(*arrays[1]), source.shape[1]
    (depth, units), outputs = network.degrees.shape[1:], network.weight_out.shape[2]
    rows = max(1, _OUTPUTS // outputs) * outputs
    return Workspace(
        scratch(dim + lanes(source), pitch, source),
        scratch(dim, pitch, source),
        scratch(depth * units, pitch, source),
        scratch(units, pitch, source),
        scratch(rows, pitch, source),
        scratch(3, pitch, source),
        ends_of(network.degrees),
        np.zeros(depth, np.int64),
        np.empty(rows, np.int64),
        context_of(arrays),
        np.empty(pitch + 1, np.int64),
    )


@jit_inline
def _begin(work: Any, n: Any, hi: Any) -> None:
    look_up(work.context, n, hi, work.places)


def incremental_layer(transform: Any) -> Any:
    """A layer, latent to data, feature by feature."""

    @jit_inline
    def incremental(layer: Any, layers: Any, network: Any, work: Any) -> None:
        degrees, count = network.degrees[layer], network.weight_out.shape[2]
        features, ordered, done, seen = work.features, work.ordered, work.done, work.seen
        order, form, outputs, log_det = layers.order, layers.form, work.outputs, address(work.sums, 0)
        (dim, pitch), group = ordered.shape, outputs.shape[0] // count
        i = start = layers.identity[layer]
        _order(layer, start, layers, work)
        done[:] = 0
        while i < dim:
            advance(layer, i, network, work)
            last = min(i + group, _next_degree(degrees, done, dim))  # these see the same units
            for row in range((last - i) * count):
                seen[row] = done[degrees.shape[0] - 1]
            outputs_for(layer, i - start, last - start, network, work)
            for f in range(i, last):
                feature, result = address(features, order[layer, f] * pitch), address(ordered, f * pitch)
                parameters = address(outputs, (f - i) * count * pitch)
                transform(form, parameters, count, pitch, feature, result, log_det)
                _copy(result, feature, pitch)
            i = last

    return incremental


def _one_pass(visit: Any) -> Any:
    """One pass of the whole network.

    visit(layer, f, parameters, layers, network, work) transforms feature f of the order and says whether it
    is as it was.
    """

    @jit_inline
    def one_pass(layer: Any, layers: Any, network: Any, work: Any) -> Any:
        degrees, outputs = network.degrees[layer], network.weight_out.shape[2]
        (dim, pitch), group = work.ordered.shape, work.outputs.shape[0] // outputs
        start = layers.identity[layer]
        work.done[:] = 0
        advance(layer, dim - 1, network, work)
        settled = True
        for i in range(start, dim, group):
            last = min(i + group, dim)
            _see(degrees[degrees.shape[0] - 1], i, last, outputs, work.seen)
            outputs_for(layer, i - start, last - start, network, work)
            for f in range(i, last):
                parameters = address(work.outputs, (f - i) * outputs * pitch)
                settled = visit(layer, f, parameters, layers, network, work) and settled
        return settled

    return one_pass


def sweeping_layer(transform: Any) -> Any:
    """A layer, latent to data, by passes of the whole network."""

    @jit_inline
    def replace(layer: Any, f: Any, parameters: Any, layers: Any, network: Any, work: Any) -> Any:
        outputs, pitch = network.weight_out.shape[2], work.ordered.shape[1]
        feature = address(work.features, layers.order[layer, f] * pitch)
        result, known = address(work.sums, 2 * pitch), address(work.ordered, f * pitch)
        transform(layers.form, parameters, outputs, pitch, feature, result, address(work.sums, 0))
        settled = _same(result, known, pitch)
        _copy(result, known, pitch)
        return settled

    sweep = _one_pass(replace)

    @jit_inline
    def sweeps(layer: Any, layers: Any, network: Any, work: Any) -> None:
        (dim, pitch), start = work.ordered.shape, layers.identity[layer]
        _order(layer, start, layers, work)
        for i in range(start, dim):
            _clear(address(work.ordered, i * pitch), pitch)
        log_det, before = address(work.sums, 0), address(work.sums, pitch)
        _copy(log_det, before, pitch)
        for _ in range(start, dim):
            _copy(before, log_det, pitch)
            settled = sweep(layer, layers, network, work)
            if settled and layers.strategy == _JACOBI:
                break
        for i in range(start, dim):
            feature = address(work.features, layers.order[layer, i] * pitch)
            _copy(address(work.ordered, i * pitch), feature, pitch)

    return sweeps


def parallel_layer(transform: Any) -> Any:
    """A layer, data to latent; the last one comes first."""

    @jit_inline
    def move(layer: Any, f: Any, parameters: Any, layers: Any, network: Any, work: Any) -> Any:
        outputs, pitch = network.weight_out.shape[2], work.ordered.shape[1]
        feature = address(work.ordered, f * pitch)
        result = address(work.features, layers.order[layer, f] * pitch)
        transform(layers.form, parameters, outputs, pitch, feature, result, address(work.sums, 0))
        return True

    one_pass = _one_pass(move)

    @jit_inline
    def to_latent(index: Any, layers: Any, network: Any, work: Any) -> None:
        layer = layers.order.shape[0] - 1 - index
        _order(layer, layers.order.shape[1], layers, work)
        one_pass(layer, layers, network, work)

    return to_latent


@jit_inline
def _order(layer: Any, count: Any, layers: Any, work: Any) -> None:
    """The first features of a layer's order, in it."""
    pitch = work.ordered.shape[1]
    for i in range(count):
        feature = address(work.features, layers.order[layer, i] * pitch)
        _copy(feature, address(work.ordered, i * pitch), pitch)


def stack(layer: Any) -> Any:
    """The row kernel that runs every layer on a tile."""

    @jit_inline
    def layers_of_block(work: Any, arrays: Any) -> None:
        layers, network = Layers(*arrays[0]), Network(*arrays[1])
        for index in range(layers.order.shape[0]):
            layer(index, layers, network, work)

    return tile_rows(layers_of_block, _workspace, begin=_begin)
