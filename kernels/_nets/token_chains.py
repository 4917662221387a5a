"""Chains of tokens: one after the other, many side by side, and one long chain in blocks side by side.

A chain that forgets is parallel, to the last bit: blocks of it run at once from states that are guessed, each
with its own words, and are then redone from their true entries until a state is the one that is there; from
there on all are equal, since the same state and the same words make the same tokens.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.philox import fill_words, fill_words_of_lanes

STREAM = np.uint32(0)  # of the words
LANES = 32  # chains or blocks side by side: 8 took 3 times as long for a token, 16 a tenth longer
FEWEST = 9  # rows that are faster side by side than one after the other
_CHUNK = 64  # tokens whose words are drawn at once
_ROWS = 8 * LANES  # whose numbers are written down at once
_FIRST, _LONGEST = 4096, 2**22  # tokens of a stretch of blocks
_SPOILED = 4  # a stretch is worth its blocks while fewer than one in so many tokens are redone


class Kernels(NamedTuple):
    """What one method of drawing makes."""

    rows: Any  # (lo, hi, tokens, first_row, key, tables): from the first token on
    onward: Any  # (lo, hi, tokens, places, key, tables): as `rows_onward_of`
    blocks: Any  # (tokens, start, stop, state, row, key, tables, report)
    patch: Any  # (tokens, start, stop, state, row, key, tables): how many tokens were redone


class Blocks(NamedTuple):
    """What the blocks of one chain took.

    blocks: how many there were; redone: tokens that were drawn again from the true state, in all; longest: in
    one block, that is how long the chain takes to forget; stepwise: tokens that were drawn one after the
    other, since the chain was short or did not forget soon enough.
    """

    blocks: int
    redone: int
    longest: int
    stepwise: int


def one_by_one(step: Any) -> Any:
    """All of `tokens`, those of one row from column `start` on, a multiple of 4, and from a state on."""

    @jit_exact
    def one(tokens: Any, start: Any, state: Any, row: Any, key: Any, tables: Any) -> Any:
        isolate()
        each, count = tables.words, tokens.shape[0]
        words = np.empty(_CHUNK * each, np.uint32)
        for at in range(0, count, _CHUNK):
            fill_words(words, row, (start + at) // 4 * each, key, STREAM)
            for t in range(min(_CHUNK, count - at)):
                state = step(words, t * each, state, tables)
                tokens[at + t] = state
        return state

    return one


def side_by_side(step: Any) -> Any:
    """So many tokens of LANES rows or blocks, each from its own place and state on."""

    @jit_exact
    def together(tokens: Any, places: Any, states: Any, count: Any, key: Any, tables: Any) -> None:
        isolate()
        rows, blocks, offsets = places
        words = np.empty((_CHUNK, LANES), np.uint32)
        flat = words.ravel()
        for at in range(0, count, _CHUNK):
            fill_words_of_lanes(words, rows, blocks, at // 4, key, STREAM)
            for t in range(min(_CHUNK, count - at)):
                for b in range(LANES):
                    state = step(flat, t * LANES + b, states[b], tables)
                    states[b] = state
                    tokens[offsets[b] + np.uint64(at + t)] = state

    return together


def each_row_onward_of(one: Any) -> Any:
    """As `rows_onward_of`, one after the other."""

    @jit_exact
    def onward(lo: Any, hi: Any, tokens: Any, places: Any, key: Any, tables: Any) -> None:
        isolate()
        numbers, states, start = places
        for n in range(lo, hi):
            one(tokens[n], start, states[n], numbers[n], key, tables)

    return onward


def rows_onward_of(each_row: Any, together: Any) -> Any:
    """Rows side by side, the few that are left one after the other.

    places: (number of each row, its state, the column that all go on from, a multiple of 4).
    """

    @jit_exact
    def onward(lo: Any, hi: Any, tokens: Any, places: Any, key: Any, tables: Any) -> None:
        isolate()
        numbers, before, begin = places
        length, flat = tokens.shape[1], tokens.ravel()
        lanes = np.empty(LANES, np.int64), np.full(LANES, begin // 4), np.empty(LANES, np.uint64)
        states = np.empty(LANES, np.uint32)
        for start in range(lo, hi, LANES):
            if hi - start < FEWEST:
                each_row(start, hi, tokens, places, key, tables)
                continue
            for b in range(LANES):  # too many do the last row again
                row = min(start + b, hi - 1)
                lanes[0][b], lanes[2][b], states[b] = numbers[row], row * length, before[row]
            together(flat, lanes, states, length, key, tables)

    return onward


def rows_of(onward: Any) -> Any:
    """Rows from their first token on."""

    @jit_exact
    def rows(lo: Any, hi: Any, tokens: Any, first_row: Any, key: Any, tables: Any) -> None:
        isolate()
        size = max(1, min(_ROWS, hi - lo))
        numbers, states = np.empty(size, np.int64), np.full(size, _before(tables))
        for start in range(lo, hi, size):
            some = tokens[start : min(start + size, hi)]
            for n in range(some.shape[0]):
                numbers[n] = first_row + start + n
            onward(0, some.shape[0], some, (numbers, states, 0), key, tables)

    return rows


def patch_of(step: Any) -> Any:
    """Tokens start to stop - 1 again from their true state, until one is there already: how many were not."""

    @jit_exact
    def patch(tokens: Any, start: Any, stop: Any, state: Any, row: Any, key: Any, tables: Any) -> Any:
        isolate()
        each, at, count = tables.words, start, 16  # most meet soon
        words = np.empty(_CHUNK * each, np.uint32)
        while at < stop:
            fill_words(words[: count * each], row, at // 4 * each, key, STREAM)
            for t in range(at, min(at + count, stop)):
                state = step(words, (t - at) * each, state, tables)
                if state == tokens[t]:
                    return t - start
                tokens[t] = state
            at, count = at + count, _CHUNK
        return stop - start

    return patch


def stretch_of(together: Any, patch: Any) -> Any:
    """LANES blocks of `size` tokens each: how many were redone, in all and in the worst block."""

    @jit_exact
    def stretch(tokens: Any, start: Any, size: Any, state: Any, row: Any, key: Any, tables: Any) -> Any:
        isolate()
        places = np.empty(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.uint64)
        states = np.zeros(LANES, np.uint32)
        states[0] = state
        for b in range(LANES):
            places[0][b], places[1][b], places[2][b] = row, (start + b * size) // 4, start + b * size
        together(tokens, places, states, size, key, tables)
        redone = worst = 0
        for at in range(start + size, start + LANES * size, size):
            steps = patch(tokens, at, at + size, np.uint32(tokens[at - 1]), row, key, tables)
            redone, worst = redone + steps, max(worst, steps)
        return redone, worst

    return stretch


def blocks_of(one: Any, stretch: Any) -> Any:
    """Stretches of blocks, each twice as long as the one before; report: as `bigram.Blocks`.

    Where a stretch had to redo too much, the next one is four times as long, since blocks must be longer than
    what a chain takes to forget; before it as many tokens are drawn one after the other, twice as many after
    each further failure. So a chain that never forgets takes at most 1.2 times as long as step by step.
    """

    @jit_exact
    def blocks(
        tokens: Any, start: Any, stop: Any, state: Any, row: Any, key: Any, tables: Any, report: Any
    ) -> None:
        isolate()
        length, pause = _FIRST, 1
        while stop - start >= _FIRST:
            size = min(length, stop - start) // (4 * LANES) * 4
            size -= 4 * (size % 64 == 0)  # else the blocks share the sets of a cache
            redone, worst = stretch(tokens, start, size, state, row, key, tables)
            start += LANES * size
            state = np.uint32(tokens[start - 1])
            report[0] += LANES
            report[1] += redone
            report[2] = max(report[2], worst)
            if redone > LANES * size // _SPOILED:
                end = min(stop, start + pause * LANES * size)
                report[3] += end - start
                state = one(tokens[start:end], start, state, row, key, tables)
                start, length, pause = end, 2 * length, 2 * pause
            else:
                pause = 1
            length = min(2 * length, _LONGEST)
        report[3] += stop - start
        one(tokens[start:stop], start, state, row, key, tables)

    return blocks


def kernels_of(step: Any) -> Kernels:
    """Those of a step of one word, of which several go side by side."""
    one, together, patch = one_by_one(step), side_by_side(step), patch_of(step)
    onward = rows_onward_of(each_row_onward_of(one), together)
    return Kernels(rows_of(onward), onward, blocks_of(one, stretch_of(together, patch)), patch)


def kernels_of_many_words(step: Any) -> Kernels:
    """Those of a step of several words, which go one after the other."""
    onward = each_row_onward_of(one_by_one(step))
    return Kernels(rows_of(onward), onward, None, None)


@jit_inline
def _before(tables: Any) -> Any:
    """The state before the first token."""
    return np.uint32(tables.states)
