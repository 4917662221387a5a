"""Perceptrons f(x, t) of a whole batch of states, as samplers with steps in time evaluate them.

The first layer sees x, then an embedding of the time t, then a context. At steps that are fixed beforehand
the latter two are constants: they enter as a bias of the first layer for each evaluation, at no cost.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import Seed
from seqgap.kernels._core.simd import lanes
from seqgap.kernels._nets.chain_rows import rows_of
from seqgap.kernels._nets.columns import add_all_columns
from seqgap.kernels._nets.dense import add_product, address, moved, product, put, read, write
from seqgap.kernels._nets.mlp import ACTIVATIONS, activate
from seqgap.kernels._nets.packed import aligned, padded
from seqgap.kernels._nets.picard import picard_rows

EMBEDDINGS = ("none", "time", "waves")


class Perceptron(NamedTuple):
    """A network f(x, t, c) of K hidden layers of H units, float64 or float32. In chains f has D entries.

    h_1 = a(W_1 (x, e(t), c) + b_1), h_k = a(W_k h_{k-1} + b_k), f = W h_K + b. The embedding e(t) is, by its
    name: none, nothing; time, t itself; waves, sin(w_j t) for all j and then cos(w_j t), w the frequencies
    (Vaswani et al., 2017, section 3.5, or random Fourier features). activation: relu, tanh, elu, silu,
    leaky_relu (0.01 u below 0), gelu (u / 2 (1 + erf(u / sqrt(2)))), selu, softplus (u itself
    above 20) or sigmoid.
    """

    weight_in: Array  # (H, D + E + C): columns of x, of the embedding, of the context
    weight_hidden: Array  # (K - 1, H, H)
    weight_out: Array  # (D, H)
    bias_hidden: Array  # (K, H)
    bias_out: Array  # (D,)
    frequencies: Array  # (E / 2,); (0,) but for waves
    activation: str
    embedding: str

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("model.bias_out", self.bias_out, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("model.bias_out", self.bias_out)


def sinusoidal_frequencies(count: int, longest: float = 10000.0) -> Array:
    """longest**(-j / count) for j = 0 to count - 1, shape (count,): those of Ho et al. (2020) and Vaswani.

    diffusers divides by count - `downscale_freq_shift`, 1 by default: pass longest**(count / (count - 1)).
    """
    count = check.count("count", count, 1)
    return np.asarray(check.positive("longest", longest) ** (-np.arange(count) / count))


def random_perceptron(
    dim: int, seed: Seed, *, depth: int = 3, width: int = 64, embedding: str = "waves", waves: int = 16,
    activation: str = "silu", dtype: Any = np.float64,
) -> Perceptron:  # fmt: skip
    """Weights from normals of `seed`, of the size that keeps units about 1; waves: so many frequencies."""
    real, depth, width = check.dtype(dtype), check.count("depth", depth, 1), check.count("width", width, 1)
    frequencies = sinusoidal_frequencies(waves) if embedding == "waves" else np.empty(0)
    columns = dim + {"none": 0, "time": 1, "waves": 2 * waves}[embedding]

    def draw(stream: int, rows: int, inputs: int, size: float = 1.0) -> Array:
        normals = standard_normal(rows, inputs, seed, stream=stream)
        return np.asarray(size / np.sqrt(inputs) * normals, real)

    return Perceptron(
        draw(1, width, columns), draw(2, (depth - 1) * width, width).reshape(depth - 1, width, width),
        draw(3, dim, width), 0.3 * draw(4, depth, width, width**0.5), 0.3 * draw(5, 1, dim, dim**0.5)[0],
        frequencies.astype(real), activation, embedding,
    )  # fmt: skip


class Evaluations(NamedTuple):
    """What the kernels read of a network, for so many evaluations in a row, T."""

    activation: Any
    bias_in: Any  # (T, U): with what time and context add, U the H units in whole vectors
    bias_hidden: Any  # (K - 1, U)
    bias_out: Any  # (F,): the D outputs in whole vectors
    weight_in: Any  # (H, D)
    weight_hidden: Any  # (K - 1, H, H)
    weight_out: Any  # (D, H), of another D where the outputs are not as many as the inputs
    columns_in: Any  # (D, U)
    columns_hidden: Any  # (K - 1, H, U)
    columns_out: Any  # (H, F)
    seen: Any  # (2, largest of H and both D): D and H, how many inputs each row of the weights has


def embedded(model: Perceptron, times: Array) -> Array:
    """e(t) of each time, (T, E), float64."""
    kind = EMBEDDINGS[check.choice("model.embedding", model.embedding, EMBEDDINGS)]
    frequencies = check.floats("model.frequencies", model.frequencies, 1).astype(float)
    if (kind == "waves") != bool(frequencies.size):
        wanted = "at least 1" if kind == "waves" else f"none with embedding {kind!r}"
        raise ValueError(f"model.frequencies: expected {wanted}, got {frequencies.size}")
    check.finite("model.frequencies", frequencies)
    angles = np.multiply.outer(times, frequencies)
    return {
        "none": np.empty((times.size, 0)),
        "time": times[:, None],
        "waves": np.concatenate([np.sin(angles), np.cos(angles)], 1),
    }[kind]


def biases_in(model: Perceptron, times: Array, context: Array) -> Array:
    """The bias of the first layer with what times and context add, (T, H), float64."""
    known = embedded(model, times)
    constants = np.column_stack([known, np.broadcast_to(context, (times.size, context.size))])
    weight = np.ascontiguousarray(model.weight_in, float)
    added: Array = np.einsum("te,he->th", constants, weight[:, weight.shape[1] - constants.shape[1] :])
    return np.asarray(added + np.asarray(model.bias_hidden, float)[0])


def evaluations(
    model: Perceptron, dim: int, times: Array, context: ArrayLike | None, dtype: np.dtype[Any],
    outputs: int | None = None,
) -> Evaluations:  # fmt: skip
    """The network at these times, checked: TypeError or ValueError that names the field that is wrong.

    outputs: how many there are, by default as many as inputs, dim.
    """
    results = dim if outputs is None else outputs
    depth, width = check.shape("model.bias_hidden", model.bias_hidden, 2)
    embedding = embedded(model, times[:1]).shape[1]
    condition = np.empty(0) if context is None else check.floats("context", context, 1).astype(float)
    shapes = {
        "weight_in": (width, dim + embedding + condition.size),
        "weight_hidden": (depth - 1, width, width),
        "weight_out": (results, width),
        "bias_hidden": (depth, width),
        "bias_out": (results,),
    }
    arrays = {}
    for name, shape in shapes.items():
        try:
            arrays[name] = check.shaped(f"model.{name}", getattr(model, name), dtype, shape)
        except ValueError as error:
            columns = f" (D = {dim}, {embedding} of the time, {condition.size} of the context)"
            raise ValueError(f"{error}{columns}" if name == "weight_in" else str(error)) from None
    bias_in = biases_in(model, times, condition)
    step = VECTOR_BYTES // dtype.itemsize

    def in_vectors(matrix: Array) -> Array:
        rows = padded(matrix, step)
        return aligned(rows).reshape(rows.shape)

    matrices = arrays["weight_in"][:, :dim], arrays["weight_hidden"], arrays["weight_out"]
    weights = [np.ascontiguousarray(matrix) for matrix in matrices]
    transposed = (in_vectors(w.swapaxes(-1, -2)) for w in weights)
    biases = bias_in.astype(dtype), arrays["bias_hidden"][1:], arrays["bias_out"]
    activation = check.choice("model.activation", model.activation, ACTIVATIONS)
    seen = np.repeat([[dim], [width]], max(width, dim, results), axis=1)
    return Evaluations._make([activation, *map(in_vectors, biases), *weights, *transposed, seen])


@jit_inline
def tile_space(net: Any, pitch: Any) -> Any:
    """How many numbers of scratch `on_tile` takes."""
    return 2 * net.weight_in.shape[0] * pitch


@jit_inline
def _upper_layers(net: Any, before: Any, after: Any, result: Any, pitch: Any) -> None:
    """All behind the sums of the first layer, which `before` holds."""
    (outputs, width), depth, code = net.weight_out.shape, net.weight_hidden.shape[0], net.activation
    units, seen = net.bias_in.shape[1], address(net.seen, net.seen.shape[1])
    weight, biases = address(net.weight_hidden, 0), address(net.bias_hidden, 0)
    activate(code, before, before, width * pitch)
    for k in range(depth):
        lines = moved(weight, k * width * width)
        product(lines, width, moved(biases, k * units), seen, before, after, pitch, width)
        activate(code, after, after, width * pitch)
        before, after = after, before
    lines, bias = address(net.weight_out, 0), address(net.bias_out, 0)
    product(lines, width, bias, seen, before, result, pitch, outputs)


@jit_inline
def on_tile(net: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """Evaluation `at` of the states of a tile (D, pitch), rows of the batch side by side in the lanes."""
    width, dim = net.weight_in.shape
    bias, seen = address(net.bias_in, at * net.bias_in.shape[1]), address(net.seen, 0)
    product(address(net.weight_in, 0), dim, bias, seen, source, space, pitch, width)
    _upper_layers(net, space, moved(space, width * pitch), result, pitch)


@jit_exact
def _spread_biases(biases: Any, first: Any, last: Any, width: Any, pitch: Any, target: Any) -> None:
    """Column j of a tile of `width` rows becomes row first + j of the biases, at most row `last`."""
    isolate()
    for j in range(pitch):
        row = min(first + j, last)
        for unit in range(width):
            put(target, unit * pitch + j, biases[row, unit])


@jit_inline
def on_window(net: Any, first: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """As `on_tile`, with evaluation first + j for column j; pitch: 4 vectors."""
    width, dim = net.weight_in.shape
    _spread_biases(net.bias_in, first, net.bias_in.shape[0] - 1, width, pitch, space)
    add_product(address(net.weight_in, 0), dim, source, space, pitch, width)
    _upper_layers(net, space, moved(space, width * pitch), result, pitch)


@jit_inline
def row_space(net: Any, pitch: Any) -> Any:
    """How many numbers of scratch `on_row` takes."""
    return 2 * net.bias_in.shape[1]


@jit_inline
def _copied(source: Any, target: Any, count: Any) -> Any:
    for at in range(0, count, lanes(source)):
        write(target, at, read(source, at))
    return target


@jit_inline
def on_row(net: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """Evaluation `at` of one state: D numbers in whole vectors, units side by side in the lanes."""
    (width, dim), depth = net.weight_in.shape, net.weight_hidden.shape[0]
    units, outputs, code = net.bias_in.shape[1], net.columns_out.shape[1], net.activation
    before, after, biases = space, moved(space, units), address(net.bias_hidden, 0)
    _copied(address(net.bias_in, at * units), before, units)
    add_all_columns(address(net.columns_in, 0), units, dim, source, before, units)
    activate(code, before, before, units)
    weight = address(net.columns_hidden, 0)
    for k in range(depth):
        _copied(moved(biases, k * units), after, units)
        add_all_columns(moved(weight, k * width * units), units, width, before, after, units)
        activate(code, after, after, units)
        before, after = after, before
    _copied(address(net.bias_out, 0), result, outputs)
    add_all_columns(address(net.columns_out, 0), outputs, width, before, result, outputs)


def _work(net: Evaluations) -> int:
    """A normal takes as long as 64 multiply-adds side by side."""
    return int(net.weight_in.size + net.weight_hidden.size + net.weight_out.size) // 64


ROWS = rows_of((on_tile, tile_space), (on_row, row_space))._replace(
    picard=picard_rows(on_window, tile_space), work=_work
)
