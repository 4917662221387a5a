"""Intervals cover what they say, on made-up timings that are as unpleasant as real ones."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from seqgap.bench.analysis.fits import crossover, slope
from seqgap.bench.analysis.statistics import (
    Interval,
    Part,
    intervals,
    moderate,
    p_values,
    ratio_intervals,
    split,
)

Array = NDArray[np.float64]
ROUNDS = 9


def simulate(random: np.random.Generator, truth: Array, processes: int) -> Array:
    """Rounds (processes, cells, ROUNDS) of cells whose log seconds are `truth`, up to a common constant.

    Each process is faster or slower as a whole, visits blocks of 10 cells in random order while the host
    drifts slowly, and lays its memory out anew: a skewed effect on each cell, on some more than on others.
    Rounds are 1 + an exponential excess.
    """
    cells = len(truth)
    noise = 0.006 * np.exp(0.4 * random.standard_normal(cells))
    logs = np.empty((processes, cells))
    for process in range(processes):
        blocks = random.permutation(np.arange(cells).reshape(-1, 10))
        order = random.permuted(blocks, axis=1).ravel()
        drift = np.cumsum(0.001 * random.standard_normal(cells))
        logs[process, order] = drift - drift.mean()
    layout = np.exp(0.5 * random.standard_normal((processes, cells))) - np.exp(0.125)
    whole = 0.005 * (np.exp(0.5 * random.standard_normal(processes)) - np.exp(0.125))
    logs += truth + noise * layout / 0.6 + whole[:, None]
    excess = 0.02 * random.standard_exponential((processes, cells, ROUNDS))
    return np.exp(logs)[..., None] * (1 + excess)


def log_medians(rounds: Array) -> Array:
    """(processes, cells)."""
    return np.log(np.median(rounds, axis=-1))


# What log of the median of ROUNDS rounds is on average, above the log of the undisturbed time.
_SAMPLE = 1 + 0.02 * np.random.default_rng(0).standard_exponential((400_000, ROUNDS))
OFFSET = float(log_medians(_SAMPLE).mean())


def covers(found: Interval | None, truth: float) -> bool:
    return found is not None and found.low <= truth <= found.high


def assert_covered(hits: list[Any]) -> None:
    """About 95% of them."""
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize("processes", [3, 5, 10])
def test_intervals_of_medians_cover(processes: int) -> None:
    random = np.random.default_rng(processes)
    hits = []
    for _ in range(250):
        truth = random.uniform(-14, -4, 80)
        found = intervals(list(log_medians(simulate(random, truth, processes)).T))
        hits.append([covers(i, t) for i, t in zip(found, np.exp(truth + OFFSET), strict=True)])
    assert_covered(hits)


@pytest.mark.parametrize("processes", [3, 5, 10])
def test_intervals_of_ratios_in_paired_blocks_cover(processes: int) -> None:
    random = np.random.default_rng(processes)
    hits = []
    for _ in range(300):
        truth = random.uniform(-14, -4, 80)
        logs = log_medians(simulate(random, truth, processes))
        ratios = np.exp(truth[::2] - truth[1::2])
        found = ratio_intervals(list((logs[:, ::2] - logs[:, 1::2]).T))
        hits.append([covers(i, r) for i, r in zip(found, ratios, strict=True)])
    assert_covered(hits)


def test_rounds_pooled_as_if_independent_do_not_cover() -> None:
    random = np.random.default_rng(0)
    hits = []
    for _ in range(100):
        truth = random.uniform(-14, -4, 80)
        logs = np.log(simulate(random, truth, 5)).transpose(1, 0, 2).reshape(80, -1)
        half = stats.t.isf(0.025, logs.shape[1] - 1) * stats.sem(logs, axis=1)
        wanted = truth + float(np.log(_SAMPLE).mean())
        hits.append(abs(logs.mean(axis=1) - wanted) < half)
    assert np.mean(hits) < 0.8


@pytest.mark.parametrize("processes", [3, 5])
def test_equal_neighbours_differ_in_one_of_twenty_cells(processes: int) -> None:
    random = np.random.default_rng(processes)
    wrong = []
    for _ in range(300):
        logs = log_medians(simulate(random, np.repeat(random.uniform(-14, -4, 40), 2), processes))
        found = ratio_intervals(list((logs[:, ::2] - logs[:, 1::2]).T))
        wrong.append([not covers(i, 1.0) for i in found])
    assert np.mean(wrong) <= 0.05 + 0.005  # 0.047 and 0.049 in 2000 runs; 300 are off by 0.002


@pytest.mark.parametrize("processes", [3, 5])
def test_what_processes_share_is_not_taken_for_many_cells(processes: int) -> None:
    """Where a whole process is slow, its cells are not independent witnesses."""
    random = np.random.default_rng(processes)
    hits = []
    for _ in range(800):
        logs = 0.01 * random.standard_normal((40, processes)) + 0.05 * random.standard_normal(processes)
        hits.append([covers(i, 1.0) for i in intervals(list(logs))])
    assert_covered(hits)


def test_split_has_no_bias() -> None:
    random = np.random.default_rng(7)
    own, common = [], []
    for _ in range(20_000):
        parts = split(random.standard_normal((6, 4)) + 0.7 * random.standard_normal(4))
        own.append(parts[0].mean())
        common.append(parts[1].variance[0])
    assert np.mean(own) == pytest.approx(1.0, rel=0.02)
    assert np.mean(common) == pytest.approx(0.49, rel=0.05)  # a little above: never less than zero


@pytest.mark.parametrize("unequal", [0.0, 0.5, 1.0])
def test_moderated_variances_cover_and_narrow_the_intervals(unequal: float) -> None:
    random = np.random.default_rng(1)
    hits, widths = [], []
    for _ in range(100):
        noise = np.exp(unequal * random.standard_normal(200))
        logs = 0.01 * noise[:, None] * random.standard_normal((200, 3))
        found = intervals(list(logs))
        hits.append([covers(i, 1.0) for i in found])
        plain = stats.t.isf(0.025, 2) * stats.sem(logs, axis=1)
        widths.append(np.mean([np.log(i.high / i.low) / 2 for i in found]) / plain.mean())
    assert_covered(hits)
    assert np.mean(widths) < 0.8


def test_moderation_is_that_of_smyth() -> None:
    """Variances drawn from his model: prior and total degrees of freedom come back."""
    random = np.random.default_rng(2)
    variances = 4.0 * 6.0 / random.chisquare(6, 50_000) * random.chisquare(3, 50_000) / 3
    part = moderate(variances, 3)
    assert part.freedom - 3 == pytest.approx(6.0, rel=0.1)
    prior = part.freedom - 3
    typical = (part.variance * part.freedom - 3 * variances) / prior
    np.testing.assert_allclose(typical, typical[0], rtol=1e-6)
    assert typical[0] == pytest.approx(4.0, rel=0.05)


def test_samples_of_different_lengths_keep_their_places() -> None:
    random = np.random.default_rng(3)
    lengths = [3, 1, 5, 3, 2, 5, 1] * 4
    samples = [k + 0.01 * random.standard_normal(length) for k, length in enumerate(lengths)]
    for sample, found in zip(samples, intervals(samples), strict=True):
        assert found.middle == pytest.approx(np.exp(sample.mean()))
        if len(sample) == 1:
            assert np.isnan(found.low)
            assert np.isnan(found.high)
        else:
            assert found.low < found.middle < found.high


def test_few_samples_have_their_plain_t_interval() -> None:
    sample = np.array([0.1, 0.2, 0.4])
    low, high = stats.t.interval(0.95, 2, sample.mean(), stats.sem(sample))
    for found in intervals([sample] * 4):
        assert (found.low, found.high) == (pytest.approx(np.exp(low)), pytest.approx(np.exp(high)))


def test_without_variation_the_width_is_zero() -> None:
    for found in intervals([np.full(3, k / 7) for k in range(10)]):
        assert found.high - found.low <= 1e-12 * found.middle
    assert intervals([]) == []


def test_p_values_are_those_of_t_and_fit_the_intervals() -> None:
    part = Part(np.array([4.0]), 7)
    for distance in (0.0, 0.3, 5.0, 30.0):
        expected = 2 * stats.t.sf(distance / 2, 7)
        assert p_values(np.array([distance]), [part])[0] == pytest.approx(expected, rel=1e-3)
    nothing = Part(np.zeros(2), 3)
    assert p_values(np.array([0.0, 1.0]), [nothing]).tolist() == [1.0, 1e-20]


DIMS = 2.0 ** np.arange(1, 11)


def curves(random: np.random.Generator, truth: Array, processes: int, runs: int) -> Array:
    """(runs, processes, dims): log medians of one curve in many runs."""
    rounds = simulate(random, np.tile(truth, runs), processes)
    return log_medians(rounds).reshape(processes, runs, -1).transpose(1, 0, 2)


@pytest.mark.parametrize("processes", [3, 5])
def test_slopes_cover(processes: int) -> None:
    random = np.random.default_rng(processes)
    truth = 1.7 * np.log(DIMS) - 12
    found = [slope(DIMS, logs) for _ in range(15) for logs in curves(random, truth, processes, 100)]
    assert 0.93 <= np.mean([covers(i, 1.7) for i in found]) <= 0.97


@pytest.mark.parametrize("processes", [3, 5])
def test_crossovers_cover(processes: int) -> None:
    random = np.random.default_rng(processes)
    truth = 0.05 * (np.log(DIMS) - np.log(50))
    hits = []
    for _ in range(8):
        one = curves(random, truth, processes, 100)
        other = curves(random, np.zeros(len(DIMS)), processes, 100)
        found = [crossover(DIMS, ratios) for ratios in one - other]
        hits += [covers(i, 50.0) for i in found]
    assert_covered(hits)


def test_crossover_is_where_the_line_passes_zero() -> None:
    ratios = np.tile(np.log([0.5, 0.5, 2.0, 2.0]), (3, 1))
    found = crossover([2, 8, 32, 64], ratios)
    assert found is not None
    assert (found.low, found.middle, found.high) == pytest.approx((16.0, 16.0, 16.0))


def test_crossover_takes_the_last_of_several() -> None:
    found = crossover([1, 4, 16, 64], np.array([[1.0, -1.0, -1.0, 1.0]] * 2))
    assert found is not None
    assert found.middle == pytest.approx(32.0)


def test_crossover_is_none_without_a_change_of_sign() -> None:
    assert crossover([2, 8, 32], np.array([[0.1, 0.2, 0.1]] * 3)) is None
    assert crossover([2, 8, 32], np.array([[-0.1, -0.2, -0.1]] * 3)) is None


def test_crossover_is_open_where_the_range_ends_too_soon() -> None:
    spread = np.array([-0.1, 0.0, 0.1])[:, None]
    line = np.array([-0.5, -0.3, -0.01, 0.02])
    found = crossover([2, 8, 32, 64], line + spread)
    assert found is not None
    assert 2 < found.low < 32 < found.middle < 64
    assert found.high == np.inf
    mirrored = crossover([2, 8, 32, 64], line[::-1] + spread)
    assert mirrored is not None
    assert mirrored.low == 0
    assert 2 < mirrored.middle < 8 < mirrored.high < 64


def test_one_process_has_no_interval() -> None:
    found = crossover([2, 8], np.array([[-1.0, 1.0]]))
    assert found is not None
    assert found.middle == pytest.approx(4.0)
    assert np.isnan([found.low, found.high]).all()
    single = slope([2, 8], [[0.0, np.log(4)]])
    assert single.middle == pytest.approx(1.0)
    assert np.isnan([single.low, single.high]).all()


@pytest.mark.parametrize(
    ("dims", "values"),
    [([2], [[1.0]]), ([2, 2], [[1.0, 1.0]]), ([8, 2], [[1.0, 1.0]]), ([2, 8], [1.0, 1.0]), ([2, 8], [[1.0]])],
)
def test_curves_of_wrong_shape_are_refused(dims: list[int], values: list[float]) -> None:
    for function in (slope, crossover):
        with pytest.raises(ValueError, match="expected"):
            function(dims, values)
