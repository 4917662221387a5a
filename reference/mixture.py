"""p(x) = sum over k of w_k N(x; mean_k, L_k L_k^T), term by term, with diagonal or full L_k."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from seqgap.reference._maximisation import (
    Moments,
    cholesky,
    dot,
    is_regular,
    moments,
    nearest_centers,
)
from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector, exp, log
from seqgap.reference.normal import philox4x32, standard_normal


class Params(NamedTuple):
    """K components."""

    weight: Vector  # (K,), above 0; sums to 1
    mean: Matrix  # (K, D)
    scale: Matrix | list[Matrix]  # (K, D), standard deviations; or (K, D, D), lower Cholesky factors


def random_params(
    dim: int, seed: int, *, components: int = 3, full: bool = False, dtype: str = "float64"
) -> Params:
    """Means about 4 standard deviations apart; in float64 whatever the dtype."""
    mean, log_scale = (standard_normal(components, dim, seed, stream=stream) for stream in (1, 2))
    mean = [[3 / math.sqrt(dim) * value for value in row] for row in mean]
    weight = [math.exp(0.3 * value) for value in standard_normal(1, components, seed, stream=3)[0]]
    total = sum(weight)
    scale = [[math.exp(0.3 * value) for value in row] for row in log_scale]
    if not full:
        return Params([w / total for w in weight], mean, scale)
    normals = standard_normal(components * dim, dim, seed, stream=4)
    size = 0.5 / math.sqrt(dim)
    below = [[size * value for value in row] for row in normals]
    factors = [_lower(below[k * dim : (k + 1) * dim], diagonal) for k, diagonal in enumerate(scale)]
    return Params([w / total for w in weight], mean, factors)


def _lower(below: Matrix, diagonal: Vector) -> Matrix:
    """The triangular matrix of these entries."""
    zeros = [0.0] * len(diagonal)
    pairs = enumerate(zip(below, diagonal, strict=True))
    return [[*row[:i], value, *zeros[i + 1 :]] for i, (row, value) in pairs]


def _factors(params: Params) -> list[Matrix]:
    """L_k row by row up to the diagonal."""
    return [_factor(scale) for scale in params.scale]


def _factor(lines: Sequence[float | Vector]) -> Matrix:
    """Of a diagonal, or of a triangular matrix."""
    return [v[: i + 1] if isinstance(v, list) else [*[0.0] * i, v] for i, v in enumerate(lines)]


def _solve(factor: Matrix, offset: Vector) -> Vector:
    """y of L y = offset."""
    y: Vector = []
    for row, value in zip(factor, offset, strict=True):
        y.append((value - sum(a * b for a, b in zip(row[:-1], y, strict=True))) / row[-1])
    return y


def _solve_transposed(factor: Matrix, values: Vector) -> Vector:
    """g of L^T g = values."""
    rest, g = list(values), [0.0] * len(values)
    for i in reversed(range(len(values))):
        g[i] = rest[i] / factor[i][-1]
        for j in range(i):
            rest[j] -= factor[i][j] * g[i]
    return g


def _terms(x: Vector, params: Params, factors: list[Matrix]) -> tuple[float, Vector, Matrix]:
    """(log p, the responsibilities, the L_k^-1 (x - mean_k))."""
    whitened, logits = [], []
    total = sum(params.weight)
    for weight, mean, factor in zip(params.weight, params.mean, factors, strict=True):
        y = _solve(factor, [v - m for v, m in zip(x, mean, strict=True)])
        log_det = sum(math.log(row[-1]) for row in factor)
        logits.append(math.log(weight / total) - log_det - sum(0.5 * v * v + HALF_LOG_2_PI for v in y))
        whitened.append(y)
    largest = max(logits)
    if largest == -math.inf:
        return -math.inf, [math.nan] * len(logits), whitened
    shares = [exp(logit - largest) for logit in logits]
    return largest + log(sum(shares)), [share / sum(shares) for share in shares], whitened


def _row(x: Vector, params: Params, factors: list[Matrix]) -> tuple[float, Vector]:
    """(log p, its gradient)."""
    density, shares, whitened = _terms(x, params, factors)
    score = [0.0] * len(x)
    for share, y, factor in zip(shares, whitened, factors, strict=True):
        pull = _solve_transposed(factor, y)
        score = [s - share * v for s, v in zip(score, pull, strict=True)]
    return density, score


def log_prob(x: Matrix, params: Params) -> Vector:
    """log p(x), the largest term taken out of the sum."""
    factors = _factors(params)
    return [_row(row, params, factors)[0] for row in x]


def score(x: Matrix, params: Params) -> Matrix:
    """The gradient of log p: minus the sum of r_k L_k^-T L_k^-1 (x - mean_k)."""
    factors = _factors(params)
    return [_row(row, params, factors)[1] for row in x]


def responsibilities(x: Matrix, params: Params) -> Matrix:
    """What each component has of p(x)."""
    factors = _factors(params)
    return [_terms(row, params, factors)[1] for row in x]


def sample(n: int, params: Params, seed: int, *, first_row: int = 0, dtype: str = "float64") -> Matrix:
    """For each row the component of its uniform, then mean_k + L_k z with its normals."""
    z = standard_normal(n, len(params.mean[0]), seed, first_row=first_row, dtype=dtype)
    factors, rows = _factors(params), range(first_row, first_row + n)
    components = [_component(_uniform(row, seed), params.weight) for row in rows]
    return [_moved(v, params.mean[k], factors[k]) for v, k in zip(z, components, strict=True)]


def _moved(z: Vector, mean: Vector, factor: Matrix) -> Vector:
    """mean + L z."""
    lines = zip(mean, factor, strict=True)
    return [m + sum(a * b for a, b in zip(row, z[: len(row)], strict=True)) for m, row in lines]


def _uniform(row: int, seed: int, stream: int = 2**32 - 1) -> float:
    """The top 53 bits of the first two words of a row of a stream."""
    counter, key = [0, row & 0xFFFFFFFF, row >> 32, stream], [seed & 0xFFFFFFFF, seed >> 32]
    first, second, _, _ = philox4x32([counter], key)[0]
    return float((first << 32 | second) >> 11) / 2**53


def _component(uniform: float, weight: Vector) -> int:
    """The first k with uniform < w_0 + ... + w_k, or the last."""
    *_, total = itertools.accumulate(weight)
    cumulative = list(itertools.accumulate(w / total for w in weight))
    below = (k for k, end in enumerate(cumulative[:-1]) if uniform < end)
    return next(below, len(weight) - 1)


class Fit(NamedTuple):
    """Params, the mean of log p(x) from the start on, and how it ended."""

    params: Params
    history: Vector
    steps: int
    settled: bool
    collapsed: list[bool]


def em_step(x: Matrix, params: Params, *, floor: float = 1e-6) -> tuple[Params, float]:
    """Shares, means and covariances of rows weighted by the responsibilities."""
    density = math.fsum(log_prob(x, params)) / len(x)
    shares = [list(share) for share in zip(*responsibilities(x, params), strict=True)]
    full = isinstance(params.scale[0][0], list)
    return _params(moments(x, shares, full), full, floor), density


def fit(
    x: Matrix, start: Params, *, steps: int = 100, tolerance: float = 1e-3, floor: float = 1e-6
) -> Fit:  # fmt: skip
    """Steps until one changes the mean of log p(x) by less than the tolerance."""
    params, history, settled = start, [math.fsum(log_prob(x, start)) / len(x)], False
    while not settled and len(history) <= steps:
        params, _ = em_step(x, params, floor=floor)
        history.append(math.fsum(log_prob(x, params)) / len(x))
        settled = abs(history[-1] - history[-2]) < tolerance
    collapsed = [not is_regular(factor, 2 * floor) for factor in _factors(params)]
    return Fit(params, history, len(history) - 1, settled, collapsed)


def start_params(
    x: Matrix, components: int, seed: int, *, full: bool = False, floor: float = 1e-6
) -> Params:  # fmt: skip
    """Weights and means of the rows nearest to each center of k-means++; one covariance for all."""

    def choose(k: int, squares: Vector) -> int:
        return _component(_uniform(k, seed, 2**32 - 2), squares)

    weight, mean, covariance = moments(x, _one_hot(nearest_centers(x, components, choose)), full)
    pooled = [
        [dot(weight, list(entries)) for entries in zip(*rows, strict=True)]
        for rows in zip(*covariance, strict=True)
    ]
    return _params(Moments(weight, mean, [pooled] * components), full, floor)


def fit_labelled(x: Matrix, labels: list[int], *, full: bool = False, floor: float = 1e-6) -> Params:
    """Share, mean and covariance of the rows of each label."""
    return _params(moments(x, _one_hot(labels), full), full, floor)


def _one_hot(labels: list[int]) -> Matrix:
    """1 where a row has the label, a list for each label."""
    return [[float(label == k) for label in labels] for k in range(max(labels) + 1)]


def _params(found: Moments, full: bool, floor: float) -> Params:
    if full:
        return Params(found.weight, found.mean, [cholesky(matrix, floor) for matrix in found.covariance])
    variances = [[row[-1] for row in matrix] for matrix in found.covariance]
    deviations = [[math.sqrt(variance + floor) for variance in row] for row in variances]
    return Params(found.weight, found.mean, deviations)
