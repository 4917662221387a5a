"""RealNVP: affine coupling layers, z_a = x_a, z_b = scale x_b + shift, made of x_a by a perceptron.

Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP" (2017), equations 7 to 9. With scale =
"additive" it is NICE (Dinh, Krueger and Bengio, 2014). Both directions take one pass of each network.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._nets.affine import ROWS, SCALES, outputs_of
from seqgap.kernels._nets.layers import StackVerbs
from seqgap.kernels._nets.mlp import choice, own, random_network, weights


class Params(NamedTuple):
    """L couplings with networks of K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    A layer keeps the features with mask True; its network sees them, in ascending order, and makes P = 2
    numbers, shift and u, for each of the others, in ascending order. A and B: the largest numbers of features
    that a layer keeps, at least 1, and transforms; columns and rows beyond those of a layer are not read.
    scale: how u becomes the scale, as in maf.Params; additive has P = 1. activation, residual: as there.
    """

    masks: Array  # (L, D) bool, True = kept
    weight_in: Array  # (L, H, A)
    weight_hidden: Array  # (L, K - 1, H, H), rows see columns
    weight_out: Array  # (L, B, P, H)
    bias_hidden: Array  # (L, K, H)
    bias_out: Array  # (L, B, P)
    activation: str
    scale: str
    residual: bool


def random_params(
    dim: int, seed: int, *, layers: int = 2, depth: int = 1, width: int = 128, activation: str = "relu",
    scale: str = "softclip", residual: bool = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers with alternating masks, weights from normals of `seed`."""
    dim, kind = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width = check.count("width", width, 1)
    masks = (np.arange(dim) + np.arange(layers)[:, None]) % 2 == 0
    columns, features = max(1, int(masks.sum(1).max())), int((~masks).sum(1).max())
    made = random_network((layers, depth, width), columns, features, outputs_of(scale), seed, kind)
    return Params(masks, *made, activation, scale, residual)


@jit_exact
def _sides(masks: Any) -> Any:
    """(order, kept): the kept features first, both sides ascending, and how many are kept."""
    layers, dim = masks.shape
    order, kept = np.empty((layers, dim), np.int64), np.zeros(layers, np.int64)
    for layer in range(layers):
        for kept_side in (True, False):
            for feature in range(dim):
                if masks[layer, feature] == kept_side:
                    order[layer, kept[layer]] = feature
                    kept[layer] += 1
        kept[layer] = masks[layer].sum()
    return order, kept


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    check.instance("params", params, Params)
    masks = own(check.bools("params.masks", params.masks))
    if masks.ndim != 2 or masks.shape[0] == 0 or masks.shape[1] != dim:
        raise ValueError(f"params.masks: expected shape (L, {dim}) with L at least 1, got {masks.shape}")
    scale = choice("params.scale", params.scale, SCALES)
    order, kept = _sides(masks)
    columns, features = max(1, int(kept.max())), dim - int(kept.min())
    made = weights(params, dtype, len(masks), columns, features, outputs_of(params.scale))
    degrees = np.empty(made[3].shape, np.int64)
    degrees[:] = kept[:, None, None]
    return order, kept, degrees, *made, 0, scale, 0.0


_verbs = StackVerbs(_arrays, ROWS)


def forward(
    z: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data, one pass of each network: (x, log_det), shapes (N, D) and (N,), dtype of z.

    x_b = (z_b - shift) / scale, x_a = z_a, from layer 0 on; log_det = -sum of log scale. z: (N, D),
    float64 or float32 (integers become float64). Raises TypeError or ValueError for wrong arguments.
    """
    return _verbs.forward(z, params, out, threads)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent, one pass of each network: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_b = scale x_b + shift, z_a = x_a, layer 0 last; log_det = sum of log scale. Errors as `forward`.
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
    masks = check.asarray("params.masks", params.masks)
    if masks.ndim != 2:
        raise ValueError(f"params.masks: expected 2 dimensions, got shape {masks.shape}")
    dim = check.count("params.masks columns", masks.shape[1], 1)
    dtype = FLOAT32 if bias.dtype == FLOAT32 else FLOAT64
    return _verbs.sample(n, dim, dtype, params, seed, first_row, out, threads)
