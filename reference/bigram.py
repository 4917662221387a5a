"""Bigram chains of tokens, one token at a time."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from seqgap.reference._bits import words
from seqgap.reference._plain import Matrix, Vector
from seqgap.reference.normal import standard_normal

Tokens: TypeAlias = list[list[int]]
Draw: TypeAlias = Callable[[Sequence[int]], int]  # of words


class Params(NamedTuple):
    """The fields of the kernels' chain."""

    initial: Vector
    probability: Matrix
    end: int = -1


def random_params(dim: int, seed: int, *, spread: float = 1.0, dtype: str = "float64") -> Params:
    """The softmax of normals; in float64 whatever the dtype."""
    factor = min(spread, 1e300)
    rows = [
        _softmax([factor * value for value in row]) for row in standard_normal(dim + 1, dim, seed, stream=1)
    ]
    return Params(rows[0], rows[1:])


def _softmax(logits: Vector) -> Vector:
    largest = max(logits)
    weights = [math.exp(logit - largest) for logit in logits]
    return [weight / sum(weights) for weight in weights]


def _shares(row: Vector) -> Vector:
    return [value / sum(row) for value in row]


def fit(tokens: Tokens, states: int, *, smoothing: float = 0.0, end: int = -1) -> Params:
    """Counts that are divided by their sums; behind `end` there is only `end`."""
    extra = min(smoothing, 1e300)
    counts = [[extra] * states for _ in range(states)]
    first = [extra] * states
    for row in tokens:
        first[row[0]] += 1
        for before, token in itertools.pairwise(row):
            counts[before][token] += 1
    if end >= 0:
        counts[end] = [float(token == end) for token in range(states)]
    return Params(_shares(first), [_shares(row) for row in counts], end)


class Sampler:
    """A draw for each token before, and one for the first."""

    def __init__(self, params: Params, method: str = "alias") -> None:
        self.states = len(params.initial)
        self.words = self.states if method == "gumbel" else 1  # that a token takes
        self._draws = [_METHODS[method](_shares(row)) for row in [*params.probability, params.initial]]

    def sample(self, n: int, seed: int, *, length: int, first_row: int = 0) -> Tokens:
        """n chains of `length` tokens."""
        return [self._chain(row, seed, length) for row in range(first_row, first_row + n)]

    def _chain(self, row: int, seed: int, length: int) -> list[int]:
        given, chain = words(row, self.words * length, seed), [self.states]
        for t in range(length):
            chain.append(self._draws[chain[-1]](given[self.words * t : self.words * (t + 1)]))
        return chain[1:]


def sample(
    n: int, params: Params, seed: int, *, length: int, method: str = "alias", first_row: int = 0
) -> Tokens:
    """n chains of `length` tokens."""
    return Sampler(params, method).sample(n, seed, length=length, first_row=first_row)


def _alias(probability: Vector) -> Draw:
    """Vose's two stacks."""
    count = len(probability)
    share, alias = [count * p for p in probability], list(range(count))
    small = [k for k in range(count) if share[k] < 1]
    large = [k for k in range(count) if share[k] >= 1]
    while small and large:
        short, long = small.pop(), large.pop()
        alias[short] = long
        share[long] -= 1 - share[short]
        (small if share[long] < 1 else large).append(long)
    for k in small + large:
        share[k] = 1
    thresholds = [min(round(2**32 * value), 2**32 - 1) for value in share]

    def draw(given: Sequence[int]) -> int:
        column, fraction = divmod(given[0] * count, 2**32)
        return column if fraction < thresholds[column] else alias[column]

    return draw


def _inverse(probability: Vector) -> Draw:
    """The first k whose limit lies above the word."""
    limits = [min(round(2**32 * total), 2**32) for total in itertools.accumulate(probability)]
    last = max(k for k, p in enumerate(probability) if p > 0)
    return lambda given: next((k for k in range(last) if given[0] < limits[k]), last)


def _gumbel(probability: Vector) -> Draw:
    """The least of exponential times."""

    def draw(given: Sequence[int]) -> int:
        times = [
            -math.log((word + 0.5) / 2**32) / p if p else math.inf
            for word, p in zip(given, probability, strict=True)
        ]
        return times.index(min(times))

    return draw


_METHODS = {"alias": _alias, "inverse": _inverse, "gumbel": _gumbel}


def sample_sequences(
    n: int, params: Params, seed: int, *, longest: int, method: str = "alias", first_row: int = 0
) -> tuple[list[int], list[int]]:
    """(tokens, offsets) of chains up to their end."""
    chains = sample(n, params, seed, length=longest, method=method, first_row=first_row)
    ended = [row[: row.index(params.end) + 1] if params.end in row else row for row in chains]
    return list(itertools.chain(*ended)), [0, *itertools.accumulate(map(len, ended))]


def log_prob(tokens: Tokens, params: Params) -> Vector:
    """log initial[x_0] + sum of log probability[x_{t-1}, x_t]."""
    first, rows = _shares(params.initial), [_shares(row) for row in params.probability]
    return [
        _log(first[row[0]]) + sum(_log(rows[before][token]) for before, token in itertools.pairwise(row))
        for row in tokens
    ]


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
