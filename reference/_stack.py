"""Stacks of layers with masked networks, one value at a time; what the neural flows share."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from seqgap.reference._plain import Matrix, Vector, exp
from seqgap.reference.normal import standard_normal

Transform: TypeAlias = Callable[[Vector, float], tuple[float, float]]  # (numbers, value) -> (value, log_det)

# weight_in, weight_hidden, weight_out, bias_hidden, bias_out
Weights: TypeAlias = tuple[list[Matrix], list[list[Matrix]], list[list[Matrix]], list[Matrix], list[Matrix]]


def sigmoid(u: float) -> float:
    """1 / (1 + exp(-u))."""
    return 1 / (1 + exp(-u))


def softplus(u: float) -> float:
    """log(1 + exp(u)), NaN of NaN."""
    return (0.0 if u < 0 else u) + math.log1p(exp(-abs(u)))


_ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "relu": lambda u: 0.0 if u < 0 else u,
    "tanh": math.tanh,
    "elu": lambda u: u if u > 0 else math.expm1(u),
    "silu": lambda u: u * sigmoid(u),
}


class Layer(NamedTuple):
    """One layer: which features it keeps, in which order the others come, and its network."""

    order: list[int]  # (D,)
    kept: int
    degrees: list[list[int]]  # (K, H)
    weight_in: Matrix  # (H, C)
    weight_hidden: list[Matrix]  # (K - 1, H, H)
    weight_out: list[Matrix]  # (S, P, H)
    bias_hidden: Matrix  # (K, H)
    bias_out: Matrix  # (S, P)
    activation: str
    residual: bool


def layers_of(
    params: Any, orders: Sequence[list[int]], kept: Sequence[int], degrees: Sequence[list[list[int]]]
) -> list[Layer]:
    """The layers of `params`, in its order."""
    return [
        Layer(
            orders[k], kept[k], degrees[k], params.weight_in[k], params.weight_hidden[k],
            params.weight_out[k],
            params.bias_hidden[k], params.bias_out[k], params.activation, params.residual,
        )
        for k in range(len(orders))
    ]  # fmt: skip


class Conditioner:
    """The network of a layer over `known`, its features in order; each unit is computed once, when needed."""

    def __init__(self, layer: Layer, known: Vector) -> None:
        self._layer, self._known = layer, known
        self._units: dict[tuple[int, int], tuple[float, float]] = {}

    def numbers(self, i: int) -> Vector:
        """The outputs for feature i, of the units of degree at most i."""
        layer, last = self._layer, len(self._layer.degrees) - 1
        seen = [(j, self._unit(last, j)[1]) for j, degree in enumerate(layer.degrees[last]) if degree <= i]
        rows, biases = layer.weight_out[i - layer.kept], layer.bias_out[i - layer.kept]
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
            seen = list(zip(layer.weight_in[j][:degree], self._known, strict=False))
        else:
            weights, degrees = layer.weight_hidden[k - 1][j], layer.degrees[k - 1]
            seen = [
                (w, self._unit(k - 1, m)[1])
                for m, (w, other) in enumerate(zip(weights, degrees, strict=True))
                if other <= degree
            ]
        value = layer.bias_hidden[k][j] + sum(w * x for w, x in seen)
        if layer.residual and k > 0 and k % 2 == 0:  # the end of a block
            value += self._unit(k - 2, j)[0]
        plain = layer.residual and k == len(layer.degrees) - 1
        return value, value if plain else _ACTIVATIONS[layer.activation](value)


def to_data(
    rows: Matrix, layers: list[Layer], transform: Transform, strategy: str = "incremental"
) -> tuple[Matrix, Vector]:
    """Latent to data from the first layer on: (rows, log_det)."""
    moved, log_det = [], []
    sweep = _incremental if strategy == "incremental" else _sweeps
    for row in rows:
        features, total = row, 0.0
        for layer in layers:
            known, added = sweep([features[i] for i in layer.order], layer, transform, strategy)
            features = _in_place(known, layer.order)
            total += added
        moved.append(features)
        log_det.append(total)
    return moved, log_det


def _incremental(given: Vector, layer: Layer, transform: Transform, _: str) -> tuple[Vector, float]:
    known, total = given[: layer.kept], 0.0
    conditioner = Conditioner(layer, known)
    for i in range(layer.kept, len(given)):
        value, added = transform(conditioner.numbers(i), given[i])
        known.append(value)
        total += added
    return known, total


def _sweeps(given: Vector, layer: Layer, transform: Transform, strategy: str) -> tuple[Vector, float]:
    known, total = given[: layer.kept] + [0.0] * (len(given) - layer.kept), 0.0
    for _ in range(layer.kept, len(given)):
        before = known
        known, total = _one_pass(given, before, layer, transform)
        if strategy == "jacobi" and known == before:
            break
    return known, total


def _one_pass(given: Vector, known: Vector, layer: Layer, transform: Transform) -> tuple[Vector, float]:
    """All features of `given` transformed by what the network makes of `known`."""
    conditioner = Conditioner(layer, known)
    places = range(layer.kept, len(given))
    moved = [transform(conditioner.numbers(i), given[i]) for i in places]
    return given[: layer.kept] + [value for value, _ in moved], sum(added for _, added in moved)


def to_latent(rows: Matrix, layers: list[Layer], transform: Transform) -> tuple[Matrix, Vector]:
    """Data to latent from the last layer on: (rows, log_det)."""
    moved, log_det = [], []
    for row in rows:
        features, total = row, 0.0
        for layer in reversed(layers):
            given = [features[i] for i in layer.order]
            known, added = _one_pass(given, given, layer, transform)
            features = _in_place(known, layer.order)
            total += added
        moved.append(features)
        log_det.append(total)
    return moved, log_det


def _in_place(known: Vector, order: list[int]) -> Vector:
    row = [0.0] * len(order)
    for value, feature in zip(known, order, strict=True):
        row[feature] = value
    return row


def alternating(dim: int, layers: int) -> list[list[int]]:
    """Orders of layers, every other one reversed."""
    return [list(range(dim))[:: 1 if layer % 2 == 0 else -1] for layer in range(layers)]


def cyclic(dim: int, width: int) -> list[int]:
    """Degrees 1 to D - 1 in turn, sorted."""
    return sorted(j % max(1, dim - 1) + min(1, dim - 1) for j in range(width))


def random_network(
    shape: tuple[int, int, int], columns: int, features: int, outputs: int, seed: int
) -> Weights:
    """Weights and biases for shape (L, K, H) from normals of `seed`; in float64 whatever the dtype."""
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


def hidden_weights(degrees: list[list[int]], made: Weights) -> Weights:
    """`made` by `random_network` for autoregressive layers, with 0 for the weights that are not read.

    degrees: (K, H), those of every layer.
    """
    weight_in, weight_hidden, weight_out, bias_hidden, bias_out = made

    def kept(weights: Vector, seen: list[bool]) -> Vector:
        return [w if s else 0.0 * w for w, s in zip(weights, seen, strict=True)]

    return (
        [
            [kept(row, [c < d for c in range(len(row))]) for row, d in zip(layer, degrees[0], strict=True)]
            for layer in weight_in
        ],
        [
            [
                [kept(row, [o <= d for o in before]) for row, d in zip(matrix, after, strict=True)]
                for matrix, before, after in zip(layer, degrees[:-1], degrees[1:], strict=True)
            ]
            for layer in weight_hidden
        ],
        [
            [[kept(row, [d <= i for d in degrees[-1]]) for row in rows] for i, rows in enumerate(layer)]
            for layer in weight_out
        ],
        bias_hidden,
        bias_out,
    )


def _nested(flat: list[Any], sizes: tuple[int, ...]) -> list[Any]:
    """A list of prod(sizes) items as nested lists."""
    for size in reversed(sizes[1:]):
        flat = [flat[i : i + size] for i in range(0, len(flat), size)] if size else [[]] * sizes[0]
    return flat
