"""Stacks of layers with masked networks, one value at a time; what the neural flows share."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from seqgap.reference._family import Family
from seqgap.reference._plain import Matrix, Vector, exp
from seqgap.reference.normal import standard_normal

P = TypeVar("P")  # the family's Params
# (parameters of the transform, value) -> (value, log_det)
Transform: TypeAlias = Callable[[Vector, float], tuple[float, float]]
# weight_in (L, H, C), weight_hidden (L, K - 1, H, H), weight_out (L, S, P, H), bias_hidden (L, K, H) and
# bias_out (L, S, P) of L networks of K hidden layers of H units
Weights: TypeAlias = tuple[list[Matrix], list[list[Matrix]], list[list[Matrix]], list[Matrix], list[Matrix]]


def sigmoid(u: float) -> float:
    """1 / (1 + exp(-u))."""
    return 1 / (1 + exp(-u))


def gelu(u: float) -> float:
    """u / 2 * (1 + erf(u / sqrt(2))), at -inf its limit."""
    return -0.0 if u == -math.inf else 0.5 * u * math.erfc(-u / math.sqrt(2))


def softplus(u: float) -> float:
    """log(1 + exp(u)), and u itself above 20."""
    return u if u > 20 else math.log1p(exp(u))


def selu(u: float) -> float:
    """1.0507 u above 0, 1.7581 (exp(u) - 1) below."""
    return 1.0507009873554805 * (u if u > 0 else 1.6732632423543772 * math.expm1(u))


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "relu": lambda u: 0.0 if u < 0 else u,
    "tanh": math.tanh,
    "elu": lambda u: u if u > 0 else math.expm1(u),
    "silu": lambda u: u * sigmoid(u),
    "leaky_relu": lambda u: 0.01 * u if u < 0 else u,
    "gelu": gelu,
    "selu": selu,
    "softplus": softplus,
    "sigmoid": sigmoid,
}


class Layer(NamedTuple):
    """A layer: its order of the features, of which the first `identity` pass as they are, and its network."""

    order: list[int]  # (D,)
    identity: int
    degrees: list[list[int]]  # (K, H)
    weight_in: Matrix  # (H, C)
    weight_hidden: list[Matrix]  # (K - 1, H, H)
    weight_out: list[Matrix]  # (S, P, H)
    bias_hidden: Matrix  # (K, H)
    bias_out: Matrix  # (S, P)
    activation: str
    residual: bool | str


def layers_of(
    params: Any, orders: list[list[int]], identity: Sequence[int], degrees: list[list[list[int]]]
) -> list[Layer]:
    """The layers of `params`, in its order; those with a context come from `_contexts.conditioned`."""
    p = params
    if getattr(p, "context", None) is not None:
        raise ValueError(f"params.context: expected None, got {p.context!r}")
    networks = zip(p.weight_in, p.weight_hidden, p.weight_out, p.bias_hidden, p.bias_out, strict=True)
    return [
        Layer(*before, *network, p.activation, p.residual)
        for before, network in zip(zip(orders, identity, degrees, strict=True), networks, strict=True)
    ]


class Conditioner:
    """The network of a layer over `features`, in its order; a unit is computed once, when it is needed."""

    def __init__(self, layer: Layer, features: Vector) -> None:
        self._layer, self._features = layer, features
        self._units: dict[tuple[int, int], tuple[float, float]] = {}

    def theta(self, i: int) -> Vector:
        """The parameters of the transform of feature i, from the units of degree at most i."""
        layer, last = self._layer, len(self._layer.degrees) - 1
        seen = [(j, self._unit(last, j)[1]) for j, degree in enumerate(layer.degrees[last]) if degree <= i]
        rows, biases = layer.weight_out[i - layer.identity], layer.bias_out[i - layer.identity]
        return [
            bias + sum(row[j] * value for j, value in seen) for row, bias in zip(rows, biases, strict=True)
        ]

    def _unit(self, k: int, j: int) -> tuple[float, float]:
        """Unit j of hidden layer k: (before its activation, as the next layer sees it)."""
        if (k, j) not in self._units:
            self._units[k, j] = self._computed(k, j)
        return self._units[k, j]

    def _computed(self, k: int, j: int) -> tuple[float, float]:
        layer, degree = self._layer, self._layer.degrees[k][j]
        if k == 0:
            seen = list(zip(layer.weight_in[j][:degree], self._features, strict=False))
        else:
            weights, degrees = layer.weight_hidden[k - 1][j], layer.degrees[k - 1]
            seen = [
                (w, self._unit(k - 1, m)[1])
                for m, (w, below) in enumerate(zip(weights, degrees, strict=True))
                if below <= degree
            ]
        value = layer.bias_hidden[k][j] + sum(w * x for w, x in seen)
        if layer.residual and k > 0 and k % 2 == 0:  # the end of a block
            value += self._unit(k - 2, j)[0]
        plain = layer.residual and (
            k == len(layer.degrees) - 1 or (layer.residual == "direct" and k % 2 == 0)
        )
        return value, value if plain else ACTIVATIONS[layer.activation](value)


def stack_family(
    layers: Callable[[P], list[Layer]],
    transforms: Callable[[P], tuple[Transform, Transform]],
    dim: Callable[[P], int],
) -> Family[P]:
    """The flow of the layers, the first next to z; transforms: of one feature, latent to data and back."""

    def to_data(z: Vector, params: P) -> tuple[Vector, float]:
        return _run(z, layers(params), transforms(params)[0], sequential=True)

    def to_latent(x: Vector, params: P) -> tuple[Vector, float]:
        return _run(x, layers(params)[::-1], transforms(params)[1], sequential=False)

    return Family(to_data, to_latent, dim)


def _run(row: Vector, layers: list[Layer], transform: Transform, sequential: bool) -> tuple[Vector, float]:
    log_det = 0.0
    for layer in layers:
        row, added = _through(row, layer, transform, sequential)
        log_det += added
    return row, log_det


def _through(row: Vector, layer: Layer, transform: Transform, sequential: bool) -> tuple[Vector, float]:
    """A feature depends on those before it: as the layer returns them (sequential), or as they came."""
    source = [row[i] for i in layer.order]
    target, log_det = source[: layer.identity], 0.0
    conditioner = Conditioner(layer, target if sequential else source)
    for i in range(layer.identity, len(source)):
        value, added = transform(conditioner.theta(i), source[i])
        target.append(value)
        log_det += added
    features = dict(zip(layer.order, target, strict=True))
    return [features[i] for i in range(len(row))], log_det


def alternating(dim: int, layers: int) -> list[list[int]]:
    """Orders of layers, every other one reversed."""
    return [list(range(dim))[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)]


def cyclic(dim: int, width: int) -> list[int]:
    """Degrees 1 to D - 1 in turn, sorted."""
    return sorted(j % max(1, dim - 1) + min(1, dim - 1) for j in range(width))


def random_network(
    shape: tuple[int, int, int], columns: int, features: int, outputs: int, seed: int
) -> Weights:
    """Networks of shape (L, K, H) from normals of `seed`; in float64 whatever the dtype."""
    layers, depth, width = shape

    def draw(stream: int, size: float, *sizes: int) -> Any:
        rows = standard_normal(math.prod(sizes[:-1]), sizes[-1], seed, stream=stream)
        return _nested([[size * value for value in row] for row in rows], sizes[:-1])

    inner = 1 / math.sqrt(width)
    weight_out = draw(3, 0.3 * inner, layers, features, outputs * width)
    return (
        draw(1, 1 / math.sqrt(columns), layers, width, columns),
        draw(2, inner, layers, depth - 1, width, width),
        [[_nested(row, (outputs, width)) for row in layer] for layer in weight_out],
        draw(4, 0.5, layers, depth, width),
        draw(5, 0.3, layers, features, outputs),
    )


def masked(network: Weights, degrees: list[int]) -> Weights:
    """`network` with 0 for the weights that are not read; degrees: (H,), those of every hidden layer."""
    weight_in, weight_hidden, weight_out, bias_hidden, bias_out = network
    columns = range(1, len(weight_in[0][0]) + 1)
    return (
        [_seen(rows, columns, degrees) for rows in weight_in],
        [[_seen(rows, degrees, degrees) for rows in layer] for layer in weight_hidden],
        [[_seen(rows, degrees, [i] * len(rows)) for i, rows in enumerate(layer)] for layer in weight_out],
        bias_hidden,
        bias_out,
    )


def _seen(rows: Matrix, below: Sequence[int], above: Sequence[int]) -> Matrix:
    """`rows` with 0 where the degree of the column, in `below`, is more than that of the row, in `above`."""
    return [
        [weight if b <= a else 0.0 * weight for weight, b in zip(row, below, strict=True)]
        for row, a in zip(rows, above, strict=True)
    ]


def _nested(flat: list[Any], sizes: tuple[int, ...]) -> list[Any]:
    """A list of prod(sizes) items as nested lists."""
    for size in reversed(sizes[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)] if size else [[]] * sizes[0]
    return flat
