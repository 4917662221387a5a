"""Vectors of independent bits, one bit at a time."""

from typing import NamedTuple

from seqgap.reference._bits import words
from seqgap.reference._plain import Vector, exp, log, softplus
from seqgap.reference.normal import standard_normal


class Params(NamedTuple):
    """log(p / (1 - p)) of the probability of a 1."""

    logit: Vector  # (D,)


def random_params(dim: int, seed: int, *, dtype: str = "float64") -> Params:
    """Standard normals; in float64 whatever the dtype."""
    return Params(standard_normal(1, dim, seed, stream=1)[0])


def from_probability(probability: Vector) -> Params:
    """log(p / (1 - p))."""
    return Params([log(p) - log(1 - p) for p in probability])


def fit(x: list[list[int]], *, smoothing: float = 0.0) -> Params:
    """The logit of the mean of each column, with so many bits of either kind besides."""
    total = len(x) + 2 * smoothing
    return from_probability([(sum(column) + smoothing) / total for column in zip(*x, strict=True)])


def log_prob(x: list[list[int]], params: Params) -> Vector:
    """The sum of log p for each 1 and log(1 - p) for each 0."""
    return [
        sum(-softplus(-logit if bit else logit) for bit, logit in zip(row, params.logit, strict=True))
        for row in x
    ]


def sample(n: int, params: Params, seed: int, *, first_row: int = 0) -> list[list[int]]:
    """For each row the bits w < 2**32 p of its words."""
    p = [1 / (1 + exp(-logit)) for logit in params.logit]
    rows = (words(row, len(p), seed) for row in range(first_row, first_row + n))
    return [[int(w < 2**32 * q) for w, q in zip(row, p, strict=True)] for row in rows]
