"""Sequences of tokens: checked, counted, scored in one pass, cut at their ends.

N sequences are flat tokens and N + 1 offsets; those of one length are an array (N, T).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.rows import WORTH_LIGHT, in_parts

_AT_ONCE = 2**22  # tokens that are drawn before they are cut
_FIRST = 64  # of each row; then twice as many each time, as long as rows have not ended
ROWS = _AT_ONCE // _FIRST  # whose sequences are drawn together


def ragged(name: str, value: Any) -> tuple[Array, Array]:
    """(tokens, offsets) of what a user passed; tokens: flat integers of any dtype, not copied."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(f"{name}: expected (tokens, offsets), got a tuple of {len(value)}")
        flat, offsets = _integers(name, value[0]), _offsets(name, value[1])
        if flat.ndim != 1 or offsets[-1] != len(flat):
            came = f"{offsets[-1]} and tokens of shape {flat.shape}"
            raise ValueError(f"{name}: expected offsets that end at the number of tokens, got {came}")
        return flat, offsets
    array = _integers(name, value)
    if array.ndim != 2:
        advice = f"; for one sequence pass {name}[None]" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected 2 dimensions (N, T), got shape {array.shape}{advice}")
    if not array.shape[1]:
        raise ValueError(f"{name}: expected at least 1 token in a row, got shape {array.shape}")
    offsets = np.arange(len(array) + 1, dtype=np.int64) * array.shape[1]
    return array.ravel(), offsets


def _integers(name: str, value: Any) -> Array:
    array = check.asarray(name, value)
    if array.size and array.dtype.kind not in "iu":
        came = check.described(value) if array.dtype.kind in "OSU" else f"dtype {array.dtype}"
        raise TypeError(f"{name}: expected integers, got {came}")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=") if array.size else np.int64)


def _offsets(name: str, value: Any) -> Array:
    offsets = check.integers(f"{name}: offsets", value, 1)
    if offsets.size < 1 or offsets[0] != 0 or (offsets[1:] <= offsets[:-1]).any():  # a difference may wrap
        raise ValueError(f"{name}: expected offsets from 0 on, each above the one before, got others")
    return np.asarray(offsets, np.int64)


@jit_inline
def _checked(value: Any, states: Any) -> Any:
    """(token, whether it is one); a negative one becomes a large number."""
    token = np.uint64(value)
    right = token < states
    return (token if right else np.uint64(0)), right


@jit_exact
def _score_rows(lo: Any, hi: Any, sequences: Any, size: Any, table: Any, density: Any, wrong: Any) -> None:
    """Four sums in turns: one alone waits 4 cycles for each token."""
    isolate()
    flat, offsets, states = sequences[0], sequences[1], np.uint64(size)
    for n in range(lo, hi):
        before, at, right = states, offsets[n], True
        first = second = third = fourth = 0.0
        while at + 4 <= offsets[n + 1]:
            (a, is_a), (b, is_b) = _checked(flat[at], states), _checked(flat[at + 1], states)
            (c, is_c), (d, is_d) = _checked(flat[at + 2], states), _checked(flat[at + 3], states)
            first += table[before * states + a]
            second += table[a * states + b]
            third += table[b * states + c]
            fourth += table[c * states + d]
            before, at, right = d, at + 4, right & is_a & is_b & is_c & is_d
        while at < offsets[n + 1]:
            a, is_a = _checked(flat[at], states)
            first += table[before * states + a]
            before, at, right = a, at + 1, right & is_a
        density[n] = (first + second) + (third + fourth)
        wrong[n] = not right


def scored(flat: Array, offsets: Array, table: Array, threads: int) -> Array:
    """Sums of table[before, token] over each sequence, (N,), float64; row S of the table is for the first.

    The sums are made in four parts, whose order does not depend on the batch. Raises ValueError for a token
    that is none.
    """
    density, wrong = np.empty(len(offsets) - 1), np.zeros(len(offsets) - 1, np.bool_)

    def part(lo: int, hi: int) -> None:
        _score_rows(lo, hi, (flat, offsets), table.shape[1], table.ravel(), density, wrong)

    shape = len(density), int(max(1, len(flat) // max(1, len(density))))
    in_parts(part, threads, shape, WORTH_LIGHT)
    _refuse(flat, offsets, wrong, table.shape[1])
    return density


def _refuse(flat: Array, offsets: Array, wrong: Array, states: int) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        tokens = flat[offsets[row] : offsets[row + 1]]
        value = tokens[(tokens < 0) | (tokens >= states)][0]
        raise ValueError(f"tokens: expected integers from 0 to {states - 1}, got {value} in row {row}")


@jit_exact
def _count(flat: Any, offsets: Any, first: Any, pairs: Any, wrong: Any) -> None:
    isolate()
    states = first.shape[0]
    for n in range(offsets.shape[0] - 1):
        before = np.int64(-1)
        for at in range(offsets[n], offsets[n + 1]):
            token = np.int64(flat[at])
            if not 0 <= token < states:
                wrong[n] = True
                break
            if before < 0:
                first[token] += 1
            else:
                pairs[before, token] += 1
            before = token


def counts(flat: Array, offsets: Array, states: int) -> tuple[Array, Array]:
    """How often each token is the first, (S,), and follows another, (S, S); float64."""
    first, pairs = np.zeros(states), np.zeros((states, states))
    wrong = np.zeros(len(offsets) - 1, np.bool_)
    if not wrong.size:
        raise ValueError("tokens: expected at least 1 sequence, got none")
    _count(flat, offsets, first, pairs, wrong)
    _refuse(flat, offsets, wrong, states)
    return first, pairs


def drawn(
    draw: Callable[..., Array], numbers: Array, before: int, longest: int, end: int
) -> tuple[Array, Array]:
    """(tokens, lengths) of rows up to their first `end`, or their first `longest` tokens.

    draw(numbers, states, start, count): so many tokens of these rows from column `start` on, a multiple of 4,
    and from these states on; state `before` stands for none.
    """
    going, states = np.arange(len(numbers)), np.full(len(numbers), before, np.uint32)
    lengths, pieces = np.zeros(len(numbers), np.int64), []
    start, count = 0, _FIRST
    while going.size and start < longest:
        tokens = draw(numbers[going], states, start, min(count, longest - start))
        ends = tokens == end
        more = ~ends.any(1)
        sizes = np.where(more, tokens.shape[1], 1 + ends.argmax(1))
        pieces.append((tokens, sizes, going, lengths[going]))
        lengths[going] += sizes
        going, states = going[more], tokens[more, -1].astype(np.uint32)
        start, count = start + count, max(_FIRST, min(2 * count, _AT_ONCE // max(1, going.size) // 4 * 4))
    firsts, flat = np.cumsum(lengths) - lengths, np.empty(lengths.sum(), np.int32)
    for tokens, sizes, rows, done in pieces:
        _copy(tokens, sizes, firsts[rows] + done, flat)
    return flat, lengths


@jit_exact
def _copy(tokens: Any, sizes: Any, places: Any, flat: Any) -> None:
    """The first tokens of each row, so many as its size, to their places."""
    isolate()
    for n in range(tokens.shape[0]):
        for t in range(sizes[n]):
            flat[places[n] + t] = tokens[n, t]


def joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """(tokens, offsets) of all of them."""
    lengths = np.concatenate([np.zeros(1, np.int64), *(lengths for _, lengths in parts)])
    tokens = np.concatenate([np.empty(0, np.int32), *(tokens for tokens, _ in parts)])
    return tokens, np.cumsum(lengths)
