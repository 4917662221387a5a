"""Bigram chains of tokens: p(x) = initial[x_0] times the product of probability[x_{t-1}, x_t].

Tokens are integers from 0 to S - 1. `sample` takes T dependent steps, `log_prob` of given tokens is one pass
over them: the matched pair of Markov chains. Token t of row n is made of the word of that row and column of
the seed (Philox, stream 0), by one of three methods, which have the same law and other samples:

- alias: column k = floor(w S / 2**32), and then k itself or its alias (Walker, 1977; Vose, 1991);
- inverse: the first k with w / 2**32 < p_0 + ... + p_k;
- gumbel: the largest log p_k + Gumbel noise, of S words for each token, columns t S to t S + S - 1.

A chain has at most 2**31 tokens, and with gumbel 2**34 / S, since a row has 2**34 words.

One long chain that forgets where it began runs in blocks side by side, with the same tokens: see `Sampler`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel, in_parts
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets import categories, sequences
from seqgap.kernels._nets.token_chains import FEWEST, Kernels, kernels_of, kernels_of_many_words
from seqgap.kernels._nets.token_chains import Blocks as Blocks

INT32 = np.dtype(np.int32)
STRATEGIES = ("auto", "steps", "blocks")
_MOST_STATES, _LONGEST, _WORDS = 2**16, 2**31, 2**34  # the counter of a row has so many words
_EXTREME = 1e300  # with more the result is the same, and products overflow
_SUM_TOLERANCE = 1e-6  # of probabilities: float32 has it
_METHODS: dict[str, tuple[Any, Kernels]] = {
    "alias": (categories.alias_tables, kernels_of(categories.alias_step)),
    "inverse": (categories.inverse_tables, kernels_of(categories.inverse_step)),
    "gumbel": (categories.gumbel_tables, kernels_of_many_words(categories.gumbel_step)),
}


class Params(NamedTuple):
    """Probabilities of S tokens, float64 or float32, with sums of 1 to within 1e-6; divided by these sums."""

    initial: Array  # (S,), of the first token
    probability: Array  # (S, S), of the next token, given the one of the row
    end: int = -1  # the token that ends a sequence; -1: none does

    @property
    def dim(self) -> int:
        """S, the number of tokens."""
        return check.shape("params.initial", self.initial, 1)[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.initial", self.initial)


Params.__repr__ = summary  # type: ignore[method-assign]  # mypy takes it for one that is bound


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, spread: float = 1.0, dtype: DTypeLike = np.float64
) -> Params:
    """S = dim tokens with probabilities that are the softmax of normals of `seed` times spread, no end."""
    dim, real, key = check.integer("dim", dim, 1, _MOST_STATES), check.dtype(dtype), key_of(seed, rng)
    logits = min(check.nonnegative("spread", spread), _EXTREME) * standard_normal(dim + 1, dim, key, stream=1)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    rows = (weights / weights.sum(1, keepdims=True)).astype(real)
    return Params(rows[0], rows[1:])


def fit(tokens: Any, states: int, *, smoothing: float = 0.0, end: int = -1) -> Params:
    """Probabilities from counts, (count + s) / (sum of the row + s S), in float64.

    tokens: (N, T) integers from 0 to states - 1, or (tokens, offsets) of sequences of any length, as
    `sample_sequences` returns them. smoothing: s, at least 0, what is added to every count. end: the token
    that sequences end with; what follows it is not counted, and its own row returns to it. Raises TypeError
    or ValueError for wrong arguments; without smoothing also where a token is never followed by another.
    """
    states = check.integer("states", states, 1, _MOST_STATES)
    extra = min(check.nonnegative("smoothing", smoothing), _EXTREME)
    end = check.integer("end", end, -1, states - 1)
    flat, offsets = sequences.ragged("tokens", tokens)
    first, pairs = sequences.counts(flat, offsets, states)
    if end >= 0:
        pairs[end] = 1
    unseen = np.flatnonzero(pairs.sum(1) == 0)
    if unseen.size and not extra:
        wanted = "every token followed by another, or smoothing above 0"
        raise ValueError(f"tokens: expected {wanted}, got none behind {unseen[:5].tolist()}")
    counts = np.vstack([first[None], pairs]) + extra
    if end >= 0:
        counts[1 + end] = np.arange(states) == end
    rows = counts / counts.sum(1, keepdims=True)
    return Params(rows[0], rows[1:], end)


def _rows(params: Any) -> Array:
    """Checked: (S + 1, S) in float64, of what follows each token and of the first one."""
    check.instance("params", params, Params)
    states = params.dim
    check.integer("params: number of tokens", states, 1, _MOST_STATES)
    check.integer("params.end", params.end, -1, states - 1)
    initial = check.shaped("params.initial", params.initial, FLOAT64, (states,))
    probability = check.shaped("params.probability", params.probability, FLOAT64, (states, states))
    for name, values in (("initial", initial[None]), ("probability", probability)):
        check.between(f"params.{name}", values, 0, 1 + _SUM_TOLERANCE)
        sums = values.sum(1)
        if (wrong := np.abs(sums - 1) > _SUM_TOLERANCE).any():
            at = int(np.argmax(wrong))
            row = "" if name == "initial" else f" in row {at}"
            expected = f"numbers that sum to 1 to within {_SUM_TOLERANCE}"
            raise ValueError(f"params.{name}: expected {expected}, got a sum of {sums[at]:.9g}{row}")
    rows = np.vstack([probability, initial[None]])
    return np.asarray(rows / rows.sum(1, keepdims=True))


class Sampler:
    """Tables of one method, laid out once, for many calls.

    What is done to the arrays of params later changes nothing. Raises TypeError or ValueError for params or a
    method that are wrong.
    """

    def __init__(self, params: Params, method: str = "alias") -> None:
        tables, self._kernels = _METHODS[tuple(_METHODS)[check.choice("method", method, tuple(_METHODS))]]
        self._tables = tables(_rows(params))
        self._side_by_side = RowKernel(self._kernels.rows, WORTH_HEAVY)
        self._onward = RowKernel(self._kernels.onward, WORTH_HEAVY)
        self.dim, self.end, self.method = params.dim, params.end, method
        self.longest = min(_LONGEST, _WORDS // self._tables.words)

    def __repr__(self) -> str:
        return f"bigram.Sampler({self.dim} tokens, {self.method})"

    def sample(
        self, n: int, seed: Seed = None, *, length: int, strategy: str = "auto", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """n chains of `length` tokens, (n, length), int32; out: the array that they are written to.

        strategy: steps, token after token, in many chains at once; blocks, one chain after the other, each
        cut into blocks that run side by side and are redone from their true states until they meet; auto,
        blocks for fewer than 9 chains. All have the same bits. Rows first_row to first_row + n - 1, so that a
        sample can be drawn in parts; seed, rng: as in the `sample` of a flow. threads: of chains, or with
        blocks of parts of each. Raises TypeError or ValueError for wrong arguments.
        """
        n, key = check.count("n", n), key_of(seed, rng)
        length = check.integer("length", length, 1, self.longest)
        row, threads = check.first_row(first_row, n), check.threads(threads)
        strategy = self._strategy(strategy, n)
        tokens = check.output(out, INT32, (n, length))
        if strategy == "steps":
            self._side_by_side(threads, n, length, tokens, row, key, self._tables)
        else:
            for i, line in enumerate(tokens):
                self._blocks(line, row + i, key, threads)
        return tokens

    def _strategy(self, strategy: str, n: int) -> str:
        check.choice("strategy", strategy, STRATEGIES)
        if strategy == "auto":
            return "blocks" if n < FEWEST and self._kernels.blocks is not None else "steps"
        if strategy == "blocks" and self._kernels.blocks is None:
            raise ValueError(f"strategy: expected steps with method {self.method!r}, got 'blocks'")
        return strategy

    def blocks(
        self, length: int, seed: Seed = None, *, rng: RNG = None, first_row: int = 0, threads: int = 1
    ) -> tuple[Array, Blocks]:
        """One chain in blocks: (tokens, what it took); tokens (length,) are row first_row of `sample`."""
        length, key = check.integer("length", length, 1, self.longest), key_of(seed, rng)
        row, threads = check.first_row(first_row, 1), check.threads(threads)
        self._strategy("blocks", 1)
        tokens = check.output(None, INT32, (length,))
        return tokens, self._blocks(tokens, row, key, threads)

    def _blocks(self, tokens: Array, row: np.int64, key: np.uint64, threads: int) -> Blocks:
        """Each thread takes a part of the chain, from a state that is guessed but for the first."""
        parts = max(1, min(threads, len(tokens) // WORTH_HEAVY))
        edges = [*(len(tokens) * i // parts // 4 * 4 for i in range(parts)), len(tokens)]
        reports = np.zeros((parts, 4), np.int64)
        kernels, tables = self._kernels, self._tables

        def part(lo: int, hi: int) -> None:
            for i in range(lo, hi):
                state = np.uint32(0 if i else self.dim)
                kernels.blocks(tokens, edges[i], edges[i + 1], state, row, key, tables, reports[i])

        in_parts(part, threads, (parts, WORTH_HEAVY), WORTH_HEAVY, together=1)
        for i in range(1, parts):
            state = np.uint32(tokens[edges[i] - 1])
            steps = kernels.patch(tokens, edges[i], edges[i + 1], state, row, key, tables)
            reports[0] += 0, steps, max(0, steps - reports[0, 2]), 0
        blocks, redone, _, stepwise = reports.sum(0).tolist()
        return Blocks(blocks, redone, int(reports[:, 2].max()), stepwise)

    def _sequences(self, numbers: Array, key: np.uint64, longest: int, threads: int) -> tuple[Array, Array]:
        """(tokens, lengths) of rows of these numbers (N,) up to their end; nothing is checked."""

        def draw(rows: Array, states: Array, start: int, count: int) -> Array:
            tokens = np.empty((len(rows), count), np.int32)
            self._onward(threads, *tokens.shape, tokens, (rows, states, start), key, self._tables)
            return tokens

        return sequences.drawn(draw, numbers, self.dim, longest, self.end)


def sample(
    n: int, params: Params, seed: Seed = None, *, rng: RNG = None, length: int, method: str = "alias",
    first_row: int = 0, threads: int = 1,
) -> Array:  # fmt: skip
    """n chains of `length` tokens, (n, length), int32; method: alias, inverse or gumbel.

    As `Sampler(params, method).sample`, which keeps the tables for many calls. Raises TypeError or ValueError
    for wrong arguments.
    """
    draw = Sampler(params, method).sample
    return draw(n, seed, length=length, rng=rng, first_row=first_row, threads=threads)


def sample_sequences(
    n: int, params: Params, seed: Seed = None, *, rng: RNG = None, longest: int, method: str = "alias",
    first_row: int = 0, threads: int = 1,
) -> tuple[Array, Array]:  # fmt: skip
    """n sequences up to their end token: (tokens, offsets), int32 and (n + 1,) int64.

    Sequence i is tokens[offsets[i] : offsets[i + 1]]: the row first_row + i of `sample`, up to the first
    `params.end`, with it, or its first `longest` tokens where there is no end among them. Raises TypeError or
    ValueError for wrong arguments, also where no token ends a sequence.
    """
    check.instance("params", params, Params)
    if check.integer("params.end", params.end, -1, params.dim - 1) < 0:
        raise ValueError("params.end: expected the token that ends a sequence, got -1, none")
    sampler, n, key = Sampler(params, method), check.count("n", n), key_of(seed, rng)
    longest, row = check.integer("longest", longest, 1, sampler.longest), check.first_row(first_row, n)
    threads, parts = check.threads(threads), []
    for start in range(0, n, sequences.ROWS):
        numbers = row + np.arange(start, min(start + sequences.ROWS, n))
        parts.append(sampler._sequences(numbers, key, longest, threads))
    return sequences.joined(parts)


def log_prob(tokens: Any, params: Params, *, threads: int = 1) -> Array:
    """log p of each row: log initial[x_0] + sum of log probability[x_{t-1}, x_t], shape (N,), float64.

    tokens: (N, T) integers from 0 to S - 1, T at least 1; or (tokens, offsets) of sequences of any length,
    none of them empty. -inf for what is impossible. Raises TypeError or ValueError for wrong arguments,
    naming them.
    """
    rows, threads = _rows(params), check.threads(threads)
    flat, offsets = sequences.ragged("tokens", tokens)
    with np.errstate(divide="ignore"):  # log 0 is -inf
        return sequences.scored(flat, offsets, np.log(rows), threads)
