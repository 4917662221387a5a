"""Decoders x = f(z) + sigma eps, one latent at a time; the density by a Cholesky factor of D rows."""

import math
from typing import NamedTuple

from seqgap.reference._perceptron import Perceptron, random_perceptron
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector, exp, softplus
from seqgap.reference.normal import standard_normal


class Linear(NamedTuple):
    """f(z) = W z + b."""

    weight: Matrix  # (D, K)
    bias: Vector  # (D,)

    def at(self, z: Vector, t: float, context: Vector) -> Vector:
        """f(z), as that of a Perceptron."""
        return [b + _dot(row, z) for row, b in zip(self.weight, self.bias, strict=True)]


class Params(NamedTuple):
    """A map from K latents to D features, and the deviation of the noise."""

    model: Linear | Perceptron
    sigma: float | None = None


class Decoder(NamedTuple):
    """The kernels lay out arrays once; lists are as they are."""

    params: Params


class Estimate(NamedTuple):
    """What `log_prob_estimate` returns."""

    value: Vector
    standard_error: Vector


class Errors(NamedTuple):
    """Mean, least and largest error of rows."""

    mean: float
    best: float
    worst: float


def random_params(
    dim: int, seed: int, *, latents: int = 3, depth: int = 0, width: int = 32, dtype: str = "float64"
) -> Params:
    """A Linear, or a Perceptron cut out of a square one; in float64 whatever the dtype."""
    if depth:
        size = max(dim, latents)
        net = random_perceptron(size, seed, depth, width, embedding="none")
        weight = [[math.sqrt(size / latents) * v for v in row[:latents]] for row in net.weight_in]
        weight_out, bias_out = net.weight_out[:dim], net.bias_out[:dim]
        return Params(net._replace(weight_in=weight, weight_out=weight_out, bias_out=bias_out), 0.5)
    normals = standard_normal(dim, latents, seed, stream=1)
    weight = [[value / math.sqrt(latents) for value in row] for row in normals]
    return Params(Linear(weight, [0.3 * value for value in standard_normal(1, dim, seed, stream=2)[0]]), 0.5)


def _dot(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def decode(z: Matrix, params: Params) -> Matrix:
    """f(z) of each row."""
    return [params.model.at(row, 0.0, []) for row in z]


def sample(n: int, params: Params, seed: int, *, first_row: int = 0, dtype: str = "float64") -> Matrix:
    """f(z) + sigma eps."""
    latents, dim = _sizes(params)
    z = standard_normal(n, latents, seed, first_row=first_row, dtype=dtype)
    eps = standard_normal(n, dim, seed, first_row=first_row, stream=1, dtype=dtype)
    sigma = params.sigma or 0.0
    pairs = zip(decode(z, params), eps, strict=True)
    return [[a + sigma * b for a, b in zip(*pair, strict=True)] for pair in pairs]


def _sizes(params: Params) -> tuple[int, int]:
    """K and D."""
    model = params.model
    weight = model.weight if isinstance(model, Linear) else model.weight_in
    return len(weight[0]), len(model.bias if isinstance(model, Linear) else model.bias_out)


def log_prob(x: Matrix, params: Params) -> Vector:
    """log N(x; b, W W^T + sigma^2 I), by its Cholesky factor."""
    assert isinstance(params.model, Linear)
    assert params.sigma is not None
    factor = _cholesky(params.model.weight, params.sigma**2)
    log_det = sum(math.log(row[-1]) for row in factor)
    result = []
    for row in x:
        y: Vector = []
        for line, value, bias in zip(factor, row, params.model.bias, strict=True):
            y.append((value - bias - _dot(line[:-1], y)) / line[-1])
        result.append(-log_det - sum(0.5 * v * v + HALF_LOG_2_PI for v in y))
    return result


def _cholesky(weight: Matrix, variance: float) -> Matrix:
    """The rows of L, L L^T = W W^T + variance I, up to the diagonal."""
    factor: Matrix = []
    for i, left in enumerate(weight):
        row: Vector = []
        for j in range(i):
            row.append((_dot(left, weight[j]) - _dot(row, factor[j][:j])) / factor[j][j])
        row.append(math.sqrt(_dot(left, left) + variance - _dot(row, row)))
        factor.append(row)
    return factor


def log_prob_estimate(
    x: Matrix, params: Params, draws: int, seed: int, *, proposal: tuple[Matrix, Matrix] | None = None,
    dtype: str = "float64",
) -> Estimate:  # fmt: skip
    """The log of the mean weight of the draws, and its standard error."""
    latents, _ = _sizes(params)
    eps = standard_normal(draws, latents, seed, stream=2, dtype=dtype)
    mean, deviation = proposal or ([[0.0] * latents] * len(x), [[1.0] * latents] * len(x))
    rows = zip(x, mean, deviation, strict=True)
    pairs = [_log_mean([_log_weight(*row, draw, params) for draw in eps]) for row in rows]
    return Estimate([value for value, _ in pairs], [error for _, error in pairs])


def _log_weight(x: Vector, mean: Vector, deviation: Vector, eps: Vector, params: Params) -> float:
    """log of p(x | z) p(z) / q(z)."""
    sigma = params.sigma or math.nan
    z = [m + s * e for m, s, e in zip(mean, deviation, eps, strict=True)]
    offsets = zip(x, params.model.at(z, 0.0, []), strict=True)
    density = sum(-0.5 * ((a - b) / sigma) ** 2 - math.log(sigma) - HALF_LOG_2_PI for a, b in offsets)
    ratio = sum(0.5 * (e * e - v * v) + math.log(s) for e, v, s in zip(eps, z, deviation, strict=True))
    return density + ratio


def _log_mean(logs: Vector) -> tuple[float, float]:
    largest, count = max(logs), len(logs)
    weights = [math.exp(value - largest) for value in logs]
    mean = sum(weights) / count
    variance = sum((w - mean) ** 2 for w in weights) / (count - 1)
    return largest + math.log(mean), math.sqrt(variance / count) / mean


def probabilities(z: Matrix, params: Params) -> Matrix:
    """1 / (1 + exp(-f))."""
    return [[1 / (1 + exp(-value)) for value in row] for row in decode(z, params)]


def cross_entropy(x: Matrix, z: Matrix, params: Params) -> Vector:
    """The sum of softplus(f) - x f."""
    pairs = zip(x, decode(z, params), strict=True)
    return [sum(softplus(f) - bit * f for bit, f in zip(*pair, strict=True)) for pair in pairs]


def lerp(a: Matrix, b: Matrix, steps: int) -> list[Matrix]:
    """(1 - t) a + t b, time by time."""
    return [[_mixed(1 - t, left, t, right) for left, right in zip(a, b, strict=True)] for t in _times(steps)]


def slerp(a: Matrix, b: Matrix, steps: int) -> list[Matrix]:
    """By the arc cosine."""
    return [[_arc(left, right, t) for left, right in zip(a, b, strict=True)] for t in _times(steps)]


def _times(steps: int) -> Vector:
    return [i / (steps - 1) for i in range(steps)]


def _mixed(first: float, left: Vector, second: float, right: Vector) -> Vector:
    return [first * a + second * b for a, b in zip(left, right, strict=True)]


def _arc(left: Vector, right: Vector, t: float) -> Vector:
    cosine = _dot(left, right) / math.sqrt(_dot(left, left) * _dot(right, right))
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if angle == 0:
        return _mixed(1 - t, left, t, right)
    return _mixed(
        math.sin((1 - t) * angle) / math.sin(angle), left, math.sin(t * angle) / math.sin(angle), right
    )


def reconstruction_errors(x: Matrix, y: Matrix) -> Errors:
    """Mean, least and largest of the mean square errors."""
    rows = zip(x, y, strict=True)
    errors = [sum((a - b) ** 2 for a, b in zip(*row, strict=True)) / len(row[0]) for row in rows]
    return Errors(sum(errors) / len(errors), min(errors), max(errors))
