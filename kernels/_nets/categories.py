"""Draws of one of S categories by a 32-bit word, for the next token of a chain: tables, and one step.

State S stands for what is before the first token. A step is `step(words, at, state, tables)`, which reads as
many words from place `at` on as its method takes. Every method has the probability of each category to within
S / 2**32 (alias) or 1 / 2**32.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.vecmath import log_normal

_WORDS = 2.0**32
_FEW = 256  # tokens whose guide has 8 entries for each: fewer are wrong, and a wrong one is mispredicted


class Alias(NamedTuple):
    """Tables of Walker (1977) as Vose (1991) fills them: column k of a state is k itself or its alias.

    With w a word, k = floor(w S / 2**32), and f the low 32 bits of w S: the token is k where f < threshold.
    """

    states: Any  # S
    words: Any  # 1: how many a token takes
    entries: Any  # (S (S + 1),) uint64, of column and state: threshold in the high half, alias in the low one


class Inverse(NamedTuple):
    """The token is the first k with w < limit_k = round(2**32 (p_0 + ... + p_k)), the last one 2**32."""

    states: Any  # S
    words: Any  # 1
    limits: Any  # ((S + 1) S,) uint64
    guide: Any  # ((S + 1) 2**bits,) int32: the first k that any word with these leading bits has
    bits: Any  # that lead
    shift: Any  # by which a word leaves them


class Gumbel(NamedTuple):
    """The token is the first k of the largest log p_k - log(-log u_k), u_k = (w_k + 1/2) / 2**32.

    That is the least of the S exponential times -log(u_k) / p_k; it takes S words. Maddison et al. (2014).
    """

    states: Any  # S
    words: Any  # S
    probability: Any  # (S + 1, S)


@jit_exact
def _vose(probability: Any, entries: Any, state: Any) -> None:
    """One column of `entries`: two stacks, categories with less than 1 / S and the others."""
    isolate()
    count = probability.shape[0]
    share, alias = np.empty(count), np.arange(count)
    small, large = np.empty(count, np.int64), np.empty(count, np.int64)
    few = many = 0
    for k in range(count):
        share[k] = probability[k] * count
        if share[k] < 1:
            small[few], few = k, few + 1
        else:
            large[many], many = k, many + 1
    while few and many:
        few, many = few - 1, many - 1
        short, long = small[few], large[many]
        alias[short] = long
        share[long] -= 1 - share[short]
        if share[long] < 1:
            small[few], few = long, few + 1
        else:
            large[many], many = long, many + 1
    for left in range(few):  # by rounding alone
        share[small[left]] = 1
    for left in range(many):
        share[large[left]] = 1
    for k in range(count):
        threshold = min(np.rint(share[k] * _WORDS), _WORDS - 1)
        entries[k, state] = np.uint64(threshold) << np.uint64(32) | np.uint64(alias[k])


def alias_tables(rows: Array) -> Alias:
    """Of probabilities (S + 1, S) that sum to 1."""
    entries = np.empty(rows.shape[::-1], np.uint64)
    for state, probability in enumerate(rows):
        _vose(probability, entries, state)
    return Alias(rows.shape[1], 1, entries.ravel())


def inverse_tables(rows: Array) -> Inverse:
    """Of probabilities (S + 1, S) that sum to 1."""
    limits = np.minimum(np.rint(np.cumsum(rows, 1) * _WORDS), _WORDS).astype(np.uint64)
    last = rows.shape[1] - 1 - np.argmax(rows[:, ::-1] > 0, axis=1)  # no category without probability
    limits[np.arange(rows.shape[1]) >= last[:, None]] = 2**32
    bits = int(rows.shape[1] - 1).bit_length() + 3 * (rows.shape[1] <= _FEW)
    starts = np.arange(2**bits, dtype=np.uint64) << np.uint64(32 - bits)
    guide = np.array([np.searchsorted(line, starts, side="right") for line in limits], np.int32)
    return Inverse(rows.shape[1], 1, limits.ravel(), guide.ravel(), np.uint64(bits), np.uint64(32 - bits))


def gumbel_tables(rows: Array) -> Gumbel:
    """Of probabilities (S + 1, S) that sum to 1."""
    return Gumbel(rows.shape[1], rows.shape[1], rows)


@jit_inline
def alias_step(words: Any, at: Any, state: Any, tables: Any) -> Any:
    """The choice is a mask, not a branch, which half of the tokens would mispredict."""
    count = np.uint64(tables.states)
    product = np.uint64(words[at]) * count
    column = product >> np.uint64(32)
    entry = tables.entries[column * (count + np.uint64(1)) + np.uint64(state)]
    below = np.int64(np.uint32(product)) - np.int64(entry >> np.uint64(32))
    alias, mask = np.uint32(entry), np.uint32(below >> np.int64(63))
    return alias ^ ((alias ^ np.uint32(column)) & mask)


@jit_inline
def inverse_step(words: Any, at: Any, state: Any, tables: Any) -> Any:
    """From where the guide says on, which is right for most words."""
    word, row = np.uint64(words[at]), np.uint64(state)
    k = np.uint64(tables.guide[(row << tables.bits) + (word >> tables.shift)])
    row *= np.uint64(tables.states)
    while word >= tables.limits[row + k]:
        k += np.uint64(1)
    return np.uint32(k)


@jit_inline
def gumbel_step(words: Any, at: Any, state: Any, tables: Any) -> Any:
    """The category whose exponential time is the least."""
    probability = tables.probability
    best, token = np.inf, 0
    for k in range(probability.shape[1]):
        uniform = (np.float64(words[at + k]) + 0.5) * (1 / _WORDS)
        time = -log_normal(uniform) / probability[np.intp(state), k]
        if time < best:
            best, token = time, k
    return np.uint32(token)
