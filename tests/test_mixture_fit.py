"""Fits of Gaussian mixtures: known figures, scikit-learn step by step, far from 0, what is refused."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bits import assert_same_bits
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.kernels import mixture
from seqgap.kernels._core import check
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels.normal import standard_normal
from seqgap.reference import mixture as reference

FULL = pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
FLOAT64 = np.dtype(np.float64)


def line() -> Any:
    """300 draws of .4 N(-1, .25) + .6 N(2, 1), by Python's own generator."""
    draw = random.Random(9)
    return np.array([[draw.gauss(-1, 0.5) if draw.random() < 0.4 else draw.gauss(2, 1)] for _ in range(300)])


def start_of_line(full: bool) -> mixture.Params:
    return mixture.Params(
        np.array([0.5, 0.5]), np.array([[0.0], [1]]), np.ones((2, 1, 1) if full else (2, 1))
    )


def clusters(n: int = 400) -> tuple[Any, Any]:
    """(rows, labels) of N((-2, -1.5), .45^2 I) and N((2.5, 2), .55^2 I), in turn."""
    labels = np.arange(n) % 2
    mean, scale = np.array([[-2, -1.5], [2.5, 2]]), np.array([0.45, 0.55])
    return mean[labels] + scale[labels, None] * standard_normal(n, 2, 4), labels


def covariances(params: mixture.Params) -> Any:
    scale = params.scale.astype(float)
    factors = scale if scale.ndim == 3 else scale[:, :, None] * np.eye(scale.shape[1])
    return factors @ factors.swapaxes(1, 2)


@FULL
def test_known_figures_of_a_line(full: bool) -> None:
    """From an independent calculation, with the default floor."""
    x = line()
    assert x.mean() == pytest.approx(0.897443090683, abs=1e-12)
    found = mixture.fit(x, start_of_line(full), steps=60, tolerance=0)
    known = [-2.21605729443, -1.90333989572, -1.72754974743, -1.7041453936, -1.70404482198]
    np.testing.assert_allclose(found.history[[0, 1, 5, 10, 60]], known, rtol=1e-11)
    assert found.params.weight[0] == pytest.approx(0.3926551344, abs=1e-8)
    np.testing.assert_allclose(found.params.mean.ravel(), [-0.9557527336, 2.09555457], rtol=1e-8)
    variance = covariances(found.params).ravel()
    np.testing.assert_allclose(variance, [0.2263467812, 0.8320390898], rtol=1e-8)
    assert (found.steps, found.settled, found.collapsed.tolist()) == (60, False, [False, False])
    once, density = mixture.em_step(x, start_of_line(full))
    np.testing.assert_allclose(once.mean.ravel(), [-0.2941562655, 1.82235997], rtol=1e-9)
    assert density == pytest.approx(known[0], rel=1e-11)


def test_a_known_responsibility() -> None:
    params = mixture.Params(np.array([0.3, 0.7]), np.array([[-1.0], [1.5]]), np.array([[0.2], [0.4]]))
    share = mixture.responsibilities([[0.5]], params)[0]
    assert share[0] == pytest.approx(1.19039518841e-11, rel=1e-11)
    assert share.sum() == pytest.approx(1, abs=1e-15)


@FULL
def test_responsibilities_are_those_of_scipy(full: bool, dtype: Dtype) -> None:
    params = mixture.random_params(5, 2, components=4, full=full, dtype=dtype)
    x = mixture.sample(70, params, 3)
    fields = zip(params.weight, params.mean, covariances(params), strict=True)
    terms = np.array([w * stats.multivariate_normal(m, c).pdf(x) for w, m, c in fields]).T
    found = mixture.responsibilities(x, params)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, terms / terms.sum(1, keepdims=True), atol=300 * np.finfo(dtype).eps)


@FULL
@pytest.mark.parametrize("steps", [1, 5, 100])
def test_steps_are_those_of_scikit_learn(full: bool, steps: int) -> None:
    sklearn = pytest.importorskip("sklearn.mixture")
    params = mixture.random_params(4, 5, full=full)
    x = mixture.sample(900, params, 6)
    start = mixture.start_params(x, 3, 7, full=full)
    matrices = covariances(start)
    model = sklearn.GaussianMixture(
        3, covariance_type="full" if full else "diag", weights_init=start.weight, means_init=start.mean,
        precisions_init=np.linalg.inv(matrices) if full else 1 / start.scale**2,
    )  # fmt: skip
    model._initialize_parameters = lambda *arguments, **named: model._set_parameters(
        (start.weight, start.mean, matrices if full else start.scale**2, _precisions(start))
    )
    model._initialize_parameters()
    for _ in range(steps):
        density, shares = model._e_step(x)
        model._m_step(x, shares)
    found = mixture.fit(x, start, steps=steps, tolerance=0)
    assert found.history[-2] == pytest.approx(density, rel=1e-12)
    np.testing.assert_allclose(found.params.weight, model.weights_, rtol=1e-9)
    np.testing.assert_allclose(found.params.mean, model.means_, rtol=1e-9, atol=1e-9)
    expected = model.covariances_ if full else model.covariances_[:, :, None] * np.eye(4)
    np.testing.assert_allclose(covariances(found.params), expected, rtol=1e-9, atol=1e-9)


def _precisions(params: mixture.Params) -> Any:
    """What scikit-learn calls precisions_cholesky_."""
    return np.linalg.inv(params.scale).swapaxes(1, 2) if params.scale.ndim == 3 else 1 / params.scale


@FULL
def test_fits_equal_their_reference(full: bool) -> None:
    """The case measures diagonal covariances: here are both."""
    for dim in (1, 2, 7):
        x = mixture.sample(90, mixture.random_params(dim, 5, full=full), 3)
        labels = np.arange(90) % 3
        start, plain = (
            m.start_params(v, 3, 11, full=full) for m, v in ((mixture, x), (reference, x.tolist()))
        )
        pairs: list[tuple[Any, Any]] = [
            (start, plain),
            (mixture.fit(x, start, steps=4), reference.fit(x.tolist(), plain_value(start), steps=4)),
            (
                mixture.fit_labelled(x, labels, full=full),
                reference.fit_labelled(x.tolist(), labels.tolist(), full=full),
            ),
        ]
        for actual, expected in pairs:
            assert difference(actual, expected, 1e-13, FLOAT64).used <= 1


@FULL
def test_two_components_find_what_one_puts_its_mean_between(full: bool) -> None:
    x, labels = clusters()
    one, two = (mixture.fit(x, mixture.start_params(x, k, 1, full=full)) for k in (1, 2))
    np.testing.assert_allclose(one.params.mean, [[0.25, 0.25]], atol=0.1)
    order = np.argsort(two.params.mean[:, 0])
    known = mixture.fit_labelled(x, labels, full=full)
    np.testing.assert_allclose(two.params.mean[order], [[-2, -1.5], [2.5, 2]], atol=0.1)
    np.testing.assert_allclose(two.params.mean[order], known.mean, atol=1e-6)
    np.testing.assert_allclose(covariances(two.params)[order], covariances(known), atol=1e-6)
    assert two.settled
    assert two.history[-1] > one.history[-1] + 1


@FULL
def test_the_history_is_of_log_prob_and_climbs(full: bool) -> None:
    x = mixture.sample(500, mixture.random_params(3, 5, full=full), 3)
    start = mixture.start_params(x, 3, 2, full=full)
    found = mixture.fit(x, start, tolerance=1e-4, floor=0)
    assert found.settled
    assert len(found.history) == found.steps + 1
    assert (np.diff(found.history) > -1e-14).all()
    assert found.history[0] == pytest.approx(mixture.log_prob(x, start).mean(), rel=1e-13)
    assert found.history[-1] == pytest.approx(mixture.log_prob(x, found.params).mean(), rel=1e-13)
    changes = np.abs(np.diff(found.history))
    assert (changes[:-1] >= 1e-4).all()
    assert changes[-1] < 1e-4


@FULL
@pytest.mark.parametrize("from_zero", [False, True])
def test_data_far_from_zero_keep_their_variance(full: bool, from_zero: bool) -> None:
    """A start near the data, or one whose mean moves by 1e8 standard deviations in its first step."""
    x = mixture.sample(300, mixture.random_params(2, 5, components=1, full=full), 3)
    start = mixture.start_params(x, 1, 2, full=full, floor=0)
    far = 1e8 + np.round(x * 2**20) / 2**20  # exact there
    near = mixture.fit(far - 1e8, start, steps=1, floor=0)
    moved = start if from_zero else start._replace(mean=start.mean + 1e8)
    found = mixture.fit(far, moved, steps=1, floor=0)
    np.testing.assert_allclose(found.params.mean - 1e8, near.params.mean, atol=4e-8)
    np.testing.assert_allclose(covariances(found.params), covariances(near.params), rtol=1e-7, atol=1e-7)
    labelled = mixture.fit_labelled(far, np.zeros(300, int), full=full, floor=0)
    np.testing.assert_allclose(covariances(labelled), covariances(near.params), rtol=1e-7, atol=1e-7)


def test_float32_at_ten_thousand() -> None:
    x = (1e4 + standard_normal(5000, 2, 3)).astype(np.float32)
    found = mixture.fit(x, mixture.start_params(x, 1, 1), steps=3)
    assert {field.dtype for field in found.params} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found.params.scale[0], x.astype(float).std(0), rtol=1e-5)


@FULL
def test_bits_do_not_depend_on_threads(full: bool, dtype: Dtype) -> None:
    params = mixture.random_params(7, 5, full=full, dtype=dtype)
    x = mixture.sample(20_011, params, 3)
    one, more = (mixture.em_step(x, params, threads=t) for t in (1, threads_available()))
    assert_same_bits((*one[0], np.array(one[1])), (*more[0], np.array(more[1])))
    fits = [mixture.fit(x, params, steps=3, threads=t) for t in (1, threads_available())]
    assert_same_bits((*fits[0].params, fits[0].history), (*fits[1].params, fits[1].history))


@FULL
def test_rows_of_a_last_block_count_once(full: bool) -> None:
    """Around the sizes of tiles and blocks, against sums in NumPy."""
    params = mixture.random_params(3, 5, full=full)
    for n in (31, 32, 33, 1023, 1024, 1025):
        x = mixture.sample(n, params, 3)
        shares = mixture.responsibilities(x, params)
        new, _ = mixture.em_step(x, params, floor=0)
        np.testing.assert_allclose(new.weight, shares.mean(0), rtol=1e-13)
        np.testing.assert_allclose(new.mean, shares.T @ x / shares.sum(0)[:, None], rtol=1e-11, atol=1e-12)
        offset = x[:, None] - new.mean
        products = np.einsum("nk,nki,nkj->kij", shares, offset, offset) / shares.sum(0)[:, None, None]
        expected = products if full else products * np.eye(3)
        np.testing.assert_allclose(covariances(new), expected, rtol=1e-10, atol=1e-12)


@FULL
def test_labelled_rows(full: bool) -> None:
    x, labels = clusters(101)
    found = mixture.fit_labelled(x, labels, full=full, floor=0.01)
    np.testing.assert_allclose(found.weight, [51 / 101, 50 / 101])
    for k in range(2):
        rows = x[labels == k]
        expected = np.cov(rows.T, bias=True) + 0.01 * np.eye(2)
        np.testing.assert_allclose(found.mean[k], rows.mean(0), rtol=1e-13)
        np.testing.assert_allclose(
            covariances(found)[k], expected if full else expected * np.eye(2), rtol=1e-12
        )


@FULL
def test_a_start_has_a_center_in_each_far_cluster(full: bool) -> None:
    """Uniform choice would miss one of two clusters half of the time."""
    x, labels = clusters()
    x[labels == 1] += 1000
    known = mixture.fit_labelled(x, labels, full=full)
    for seed in range(20):
        start = mixture.start_params(x, 2, seed, full=full)
        order = np.argsort(start.mean[:, 0])
        np.testing.assert_allclose(start.mean[order], known.mean, rtol=1e-12)
        assert_same_bits(start.scale[0], start.scale[1])
        pooled = covariances(known).mean(0)
        np.testing.assert_allclose(covariances(start)[0], pooled, rtol=1e-9, atol=1e-9)
        assert_same_bits(tuple(start), tuple(mixture.start_params(x, 2, seed, full=full)))
    drawn = mixture.start_params(x, 2, rng=np.random.default_rng(1), full=full)
    assert drawn.scale.ndim == 2 + full


def test_centers_are_chosen_by_their_squared_distance() -> None:
    """Of 0, 1 and 3 a first center 0 is followed by 1 or 3 as 1 to 9."""
    x = np.array([[0.0], [1.0], [3.0]])
    pairs = {(0, 1): 0, (0, 3): 0, (1, 3): 0}
    for seed in range(3000):
        groups = mixture.start_params(x, 2, seed).mean.ravel()  # the nearest rows tell the centers
        pairs[{(0.5, 3): (0, 3), (0, 2): (0, 1), (0, 1): (0, 1)}.get(tuple(sorted(groups)), (1, 3))] += 1
    # Centers {0, 1} have the groups 0 | 1, 3; both others have 0, 1 | 3.
    found = pairs[0, 1]
    expected = (1 / 10 + 1 / 5) / 3
    assert stats.binomtest(found, 3000, expected).pvalue > 1e-5


@FULL
def test_a_collapsed_component_is_told(full: bool) -> None:
    """Rows that are all equal score what the floor allows, 5.98881674578 each."""
    same = np.full((40, 1), 3.0)
    start = mixture.Params(np.ones(1), same[:1] + 1, np.ones((1, 1, 1) if full else (1, 1)))
    found = mixture.fit(same, start)
    assert found.collapsed.tolist() == [True]
    assert found.history[-1] == pytest.approx(5.98881674578, abs=1e-10)
    x = np.vstack([standard_normal(200, 2, 1), np.full((50, 2), 9.0)])
    found = mixture.fit(x, mixture.start_params(x, 2, 3, full=full))
    assert sorted(found.collapsed.tolist()) == [False, True]
    assert np.abs(found.params.mean[found.collapsed] - 9).max() < 1e-12
    assert not mixture.fit(x, mixture.start_params(x, 1, 3, full=full)).collapsed.any()


def test_full_components_collapse_along_any_direction() -> None:
    t = standard_normal(100, 1, 1)
    x = np.hstack([t, 2 * t])
    diagonal, full = (mixture.fit(x, mixture.start_params(x, 1, 3, full=f)) for f in (False, True))
    assert (diagonal.collapsed.tolist(), full.collapsed.tolist()) == ([False], [True])


@pytest.mark.parametrize("size", [1e-165, 1e100])
def test_centers_are_chosen_in_any_unit(size: float) -> None:
    x, labels = clusters(40)
    start = mixture.start_params(size * (x + 1000 * labels[:, None]), 2, 1)
    assert sorted(np.rint(start.mean[:, 0] / size)) == [-2, 1002]


X, PARAMS = standard_normal(6, 3, 1), mixture.random_params(3, 1)
NAN = np.where(np.arange(18).reshape(6, 3) == 7, np.nan, X)
SAME = np.ones((6, 3))
FAR = PARAMS._replace(mean=PARAMS.mean + np.array([[0.0], [0.0], [1000.0]]))
LINE = np.outer(np.arange(6.0), [1.0, 2.0, -1.0])
fit, em_step, start, labelled = mixture.fit, mixture.em_step, mixture.start_params, mixture.fit_labelled
WRONG: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    (ValueError, "x: expected at least 3 rows, the components of start, got 2", lambda: fit(X[:2], PARAMS)),
    (ValueError, "x: expected at least 3 rows, the components of params, got 2",
     lambda: em_step(X[:2], PARAMS)),
    (ValueError, "x: expected at least 3 rows, the components of params, got 0",
     lambda: em_step(X[:0], PARAMS)),
    (ValueError, "start.mean: expected finite values, got NaN",
     lambda: fit(X, PARAMS._replace(mean=NAN[:3] * np.nan))),
    (ValueError, "params.mean: expected finite values, got NaN",
     lambda: em_step(X, PARAMS._replace(mean=NAN[:3] * np.nan))),
    (ValueError, "params.scale: expected finite values, got NaN",
     lambda: em_step(X, PARAMS._replace(scale=np.eye(3) + np.tril(np.full((3, 3, 3), np.nan), -1)))),
    (ValueError, "components: expected at most 6, the rows of x, got 7", lambda: start(X, 7, 1)),
    (ValueError, "components: expected at most 1, the different rows of x, got 2", lambda: start(SAME, 2, 1)),
    (ValueError, "components: expected an integer from 1", lambda: start(X, 0, 1)),
    (TypeError, "components: expected an integer, got", lambda: start(X, 2.0, 1)),  # type: ignore[arg-type]
    (ValueError, "x: expected at least 0.001 rows for each component, got 0 for component 2 at step 1",
     lambda: fit(X, FAR)),
    (ValueError, "x: .* component, got 0 for component 2 at this step", lambda: em_step(X, FAR)),
    (ValueError, "x: expected finite values", lambda: fit(NAN, PARAMS)),
    (ValueError, "x: expected finite values", lambda: em_step(NAN, PARAMS)),
    (ValueError, "x: expected finite values", lambda: start(np.where(np.isnan(NAN), np.inf, X), 2, 1)),
    (ValueError, "x: expected finite values", lambda: labelled(NAN, [0, 0, 0, 1, 1, 1])),
    (ValueError, "x: expected rows so near to a component", lambda: fit(1e200 * X, PARAMS)),
    (ValueError, "x: expected rows whose variances", lambda: start(1e200 * X, 2, 1)),
    (ValueError, r"x: expected 2 dimensions \(N, D\)", lambda: fit(X[0], PARAMS)),
    (ValueError, r"x: expected at least 1 row, got shape \(0, 3\)", lambda: start(X[:0], 1, 1)),
    (ValueError, r"x: expected at least 1 row, got shape \(0, 3\)", lambda: labelled(X[:0], [])),
    (ValueError, "x has 2 columns, start is for D = 3", lambda: fit(X[:, :2], PARAMS)),
    (ValueError, "x has 2 columns, params are for D = 3", lambda: em_step(X[:, :2], PARAMS)),
    (TypeError, "start: expected mixture.Params, got int", lambda: fit(X, 3)),  # type: ignore[arg-type]
    (TypeError, "params: expected mixture.Params", lambda: mixture.responsibilities(X, None)),  # type: ignore[arg-type]
    (ValueError, "params.weight: expected", lambda: em_step(X, PARAMS._replace(weight=np.ones(3)))),
    (ValueError, "start.weight: expected", lambda: fit(X, PARAMS._replace(weight=np.ones(3)))),
    (ValueError, "steps: expected", lambda: fit(X, PARAMS, steps=0)),
    (ValueError, "tolerance: expected a finite number from 0 on", lambda: fit(X, PARAMS, tolerance=-1e-9)),
    (ValueError, "tolerance: expected", lambda: fit(X, PARAMS, tolerance=np.nan)),
    (ValueError, "floor: expected a finite number from 0 on", lambda: fit(X, PARAMS, floor=-1e-9)),
    (ValueError, "floor: expected", lambda: em_step(X, PARAMS, floor=np.inf)),
    (ValueError, "floor: expected", lambda: start(X, 2, 1, floor=-1)),
    (ValueError, "floor: expected", lambda: labelled(X, [0] * 6, floor=-1)),
    (ValueError, "floor: .*, got 0: that of component 0 at step 1 is singular",
     lambda: fit(SAME, mixture.Params(np.ones(1), np.zeros((1, 3)), np.ones((1, 3))), floor=0)),
    (ValueError, "floor: .* component 0 of these rows is singular",
     lambda: labelled(LINE, [0] * 6, full=True, floor=0)),
    (ValueError, "floor: .* is singular", lambda: labelled(X, range(6), floor=0)),
    (TypeError, "full: expected True or False", lambda: start(X, 2, 1, full=1)),  # type: ignore[arg-type]
    (TypeError, "full: expected True or False", lambda: labelled(X, [0] * 6, full=None)),  # type: ignore[arg-type]
    (ValueError, "labels: expected one for each of 6 rows, got 5", lambda: labelled(X, [0] * 5)),
    (ValueError, "labels: expected all from 0 to the largest, got", lambda: labelled(X, [0, 0, 0, 2, 2, 2])),
    (ValueError, "labels: expected all from 0", lambda: labelled(X, [-1, 0, 0, 1, 1, 1])),
    (TypeError, "labels: expected integers", lambda: labelled(X, [0.0] * 6)),
    (ValueError, "seed: expected", lambda: start(X, 2, -1)),
    (TypeError, "seed, rng: expected one of them", lambda: start(X, 2, 1, rng=1)),
    (ValueError, "threads: expected", lambda: fit(X, PARAMS, threads=0)),
    (ValueError, r"out: expected shape \(6, 3\)",
     lambda: mixture.responsibilities(X, PARAMS, out=np.zeros((6, 2)))),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "call"), WRONG)
def test_what_is_refused(error: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=f"^{message}"):
        call()


def params_of(verb: str, x: Any, full: bool, floor: float) -> mixture.Params:
    """What a function makes of rows in two groups."""
    size = float(np.clip(np.abs(x).max(), *check.squarable(x.dtype)))
    scale = size * (np.eye(2) if full else np.ones(2)) * np.ones((2, 1, 1) if full else (2, 1))
    begin = mixture.Params(np.full(2, 0.5), x[:2], scale)
    calls: dict[str, Callable[[], mixture.Params]] = {
        "em_step": lambda: mixture.em_step(x, begin, floor=floor)[0],
        "fit": lambda: mixture.fit(x, begin, steps=1, floor=floor).params,
        "fit_labelled": lambda: mixture.fit_labelled(x, np.arange(len(x)) % 2, full=full, floor=floor),
        "start_params": lambda: mixture.start_params(x, 2, 1, full=full, floor=floor),
    }
    return calls[verb]()


VERBS = pytest.mark.parametrize("verb", ["em_step", "fit", "fit_labelled", "start_params"])


@FULL
@VERBS
def test_fits_make_what_log_prob_takes_or_name_the_argument(verb: str, full: bool, dtype: Dtype) -> None:
    """At the least and largest deviation of a dtype, and beyond them; no floor."""
    low, high = check.squarable(dtype)
    rows = standard_normal(60, 2, 3)
    for scale in (30 * low, high / 30):
        x = (scale * rows).astype(dtype)
        assert np.isfinite(mixture.log_prob(x, params_of(verb, x, full, 0.0))).all()
    with pytest.raises(
        ValueError, match=r"^floor: expected a number that keeps covariances regular, got 0: "
    ):
        params_of(verb, (low / 30 * rows).astype(dtype), full, 0.0)
    for scale in (30 * high, high * 1e4):
        with pytest.raises(ValueError, match=rf"^x: expected rows whose .*, for {dtype}, got larger ones"):
            params_of(verb, (scale * rows).astype(dtype), full, 0.0)


@FULL
@VERBS
def test_a_floor_that_params_cannot_have_is_refused(verb: str, full: bool, dtype: Dtype) -> None:
    x, most = standard_normal(60, 2, 3, dtype=dtype), check.squarable(dtype)[1] ** 2
    params = params_of(verb, x, full, 0.9 * most)
    np.testing.assert_allclose(covariances(params)[:, 0, 0], 0.9 * most, rtol=1e-6)
    assert np.isfinite(mixture.log_prob(x, params)).all()
    for floor in (1.1 * most, 1e50 * most):
        with pytest.raises(ValueError, match=rf"^floor, for {dtype}: expected 0 to .*, got "):
            params_of(verb, x, full, floor)
