"""Chains of tokens: known figures, laws, blocks that have the bits of single steps, wrong input."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bits import assert_same_bits
from seqgap.kernels import bigram
from seqgap.kernels._nets import sequences
from seqgap.kernels._nets.categories import alias_tables
from seqgap.kernels._nets.token_chains import LANES

METHODS = ("alias", "inverse", "gumbel")
TEXT = "the cat sat on the mat and the rat ate the cat "


def coded(text: str) -> tuple[Any, list[str]]:
    letters = sorted(set(text))
    return np.array([[letters.index(letter) for letter in text]]), letters


def sticky(states: int, stay: float) -> bigram.Params:
    """A chain that stays where it is but for one token in so many, and then goes anywhere."""
    row = np.full(states, (1 - stay) / states)
    return bigram.Params(np.full(states, 1 / states), row + stay * np.eye(states))


def rarely_ended(chance: float) -> bigram.Params:
    """Three tokens, of which token 1 ends a sequence."""
    row = np.array([0.6 - chance, chance, 0.4])
    return bigram.Params(row, np.stack([row] * 3), 1)


def wheel(states: int) -> bigram.Params:
    """A chain that goes round for ever: it never forgets where it began."""
    return bigram.Params(np.full(states, 1 / states), np.roll(np.eye(states), 1, axis=1))


def test_known_alias_tables() -> None:
    """Those of Vose (1991) with two stacks."""
    rows = np.array([[0.1, 0.2, 0.3, 0.4]])
    entries = alias_tables(rows).entries
    assert (entries & np.uint64(2**32 - 1)).tolist() == [3, 3, 2, 2]
    thresholds = (entries >> np.uint64(32)) / 2**32
    np.testing.assert_allclose(thresholds, [0.4, 0.8, 1, 0.8], rtol=0, atol=1e-9)


def test_known_counts_with_begin_and_end() -> None:
    """ABC., ABD., ACC., BD.: tokens A to D and the end."""
    sequences = [[0, 1, 2, 4], [0, 1, 3, 4], [0, 2, 2, 4], [1, 3, 4]]
    tokens, offsets = np.concatenate(sequences), np.cumsum([0, *map(len, sequences)])
    params = bigram.fit((tokens, offsets), 5, end=4)
    np.testing.assert_allclose(params.initial, [0.75, 0.25, 0, 0, 0])
    np.testing.assert_allclose(params.probability[0], [0, 2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(params.probability[3], [0, 0, 0, 0, 1])
    assert params.probability[4].tolist() == [0, 0, 0, 0, 1]
    density = bigram.log_prob((tokens, offsets), params)
    assert density[3] == pytest.approx(math.log(0.25 * 2 / 3))


def test_known_text() -> None:
    tokens, letters = coded(TEXT)
    params = bigram.fit(tokens, len(letters), smoothing=1.0)
    assert params.probability[letters.index(" "), letters.index("t")] == pytest.approx(
        0.173913043478, abs=1e-12
    )
    pairs = np.log(params.probability[tokens[0, :-1], tokens[0, 1:]])
    assert -pairs.mean() == pytest.approx(1.57433266151, abs=1e-11)
    whole = bigram.log_prob(tokens, params)[0]
    assert whole == pytest.approx(pairs.sum() + np.log(params.initial[tokens[0, 0]]), abs=1e-11)


@pytest.mark.parametrize("method", ["alias", "inverse"])
@pytest.mark.parametrize("states", [1, 2, 5, 27])
def test_blocks_have_the_bits_of_steps(method: str, states: int) -> None:
    """Also for lengths that blocks do not divide, other rows, threads, and side by side."""
    sampler = bigram.Sampler(bigram.random_params(states, 3, spread=2.0), method)
    for length in (1, 3, 4, 5, LANES, 4095, 4096, 4097, 70_001):
        for seed in (1, 2):
            expected = sampler.sample(2, seed, length=length, strategy="steps", first_row=5)
            blocks = sampler.sample(2, seed, length=length, strategy="blocks", first_row=5)
            assert blocks.tobytes() == expected.tobytes()
            threaded = sampler.sample(2, seed, length=length, strategy="blocks", first_row=5, threads=2)
            assert threaded.tobytes() == expected.tobytes()
    many = sampler.sample(2 * LANES + 3, 1, length=70, first_row=4)
    single = [sampler.sample(1, 1, length=70, strategy="steps", first_row=4 + i) for i in range(len(many))]
    assert many.tobytes() == np.concatenate(single).tobytes()


@pytest.mark.parametrize(
    "params", [sticky(7, 0.99), sticky(3, 0.9999), wheel(5)], ids=["late", "later", "never"]
)
def test_chains_that_forget_late_or_never_keep_their_bits(params: bigram.Params) -> None:
    sampler = bigram.Sampler(params)
    for threads in (1, 2):
        tokens, report = sampler.blocks(100_000, 4, threads=threads)
        assert tokens.tobytes() == sampler.sample(1, 4, length=100_000, strategy="steps").tobytes()
        assert report.redone + report.stepwise > 0


def test_blocks_tell_what_they_took() -> None:
    quick, report = bigram.Sampler(bigram.random_params(27, 1)).blocks(300_000, 4)
    assert report.blocks > 0
    assert report.blocks % LANES == 0
    assert 0 < report.longest < 100
    assert report.longest <= report.redone < 0.01 * len(quick)
    assert report.stepwise < 4096
    slow, report = bigram.Sampler(wheel(5)).blocks(300_000, 4)
    assert report.stepwise + report.redone > 0.6 * len(slow)  # some blocks began right by chance
    assert report.stepwise > 0.5 * len(slow)  # not tried, since what was tried did not pay


@pytest.mark.parametrize("method", METHODS)
def test_the_law_of_pairs(method: str) -> None:
    """Counts of neighbours against their expectation, given how often each token came."""
    params = bigram.random_params(6, 2, spread=1.5)
    params.probability[2, 3] = 0  # never drawn
    params.probability[2] /= params.probability[2].sum()
    tokens = bigram.sample(1, params, 11, length=200_000, method=method)
    counts = np.zeros((6, 6))
    np.add.at(counts, (tokens[0, :-1], tokens[0, 1:]), 1)
    assert counts[2, 3] == 0
    expected = counts.sum(1, keepdims=True) * params.probability
    possible = expected > 0
    square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert 1e-4 < stats.chi2.sf(square, possible.sum() - 6) < 1 - 1e-4
    firsts = np.bincount(bigram.sample(20_000, params, 12, length=1, method=method)[:, 0], minlength=6)
    assert stats.chisquare(firsts, 20_000 * params.initial).pvalue > 1e-4


def test_methods_are_named_and_differ() -> None:
    params = bigram.random_params(9, 1)
    drawn = {bigram.sample(1, params, 3, length=50, method=method).tobytes() for method in METHODS}
    assert len(drawn) == 3
    with pytest.raises(ValueError, match=r"^strategy: expected steps with method 'gumbel', got 'blocks'$"):
        bigram.Sampler(params, "gumbel").sample(1, 1, length=5, strategy="blocks")


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    params = bigram.random_params(3, 5, spread=2.0)
    everything = np.array(list(itertools.product(range(3), repeat=5)))
    assert np.exp(bigram.log_prob(everything, params)).sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64", ">i4"])
def test_log_prob_takes_integers_of_every_kind(kind: str) -> None:
    params = bigram.random_params(5, 5)
    tokens = bigram.sample(12, params, 1, length=11)
    expected = bigram.log_prob(tokens, params)
    assert bigram.log_prob(tokens.astype(kind), params).tobytes() == expected.tobytes()
    assert bigram.log_prob(tokens, params, threads=2).tobytes() == expected.tobytes()


def test_impossible_sequences_have_no_density() -> None:
    assert bigram.log_prob(np.array([[0, 1], [0, 2]]), wheel(3)).tolist() == [math.log(1 / 3), -math.inf]


def test_sequences_are_rows_up_to_their_end() -> None:
    params = bigram.random_params(6, 5)._replace(end=2)
    tokens, offsets = bigram.sample_sequences(50, params, 7, longest=20, first_row=3)
    rows = bigram.sample(50, params, 7, length=20, first_row=3)
    for row, start, stop in zip(rows, offsets[:-1], offsets[1:], strict=True):
        ends = np.flatnonzero(row == 2)
        assert tokens[start:stop].tolist() == row[: ends[0] + 1 if ends.size else 20].tolist()
    lengths = np.diff(offsets)
    assert lengths.min() < 20 == lengths.max()
    density = bigram.log_prob((tokens, offsets), params)
    for i in (0, 17, 49):
        single = bigram.log_prob(tokens[None, offsets[i] : offsets[i + 1]], params)
        assert single.tobytes() == density[i : i + 1].tobytes()
    empty, offsets = bigram.sample_sequences(0, params, 7, longest=20)
    assert (empty.size, offsets.tolist()) == (0, [0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "longest"), [(1, 1), (5, 63), (5, 700), (70, 64), (70, 65), (70, 701)])
def test_long_sequences_are_drawn_in_stretches(method: str, n: int, longest: int) -> None:
    """Some end in the first stretch, some in later ones, some not at all."""
    params = rarely_ended(0.01)
    rows = bigram.sample(n, params, 7, length=longest, method=method, first_row=2**40)
    ends = [int(np.argmax(row == 1)) + 1 if 1 in row else longest for row in rows]
    for threads in (1, 2):
        tokens, offsets = bigram.sample_sequences(
            n, params, 7, longest=longest, method=method, first_row=2**40, threads=threads
        )
        assert tokens.dtype == np.int32
        assert np.diff(offsets).tolist() == ends
        assert tokens.tolist() == [t for row, end in zip(rows, ends, strict=True) for t in row[:end]]


def test_parts_of_many_sequences_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where few tokens are drawn at once."""
    expected = bigram.sample_sequences(100, rarely_ended(0.01), 7, longest=1000)
    monkeypatch.setattr(sequences, "ROWS", 30)
    monkeypatch.setattr(sequences, "_AT_ONCE", 2000)
    assert_same_bits(bigram.sample_sequences(100, rarely_ended(0.01), 7, longest=1000), expected)


def test_sequences_take_no_more_than_their_tokens() -> None:
    """2**31 tokens of each would take terabytes."""
    expected = bigram.sample_sequences(500, rarely_ended(0.05), 7, longest=1000)
    assert np.diff(expected[1]).max() < 1000
    assert_same_bits(bigram.sample_sequences(500, rarely_ended(0.05), 7, longest=2**31), expected)


def test_a_fit_finds_the_chain_again() -> None:
    params = bigram.random_params(4, 5)
    again = bigram.fit(bigram.sample(2000, params, 9, length=200), 4)
    np.testing.assert_allclose(again.probability, params.probability, atol=0.01)


@pytest.mark.parametrize("end", [-1, 2])
@pytest.mark.parametrize("smoothing", [1e17, 1e308])
def test_much_smoothing_leaves_equal_probabilities(smoothing: float, end: int) -> None:
    params = bigram.fit([[0, 1, 2]], 3, smoothing=smoothing, end=end)
    rows = np.vstack([params.initial, params.probability])
    assert rows[:-1].tolist() == [[1 / 3] * 3] * 3
    assert rows[-1].tolist() == ([1 / 3] * 3 if end < 0 else [0, 0, 1])


def test_a_wide_spread_leaves_one_token() -> None:
    rows = np.vstack(bigram.random_params(9, 1, spread=1e308)[:2])
    assert sorted(set(rows.ravel())) == [0, 1]
    assert rows.sum(1).tolist() == [1] * 10


@pytest.mark.parametrize(("states", "longest"), [(1, 2**31), (9, 2**34 // 9), (200, 2**34 // 200)])
def test_a_chain_has_no_more_words_than_its_counter_counts(states: int, longest: int) -> None:
    """None is drawn: it would take gigabytes."""
    params = bigram.random_params(states, 1)._replace(end=0)
    sampler = bigram.Sampler(params, "gumbel")
    assert sampler.sample(0, 1, length=longest).shape == (0, longest)
    assert bigram.Sampler(params).sample(0, 1, length=2**31).shape == (0, 2**31)
    message = f"expected an integer from 1 to {longest}, got {longest + 1}$"
    with pytest.raises(ValueError, match=f"^length: {message}"):
        sampler.sample(0, 1, length=longest + 1)
    with pytest.raises(ValueError, match=f"^longest: {message}"):
        bigram.sample_sequences(0, params, 1, longest=longest + 1, method="gumbel")


def test_a_probability_may_exceed_one_by_rounding() -> None:
    above = np.nextafter(1, 2)
    sure = bigram.Params(np.array([above, 0]), above * np.eye(2))
    assert bigram.sample(2, sure, 1, length=3).tolist() == [[0] * 3] * 2
    assert bigram.log_prob([[0, 0, 0]], sure).tolist() == [0]


def test_float32_probabilities_are_taken() -> None:
    params = bigram.random_params(27, 5, dtype=np.float32)
    assert params.dtype == np.float32
    assert bigram.sample(3, params, 1, length=9).dtype == np.int32
    assert bigram.log_prob(np.zeros((1, 1), int), params).dtype == np.float64


GOOD = bigram.random_params(3, 1)
HALF = np.full(2, 0.5)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (GOOD._replace(initial=np.array([0.5, 0.5, 0.1])), "params.initial: expected numbers that sum to 1"),
        (GOOD._replace(probability=1.01 * GOOD.probability), "params.probability: expected numbers that sum"),
        (GOOD._replace(initial=np.array([1.5, -0.5, 0])), "params.initial: expected"),
        (GOOD._replace(initial=np.array([1.00001, 0, 0])), "params.initial: expected 0 to 1, got 1.00001$"),
        (GOOD._replace(initial=np.array([np.nan, 0.5, 0.5])), "params.initial: expected"),
        (GOOD._replace(probability=np.eye(2)), r"params.probability: expected shape \(3, 3\), got \(2, 2\)"),
        (GOOD._replace(end=3), "params.end: expected an integer from -1 to 2, got 3"),
        (bigram.Params(HALF, np.array([HALF, [np.inf, 0]])), "params.probability: expected"),
    ],
)
def test_wrong_probabilities_are_refused_by_name(params: bigram.Params, message: str) -> None:
    for call in (
        lambda: bigram.sample(1, params, 1, length=3),
        lambda: bigram.log_prob(np.zeros((1, 2), int), params),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 3]], "tokens: expected integers from 0 to 2, got 3 in row 0"),
        ([[0, 1], [1, -1]], "tokens: expected integers from 0 to 2, got -1 in row 1"),
        ([0, 1], r"tokens: expected 2 dimensions \(N, T\), got shape \(2,\); for one sequence pass"),
        (np.zeros((2, 0), int), "tokens: expected at least 1 token in a row"),
        (([0, 1], [0, 1]), "tokens: expected offsets that end at the number of tokens, got 1"),
        (([0, 1], [0, 0, 2]), "tokens: expected offsets from 0 on, each above the one before"),
        (([0, 1, 2], [0, 2**63 - 1, -(2**63) + 10, 3]), "tokens: expected offsets from 0 on, each above"),
        (([0, 1], [0, 1, 2], [1]), r"tokens: expected \(tokens, offsets\), got a tuple of 3"),
    ],
)
def test_wrong_tokens_are_refused_by_name(tokens: Any, message: str) -> None:
    for call in (lambda: bigram.log_prob(tokens, GOOD), lambda: bigram.fit(tokens, 3, smoothing=1.0)):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


def test_wrong_options_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"^tokens: expected integers, got dtype float64$"):
        bigram.log_prob(np.zeros((1, 2)), GOOD)
    with pytest.raises(
        ValueError, match=r"^tokens: expected every token followed by another, or smoothing above 0"
    ):
        bigram.fit([[0, 1, 0]], 3)
    with pytest.raises(ValueError, match=r"^smoothing: expected"):
        bigram.fit([[0, 1, 0]], 3, smoothing=-1.0)
    with pytest.raises(ValueError, match=r"^tokens: expected at least 1 sequence, got none$"):
        bigram.fit(np.zeros((0, 3), int), 3)
    with pytest.raises(
        ValueError, match=r"^params.end: expected the token that ends a sequence, got -1, none$"
    ):
        bigram.sample_sequences(1, GOOD, 1, longest=3)
    with pytest.raises(ValueError, match=r"^dim: expected an integer from 1 to 65536, got 65537$"):
        bigram.random_params(2**16 + 1, 1)
    with pytest.raises(ValueError, match=r"^length: expected an integer from 1"):
        bigram.sample(1, GOOD, 1, length=0)
    with pytest.raises(ValueError, match=r"^method: expected one of alias, inverse, gumbel, got 'vose'$"):
        bigram.sample(1, GOOD, 1, length=2, method="vose")
    with pytest.raises(ValueError, match=r"^strategy: expected one of auto, steps, blocks, got 'all'$"):
        bigram.Sampler(GOOD).sample(1, 1, length=2, strategy="all")
