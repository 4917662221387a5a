"""Weighted moments of rows, triangular factors of covariances, and centers of k-means++, in plain Python."""

import math
from collections.abc import Callable
from typing import NamedTuple

from seqgap.reference._plain import Matrix, Vector


class Moments(NamedTuple):
    """Of K components: shares of all rows, means, and covariances row by row up to the diagonal."""

    weight: Vector  # (K,)
    mean: Matrix  # (K, D)
    covariance: list[Matrix]  # (K, D, 1 to D); diagonal ones (K, D, 1)


def moments(x: Matrix, shares: Matrix, full: bool) -> Moments:
    """shares[k] is what component k has of each row; two passes, each with exact sums."""
    sizes = [math.fsum(share) for share in shares]
    columns = [list(column) for column in zip(*x, strict=True)]
    mean = [
        [dot(share, column) / size for column in columns] for share, size in zip(shares, sizes, strict=True)
    ]
    covariance = []
    for share, size, center in zip(shares, sizes, mean, strict=True):
        offsets = [[v - m for v in column] for column, m in zip(columns, center, strict=True)]
        weighted = [[s * v for s, v in zip(share, row, strict=True)] for row in offsets]
        seen = [offsets[: i + 1] if full else offsets[i : i + 1] for i in range(len(offsets))]
        covariance.append(
            [[dot(left, right) / size for right in rows] for left, rows in zip(weighted, seen, strict=True)]
        )
    return Moments([size / math.fsum(sizes) for size in sizes], mean, covariance)


def dot(left: Vector, right: Vector) -> float:
    """The sum of products, rounded once."""
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def cholesky(lower: Matrix, floor: float) -> Matrix:
    """The factor of a matrix with `floor` added to its diagonal; ValueError where there is none.

    lower: its rows up to the diagonal.
    """
    factor: Matrix = []
    for row in lower:
        line: Vector = []
        for entry, other in zip(row[:-1], factor, strict=True):
            line.append((entry - dot(line, other[: len(line)])) / other[len(line)])
        pivot = row[-1] + floor - dot(line, line)
        if pivot <= 0:
            raise ValueError("covariance: expected a regular matrix, got a singular one")
        factor.append([*line, math.sqrt(pivot), *[0.0] * (len(lower) - len(row))])
    return factor


def is_regular(factor: Matrix, less: float) -> bool:
    """Whether L L^T - less I is positive definite; rows of L end at the diagonal."""
    lower = [[dot(left[: j + 1], factor[j][: j + 1]) for j in range(i + 1)] for i, left in enumerate(factor)]
    try:
        cholesky(lower, -less)
    except ValueError:
        return False
    return True


def nearest_centers(x: Matrix, count: int, choose: Callable[[int, Vector], int]) -> list[int]:
    """The nearest center of each row; choose(k, squares): the row that center k is."""
    centers, squares = list[Vector](), [1.0] * len(x)
    for k in range(count):
        centers.append(x[choose(k, squares)])
        squares = [min(math.dist(row, center) ** 2 for center in centers) for row in x]
    distances = [[math.dist(row, center) for center in centers] for row in x]
    return [row.index(min(row)) for row in distances]
