"""RealNVP: affine coupling layers, z_a = x_a, z_b = scale x_b + shift, made of x_a by a perceptron.

Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP" (2017), equations 7 to 9. With scale =
"additive" it is NICE (Dinh, Krueger and Bengio, 2014). Both directions take one pass of each network.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.affine import ROWS, SCALES, outputs_of
from seqgap.kernels._nets.context_tables import tables_of
from seqgap.kernels._nets.made import layout_of, network, random_network, sizes


class Params(NamedTuple):
    """L couplings with networks of K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    A layer keeps the features with mask True; its network sees them, in ascending order, and makes P = 2
    numbers, shift and u, for each of the others, in ascending order. A and B: the largest numbers of features
    that a layer keeps, at least 1, and transforms; columns and rows beyond those of a layer are not read.
    scale: how u becomes the scale, as in maf.Params; additive has P = 1. activation, residual,
    context: as there.
    """

    masks: Array  # (L, D) bool, True = kept
    weight_in: Array  # (L, H, A)
    weight_hidden: Array  # (L, K - 1, H, H), rows see columns
    weight_out: Array  # (L, B, P, H)
    bias_hidden: Array  # (L, K, H)
    bias_out: Array  # (L, B, P)
    activation: str
    scale: str
    residual: bool | str
    context: str | None = None
    weight_context: Array | None = None  # (L, T, H, C)
    bias_context: Array | None = None  # (L, T, H)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.masks", self.masks, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.bias_out", self.bias_out)

    @property
    def layout(self) -> dict[str, int]:
        """Layers, hidden layers of each, and units of those, as `random_params` names them."""
        return layout_of(self.bias_hidden)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, layers: int = 2, depth: int = 1, width: int = 128,
    activation: str = "relu", scale: str = "softclip", residual: bool | str = False,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers with alternating masks, weights from normals of `seed`."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width = check.count("width", width, 1)
    masks = (np.arange(dim) + np.arange(layers)[:, None]) % 2 == 0
    columns, features = max(1, int(masks.sum(1).max())), int((~masks).sum(1).max())
    key = key_of(seed, rng)
    weights = random_network((layers, depth, width), columns, features, outputs_of(scale), key, real)
    return Params(masks, *weights, activation, scale, residual)


@jit_exact
def _sides(masks: Any) -> Any:
    """(order, identity): the features that pass first, both sides ascending, and how many pass."""
    layers, dim = masks.shape
    order, identity = np.empty((layers, dim), np.int64), np.zeros(layers, np.int64)
    for layer in range(layers):
        for side in (True, False):
            for feature in range(dim):
                if masks[layer, feature] == side:
                    order[layer, identity[layer]] = feature
                    identity[layer] += 1
        identity[layer] = masks[layer].sum()
    return order, identity


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    masks = check.masks("params.masks", params.masks, dim)
    variant = check.choice("params.scale", params.scale, SCALES)
    order, identity = _sides(masks)
    columns, features = max(1, int(identity.max())), dim - int(identity.min())
    degrees = np.empty(sizes(params, len(masks)), np.int64)
    degrees[:] = identity[:, None, None]
    networks = network(params, degrees, dtype, columns, features, outputs_of(params.scale))
    return (order, identity, 0, (variant, 0.0)), networks


_family = Family(Params, _arrays, ROWS.by_feature, ROWS.at_once, WORTH_HEAVY, ROWS.few, tables_of)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
