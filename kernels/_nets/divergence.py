"""f and tr df/dz of perceptrons: exact, estimated, or f alone.

With the slopes d_k of the units of hidden layer k, one hidden layer has tr = sum_h d_h (W_1 W)_hh, of which
the diagonal is computed once; two have tr = d_2^T (W_2 * (W_1 W)^T) d_1, a bilinear form whose matrix is
computed once, so that the trace costs one more layer. Three and more take the tangents of all D features
through all layers. Hutchinson's estimate, e^T (df/dz) e with noise e (Grathwohl et al., "FFJORD", 2019,
equation 7), takes one tangent for each e.
"""

from typing import Any

from numba import types

from seqgap.kernels._core.compiler import generated
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, lanes, number
from seqgap.kernels._nets.dense import address, moved, product, read, spread, write
from seqgap.kernels._nets.mlp import activate
from seqgap.kernels._nets.slopes import activate_with_slope
from seqgap.kernels._nets.trace_forms import Exact, Probes, Unscored


@jit_inline
def tile_space(net: Any, pitch: Any) -> Any:
    """How many numbers of scratch `on_tile` takes: units, slopes and tangents."""
    return (net.weight_hidden.shape[0] + 6) * net.weight_in.shape[0] * pitch


@generated
def bend(form: Any, code: Any, units: Any, slopes: Any, count: Any) -> Any:
    """units <- a(units), so many numbers; with their slopes where the divergence takes them."""

    def alone(form: Any, code: Any, units: Any, slopes: Any, count: Any) -> None:
        activate(code, units, units, count)

    def beside(form: Any, code: Any, units: Any, slopes: Any, count: Any) -> None:
        activate_with_slope(code, units, slopes, count)

    return alone if form.instance_class is Unscored else beside


@jit_exact
def _start(bias: Any, biases: Any, units: Any, pitch: Any, sums: Any) -> None:
    """sums[h] = bias[h] + biases[h] of each lane."""
    isolate()
    for h in range(units):
        for at in range(h * pitch, (h + 1) * pitch, lanes(sums)):
            write(sums, at, spread(bias, h) + read(biases, at))


@generated
def _first_sums(field: Any, at: Any, source: Any, sums: Any, pitch: Any) -> Any:
    """The sums of the first layer."""

    def of_all(field: Any, at: Any, source: Any, sums: Any, pitch: Any) -> None:
        net = field.net
        (width, inputs), bias = net.weight_in.shape, address(net.bias_in, at * net.bias_in.shape[1])
        product(address(net.weight_in, 0), inputs, bias, address(net.seen, 0), source, sums, pitch, width)

    def of_contexts(field: Any, at: Any, source: Any, sums: Any, pitch: Any) -> None:
        net = field.net
        (width, inputs), bias = net.weight_in.shape, address(net.bias_in, at * net.bias_in.shape[1])
        _start(bias, field.biases, width, pitch, sums)
        product(address(net.weight_in, 0), inputs, None, address(net.seen, 0), source, sums, pitch, width)

    return of_all if isinstance(field.types[2], types.NoneType) else of_contexts


@jit_exact
def multiply(count: Any, source: Any, target: Any) -> None:
    """target <- source target, for so many numbers."""
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, read(source, at) * read(target, at))


@jit_exact
def _contract(rows: Any, pitch: Any, left: Any, right: Any, result: Any) -> None:
    """result = sum over rows of left right, of each lane."""
    isolate()
    for at in range(0, pitch, lanes(result)):
        total = read(left, at) * read(right, at)
        for row in range(1, rows):
            total = total + read(left, row * pitch + at) * read(right, row * pitch + at)
        write(result, at, total)


@jit_exact
def _first_tangent(
    weight: Any, inputs: Any, d: Any, units: Any, slopes: Any, pitch: Any, tangent: Any
) -> None:
    """tangent[h] = weight[h, d] slopes[h]."""
    isolate()
    for h in range(units):
        factor = spread(weight, h * inputs + d)
        for at in range(h * pitch, (h + 1) * pitch, lanes(tangent)):
            write(tangent, at, factor * read(slopes, at))


@jit_exact
def clear(count: Any, target: Any) -> None:
    """target <- 0, so many numbers."""
    isolate()
    for at in range(0, count, lanes(target)):
        write(target, at, filled(target, number(target, 0)))


@jit_exact
def _add_estimate(d: Any, pitch: Any, line: Any, noise: Any, result: Any) -> None:
    """result += line noise[d], of each lane."""
    isolate()
    for at in range(0, pitch, lanes(result)):
        write(result, at, read(result, at) + read(line, at) * read(noise, d * pitch + at))


@jit_inline
def _onwards(field: Any, slopes: Any, before: Any, after: Any, pitch: Any) -> Any:
    """A tangent of the first layer through the hidden ones behind it; where it is then."""
    net = field.net
    width, zeros = net.weight_in.shape[0], address(field.form.zeros, 0)
    size, seen = width * pitch, address(net.seen, net.seen.shape[1])
    for k in range(net.weight_hidden.shape[0]):
        weight = moved(address(net.weight_hidden, 0), k * width * width)
        product(weight, width, zeros, seen, before, after, pitch, width)
        multiply(size, moved(slopes, (k + 1) * size), after)
        before, after = after, before
    return before


@jit_inline
def _by_tangents(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
    """The sum over features of the tangent of each, D passes through the hidden layers."""
    net = field.net
    (width, inputs), weight = net.weight_in.shape, address(net.weight_in, 0)
    seen, lines = address(net.seen, net.seen.shape[1]), address(net.weight_out, 0)
    clear(pitch, result)
    for d in range(net.weight_out.shape[0]):
        _first_tangent(weight, inputs, d, width, slopes, pitch, space)
        tangent = _onwards(field, slopes, space, moved(space, width * pitch), pitch)
        product(moved(lines, d * width), width, None, seen, tangent, result, pitch, 1)


@jit_inline
def _by_form(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
    net, form = field.net, field.form
    width, seen = net.weight_in.shape[0], address(net.seen, net.seen.shape[1])
    matrix, zeros = address(form.matrix, 0), address(form.zeros, 0)
    if net.weight_hidden.shape[0] == 0:
        product(matrix, width, zeros, seen, slopes, result, pitch, 1)
    else:
        product(matrix, width, zeros, seen, slopes, space, pitch, width)
        _contract(width, pitch, space, moved(slopes, width * pitch), result)


@jit_inline
def _by_probes(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
    net, form = field.net, field.form
    (width, inputs), dim = net.weight_in.shape, net.weight_out.shape[0]
    size, zeros, ends = width * pitch, address(form.zeros, 0), address(form.ends, 0)
    weight, lines = address(net.weight_in, 0), address(net.weight_out, 0)
    clear(pitch, result)
    for p in range(form.count):
        noise, line = moved(field.noise, p * dim * pitch), moved(space, 2 * size)
        product(weight, inputs, zeros, ends, noise, space, pitch, width)
        multiply(size, slopes, space)
        tangent = _onwards(field, slopes, space, moved(space, size), pitch)
        seen = address(net.seen, net.seen.shape[1])
        for d in range(dim):
            product(moved(lines, d * width), width, zeros, seen, tangent, line, pitch, 1)
            _add_estimate(d, pitch, line, noise, result)


@generated
def _divergence(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> Any:
    """tr df/dz of each lane from the slopes of the units; of P probes their sum."""

    def left_out(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
        pass

    def estimated(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
        _by_probes(field, slopes, space, result, pitch)

    def in_full(field: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
        if field.net.weight_hidden.shape[0] < 2:
            _by_form(field, slopes, space, result, pitch)
        else:
            _by_tangents(field, slopes, space, result, pitch)

    return {Exact: in_full, Probes: estimated, Unscored: left_out}[field.types[1].instance_class]


@jit_inline
def on_tile(field: Any, at: Any, source: Any, result: Any, space: Any, divergence: Any, pitch: Any) -> None:
    """f of evaluation `at` of the states of a tile, and tr df/dz of each, of P probes their sum.

    The tile has the D numbers of the states, and what else of the inputs differs from row to row.
    """
    net, form = field.net, field.form
    width, depth, code = net.weight_in.shape[0], net.weight_hidden.shape[0], net.activation
    size, units, seen = width * pitch, net.bias_in.shape[1], address(net.seen, net.seen.shape[1])
    before, after, slopes = space, moved(space, size), moved(space, 5 * size)
    _first_sums(field, at, source, before, pitch)
    bend(form, code, before, slopes, size)
    for k in range(depth):
        weight = moved(address(net.weight_hidden, 0), k * width * width)
        product(
            weight, width, moved(address(net.bias_hidden, 0), k * units), seen, before, after, pitch, width
        )
        bend(form, code, after, moved(slopes, (k + 1) * size), size)
        before, after = after, before
    outputs = net.weight_out.shape[0]
    product(address(net.weight_out, 0), width, address(net.bias_out, 0), seen, before, result, pitch, outputs)
    _divergence(field, slopes, moved(space, 2 * size), divergence, pitch)
