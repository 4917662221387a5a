"""Masked autoregressive flow: layers z_i = scale_i x_i + shift_i, made of x before i by a masked network.

Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for density estimation" (2017), equations 3
to 5, with the scale of the density direction: their mu and alpha are -shift / scale and -log scale. The
network is a MADE (Germain, Gregor, Murray and Larochelle, 2015). `forward`, the sampling direction, needs D
dependent steps in each layer; `inverse` is one pass of the network with the same weights.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._nets.affine import ROWS, masked_arrays, outputs_of
from seqgap.kernels._nets.layers import StackVerbs
from seqgap.kernels._nets.mlp import hide, random_network


class Params(NamedTuple):
    """L layers of MADE networks with K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    order[l, i] is the feature that comes i-th in layer l, so reversed and permuted layers are other orders.
    A hidden unit of degree m sees the first m features and the units before it of degree at most m; the
    outputs for feature i of the order, counted from 0, see units of degree at most i. Weights that join what
    does not see each other are not read. Degrees may come in any order; ascending ones save sorting.

    The P = 2 outputs are shift and u; scale names how u becomes the scale: softclip, exp(u / (1 + |u / ln
    1e-3|)); softplus, softplus(u) + 1e-3; sigmoid, 1 / (1 + exp(-u - 2)) + 1e-3; additive: 1, and P = 1.
    activation: relu, tanh, elu or silu. residual: K is odd; hidden layers 2 and 3, 4 and 5, ... are blocks
    h + W' a(W a(h) + b) + b' with activation a, and the output layer sees h itself.
    """

    order: Array  # (L, D) integers
    degrees: Array  # (L, K, H) integers from 0 to D
    weight_in: Array  # (L, H, D), columns in the layer's order
    weight_hidden: Array  # (L, K - 1, H, H), rows see columns
    weight_out: Array  # (L, D, P, H), features in the layer's order
    bias_hidden: Array  # (L, K, H)
    bias_out: Array  # (L, D, P)
    activation: str
    scale: str
    residual: bool


def random_params(
    dim: int, seed: int, *, layers: int = 1, depth: int = 1, width: int = 128, activation: str = "relu",
    scale: str = "softclip", residual: bool = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers of alternating order with cyclic degrees, weights from normals of `seed`."""
    dim, kind = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width = check.count("width", width, 1)
    order = np.array([range(dim)[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)])
    cyclic = np.sort(np.arange(width) % max(1, dim - 1) + min(1, dim - 1))
    degrees = np.broadcast_to(cyclic, (layers, depth, width)).copy()
    made = random_network((layers, depth, width), dim, dim, outputs_of(scale), seed, kind)
    return Params(order, degrees, *hide(degrees, made), activation, scale, residual)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = "incremental") -> tuple[Any, ...]:
    check.instance("params", params, Params)
    return masked_arrays(params, dtype, dim, strategy)


_verbs = StackVerbs(_arrays, ROWS)


def forward(
    z: ArrayLike, params: Params, *, strategy: str = "incremental", out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data, D dependent steps in each layer: (x, log_det), shapes (N, D) and (N,), dtype of z.

    x_i = (z_i - shift_i) / scale_i from layer 0 on; log_det = -sum of log scale_i. strategy, the same bits
    from each: incremental computes a hidden unit once, when what it sees is known; naive makes D passes of
    the network; jacobi (Song et al., 2021) makes passes until one changes nothing, at most D. z: (N, D),
    float64 or float32 (integers become float64). Raises TypeError or ValueError for wrong arguments.
    """
    return _verbs.forward(z, params, out, threads, strategy)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent, one pass of each network: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_i = scale_i x_i + shift_i, layer 0 last; log_det = sum of log scale_i. Errors as `forward`.
    """
    return _verbs.inverse(x, params, out, threads)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x; errors as `forward`."""
    return _verbs.log_prob(x, params, threads)


def sample(
    n: int, params: Params, seed: int, *, first_row: int = 0, out: Array | None = None, threads: int = 1
) -> Array:
    """`forward` of the normals of `seed`, drawn on the way: (n, D), dtype of params.bias_out.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. Errors as `forward`.
    """
    check.instance("params", params, Params)
    bias = check.floats("params.bias_out", params.bias_out, 3)
    dim = check.count("params.bias_out features", bias.shape[1], 1)
    dtype = FLOAT32 if bias.dtype == FLOAT32 else FLOAT64
    return _verbs.sample(n, dim, dtype, params, seed, first_row, out, threads)
