"""Vectors of independent bits: log p(x) = sum over d of x_d logit_d - log(1 + exp(logit_d)).

The probability that bit d is 1 is p_d = sigmoid(logit_d); a logit of inf or -inf is a bit that is always 1
or always 0. `log_prob` adds log p_d or log(1 - p_d) for each bit, both made of the logit without
cancellation, so that it is -inf for what cannot be, and never NaN. Bishop, "Pattern recognition and machine
learning" (2006), sections 2.1 and 9.3.3.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit, jit_exact
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import WORTH_LIGHT, RowKernel
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._core.vecmath import sigmoid, softplus
from seqgap.kernels._nets.bits import STREAM, UINT8, batch_of_bits, rows_at_a_time

_SHORT = 16  # bits of a row that take longer in vectors: 2 to 6 of them took 4 ns each, so 0.6 to 1.7


class Params(NamedTuple):
    """D logits, float64 or float32: log(p / (1 - p)) of the probability p that a bit is 1. No NaN."""

    logit: Array  # (D,)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.logit", self.logit, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.logit", self.logit)


Params.__repr__ = summary  # type: ignore[method-assign]  # mypy takes it for one that is bound


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Logits that are standard normals of `seed`. Raises TypeError or ValueError for wrong arguments."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    return Params(standard_normal(1, dim, key_of(seed, rng), stream=1)[0].astype(real))


def from_probability(probability: ArrayLike) -> Params:
    """The params of given probabilities that a bit is 1, (D,), each from 0 to 1: log(p) - log(1 - p).

    Of the dtype of probability, float64 or float32 (integers become float64). Raises TypeError or ValueError
    for others.
    """
    p = check.floats("probability", probability, 1)
    check.shape("probability", p, 1)
    check.between("probability", p, 0, 1)
    with np.errstate(divide="ignore"):  # log 0 is -inf
        return Params(np.log(p) - np.log1p(-p))


def fit(x: ArrayLike, *, smoothing: float = 0.0) -> Params:
    """The params of maximum likelihood, p = (sum of x + s) / (N + 2 s), in float64; their logits.

    smoothing: s, at least 0: so many bits of either kind that are counted besides those seen. Without it p is
    the mean of each column, and a column of equal bits has the logit inf or -inf: the other bit is then
    impossible. x: (N, D), integers or bools that are 0 or 1, N at least 1. Raises TypeError or ValueError for
    wrong arguments, naming them.
    """
    bits, pseudo = batch_of_bits("x", x), check.number("smoothing", smoothing)
    if not 0 <= pseudo < np.inf:
        raise ValueError(f"smoothing: expected a finite number from 0 on, got {pseudo}")
    if not len(bits):
        raise ValueError(f"x: expected at least 1 row, got shape {bits.shape}")
    ones = bits.sum(0, dtype=np.int64)
    with np.errstate(divide="ignore"):  # log 0 is -inf; never of both
        return Params(np.log(ones + pseudo) - np.log(len(bits) - ones + pseudo))


def _checked(params: Any) -> Array:
    """The logits in float64."""
    check.instance("params", params, Params)
    check.shape("params.logit", params.logit, 1)
    logit = check.floats("params.logit", params.logit, 1)
    if np.isnan(logit).any():
        raise ValueError("params.logit: expected numbers or infinities, got NaN")
    return logit.astype(np.float64)


@jit_exact
def _logarithms(logit: Any) -> Any:
    """(2, D): log(1 - p) and log p."""
    table = np.empty((2, logit.shape[0]))
    for d in range(logit.shape[0]):
        table[0, d] = -softplus(logit[d])
        table[1, d] = -softplus(-logit[d])
    return table


@jit_exact
def _limits(logit: Any) -> Any:
    """(largest words of a 1, 1 where there are such and else 0): w < 2**32 p is w <= ceil(2**32 p) - 1."""
    largest, possible = np.empty(logit.shape[0], np.uint32), np.empty(logit.shape[0], np.uint8)
    for d in range(logit.shape[0]):
        ceiling = np.int64(np.ceil(sigmoid(logit[d]) * 2.0**32))
        possible[d] = ceiling > 0
        largest[d] = np.uint32(ceiling - possible[d])
    return largest, possible


@jit
def _long_rows(lo: Any, hi: Any, x: Any, density: Any, table: Any) -> None:
    isolate()
    for n in range(lo, hi):
        total = 0.0
        for d in range(x.shape[1]):
            total += table[1, d] if x[n, d] else table[0, d]
        density[n] = total


@jit_exact
def _short_rows(lo: Any, hi: Any, x: Any, density: Any, table: Any) -> None:
    isolate()
    for n in range(lo, hi):
        total = 0.0
        for d in range(x.shape[1]):
            total += table[x[n, d], d]
        density[n] = total


@jit_exact
def _log_prob_rows(lo: Any, hi: Any, x: Any, density: Any, table: Any) -> None:
    isolate()
    if x.shape[1] < _SHORT:
        _short_rows(lo, hi, x, density, table)
    else:
        _long_rows(lo, hi, x, density, table)


@jit_exact
def _compare(words: Any, largest: Any, possible: Any, bits: Any) -> None:
    isolate()
    for i in range(words.shape[0]):
        bits[i] = np.uint8(words[i] <= largest[i]) & possible[i]


@jit_exact
def _sample_rows(lo: Any, hi: Any, x: Any, first_row: Any, seed: Any, limits: Any) -> None:
    isolate()
    dim, size = x.shape[1], rows_at_a_time(hi - lo, x.shape[1])
    words, largest = np.empty((size, dim), np.uint32), np.empty((size, dim), np.uint32)
    possible = np.empty((size, dim), np.uint8)
    largest[:], possible[:] = limits  # once for each row, so that a short row makes no short loop
    for start in range(lo, hi, size):
        stop = min(start + size, hi)
        drawn = words[: stop - start]
        fill(drawn, first_row + start, seed, STREAM)
        _compare(drawn.ravel(), largest.ravel(), possible.ravel(), x[start:stop].ravel())


_log_prob = RowKernel(_log_prob_rows, WORTH_LIGHT)
_sample = RowKernel(_sample_rows, WORTH_LIGHT)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x), shape (N,), float64 whatever the dtype of params; -inf for what is impossible.

    x: (N, D), integers or bools that are 0 or 1. Raises TypeError or ValueError for wrong arguments, naming
    them.
    """
    logit = _checked(params)
    bits, threads = batch_of_bits("x", x, len(logit)), check.threads(threads)
    density = np.empty(len(bits))
    _log_prob(threads, *bits.shape, bits, density, _logarithms(logit))
    return density


def sample(
    n: int, params: Params, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
    out: Array | None = None, threads: int = 1,
) -> Array:  # fmt: skip
    """Independent rows of bits, (n, D), uint8.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts: a row depends on its number
    and `seed` alone. Bit d of a row is 1 where w < 2**32 p, with w the word d % 4 of Philox block d // 4 of
    that row (stream 0), so that its probability is p to within 2**-32, and exactly where p is 0 or 1. seed:
    0 <= seed < 2**64. rng instead, as in SPEC 7: an integer, SeedSequence, BitGenerator or Generator, of
    which one seed is drawn; with neither the sample is another one each time. Raises TypeError or ValueError
    for wrong arguments.
    """
    logit, n, key = _checked(params), check.count("n", n), key_of(seed, rng)
    row, threads = check.first_row(first_row, n), check.threads(threads)
    x = check.output(out, UINT8, (n, len(logit)), params=params)
    _sample(threads, *x.shape, x, row, key, _limits(logit))
    return x
