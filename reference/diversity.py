"""Metrics of a sample, pair by pair and row by row."""

import math
from fractions import Fraction
from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector


class Scores(NamedTuple):
    """What `prdc` finds."""

    precision: float
    recall: float
    density: float
    coverage: float


class Modes(NamedTuple):
    """What `modes_covered` finds."""

    covered: int
    share: float
    counts: list[int]  # (K,)


def prdc(real: Matrix, fake: Matrix, k: int) -> Scores:
    """By all distances at once; balls are open."""
    distances = [[math.dist(x, y) for y in fake] for x in real]
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    inside = [
        sum(row[j] < radius for row, radius in zip(distances, real_radii, strict=True))
        for j in range(len(fake))
    ]
    reached = [any(d < r for d, r in zip(row, fake_radii, strict=True)) for row in distances]
    covered = [min(row) < radius for row, radius in zip(distances, real_radii, strict=True)]
    return Scores(
        sum(count > 0 for count in inside) / len(fake),
        sum(reached) / len(real),
        sum(inside) / len(fake) / k,
        sum(covered) / len(real),
    )


def _radii(rows: Matrix, k: int) -> Vector:
    """The distance of each row to its k-th neighbour; the first in the order is the row itself."""
    return [sorted(math.dist(row, other) for other in rows)[k] for row in rows]


def unique_ratio(x: Matrix, *, decimals: int) -> float:
    """Different rows over rows, after rounding."""
    return _distinct(x, decimals) / len(x)


def coverage(x: Matrix, states: int, *, decimals: int = 0) -> float:
    """Different rows over states."""
    return _distinct(x, decimals) / states


def _distinct(x: Matrix, decimals: int) -> int:
    return len({tuple(round(value * 10.0**decimals) for value in row) for row in x})


def expected_unique_ratio(n: int, k: int) -> float:
    """K (1 - (1 - 1/K)^N) / N, in fractions."""
    return float(_coverage(n, k) * k / n)


def expected_coverage(n: int, k: int) -> float:
    """1 - (1 - 1/K)^N, in fractions."""
    return float(_coverage(n, k))


def _coverage(n: int, k: int) -> Fraction:
    return 1 - (1 - Fraction(1, k)) ** n


def probability_of_all(n: int, k: int) -> float:
    """The sum over j of (-1)^j C(K, j) (1 - j/K)^N, inclusion and exclusion in integers."""
    return float(Fraction(sum((-1) ** j * math.comb(k, j) * (k - j) ** n for j in range(k + 1)), k**n))


def modes_covered(x: Matrix, means: Matrix, scales: float | Vector) -> Modes:
    """The nearest mean of each row, if it is within 3 standard deviations."""
    deviations = scales if isinstance(scales, list) else [scales] * len(means)
    counts = [0] * len(means)
    for row in x:
        distances = [math.dist(row, mean) for mean in means]
        mode = distances.index(min(distances))
        counts[mode] += distances[mode] <= 3 * deviations[mode]
    return Modes(sum(count > 0 for count in counts), sum(counts) / len(x), counts)
