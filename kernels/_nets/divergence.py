"""tr df/dz of perceptrons, exact: for one and two hidden layers the price of one more layer.

With the slopes d_k of the units of hidden layer k: one hidden layer has tr = sum_h d_h (W_1 W)_hh, of which
the diagonal is computed once; two have tr = d_2^T (W_2 * (W_1 W)^T) d_1, a bilinear form whose matrix is
computed once. Three and more take the tangents of all D features through all layers.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import filled, lanes, number
from seqgap.kernels._nets.dense import address, moved, product, read, spread, write
from seqgap.kernels._nets.perceptron import Perceptron
from seqgap.kernels._nets.slopes import activate_with_slope


class Form(NamedTuple):
    """What the divergence of a perceptron takes besides its slopes."""

    matrix: Any  # (1, H) for one hidden layer, (H, H) for two, (1, 0) for more, whose tangents are taken
    zeros: Any  # (H,)


def form_of(model: Perceptron, dtype: np.dtype[Any]) -> Form:
    """That of a checked model, computed in float64."""
    weight_in, weight_out = (np.asarray(w, float) for w in (model.weight_in, model.weight_out))
    inner = weight_in[:, : len(weight_out)] @ weight_out
    hidden = np.asarray(model.weight_hidden, float)
    if len(hidden) > 1:
        matrix = np.empty((1, 0))
    else:
        matrix = hidden[0] * inner.T if len(hidden) else np.diag(inner)[None]
    return Form(np.ascontiguousarray(matrix, dtype), np.zeros(len(weight_in), dtype))


@jit_inline
def divergence_space(net: Any, pitch: Any) -> Any:
    """How many numbers of scratch `on_tile_with_divergence` takes: units, slopes and tangents."""
    return (net.weight_hidden.shape[0] + 5) * net.weight_in.shape[0] * pitch


@jit_exact
def _multiply(count: Any, source: Any, target: Any) -> None:
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


@jit_inline
def _by_tangents(net: Any, form: Any, slopes: Any, space: Any, result: Any, pitch: Any) -> None:
    """The sum over features of the tangent of each, D passes through the hidden layers."""
    (width, inputs), depth = net.weight_in.shape, net.weight_hidden.shape[0]
    size, seen = width * pitch, address(net.seen, net.seen.shape[1])
    zeros, lines = address(form.zeros, 0), address(net.weight_out, 0)
    for at in range(0, pitch, lanes(result)):
        write(result, at, filled(net.weight_in, number(net.weight_in, 0)))
    for d in range(net.weight_out.shape[0]):
        before, after = space, moved(space, size)
        _first_tangent(address(net.weight_in, 0), inputs, d, width, slopes, pitch, before)
        for k in range(depth):
            weight = moved(address(net.weight_hidden, 0), k * width * width)
            product(weight, width, zeros, seen, before, after, pitch, width)
            _multiply(size, moved(slopes, (k + 1) * size), after)
            before, after = after, before
        product(moved(lines, d * width), width, None, seen, before, result, pitch, 1)


@jit_inline
def on_tile_with_divergence(
    net: Any, form: Any, at: Any, source: Any, result: Any, space: Any, divergence: Any, pitch: Any
) -> None:
    """f of evaluation `at` of the states of a tile, and tr df/dz of each.

    The tile has the D numbers of the states, and what else of the inputs differs from row to row.
    """
    (width, inputs), depth, code = net.weight_in.shape, net.weight_hidden.shape[0], net.activation
    size, units, seen = width * pitch, net.bias_in.shape[1], address(net.seen, net.seen.shape[1])
    before, after, slopes = space, moved(space, size), moved(space, 4 * size)
    outputs, bias = net.weight_out.shape[0], address(net.bias_in, at * units)
    product(address(net.weight_in, 0), inputs, bias, address(net.seen, 0), source, before, pitch, width)
    activate_with_slope(code, before, slopes, size)
    for k in range(depth):
        weight = moved(address(net.weight_hidden, 0), k * width * width)
        product(
            weight, width, moved(address(net.bias_hidden, 0), k * units), seen, before, after, pitch, width
        )
        activate_with_slope(code, after, moved(slopes, (k + 1) * size), size)
        before, after = after, before
    product(address(net.weight_out, 0), width, address(net.bias_out, 0), seen, before, result, pitch, outputs)
    zeros, spare = address(form.zeros, 0), moved(space, 2 * size)
    if depth == 0:
        product(address(form.matrix, 0), width, zeros, seen, slopes, divergence, pitch, 1)
    elif depth == 1:
        product(address(form.matrix, 0), width, zeros, seen, slopes, spare, pitch, width)
        _contract(width, pitch, spare, moved(slopes, size), divergence)
    else:
        _by_tangents(net, form, slopes, spare, divergence, pitch)
