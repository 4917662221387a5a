"""Autoregressive bits of a masked network, one bit at a time."""

from collections.abc import Callable
from typing import NamedTuple

from seqgap.reference._bits import words
from seqgap.reference._plain import Matrix, Vector, softplus
from seqgap.reference._stack import Conditioner, Layer, cyclic, masked, random_network, sigmoid


class Params(NamedTuple):
    """The order of the bits, and the degrees and weights of the network."""

    order: list[int]  # (D,)
    degrees: list[list[int]]  # (K, H)
    weight_in: Matrix  # (H, D)
    weight_hidden: list[Matrix]  # (K - 1, H, H)
    weight_out: Matrix  # (D, H)
    bias_hidden: Matrix  # (K, H)
    bias_out: Vector  # (D,)
    activation: str
    residual: bool | str


def random_params(
    dim: int,
    seed: int,
    *,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    residual: bool | str = False,
    dtype: str = "float64",
) -> Params:
    """Bits in their own order with cyclic degrees; in float64 whatever the dtype."""
    degrees = cyclic(dim, width)
    network = masked(random_network((1, depth, width), dim, dim, 1, seed), degrees)
    (weight_in,), (weight_hidden,), (weight_out,), (bias_hidden,), (biases,) = network
    strong, bias_out = [[4 * weight for weight in row] for (row,) in weight_out], [bias for (bias,) in biases]
    weights = weight_in, weight_hidden, strong, bias_hidden, bias_out
    return Params(list(range(dim)), [degrees] * depth, *weights, activation, residual)


def _through(params: Params, bit: Callable[[int, float], int]) -> tuple[list[int], Vector]:
    """(bits, logits), both in the order; bit(d, logit): that at place d, once its logit is known."""
    p, bits, logits = params, list[float](), list[float]()
    weight_out, bias_out = [[row] for row in p.weight_out], [[bias] for bias in p.bias_out]
    network = p.degrees, p.weight_in, p.weight_hidden, weight_out, p.bias_hidden, bias_out
    conditioner = Conditioner(Layer(p.order, 0, *network, p.activation, p.residual), bits)
    for i, d in enumerate(p.order):
        logits += conditioner.theta(i)
        bits.append(bit(d, logits[i]))
    return [int(value) for value in bits], logits


def log_prob(x: list[list[int]], params: Params) -> Vector:
    """The sum of log p for each 1 and log(1 - p) for each 0, given the bits before it."""
    return [_scored(params, row) for row in x]


def _scored(params: Params, row: list[int]) -> float:
    pairs = zip(*_through(params, lambda d, logit: row[d]), strict=True)
    return sum(-softplus(-logit if bit else logit) for bit, logit in pairs)


def sample(n: int, params: Params, seed: int, *, first_row: int = 0) -> list[list[int]]:
    """For each row the bits w / 2**32 < p of its words, each given those before it."""
    return [_drawn(params, words(row, len(params.order), seed)) for row in range(first_row, first_row + n)]


def _drawn(params: Params, row: list[int]) -> list[int]:
    bits, _ = _through(params, lambda d, logit: int(row[d] / 2**32 < sigmoid(logit)))
    places = dict(zip(params.order, bits, strict=True))
    return [places[d] for d in range(len(bits))]
