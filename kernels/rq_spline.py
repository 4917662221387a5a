"""Neural spline flow: monotonic rational-quadratic splines, with coupling or autoregressive conditioners.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows" (2019), arXiv 1906.04032: z_i = f_i(x_i), a
spline of B bins on [-bound, bound] and the identity beyond, its widths, heights and slopes made of features
before i by a network. `forward` takes D dependent steps in an autoregressive layer, and one in a coupling.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._nets.layers import STRATEGIES, StackVerbs
from seqgap.kernels._nets.mlp import (
    choice,
    degrees_of,
    hide,
    orders,
    own,
    random_network,
    sorted_units,
    weights,
)  # fmt: skip
from seqgap.kernels._nets.spline import ROWS, SPLINES


class Params(NamedTuple):
    """L layers with networks of K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    order[l, i] is the feature that comes i-th in layer l; the first kept[l] pass unchanged. A hidden unit of
    degree m sees the first m features and the units before it of degree at most m; the outputs for feature i
    of the order, counted from 0, see units of degree at most i. So degrees of kept[l] make a coupling, and
    kept[l] = 0 with degrees from 0 to D - 1 an autoregressive layer. C: as many features as are seen; S = D -
    min(kept). Degrees may come in any order; ascending ones save sorting.

    The P = 3 B - 1 outputs are B widths, B heights and B - 1 slopes; spline names how. softclip: softmax of
    u / (1 + |2 u / ln 1e-3|), and exp(u / (1 + |u / ln 1e-3|)); softplus: 1e-3 + (1 - 1e-3 B) softmax(u), and
    softplus(u) + 1e-3. The slope at the bounds is 1. activation, residual: as in maf.Params.
    """

    order: Array  # (L, D) integers
    kept: Array  # (L,) integers from 0 to D
    degrees: Array  # (L, K, H) integers from 0 to C
    weight_in: Array  # (L, H, C), columns in the layer's order
    weight_hidden: Array  # (L, K - 1, H, H), rows see columns
    weight_out: Array  # (L, S, P, H), transformed features in the layer's order
    bias_hidden: Array  # (L, K, H)
    bias_out: Array  # (L, S, P)
    activation: str
    spline: str
    bound: float
    residual: bool


def random_params(
    dim: int, seed: int, *, coupling: bool = True, layers: int = 1, depth: int = 1, width: int = 128,
    bins: int = 8, activation: str = "relu", spline: str = "softplus", bound: float = 5.0,
    residual: bool = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers of alternating order, weights from normals of `seed`.

    A coupling transforms the second half of the order, and the larger one if D is odd.
    """
    dim, kind = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width, bins = check.count("width", width, 1), check.count("bins", bins, 1)
    order = np.array([range(dim)[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)])
    kept = np.full(layers, dim // 2 if coupling else 0)
    cyclic = np.sort(np.arange(width) % max(1, dim - 1) + min(1, dim - 1))
    degrees = np.full((layers, depth, width), kept[0]) if coupling else np.tile(cyclic, (layers, depth, 1))
    columns = max(1, dim // 2) if coupling else dim
    made = random_network((layers, depth, width), columns, dim - int(kept[0]), 3 * bins - 1, seed, kind)
    made = made if coupling else hide(degrees, made)
    return Params(order, kept, degrees, *made, activation, spline, bound, residual)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = "incremental") -> tuple[Any, ...]:
    check.instance("params", params, Params)
    order = orders(params.order, dim)
    layers, kept = len(order), own(check.integers("params.kept", params.kept, 1))
    if kept.shape != (layers,) or not 0 <= kept.min() <= kept.max() <= dim:
        raise ValueError(
            f"params.kept: expected {layers} integers from 0 to {dim}, got {kept.tolist()!r:.60}"
        )
    sizes = [np.shape(array) for array in (params.weight_in, params.bias_out)]
    if any(len(size) != 3 for size in sizes):
        raise ValueError(f"params.weight_in, params.bias_out: expected 3 dimensions, got shapes {sizes}")
    columns, outputs = sizes[0][2], sizes[1][2]
    if not 1 <= columns <= dim:
        raise ValueError(f"params.weight_in: expected 1 to {dim} columns, got {columns}")
    if outputs < 2 or outputs % 3 != 2:
        raise ValueError(f"params.bias_out: expected 3 B - 1 outputs for B bins, got {outputs}")
    degrees = degrees_of(params, layers, columns)
    ascending = sorted_units(params._replace(degrees=degrees))
    made = weights(ascending, dtype, layers, columns, dim - int(kept.min()), outputs)
    chosen, spline = choice("strategy", strategy, STRATEGIES), choice("params.spline", params.spline, SPLINES)
    bound = check.positive("params.bound", params.bound)
    return order, kept, ascending.degrees, *made, chosen, spline, bound


_verbs = StackVerbs(_arrays, ROWS)


def forward(
    z: ArrayLike, params: Params, *, strategy: str = "incremental", out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data: (x, log_det), shapes (N, D) and (N,), dtype of z.

    x_i is the inverse spline of z_i, from layer 0 on, by D dependent steps in each autoregressive layer and
    one in a coupling; log_det = -sum of the logarithms of its slopes. strategy: as in `maf.forward`. z: (N,
    D), float64 or float32 (integers become float64). Raises TypeError or ValueError for wrong arguments.
    """
    return _verbs.forward(z, params, out, threads, strategy)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent, one pass of each network: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_i is the spline of x_i, layer 0 last; log_det = sum of the logarithms of its slopes. Errors as in
    `forward`.
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
    dim = check.count("params.order features", check.integers("params.order", params.order, 2).shape[1], 1)
    dtype = FLOAT32 if bias.dtype == FLOAT32 else FLOAT64
    return _verbs.sample(n, dim, dtype, params, seed, first_row, out, threads)
