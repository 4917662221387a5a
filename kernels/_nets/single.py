"""The layers of `layers` for single rows: the units, and the features of a group, lie side by side in lanes.

A feature's column is added to all units that see it as soon as the feature is known, and the column of a unit
to all outputs that see it as soon as the unit is (right-looking): each weight is read once, in whole vectors,
and what one feature waits for is a multiply-add, an activation, a multiply-add and the transform.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.rows import add_base
from seqgap.kernels._core.simd import filled, lanes, number, scratch
from seqgap.kernels._nets.columns import add_columns
from seqgap.kernels._nets.contexts import context_of, gated, replace_biases, row_context
from seqgap.kernels._nets.dense import address, entry, moved, put, read, write
from seqgap.kernels._nets.mlp import activate, plain
from seqgap.kernels._nets.packed import in_vectors, parts_of, sizes_of


class Row(NamedTuple):
    """Addresses of what the kernels keep of a row; all but the first start at whole vectors."""

    features: Any  # D, in their places
    ordered: Any  # D, in the order of a layer, as far as they are known
    sums: Any  # (K, U) before the activation, and then F outputs
    carried: Any  # (K, U): what residual blocks add to
    units: Any  # (K, U): activated
    parameters: Any  # P vectors, of a vector of features
    before: Any  # these features
    after: Any  # and transformed
    log_det: Any  # of them
    done: Any  # K: how many units of each hidden layer are computed
    context: Any  # of the layer, as of `contexts.row_context`, or None


@jit_inline
def _row(space: Any, done: Any, sizes: Any, parts: Any, context: Any) -> Any:
    """The addresses in `space`, a scratch array."""
    step, start = lanes(space), address(space, 0)
    dim, hidden = in_vectors(sizes.dim, space), sizes.depth * parts.units
    ordered = moved(start, dim)
    sums = moved(ordered, dim)
    carried = moved(sums, hidden + parts.outputs)
    units = moved(carried, hidden)
    before = moved(units, hidden)
    after, log_det, parameters = moved(before, step), moved(before, 2 * step), moved(before, 3 * step)
    counts = address(done, 0)
    return Row(start, ordered, sums, carried, units, parameters, before, after, log_det, counts, context)


@jit_inline
def _room(sizes: Any, parts: Any, like: Any) -> Any:
    """How many numbers `_row` takes."""
    rows = 2 * in_vectors(sizes.dim, like) + 3 * sizes.depth * parts.units + parts.outputs
    return rows + (3 + sizes.outputs) * lanes(like)


@jit_inline
def _finish(k: Any, first: Any, last: Any, sizes: Any, parts: Any, row: Any) -> None:
    """Activate units first to last - 1 of hidden layer k, and others in their vectors, which nobody reads."""
    step = lanes(row.sums)
    begin, stop = first // step * step, in_vectors(last, row.sums)
    at = k * parts.units + begin
    total, result = moved(row.sums, at), moved(row.units, at)
    if sizes.residual and k % 2 == 0:
        carried, block = moved(row.carried, at), 2 * parts.units
        for v in range(0, stop - begin, step):
            value = gated(row.context, k, begin + v, read(total, v))
            if k > 0:
                value = value + read(carried, v - block)
            write(carried, v, value)
        total = carried
    if plain(k, sizes.depth, sizes.residual):
        for v in range(0, stop - begin, step):
            write(result, v, read(total, v))
    else:
        activate(sizes.activation, total, result, stop - begin)


@jit_inline
def _hand_on(k: Any, first: Any, last: Any, start: Any, sizes: Any, parts: Any, row: Any) -> None:
    """Add the columns of units first to last - 1 of hidden layer k to what sees them.

    start: the first feature, among those that are transformed, that is not computed.
    """
    step, width, units = lanes(row.sums), sizes.width, moved(row.units, k * parts.units)
    bounds = (first, last)
    if k + 1 < sizes.depth:
        skipped = entry(row.done, k + 1) // step * step
        at = (k + 1) * parts.units + skipped
        weight = moved(parts.weight_hidden, k * width * parts.units + skipped)
        left = parts.units - skipped
        add_columns(weight, parts.units, bounds, units, moved(parts.ends, at), moved(row.sums, at), left)
        return
    skipped = start // step * step * sizes.outputs
    weight, seen = moved(parts.weight_out, skipped), moved(parts.seen, skipped)
    outputs = moved(row.sums, sizes.depth * parts.units + skipped)
    add_columns(weight, parts.outputs, bounds, units, seen, outputs, parts.outputs - skipped)


@jit_inline
def _advance(known: Any, limit: Any, start: Any, sizes: Any, parts: Any, row: Any) -> None:
    """Take in features known to limit - 1: all units of degree at most `limit`, outputs from `start` on."""
    step, done = lanes(row.sums), row.done
    if limit > known:
        skipped = entry(done, 0) // step * step
        weight, ends, total = (
            moved(parts.weight_in, skipped),
            moved(parts.ends, skipped),
            moved(row.sums, skipped),
        )
        add_columns(weight, parts.units, (known, limit), row.ordered, ends, total, parts.units - skipped)
    for k in range(sizes.depth):
        first, degrees = entry(done, k), moved(parts.degrees, k * sizes.width)
        last = sizes.width if entry(degrees, sizes.width - 1) <= limit else first
        while last < sizes.width and entry(degrees, last) <= limit:
            last += 1
        if last > first:
            _finish(k, first, last, sizes, parts, row)
            _hand_on(k, first, last, start, sizes, parts, row)
            put(done, k, last)


@jit_inline
def _next_degree(sizes: Any, parts: Any, done: Any) -> Any:
    """The least degree of the units that are not done, at most D."""
    least = sizes.dim
    for k in range(sizes.depth):
        unit = entry(done, k)
        if unit < sizes.width:
            least = min(least, entry(parts.degrees, k * sizes.width + unit))
    return least


def _group(transform: Any) -> Any:
    """Transform features first to last - 1 of the order, side by side; returns log_det with theirs."""

    @jit_inline
    def group(first: Any, last: Any, form: Any, log_det: Any, sizes: Any, parts: Any, row: Any) -> Any:
        step, count = lanes(row.sums), sizes.outputs
        outputs, zero = moved(row.sums, sizes.depth * parts.units), filled(row.sums, number(row.sums, 0))
        f = first
        while f < last:
            lane = (f - parts.identity) % step
            stop = min(last, f - lane + step)
            # A copy, since a transform writes to its parameters, also to those of features that come later.
            parameters = moved(outputs, (f - parts.identity - lane) * count)
            for v in range(0, count * step, step):
                write(row.parameters, v, read(parameters, v))
            write(row.log_det, 0, zero)
            for i in range(f, stop):
                put(row.before, lane + i - f, entry(row.features, entry(parts.order, i)))
            transform(form, row.parameters, count, step, row.before, row.after, row.log_det)
            for i in range(f, stop):
                put(row.ordered, i, entry(row.after, lane + i - f))
                log_det += entry(row.log_det, lane + i - f)
            f = stop
        return log_det

    return group


@jit_inline
def _start(count: Any, sizes: Any, parts: Any, row: Any) -> None:
    """Sums are the biases, no unit is done, and the first features are in order."""
    for k in range(sizes.depth):
        put(row.done, k, 0)
    rows = sizes.depth * parts.units + parts.outputs
    for v in range(0, rows, lanes(row.sums)):
        write(row.sums, v, read(parts.start, v))
    replace_biases(row.context, sizes.depth, row.sums)
    for f in range(count):
        put(row.ordered, f, entry(row.features, entry(parts.order, f)))


@jit_inline
def _replace(sizes: Any, parts: Any, row: Any, first: Any) -> None:
    """Features from `first` on become those in order."""
    for f in range(first, sizes.dim):
        put(row.features, entry(parts.order, f), entry(row.ordered, f))


def _incremental(transform: Any) -> Any:
    """A layer, latent to data, feature by feature."""
    group = _group(transform)

    @jit_inline
    def incremental(form: Any, log_det: Any, sizes: Any, parts: Any, row: Any) -> Any:
        known, i = 0, parts.identity
        _start(i, sizes, parts, row)
        while i < sizes.dim:
            _advance(known, i, i - parts.identity, sizes, parts, row)
            last = _next_degree(sizes, parts, row.done)  # features before it see the same units
            log_det = group(i, last, form, log_det, sizes, parts, row)
            known, i = i, last
        _replace(sizes, parts, row, parts.identity)
        return log_det

    return incremental


def _at_once(transform: Any) -> Any:
    """A layer, data to latent."""
    group = _group(transform)

    @jit_inline
    def at_once(form: Any, log_det: Any, sizes: Any, parts: Any, row: Any) -> Any:
        _start(sizes.dim, sizes, parts, row)
        _advance(0, sizes.dim - 1, 0, sizes, parts, row)
        if parts.identity < sizes.dim:
            log_det = group(parts.identity, sizes.dim, form, log_det, sizes, parts, row)
        _replace(sizes, parts, row, parts.identity)
        return log_det

    return at_once


def _rows(layer: Any, back: bool) -> Any:
    """The row kernel that runs every layer, the last one first if `back`."""

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, scored: Any, *arrays: Any) -> None:
        isolate()
        numbers, indices, context = arrays[0], arrays[1], context_of(arrays)
        sizes = sizes_of(indices)
        form = sizes.variant, float(numbers[-1])
        first = parts_of(0, sizes, numbers, indices)
        space = scratch(1, _room(sizes, first, source), source)
        done = np.empty(sizes.depth, np.int64)
        for n in range(lo, hi):
            for d in range(sizes.dim):
                space[0, d] = source[n, d]
            total = number(source, 0)
            for index in range(sizes.layers):
                at = sizes.layers - 1 - index if back else index
                # Here, since addresses keep no array alive.
                row = _row(space, done, sizes, first, row_context(context, n, at))
                total = layer(form, total, sizes, parts_of(at, sizes, numbers, indices), row)
            for d in range(sizes.dim):
                target[n, d] = space[0, d]
            log_det[n] = total
        if scored:
            add_base(target[lo:hi], log_det[lo:hi])

    return rows


def by_feature_rows(transform: Any) -> Any:
    """rows(lo, hi, source, target, log_det, scored, *arrays), latent to data: as `FewRowKernel`.

    arrays: the numbers and indices of `packed`, and for rows with a context a `Lookup` as a plain tuple.
    """
    return _rows(_incremental(transform), back=False)


def at_once_rows(transform: Any) -> Any:
    """The same, data to latent."""
    return _rows(_at_once(transform), back=True)
