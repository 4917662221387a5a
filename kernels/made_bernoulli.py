"""Autoregressive bits: p(x) = product over d of p(x_d | x before d), with logits made by a masked network.

Germain, Gregor, Murray and Larochelle, "MADE: masked autoencoder for distribution estimation" (2015),
equations 4 to 6: the logit of a bit is an output of a network that sees the bits before it in `order`. All
logits of given bits are one pass of the network, so `log_prob` is parallel; `sample` takes D dependent steps,
each of which computes the hidden units that wait for its bit alone: the discrete counterpart of
`maf`, with the same weights and multiply-adds in either direction.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import lanes, number, select
from seqgap.kernels._core.summary import summary
from seqgap.kernels._core.vecmath import sigmoid, softplus
from seqgap.kernels._nets.bits import STREAM, UINT8, batch_of_bits, rows_at_a_time, to_uniforms
from seqgap.kernels._nets.dense import read, write
from seqgap.kernels._nets.layers import Layers, incremental_layer, parallel_layer, stack
from seqgap.kernels._nets.made import hide, masked_network, orders, random_network

_STRENGTH = 4.0  # of random logits beside random shifts of flows, so that bits hang on each other


class Params(NamedTuple):
    """A MADE network with K hidden layers of H units, float64 or float32.

    order[i] is the bit that comes i-th. A hidden unit of degree m sees the first m bits of the order and the
    units before it of degree at most m; the logit of bit i of the order, counted from 0, sees units of degree
    at most i. Weights that join what does not see each other are not read. activation, residual: as in
    `maf.Params`.
    """

    order: Array  # (D,) integers
    degrees: Array  # (K, H) integers from 0 to D
    weight_in: Array  # (H, D), columns in the order
    weight_hidden: Array  # (K - 1, H, H), rows see columns
    weight_out: Array  # (D, H), bits in the order
    bias_hidden: Array  # (K, H)
    bias_out: Array  # (D,), in the order
    activation: str
    residual: bool | str

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.bias_out", self.bias_out, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.bias_out", self.bias_out)

    @property
    def layout(self) -> dict[str, int]:
        """Hidden layers, and units of each, as `random_params` names them."""
        depth, width = check.shape("params.bias_hidden", self.bias_hidden, 2)
        return {"depth": depth, "width": width}


Params.__repr__ = summary  # type: ignore[method-assign]  # mypy takes it for one that is bound


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, depth: int = 1, width: int = 128,
    activation: str = "relu", residual: bool | str = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Bits in their own order with cyclic degrees, weights from normals of `seed`, logits of size 1."""
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), key_of(seed, rng)
    depth, width = check.count("depth", depth, 1), check.count("width", width, 1)
    cyclic = np.sort(np.arange(width) % max(1, dim - 1) + min(1, dim - 1))
    degrees = np.broadcast_to(cyclic, (1, depth, width)).copy()
    network = hide(degrees, random_network((1, depth, width), dim, dim, 1, key, real))
    weight_in, weight_hidden, weight_out, bias_hidden, bias_out = (weights[0] for weights in network)
    weight_out = real.type(_STRENGTH) * weight_out[:, 0]
    weights = weight_in, weight_hidden, weight_out, bias_hidden, bias_out[:, 0]
    return Params(np.arange(dim), degrees[0], *weights, activation, residual)


def _arrays(params: Any) -> tuple[Any, ...]:
    """The checked layer and network, in the order of `Layers` and `Network`."""
    check.instance("params", params, Params)
    dim, stacked = params.dim, _stacked(params)
    layers = Layers(orders(stacked.order, dim), np.zeros(1, np.int64), 0, (0, 0.0))
    return tuple(layers), masked_network(stacked, params.dtype, 1, dim, dim, 1)


def _stacked(params: Params) -> Params:
    """The fields as those of a stack of one layer, with one output for each bit."""
    depth, width = check.shape("params.bias_hidden", params.bias_hidden, 2)
    shapes = {
        "order": (params.dim,),
        "degrees": (depth, width),
        "weight_in": (width, params.dim),
        "weight_hidden": (depth - 1, width, width),
        "weight_out": (params.dim, width),
        "bias_hidden": (depth, width),
        "bias_out": (params.dim,),
    }
    fields: dict[str, Any] = {name: check.asarray(f"params.{name}", getattr(params, name)) for name in shapes}
    for name, shape in shapes.items():
        if fields[name].shape != shape:
            raise ValueError(f"params.{name}: expected shape {shape}, got {fields[name].shape}")
        fields[name] = fields[name][None, :, None] if name.endswith("_out") else fields[name][None]
    return params._replace(**fields)


@jit_exact
def _draw(
    form: Any, parameters: Any, outputs: Any, pitch: Any, feature: Any, result: Any, log_det: Any
) -> None:
    """Of uniforms: 1 where they are below the probability."""
    isolate()
    one, zero = number(feature, 1), number(feature, 0)
    for at in range(0, pitch, lanes(feature)):
        write(result, at, select(read(feature, at) < sigmoid(read(parameters, at)), one, zero))


@jit_exact
def _score(
    form: Any, parameters: Any, outputs: Any, pitch: Any, feature: Any, result: Any, log_det: Any
) -> None:
    """Of bits: log p is minus softplus of the logit of a 0, and of minus that of a 1."""
    isolate()
    half = number(feature, 0.5)
    for at in range(0, pitch, lanes(feature)):
        logit = read(parameters, at)
        against = select(read(feature, at) > half, -logit, logit)
        write(log_det, at, read(log_det, at) - softplus(against))


_draw_rows, _score_rows = stack(incremental_layer(_draw)), stack(parallel_layer(_score))


@jit_exact
def _sample_rows(
    lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, layers: Any, network: Any
) -> None:  # fmt: skip
    isolate()
    dim, size, weight = x.shape[1], rows_at_a_time(hi - lo, x.shape[1]), network[1]
    words, uniforms = np.empty((size, dim), np.uint32), np.empty((size, dim), weight.dtype)
    bits, unused = np.empty((size, dim), weight.dtype), np.empty(size, weight.dtype)
    for start in range(lo, hi, size):
        count = min(size, hi - start)
        fill(words[:count], first_row + start, seed, STREAM)
        to_uniforms(words.ravel(), uniforms.ravel())
        _draw_rows(0, count, uniforms, bits, unused, layers, network)
        x[start : start + count] = bits[:count]


@jit_exact
def _log_prob_rows(lo: Any, hi: Any, x: Any, density: Any, layers: Any, network: Any) -> None:
    isolate()
    dim, size, weight = x.shape[1], rows_at_a_time(hi - lo, x.shape[1]), network[1]
    bits, nothing = np.empty((size, dim), weight.dtype), np.empty((size, 0), weight.dtype)
    sums = np.empty(size, weight.dtype)
    for start in range(lo, hi, size):
        count = min(size, hi - start)
        bits[:count] = x[start : start + count]
        _score_rows(0, count, bits, nothing, sums, layers, network)
        density[start : start + count] = sums[:count]


_log_prob, _sample = RowKernel(_log_prob_rows, WORTH_HEAVY), RowKernel(_sample_rows, WORTH_HEAVY)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x), the sum of x_d logit_d - log(1 + exp(logit_d)), shape (N,), in float64.

    The network and the sum are in the dtype of params. x: (N, D), integers or bools that are 0 or 1. Raises
    TypeError or ValueError for wrong arguments, naming them.
    """
    arrays = _arrays(params)
    bits, threads = batch_of_bits("x", x, params.dim), check.threads(threads)
    density = np.empty(len(bits))
    _log_prob(threads, *bits.shape, bits, density, *arrays)
    return density


def sample(
    n: int, params: Params, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
    out: Array | None = None, threads: int = 1,
) -> Array:  # fmt: skip
    """Rows of bits, (n, D), uint8, each bit drawn after those before it in the order.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts: a row depends on its number
    and `seed` alone. Bit d is 1 where w / 2**32 < sigmoid(logit_d), with the words w of `bernoulli.sample`.
    seed: 0 <= seed < 2**64. rng instead, as in SPEC 7: an integer, SeedSequence, BitGenerator or Generator,
    of which one seed is drawn; with neither the sample is another one each time. Raises TypeError or
    ValueError for wrong arguments.
    """
    arrays, n, key = _arrays(params), check.count("n", n), key_of(seed, rng)
    row, threads = check.first_row(first_row, n), check.threads(threads)
    x = check.output(out, UINT8, (n, params.dim), params=params)
    _sample(threads, *x.shape, x, row, key, *arrays)
    return x
