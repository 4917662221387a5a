"""Perceptrons on tiles: units and outputs that see only what comes first in a row of the weights."""

from typing import Any, NamedTuple

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import lanes, number, select
from seqgap.kernels._core.vecmath import expm1_negative, gelu, sigmoid, softplus, tanh
from seqgap.kernels._nets.contexts import Sums, gate, weigh
from seqgap.kernels._nets.dense import address, product, read, write

ACTIVATIONS = ("relu", "tanh", "elu", "silu", "leaky_relu", "gelu", "selu", "softplus", "sigmoid")
_RELU, _TANH, _ELU, _SILU, _LEAKY_RELU, _GELU, _SELU, _SOFTPLUS = range(8)
LEAK = 0.01  # slope of leaky_relu below 0
# Klambauer et al., "Self-normalizing neural networks" (2017), equation 2.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
RESIDUALS = (False, True, "direct")
_DIRECT = 2
SOFTPLUS_LIMIT = 20.0  # from which on softplus is its argument, as in PyTorch


class Network(NamedTuple):
    """L networks of K hidden layers of H units, sorted by degree."""

    degrees: Any  # (L, K, H)
    weight_in: Any  # (L, H, C)
    weight_hidden: Any  # (L, K - 1, H, H)
    weight_out: Any  # (L, S, P, H)
    bias_hidden: Any  # (L, K, H)
    bias_out: Any  # (L, S, P)
    activation: Any  # its number among ACTIVATIONS
    residual: Any  # its number among RESIDUALS


class Workspace(NamedTuple):
    """Tiles for a block of rows, and counts."""

    features: Any  # (D, pitch), in their places
    ordered: Any  # (D, pitch), in the order of a layer, as far as they are known
    hidden: Any  # (K * H, pitch)
    residual: Any  # (H, pitch), what residual blocks add to
    outputs: Any  # parameters of the transform for a group of features
    sums: Any  # (3, pitch): log_det, log_det before a layer, one feature
    ends: Any  # (L, K, H): how many features, or units of the layer before, each unit sees
    done: Any  # (K,): how many units of each hidden layer are computed
    seen: Any  # how many units of the last hidden layer each row of `outputs` sees
    context: Any  # a `Lookup`, or None
    places: Any  # (pitch + 1,), as of `contexts.look_up`


@jit_exact
def ends_of(degrees: Any) -> Any:
    """(L, K, H): how many features, or units of the layer before, each unit sees."""
    layers, depth, width = degrees.shape
    ends = degrees.copy()
    for layer in range(layers):
        for k in range(1, depth):
            seen = 0
            for j in range(width):
                while seen < width and degrees[layer, k - 1, seen] <= degrees[layer, k, j]:
                    seen += 1
                ends[layer, k, j] = seen
    return ends


@jit_exact
def activate(code: Any, start: Any, result: Any, count: Any) -> None:
    """So many numbers from an address on, to another or the same one. NaN stays NaN."""
    isolate()
    zero = number(start, 0)
    for at in range(0, count, lanes(start)):
        x = read(start, at)
        if code == _RELU:
            y = select(x < zero, zero, x)
        elif code == _TANH:
            y = tanh(x)
        elif code == _ELU:
            y = select(x > zero, x, expm1_negative(x))
        elif code == _SILU:
            y = x * sigmoid(x)
        elif code == _LEAKY_RELU:
            y = select(x < zero, number(start, LEAK) * x, x)
        elif code == _GELU:
            y = gelu(x)
        elif code == _SELU:
            bent = expm1_negative(x) * number(start, SELU_SCALE * SELU_ALPHA)
            y = select(x > zero, x * number(start, SELU_SCALE), bent)
        elif code == _SOFTPLUS:
            y = select(x > number(start, SOFTPLUS_LIMIT), x, softplus(x))
        else:
            y = sigmoid(x)
        write(result, at, y)


@jit_inline
def _carry(raw: Any, units: Any, count: Any, first_layer: Any) -> None:
    """What a residual block adds to: raw += new, or = new, and new = raw."""
    for at in range(0, count, lanes(raw)):
        value = read(units, at)
        if not first_layer:
            value = value + read(raw, at)
        write(raw, at, value)
        write(units, at, value)


@jit_inline
def plain(k: Any, depth: Any, residual: Any) -> Any:
    """Whether hidden layer k is handed on without an activation."""
    return residual > 0 and (k == depth - 1 or (residual == _DIRECT and k % 2 == 0))


@jit_inline
def advance(layer: Any, limit: Any, network: Any, work: Any) -> None:
    """Compute the hidden units of degree at most `limit` that are not done, and count them as done."""
    # Taking an array out of a tuple counts a reference, which costs some nanoseconds: not in the loop.
    degrees, weight_in, weight_hidden = network.degrees, network.weight_in, network.weight_hidden
    bias_hidden, activation, residual = network.bias_hidden, network.activation, network.residual
    ordered, hidden, raw, seen, done = work.ordered, work.hidden, work.residual, work.ends, work.done
    (depth, width), pitch = degrees.shape[1:], ordered.shape[1]
    for k in range(depth):
        first = done[k]
        last = first
        while last < width and degrees[layer, k, last] <= limit:
            last += 1
        if last == first:
            continue
        done[k] = last
        unit = (layer * depth + k) * width + first
        bias, ends = address(bias_hidden, unit), address(seen, unit)
        units, count = address(hidden, (k * width + first) * pitch), last - first
        if k == 0:
            columns, source = weight_in.shape[2], address(ordered, 0)
            lines = address(weight_in, (layer * width + first) * columns)
        else:
            columns, source = width, address(hidden, (k - 1) * width * pitch)
            lines = address(weight_hidden, ((layer * (depth - 1) + k - 1) * width + first) * width)
        at, sums = (layer, k, first), Sums(lines, columns, bias, ends, source, units, pitch, count)
        weigh(work.context, work.places, at, sums)
        if residual and k % 2 == 0:
            gate(work.context, work.places, at, units, count)
            _carry(address(raw, first * pitch), units, count * pitch, k == 0)
        if not plain(k, depth, residual):
            activate(activation, units, units, count * pitch)


@jit_inline
def outputs_for(layer: Any, first: Any, last: Any, network: Any, work: Any) -> None:
    """The outputs for features first to last - 1 of those that are transformed, P rows for each.

    seen[i * P + j] says how many units of the last hidden layer row j of feature first + i sees.
    """
    weight_out, bias_out, hidden = network.weight_out, network.bias_out, work.hidden
    outputs, seen = work.outputs, work.seen
    features, count, width = weight_out.shape[1:]
    pitch, row = outputs.shape[1], (layer * features + first) * count
    lines, bias = address(weight_out, row * width), address(bias_out, row)
    units, rows = address(hidden, (hidden.shape[0] - width) * pitch), (last - first) * count
    product(lines, width, bias, address(seen, 0), units, address(outputs, 0), pitch, rows)
