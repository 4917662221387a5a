"""Neural spline flow: monotonic rational-quadratic splines, with coupling or autoregressive conditioners.

Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows" (2019), arXiv 1906.04032: z_i = f_i(x_i), a
spline of B bins on [-bound, bound] and the identity beyond, its widths, heights and slopes made of features
before i by a network. `forward` takes D dependent steps in an autoregressive layer, and one in a coupling.
In the bin from (x_k, y_k) of width w and height h, with slopes d_k and d_k+1 at its ends, s = h / w and t =
(x - x_k) / w (equations 4 and 5):

    f(x) = y_k + h (s t^2 + d_k t (1 - t)) / q
    q = s + (d_k+1 + d_k - 2 s) t (1 - t)
    f'(x) = s^2 (d_k+1 t^2 + 2 s t (1 - t) + d_k (1 - t)^2) / q^2

log_det of `inverse` = sum over layers and features of log f'.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.layers import STRATEGIES
from seqgap.kernels._nets.made import hide, layout_of, masked_network, orders, random_network
from seqgap.kernels._nets.spline import MOST_SOFTPLUS_BINS, ROWS, SPLINES
from seqgap.kernels._nets.stacks import LayerFamily


class Params(NamedTuple):
    """L layers with networks of K hidden layers of H units, float64 or float32. Layer 0 is next to z.

    order[l, i] is the feature that comes i-th in layer l; the first kept[l] pass unchanged. A hidden unit of
    degree m sees the first m features and the units before it of degree at most m; the outputs for feature i
    of the order, counted from 0, see units of degree at most i. So degrees of kept[l] make a coupling, and
    kept[l] = 0 with degrees from 0 to D - 1 an autoregressive layer. C: as many features as are seen; S = D -
    min(kept). Degrees may come in any order; ascending ones save sorting.

    The P = 3 B - 1 outputs are B widths, B heights and B - 1 slopes; spline names how. softclip: softmax of
    u / (1 + |2 u / ln 1e-3|), and exp(u / (1 + |u / ln 1e-3|)); softplus: 1e-3 + (1 - 1e-3 B) softmax(u), and
    softplus(u) + 1e-3. The slope at the bounds is 1. activation, residual, context: as
    in maf.Params.
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
    residual: bool | str
    context: str | None = None
    weight_context: Array | None = None  # (L, T, H, C)
    bias_context: Array | None = None  # (L, T, H)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.order", self.order, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.bias_out", self.bias_out)

    @property
    def layout(self) -> dict[str, int]:
        """Layers, hidden layers of each, and units of those, as `random_params` names them."""
        return layout_of(self.bias_hidden)


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, coupling: bool = True, layers: int = 1, depth: int = 1,
    width: int = 128, bins: int = 8, activation: str = "relu", spline: str = "softplus", bound: float = 5.0,
    residual: bool | str = False, dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Well-conditioned layers of alternating order, weights from normals of `seed`.

    A coupling transforms the second half of the order, and the larger one if D is odd.
    """
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    layers, depth = check.count("layers", layers, 1), check.count("depth", depth, 1)
    width, bins = check.count("width", width, 1), check.count("bins", bins, 1)
    order = np.array([range(dim)[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)])
    kept = np.full(layers, dim // 2 if coupling else 0)
    cyclic = np.sort(np.arange(width) % max(1, dim - 1) + min(1, dim - 1))
    degrees = np.full((layers, depth, width), kept[0]) if coupling else np.tile(cyclic, (layers, depth, 1))
    columns = max(1, dim // 2) if coupling else dim
    key = key_of(seed, rng)
    weights = random_network((layers, depth, width), columns, dim - int(kept[0]), 3 * bins - 1, key, real)
    weights = weights if coupling else hide(degrees, weights)
    return Params(order, kept, degrees, *weights, activation, spline, bound, residual)


def _arrays(params: Params, dtype: np.dtype[Any], dim: int, strategy: str = STRATEGIES[0]) -> tuple[Any, ...]:
    order = orders(params.order, dim)
    layers, identity = len(order), check.integers("params.kept", params.kept, 1)
    if identity.shape != (layers,) or not 0 <= identity.min() <= identity.max() <= dim:
        raise ValueError(
            f"params.kept: expected {layers} integers from 0 to {dim}, got {identity.tolist()!r:.60}"
        )
    shapes = [np.shape(array) for array in (params.weight_in, params.bias_out)]
    if any(len(shape) != 3 for shape in shapes):
        raise ValueError(f"params.weight_in, params.bias_out: expected 3 dimensions, got shapes {shapes}")
    columns, outputs = shapes[0][2], shapes[1][2]
    if not 1 <= columns <= dim:
        raise ValueError(f"params.weight_in: expected 1 to {dim} columns, got {columns}")
    if outputs < 2 or outputs % 3 != 2:
        raise ValueError(f"params.bias_out: expected 3 B - 1 outputs for B bins, got {outputs}")
    spline = check.choice("params.spline", params.spline, SPLINES)
    if SPLINES[spline] == "softplus" and outputs // 3 + 1 > MOST_SOFTPLUS_BINS:
        raise ValueError(
            f"params.bias_out: expected at most {MOST_SOFTPLUS_BINS} softplus bins (each takes 1e-3),"
            f" got {outputs // 3 + 1}"
        )
    network = masked_network(params, dtype, layers, columns, dim - int(identity.min()), outputs)
    bound = check.positive("params.bound", params.bound)
    low, high = check.squarable(dtype)
    if not low <= bound <= high:
        raise ValueError(f"params.bound: expected {low:.3g} to {high:.3g} for {dtype}, got {bound}")
    return (order, identity, STRATEGIES.index(strategy), (spline, bound)), network


_family = LayerFamily(Params, _arrays, ROWS)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
