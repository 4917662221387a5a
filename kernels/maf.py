"""Masked autoregressive flow: layers z_i = scale_i x_i + shift_i, made of x before i by a masked network.

Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for density estimation" (2017), equations 3
to 5, with the scale of the density direction: their mu and alpha are -shift / scale and -log scale. The
network is a MADE (Germain, Gregor, Murray and Larochelle, 2015).

`forward`, the sampling direction, needs D dependent steps in each layer: x_i = (z_i - shift_i) / scale_i from
layer 0 on, log_det = -sum of log scale_i. `inverse` is one pass of the network with the same weights, layer 0
last. The strategies of `forward` have the same bits: incremental, the default, computes a hidden unit once,
when what it sees is known; naive makes D passes of the network; jacobi (Song et al., 2021) makes passes until
one changes nothing, at most D.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.affine import ROWS, masked_arrays, outputs_of
from seqgap.kernels._nets.made import hide, layout_of, random_network
from seqgap.kernels._nets.stacks import LayerFamily


class Params(NamedTuple):
    """L layers of MADE networks with K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    order[l, i] is the feature that comes i-th in layer l, so reversed and permuted layers are other orders.
    A hidden unit of degree m sees the first m features and the units before it of degree at most m; the
    outputs for feature i of the order, counted from 0, see units of degree at most i. Weights that join what
    does not see each other are not read. Degrees may come in any order; ascending ones save sorting.

    The P = 2 outputs are shift and u; scale names how u becomes the scale: softclip, exp(u / (1 + |u / ln
    1e-3|)); softplus, softplus(u) + 1e-3; sigmoid, 1 / (1 + exp(-u - 2)) + 1e-3; additive: 1, and P = 1;
    wide, softplus(u) + 1e-3, at most 3; log1, log2, log3: exp(N tanh(u / 2)) with N = 1, 2, 3.
    activation: relu, tanh, elu, silu, leaky_relu (0.01 u below 0), gelu (u / 2 (1 + erf(u / sqrt(2)))), selu,
    softplus (u itself above 20) or sigmoid.
    residual: K is odd; hidden layers 2 and 3, 4 and 5, ... are blocks h + W' a(W a(h) + b) + b' with
    activation a, and the output layer sees h itself; "direct": the blocks are h + W' a(W h + b) + b'.
    context: None, or how a context (C,) enters the biases of T hidden layers: added, activated, blocks or
    gated, as `_nets.context_tables` explains; a `Flow` takes contexts, and the functions of this module
    Params without.
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
    residual: bool | str
    context: str | None = None
    weight_context: Array | None = None  # (L, T, H, C)
    bias_context: Array | None = None  # (L, T, H)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.bias_out", self.bias_out, 3)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.bias_out", self.bias_out)

    @property
    def layout(self) -> dict[str, int]:
        """Layers, hidden layers of each, and units of those, as `random_params` names them."""
        return layout_of(self.bias_hidden)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, layers: int = 1, depth: int = 1, width: int = 128,
    activation: str = "relu", scale: str = "softclip", residual: bool | str = False,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers of alternating order with cyclic degrees, weights from normals of `seed`."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width = check.count("width", width, 1)
    order = np.array([range(dim)[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)])
    cyclic = np.sort(np.arange(width) % max(1, dim - 1) + min(1, dim - 1))
    degrees = np.broadcast_to(cyclic, (layers, depth, width)).copy()
    key = key_of(seed, rng)
    network = random_network((layers, depth, width), dim, dim, outputs_of(scale), key, real)
    return Params(order, degrees, *hide(degrees, network), activation, scale, residual)


_family = LayerFamily(Params, masked_arrays, ROWS)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
