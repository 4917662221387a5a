"""Diversity: known figures, prdc by a second method, memory, collapsed generators, modes, what is refused."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from seqgap.bench.model.case import Dtype
from seqgap.kernels import diversity
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels.normal import standard_normal

REAL = np.array([[0.0, 0], [1, 0], [0, 1], [5, 5]])
FAKE = np.array([[0.1, 0], [0.9, 0.1], [0.2, 0.1]])
ANGLES = 2 * np.pi * np.arange(8) / 8
RING = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def all_distances(real: Any, fake: Any, k: int) -> tuple[float, ...]:
    """The definitions on whole matrices, with sums in float128 where there is one."""
    x, y = np.asarray(real, np.longdouble), np.asarray(fake, np.longdouble)

    def squares(left: Any, right: Any) -> Any:
        return ((left[:, None] - right[None]) ** 2).sum(2)

    own, other, cross = squares(x, x), squares(y, y), squares(x, y)
    real_radii, fake_radii = np.sort(own, 1)[:, k], np.sort(other, 1)[:, k]
    inside, reached = cross < real_radii[:, None], cross < fake_radii
    covered = cross.min(1) < real_radii
    return inside.any(0).mean(), reached.any(1).mean(), inside.sum() / len(y) / k, covered.mean()


def batches(n: int, m: int, dim: int, dtype: Dtype, seed: int = 3) -> tuple[Any, Any]:
    real = standard_normal(n, dim, seed, stream=1, dtype=dtype)
    return real, standard_normal(m, dim, seed, stream=2, dtype=dtype) * dtype.type(0.9)


def test_the_toy() -> None:
    found = diversity.prdc(REAL, FAKE, 1)
    assert found.density == pytest.approx(2.66666666667, abs=1e-11)
    assert found == (1, 0.5, pytest.approx(8 / 3, rel=1e-15), 1)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
@pytest.mark.parametrize(("n", "m", "dim"), [(31, 33, 1), (64, 65, 2), (130, 70, 7), (90, 200, 64)])
def test_prdc_is_that_of_whole_matrices(n: int, m: int, dim: int, k: int, dtype: Dtype) -> None:
    real, fake = batches(n, m, dim, dtype)
    expected = all_distances(real, fake, k)
    assert 0 < expected[0] <= 1
    np.testing.assert_allclose(diversity.prdc(real, fake, k), expected, rtol=1e-13)


def test_prdc_is_that_of_trees() -> None:
    real, fake = batches(700, 900, 3, np.dtype(np.float64))
    trees = cKDTree(real), cKDTree(fake)
    radii = [tree.query(tree.data, k=[5])[0][:, 0] for tree in trees]  # the row itself is the first
    inside = np.zeros(len(fake))
    for row, radius in zip(real, radii[0], strict=True):
        inside[trees[1].query_ball_point(row, radius)] += 1
    covered = trees[1].query(real)[0] < radii[0]
    found = diversity.prdc(real, fake, 4)
    assert found.precision == np.mean(inside > 0)
    assert found.density == pytest.approx(np.mean(inside) / 4, rel=1e-14)
    assert found.coverage == np.mean(covered)
    assert found.recall == diversity.prdc(fake, real, 4).precision


def test_prdc_is_that_of_the_package(capsys: pytest.CaptureFixture[str], dtype: Dtype) -> None:
    prdc = pytest.importorskip("prdc")
    real, fake = batches(300, 200, 16, dtype)
    expected = prdc.compute_prdc(real, fake, 5)
    assert "Num real" in capsys.readouterr().out
    assert diversity.prdc(real, fake, 5)._asdict() == pytest.approx(expected, rel=1e-13)


def test_balls_are_open_and_equal_rows_count() -> None:
    """Integers, so that distances equal radii to the last bit."""
    grid = np.array([[i, j] for i in range(6) for j in range(6)], float)
    moved = grid + np.array([1, 0])
    for k in (1, 2, 4):
        np.testing.assert_allclose(diversity.prdc(grid, moved, k), all_distances(grid, moved, k))
    twice = np.concatenate([grid, grid])
    assert diversity.prdc(twice, twice, 1) == (0, 0, 0, 0)  # radii of 0
    assert diversity.prdc(grid, grid, 1).coverage == 1


@pytest.mark.parametrize("offset", [0, 1e4, -1e6])
def test_far_from_the_origin_nothing_is_lost(offset: float, dtype: Dtype) -> None:
    """Multiples of 1/8, so that shifted data are exact; |x|^2 - 2 x y + |y|^2 is noise in float32."""
    real, fake = (np.rint(40 * batch) / 8 for batch in batches(150, 130, 4, np.dtype(np.float64)))
    expected = diversity.prdc(real.astype(dtype), fake.astype(dtype), 3)
    assert diversity.prdc((real + offset).astype(dtype), (fake + offset).astype(dtype), 3) == expected


def test_a_narrow_cluster_far_from_the_mean() -> None:
    """A mean that is taken off does not help a mode of its own; differences do."""
    real, fake = batches(60, 60, 3, np.dtype(np.float64))
    far = np.full((60, 3), 2.0**20)
    both = [
        np.concatenate([2.0**-30 * batch, far + 2.0**-30 * np.rint(64 * batch)]) for batch in (real, fake)
    ]
    np.testing.assert_allclose(diversity.prdc(*both, 3), all_distances(*both, 3), rtol=1e-13)


@pytest.mark.parametrize("size", [1e-300, 1e-3, 1e300])
def test_scale_does_not_matter(size: float) -> None:
    real, fake = batches(50, 60, 5, np.dtype(np.float64))
    power = 2.0 ** round(math.log2(size))
    assert diversity.prdc(power * real, power * fake, 2) == diversity.prdc(real, fake, 2)


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
def test_threads_do_not_matter(dtype: Dtype) -> None:
    real, fake = batches(900, 800, 5, dtype)
    assert real.size * len(fake) > 2 * WORTH_HEAVY
    assert diversity.prdc(real, fake, 3, threads=2) == diversity.prdc(real, fake, 3)


def test_lists_integers_and_mixed_dtypes() -> None:
    expected = diversity.prdc(REAL, FAKE, 1)
    assert diversity.prdc(REAL.astype(int), FAKE.tolist(), 1) == expected
    assert diversity.prdc(REAL.astype(np.float32), FAKE, 1) == expected


@pytest.mark.parametrize(("n", "dim"), [(20_000, 2), (8_000, 64)])
def test_memory_grows_with_n_alone(n: int, dim: int, fresh_python: Callable[..., str]) -> None:
    """A matrix of all distances would take 3.2 GB or 512 MB, one of bits 50 MB in the first case."""
    program = f"""
import resource
from seqgap.kernels import diversity
from seqgap.kernels.normal import standard_normal
real, fake = (standard_normal({n}, {dim}, 1, stream=s) for s in (1, 2))
diversity.prdc(real[:50], fake[:50], 3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = diversity.prdc(real, fake, 3)
assert .9 < found.density < 1.2, found
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    assert int(fresh_python(program)) < 20_000  # kilobytes


@pytest.mark.parametrize("dim", [1, 3, 64, 700])
def test_an_outlier_hides_nothing(dim: int, dtype: Dtype) -> None:
    """Equal rows as far away as squares allow, beside rows that are near 1: as if those were at a million."""
    real, fake = batches(40, 50, dim, dtype)
    scores = []
    for size in (2.0**20, 2.0 ** (np.finfo(dtype).maxexp - 30)):
        outlier = np.full((4, dim), size, dtype)
        scores.append(diversity.prdc(np.concatenate([real, outlier]), fake, 3))
    assert scores[0] == scores[1]
    assert scores[0].density > 0


def test_a_collapsed_generator_scores_as_one() -> None:
    real = standard_normal(200, 6, 4)
    collapsed = np.repeat(real[:1], 100, 0)
    assert diversity.unique_ratio(collapsed, decimals=3) == 1 / 100
    assert diversity.unique_ratio(real, decimals=3) == 1
    found = diversity.prdc(real, collapsed, 5)
    assert found.precision == 1  # each row is a perfect one
    assert found.recall == 0  # balls of radius 0
    assert found.coverage <= 20 / 200
    assert diversity.modes_covered(collapsed, real, 1e-3).covered == 1


def test_expectations_of_uniform_draws() -> None:
    assert diversity.expected_unique_ratio(100, 50) == pytest.approx(0.433690222053, abs=1e-12)
    assert diversity.expected_coverage(100, 50) == pytest.approx(0.867380444105, abs=1e-12)
    assert diversity.probability_of_all(300, 50) == pytest.approx(0.889089508, abs=1e-9)
    assert diversity.expected_unique_ratio(7, 1) == 1 / 7
    assert diversity.expected_coverage(10, 2**400) == pytest.approx(10 / 2**400, rel=1e-12)
    assert diversity.probability_of_all(3, 4) == 0
    assert diversity.probability_of_all(20, 20) == pytest.approx(math.factorial(20) / 20**20, rel=1e-13)


@pytest.mark.parametrize("k", [1, 2, 30])
def test_the_chance_to_meet_all_of_ever_more_draws(k: int) -> None:
    """It would take years to count them."""
    chance = diversity.probability_of_all(2**62, k)
    assert 1 - 1e-13 < chance <= 1


@pytest.mark.parametrize("k", [1, 2, 3, 10**25, 10**56, 10**290, 10**300], ids="{:.0e}".format)
@pytest.mark.parametrize("n", [1, 2, 2**62])
def test_an_expected_ratio_is_a_ratio(n: int, k: int) -> None:
    assert 0 <= diversity.expected_unique_ratio(n, k) <= 1
    assert 0 <= diversity.expected_coverage(n, k) <= 1
    if n == 1:
        assert diversity.expected_unique_ratio(n, k) == pytest.approx(1, rel=1e-15)


def test_draws_meet_their_expectation() -> None:
    """500 samples of 100 uniform draws from 50 states."""
    draws = np.random.default_rng(5).integers(0, 50, (500, 100, 1))
    ratios = [diversity.unique_ratio(sample, decimals=0) for sample in draws]
    covered = [diversity.coverage(sample, 50) for sample in draws]
    error = np.std(ratios) / math.sqrt(len(ratios))
    assert abs(np.mean(ratios) - diversity.expected_unique_ratio(100, 50)) < 4 * error
    assert np.mean(covered) == pytest.approx(2 * np.mean(ratios), rel=1e-12)


def test_rounding_comes_first_and_zeros_are_equal(dtype: Dtype) -> None:
    x = np.array([[0.0, 1], [-0.0, 1], [-0.004, 1.004], [0.004, 0.996], [0.1, 1]], dtype)
    assert diversity.unique_ratio(x, decimals=2) == 2 / 5
    assert diversity.unique_ratio(x, decimals=3) == 4 / 5
    assert diversity.unique_ratio(x, decimals=-1) == 1 / 5
    assert diversity.coverage(np.array([[0, 1], [1, 1], [0, 1]]), 4) == 0.5


def test_modes_of_the_ring() -> None:
    points = [[2.01, 0.02], [1.4, 1.42], [0, 2], [0, 1.97], [0.3, 0.1]]
    found = diversity.modes_covered(points, RING, 0.02)
    assert (found.covered, found.share) == (3, 0.8)
    np.testing.assert_array_equal(found.counts, [1, 1, 2, 0, 0, 0, 0, 0])
    wider = diversity.modes_covered(points, RING, [0.02] * 7 + [2])
    np.testing.assert_array_equal(
        wider.counts, found.counts
    )  # the nearest mean decides, not the nearest ball
    assert diversity.modes_covered([[0.06 + 1e-9, 0]], [[0, 0]], 0.02).covered == 0
    assert diversity.modes_covered([[0.0, 0]], [[1, 0], [-1, 0]], 1).counts.tolist() == [1, 0]


@pytest.mark.parametrize(("dim", "expected"), [(2, 0.989), (10, 0.468)])
def test_perfect_samples_leave_the_rule_in_many_dimensions(dim: int, expected: float) -> None:
    share = diversity.modes_covered(standard_normal(20_000, dim, 1), np.zeros((1, dim)), 1.0).share
    exact = stats.chi(dim).cdf(3)
    assert exact == pytest.approx(expected, abs=1e-3)
    assert abs(share - exact) < 4 * math.sqrt(exact * (1 - exact) / 20_000)


def refused(error: type[Exception], name: str, function: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(error, match=rf"^{name}: expected .*, got "):
        function(*args, **kwargs)


def test_what_prdc_refuses() -> None:
    nan, inf = FAKE.copy(), REAL.copy()
    nan[1, 0], inf[0, 0] = np.nan, np.inf
    refused(ValueError, "fake", diversity.prdc, REAL, nan, 1)
    refused(ValueError, "real", diversity.prdc, inf, FAKE, 1)
    refused(ValueError, "real", diversity.prdc, REAL[0], FAKE, 1)
    refused(ValueError, "real", diversity.prdc, REAL[:1], FAKE, 1)
    refused(ValueError, "fake", diversity.prdc, REAL, FAKE[:0], 1)
    refused(ValueError, "fake", diversity.prdc, REAL, np.zeros((4, 3)), 1)
    refused(TypeError, "fake", diversity.prdc, REAL, FAKE > 0, 1)
    for k in (0, -1, 3, 100):
        refused(ValueError, "k", diversity.prdc, REAL, FAKE, k)
    refused(TypeError, "k", diversity.prdc, REAL, FAKE, 1.0)
    refused(ValueError, "threads", diversity.prdc, REAL, FAKE, 1, threads=0)


@pytest.mark.parametrize("scale", [1e-310, 1e-165, 1e-20, 1.0, 1e160, 2e307])
def test_modes_of_any_scale(scale: float) -> None:
    x, means = np.array([[0, 0], [1, 1], [8, 8], [3, 3], [-8, -8]]), np.array([[0, 0], [8, 8], [-8.0, -8]])
    found = diversity.modes_covered(x * scale, means * scale, 0.5 * scale)
    assert found.counts.tolist() == [2, 1, 1]
    assert (found.covered, found.share) == (3, 0.8)


def test_modes_that_are_near_beside_one_that_is_far() -> None:
    means = np.array([[1.0], [0], [1e-200]])
    assert diversity.modes_covered([[1e-200], [1]], means, 1e-201).counts.tolist() == [1, 0, 1]
    assert diversity.modes_covered([[5.0]], means, 1e308).counts.tolist() == [1, 0, 0]


def test_what_counts_refuse() -> None:
    ratio, modes = diversity.unique_ratio, diversity.modes_covered
    refused(ValueError, "x", ratio, [[np.nan]], decimals=1)
    refused(ValueError, "x", ratio, np.zeros((0, 2)), decimals=1)
    refused(ValueError, "x", ratio, [[1e300]], decimals=20)
    refused(ValueError, "decimals", ratio, REAL, decimals=400)
    refused(TypeError, "decimals", ratio, REAL, decimals=0.5)
    refused(ValueError, "states", diversity.coverage, REAL, 3)
    refused(ValueError, "states", diversity.coverage, REAL, 0)
    for function in (
        diversity.expected_unique_ratio,
        diversity.expected_coverage,
        diversity.probability_of_all,
    ):
        refused(ValueError, "n", function, 0, 5)
        refused(ValueError, "k", function, 5, 0)
        refused(TypeError, "k", function, 5, 2.5)
    refused(ValueError, "k", diversity.probability_of_all, 2**62, 2**62)
    refused(ValueError, "means", modes, REAL, np.zeros((0, 2)), 1.0)
    refused(ValueError, "means", modes, REAL, np.zeros((3, 3)), 1.0)
    refused(ValueError, "means", modes, REAL, [[np.nan, 0]], 1.0)
    for scales in (0.0, -1.0, np.nan, [1.0, 2.0], [[1.0]]):
        refused(ValueError, "scales", modes, REAL, REAL[:3], scales)
    refused(TypeError, "scales", modes, REAL, REAL, "1")
