"""Independent bits: known figures, SciPy and mpmath, fits, exact frequencies, what is refused."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.bench.peers.bits import uniforms
from seqgap.kernels import bernoulli
from seqgap.kernels.normal import philox4x32
from seqgap.reference import bernoulli as reference

TOY = np.repeat(
    [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]], [3, 2, 1, 1, 1], axis=0
)
PARAMS = bernoulli.Params(np.array([-1.0, 0.5, 2.0]))


def drawn_by_python() -> Any:
    """1000 rows of three bits from Python's own generator."""
    draw = random.Random(3).random
    return np.array([[draw() < p for p in (0.2, 0.5, 0.9)] for _ in range(1000)])


def test_known_figures_of_a_thousand_rows() -> None:
    x = drawn_by_python()
    params = bernoulli.fit(x)
    np.testing.assert_allclose(special.expit(params.logit), [0.192, 0.494, 0.912], rtol=1e-14)
    assert -bernoulli.log_prob(x, params).mean() == pytest.approx(1.48007117146, abs=1e-11)
    assert stats.bernoulli([0.192, 0.494, 0.912]).entropy().sum() == pytest.approx(1.48007117146, abs=1e-11)
    truth = bernoulli.from_probability([0.2, 0.5, 0.9])
    assert -bernoulli.log_prob(x, truth).mean() == pytest.approx(1.48117552767, abs=1e-11)


def test_known_figures_of_eight_rows() -> None:
    params = bernoulli.fit(TOY)
    np.testing.assert_allclose(special.expit(params.logit), [0.75, 0.625, 0.5, 0.25], rtol=1e-15)
    nll = -bernoulli.log_prob(TOY, params)
    assert nll.mean() == pytest.approx(2.479381, abs=5e-7)
    assert nll.max() == pytest.approx(4.446565, abs=5e-7)


def test_a_logit_of_40_is_no_logarithm_of_0() -> None:
    params = bernoulli.Params(np.array([40.0]))
    assert bernoulli.log_prob([[0], [1]], params).tolist() == [-40.0, -np.exp(-40.0)]


@pytest.mark.parametrize("dim", [1, 2, 7, 15, 16, 33, 100])
def test_log_prob_is_that_of_scipy(dim: int, dtype: Dtype) -> None:
    params = bernoulli.random_params(dim, 3, dtype=dtype)
    x = bernoulli.sample(50, params, 4)
    found = bernoulli.log_prob(x, params)
    assert found.dtype == np.float64
    expected = stats.bernoulli(special.expit(params.logit.astype(float))).logpmf(x).sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_log_prob_is_that_of_mpmath() -> None:
    logits = [-800.0, -40.0, -1.0, -1e-3, 0.0, 1e-300, 0.3, 5.0, 40.0, 800.0]
    with mpmath.workdps(400):
        for logit, bit in itertools.product(logits, (0, 1)):
            sign = 1 if bit else -1
            expected = float(-mpmath.log1p(mpmath.exp(-sign * mpmath.mpf(logit))))
            found = bernoulli.log_prob([[bit]], bernoulli.Params(np.array([logit])))[0]
            assert found == pytest.approx(expected, rel=1e-15, abs=5e-324)


@pytest.mark.parametrize("dim", range(1, 7))
def test_probabilities_of_all_vectors_sum_to_one(dim: int) -> None:
    every = np.array(list(itertools.product((0, 1), repeat=dim)))
    params = bernoulli.random_params(dim, 8)
    assert np.exp(bernoulli.log_prob(every, params)).sum() == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("dim", [3, 40])
def test_bits_that_cannot_be(dim: int, dtype: Dtype) -> None:
    """Infinite logits: -inf for the impossible, 0 for the certain, never NaN; samples never have them."""
    certain = np.arange(dim) % 2
    params = bernoulli.Params(np.where(certain, np.inf, -np.inf).astype(dtype))
    density = bernoulli.log_prob([certain, 1 - certain, np.zeros(dim, int)], params)
    assert density.tolist() == [0.0, -np.inf, -np.inf]
    np.testing.assert_array_equal(bernoulli.sample(5000, params, 1), np.tile(certain, (5000, 1)))
    mixed = bernoulli.Params(np.array([np.inf, 0.0, -np.inf], dtype))
    np.testing.assert_allclose(
        bernoulli.log_prob([[1, 0, 0], [1, 1, 0], [0, 1, 0]], mixed), [-np.log(2), -np.log(2), -np.inf]
    )


def test_fit_has_the_means_and_the_smoothing_that_it_says() -> None:
    x = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]])
    assert bernoulli.fit(x).logit.tolist() == [np.inf, -np.inf, pytest.approx(np.log(2))]
    smoothed = special.expit(bernoulli.fit(x, smoothing=0.5).logit)
    np.testing.assert_allclose(smoothed, [3.5 / 4, 0.5 / 4, 2.5 / 4], rtol=1e-15)
    expected = reference.fit(x.tolist(), smoothing=0.5).logit
    np.testing.assert_allclose(bernoulli.fit(x, smoothing=0.5).logit, expected, rtol=1e-14)


def test_fit_is_the_largest_likelihood() -> None:
    x = bernoulli.sample(40, PARAMS, 2)
    best = bernoulli.fit(x)
    total = bernoulli.log_prob(x, best).sum()
    for d, step in itertools.product(range(3), (-1e-3, 1e-3)):
        other = best.logit.copy()
        other[d] += step
        assert bernoulli.log_prob(x, bernoulli.Params(other)).sum() < total


def test_fit_finds_the_params_of_a_sample() -> None:
    params, n = bernoulli.random_params(20, 5), 100_000
    p = special.expit(params.logit)
    found = special.expit(bernoulli.fit(bernoulli.sample(n, params, 6)).logit)
    assert (np.abs(found - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


def test_from_probability(dtype: Dtype) -> None:
    p = np.array([0, 0.25, 0.5, 1], dtype)
    logit = bernoulli.from_probability(p).logit
    assert logit.dtype == dtype
    np.testing.assert_allclose(logit, [-np.inf, -np.log(3), 0, np.inf], rtol=2e-7)
    tiny = bernoulli.from_probability([1e-300]).logit
    np.testing.assert_allclose(tiny, np.log(1e-300), rtol=1e-15)


@pytest.mark.parametrize("dim", [1, 3, 4, 9, 64, 70])
def test_samples_equal_the_reference_and_its_words(dim: int, dtype: Dtype) -> None:
    params, row = bernoulli.random_params(dim, 9, dtype=dtype), 2**33 + 5
    x = bernoulli.sample(60, params, 2**64 - 3, first_row=row)
    assert (x.dtype, x.shape) == (np.uint8, (60, dim))
    expected = reference.sample(60, plain_value(params), 2**64 - 3, first_row=row)
    np.testing.assert_array_equal(x, expected)
    counters = [[d // 4, 5 + i, 2, 0] for i in range(60) for d in range(0, dim, 4)]
    words = philox4x32(counters, [2**32 - 3, 2**32 - 1]).reshape(60, -1)[:, :dim]
    np.testing.assert_array_equal(x, words / 2**32 < special.expit(params.logit.astype(float)))


def test_a_probability_is_right_to_32_bits() -> None:
    """A bit turns from 0 to 1 where 2**32 p passes its word."""
    word = int(philox4x32([[0, 0, 0, 0]], [1, 0])[0, 0])
    for offset, bit in ((-0.5, 0), (0.5, 1)):
        params = bernoulli.from_probability([(word + offset) / 2**32])
        assert bernoulli.sample(1, params, 1)[0, 0] == bit


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_frequencies_of_all_vectors(dim: int) -> None:
    n, params = 200_000, bernoulli.random_params(dim, 4)
    every = np.array(list(itertools.product((0, 1), repeat=dim)))
    x = bernoulli.sample(n, params, 12)
    counts = np.bincount(x @ (1 << np.arange(dim)[::-1]), minlength=2**dim)
    assert stats.chisquare(counts, n * np.exp(bernoulli.log_prob(every, params))).pvalue > 1e-5


def test_columns_and_neighbouring_rows_are_independent() -> None:
    n, params = 100_000, bernoulli.random_params(70, 6)
    x, p = bernoulli.sample(n, params, 5).astype(float), special.expit(params.logit)
    z = (x - p) / np.sqrt(p * (1 - p))
    assert np.abs(np.corrcoef(z.T) - np.eye(70)).max() < 6 / np.sqrt(n)
    for lag in (1, 2, 4):
        assert np.abs(z[:-lag].T @ z[lag:] / n).max() < 6 / np.sqrt(n)
    counts = x.sum(0)
    assert stats.chi2.sf(((counts - n * p) ** 2 / (n * p * (1 - p))).sum(), 70) > 1e-5


@pytest.mark.parametrize("dim", [1, 5, 80, 5000])
def test_bits_do_not_depend_on_the_batch(dim: int) -> None:
    params = bernoulli.random_params(dim, 4)
    x = bernoulli.sample(90, params, 5)
    calls: list[Callable[[int, int], Any]] = [
        lambda lo, hi: bernoulli.sample(hi - lo, params, 5, first_row=lo),
        lambda lo, hi: bernoulli.log_prob(x[lo:hi], params),
    ]
    for call in calls:
        parts = [call(lo, hi) for lo, hi in itertools.pairwise((0, 1, 3, 20, 37, 88, 90))]
        assert_same_bits(np.concatenate(parts), call(0, 90))


def test_any_integers_and_bools_are_bits() -> None:
    x = bernoulli.sample(7, PARAMS, 3)
    expected = bernoulli.log_prob(x, PARAMS)
    others = x.astype(bool), x.astype(np.int64), x.astype(">i2"), np.asfortranarray(x), x.tolist()
    for other in others:
        assert_same_bits(bernoulli.log_prob(other, PARAMS), expected)
        assert_same_bits(bernoulli.fit(other).logit, bernoulli.fit(x).logit)
    assert bernoulli.log_prob(np.empty((0, 3), int), PARAMS).shape == (0,)
    assert bernoulli.log_prob(np.empty((0, 3), int), PARAMS).dtype == np.float64
    assert bernoulli.sample(0, PARAMS, 1).shape == (0, 3)


def test_noise_behind_bits_is_uniform() -> None:
    p = special.expit(PARAMS.logit)
    x = bernoulli.sample(3000, PARAMS, 3)
    assert stats.kstest(uniforms(x, p).ravel(), "uniform").pvalue > 1e-4
    assert stats.kstest(uniforms(1 - x, p).ravel(), "uniform").pvalue < 1e-9


def test_wrong_arguments_are_named() -> None:
    log_prob, sample, fit, draw = bernoulli.log_prob, bernoulli.sample, bernoulli.fit, bernoulli.random_params
    x, logit, of = bernoulli.sample(4, PARAMS, 1), PARAMS.logit, bernoulli.Params
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "x: expected 0 or 1, got 0 to 2$", lambda: log_prob([[0, 1, 2]], PARAMS)),
        (ValueError, "x: expected 0 or 1, got -1 to 1$", lambda: log_prob([[0, 1, -1]], PARAMS)),
        (ValueError, "x: expected 0 or 1, got 0 to 255$", lambda: fit(np.uint8([[0, 255]]))),
        (TypeError, "x: expected integers or bools .* got dtype float64", lambda: log_prob(x * 0.5, PARAMS)),
        (TypeError, "x: expected integers or bools .* got dtype float64", lambda: fit([[0.5, 1.0]])),
        (TypeError, "x: expected integers or bools", lambda: fit([["0", "1"]])),
        (TypeError, "x: expected an array without a mask", lambda: fit(np.ma.array(x))),
        (ValueError, r"x: expected 2 dimensions \(N, D\), .*x\[None\]", lambda: log_prob(x[0], PARAMS)),
        (ValueError, "x: expected at least 1 column", lambda: fit(np.zeros((3, 0), int))),
        (ValueError, "x: expected at least 1 row, got shape", lambda: fit(np.zeros((0, 3), int))),
        (ValueError, "x: expected at least 1 row", lambda: fit(np.zeros((0, 3), int), smoothing=1.0)),
        (ValueError, "x has 2 columns, params are for D = 3", lambda: log_prob(x[:, :2], PARAMS)),
        (ValueError, "smoothing: expected a finite number from 0 on", lambda: fit(x, smoothing=-0.1)),
        (ValueError, "smoothing: expected a finite number from 0 on", lambda: fit(x, smoothing=np.nan)),
        (ValueError, "smoothing: expected a finite number from 0 on", lambda: fit(x, smoothing=np.inf)),
        (TypeError, "smoothing: expected a number", lambda: fit(x, smoothing="1")),  # type: ignore[arg-type]
        (ValueError, "params.logit: expected numbers or inf.* NaN", lambda: log_prob(x, of(logit * np.nan))),
        (ValueError, "params.logit: expected numbers or inf.* NaN", lambda: sample(4, of(logit * np.nan), 0)),
        (ValueError, "params.logit: expected 1 dim", lambda: sample(4, of(logit[None]), 0)),
        (ValueError, "params.logit: expected 1 dim", lambda: sample(4, of(logit[:0]), 0)),
        (TypeError, "params.logit: expected float32", lambda: sample(4, of(logit.astype(complex)), 0)),
        (TypeError, "params.logit: expected float32", lambda: sample(4, of(logit.astype(np.float16)), 0)),
        (TypeError, "params: expected bernoulli.Params, got tuple", lambda: sample(4, (logit,), 0)),  # type: ignore[arg-type]
        (ValueError, "probability: expected 0 to 1, got 1.5$", lambda: bernoulli.from_probability([0, 1.5])),
        (ValueError, "probability: expected 0 to 1, got nan", lambda: bernoulli.from_probability([np.nan])),
        (ValueError, "probability: .* 1.0000000000000002$", lambda: bernoulli.from_probability([1 + 2e-16])),
        (ValueError, "probability: expected 1 dim", lambda: bernoulli.from_probability(0.5)),
        (ValueError, "probability: expected 1 dim", lambda: bernoulli.from_probability([])),
        (TypeError, "out: expected dtype uint8, got bool", lambda: sample(4, PARAMS, 0, out=x.astype(bool))),
        (ValueError, "out: expected shape", lambda: sample(3, PARAMS, 0, out=x)),
        (ValueError, "n: expected", lambda: sample(-1, PARAMS, 0)),
        (ValueError, "seed: expected", lambda: sample(4, PARAMS, -1)),
        (ValueError, "first_row: expected", lambda: sample(4, PARAMS, 0, first_row=2**63)),
        (ValueError, "threads", lambda: log_prob(x, PARAMS, threads=0)),
        (ValueError, "dim: expected", lambda: draw(0, 1)),
        (TypeError, "dtype: expected", lambda: draw(3, 1, dtype=int)),
    ]  # fmt: skip
    for error, message, call in cases:
        with pytest.raises(error, match=f"^{message}"):
            call()


def test_params_show_themselves_in_one_line() -> None:
    assert repr(PARAMS) == "bernoulli.Params(D=3, float64)"
    assert repr(bernoulli.Params(np.zeros((2, 2)))).startswith("bernoulli.Params(params.logit: expected")
