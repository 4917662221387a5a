"""Gaussian mixtures: known figures, SciPy and mpmath, diagonal and full, samples, what is refused."""

import itertools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from bits import assert_same_bits
from seqgap.bench.cases.mixture import _uniforms
from seqgap.bench.model.case import Call, Dtype, plain_value
from seqgap.kernels import mixture
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.simd import scratch
from seqgap.kernels._nets.dense import address
from seqgap.kernels._nets.mixture_tables import diagonal_arrays, full_arrays, mixture_of
from seqgap.kernels._nets.mixtures import evaluate, scratch_rows
from seqgap.kernels.normal import standard_normal
from seqgap.reference import mixture as reference

LINE = mixture.Params(np.array([0.3, 0.7]), np.array([[-2.0], [1.0]]), np.array([[0.5], [1.0]]))
FULL = pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])


def covariances(params: mixture.Params) -> Any:
    """(K, D, D), in float64."""
    scale = params.scale.astype(float)
    factors = scale if scale.ndim == 3 else scale[:, :, None] * np.eye(scale.shape[1])
    return factors @ factors.swapaxes(1, 2)


def scipy_log_prob(x: Any, params: mixture.Params) -> Any:
    components = zip(params.mean.astype(float), covariances(params), strict=True)
    terms = [stats.multivariate_normal(mean, matrix).logpdf(x) for mean, matrix in components]
    return special.logsumexp(np.reshape(terms, (-1, len(x))), axis=0, b=params.weight.astype(float)[:, None])


def exact_log_prob(x: list[Any], params: mixture.Params) -> Any:
    """Of one row, in the working precision of mpmath; by determinants and solutions, without a factor."""
    total = mpmath.mpf(0)
    for weight, mean, scale in zip(*(field.tolist() for field in params), strict=True):
        full = isinstance(scale[0], list)
        factor = mpmath.matrix(scale) if full else mpmath.diag([mpmath.mpf(v) for v in scale])
        matrix = factor * factor.T
        offset = mpmath.matrix([a - mpmath.mpf(b) for a, b in zip(x, mean, strict=True)])
        square = (offset.T * mpmath.lu_solve(matrix, offset))[0]
        total += (
            mpmath.mpf(weight) * mpmath.exp(-square / 2) / mpmath.sqrt(mpmath.det(2 * mpmath.pi * matrix))
        )
    return mpmath.log(total)


def test_known_figures_of_a_line() -> None:
    """.3 N(-2, .25) + .7 N(1, 1), from an independent calculation in plain Python."""
    x = [[-1.5], [0.0], [0.7]]
    density, score = mixture.log_prob(x, LINE), mixture.score(x, LINE)
    np.testing.assert_allclose(density, [-1.84863307268, -1.77513951716, -1.32061305971], rtol=1e-11)
    np.testing.assert_allclose(score[:, 0], [-1.64932766418, 0.995735370887, 0.299995366537], rtol=1e-11)


def test_known_figure_of_a_full_covariance() -> None:
    factor = np.linalg.cholesky([[[2, 0.6], [0.6, 0.5]]])
    params = mixture.Params(np.ones(1), np.array([[1.0, -1.0]]), factor)
    assert mixture.log_prob([[0.2, 0.3]], params)[0] == pytest.approx(-5.4803585151, abs=1e-10)


def test_far_from_all_components(dtype: Dtype) -> None:
    """Every density underflows there; the log-sum-exp does not."""
    params = mixture.Params(*(np.array(v, dtype) for v in ([0.4, 0.6], [[-1], [2]], [[0.5], [1]])))
    x = np.array([[200]], dtype)
    digits = max(3e-12, float(np.finfo(dtype).eps))  # as many as the figure has
    assert mixture.log_prob(x, params)[0] == pytest.approx(-19603.4297642, rel=digits)
    assert mixture.score(x, params)[0, 0] == pytest.approx(-198, rel=1e-6)


@FULL
def test_log_prob_is_that_of_scipy(full: bool, dtype: Dtype) -> None:
    for dim, components in itertools.product((1, 2, 7, 20), (1, 3, 10)):
        params = mixture.random_params(dim, 5, components=components, full=full, dtype=dtype)
        x = 2 * standard_normal(70, dim, 6, dtype=dtype)
        found = mixture.log_prob(x, params)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, scipy_log_prob(x, params), rtol=40 * np.finfo(dtype).eps)


@FULL
def test_log_prob_and_score_are_those_of_mpmath(full: bool) -> None:
    """The score by differences of 60 digits."""
    params, x = mixture.random_params(3, 7, full=full), 2 * standard_normal(6, 3, 8)
    density, score = mixture.log_prob(x, params), mixture.score(x, params)
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -20
        for row, value, gradient in zip(x.tolist(), density, score, strict=True):
            exact = [mpmath.mpf(v) for v in row]
            assert value == pytest.approx(float(exact_log_prob(exact, params)), rel=1e-15 * 8)
            for d, slope in enumerate(gradient):
                up, down = ([v + (i == d) * step for i, v in enumerate(exact)] for step in (h, -h))
                expected = (exact_log_prob(up, params) - exact_log_prob(down, params)) / (2 * h)
                assert slope == pytest.approx(float(expected), rel=1e-13, abs=1e-14)


@FULL
def test_score_is_the_gradient_that_torch_takes(full: bool) -> None:
    torch = pytest.importorskip("torch")
    params, x = mixture.random_params(6, 3, full=full), torch.tensor(standard_normal(20, 6, 4))
    covariance = torch.tensor(covariances(params))
    components = torch.distributions.MultivariateNormal(torch.tensor(params.mean), covariance)
    weights = torch.distributions.Categorical(torch.tensor(params.weight))
    x.requires_grad_()
    density = torch.distributions.MixtureSameFamily(weights, components).log_prob(x)
    (gradient,) = torch.autograd.grad(density.sum(), x)
    batch = x.detach().numpy()
    np.testing.assert_allclose(mixture.log_prob(batch, params), density.detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(mixture.score(batch, params), gradient.numpy(), rtol=1e-11, atol=1e-12)


@FULL
def test_full_and_diagonal_equal_their_reference(full: bool, dtype: Dtype) -> None:
    """The case measures diagonal covariances: here are both."""
    for dim in (1, 2, 9, 33):
        params = mixture.random_params(dim, 2, full=full, dtype=dtype)
        plain = plain_value(params)
        digits = (4 * dim + 32) * np.finfo(dtype).eps
        drawn = reference.random_params(dim, 2, full=full)
        for left, right in zip(params, drawn, strict=True):
            np.testing.assert_allclose(left, right, rtol=digits, atol=digits)
        x = mixture.sample(40, params, 9, first_row=3)
        expected = reference.sample(40, plain, 9, first_row=3, dtype=dtype.name)
        np.testing.assert_allclose(x, expected, rtol=digits, atol=digits)
        for name in ("log_prob", "score"):
            found, right = getattr(mixture, name)(x, params), getattr(reference, name)(x.tolist(), plain)
            np.testing.assert_allclose(found, right, rtol=digits, atol=digits * np.abs(right).max())


@FULL
def test_bits_do_not_depend_on_the_batch(full: bool, dtype: Dtype) -> None:
    params = mixture.random_params(11, 4, full=full, dtype=dtype)
    x = mixture.sample(90, params, 5)
    calls: list[Callable[[int, int], Any]] = [
        lambda lo, hi: mixture.sample(hi - lo, params, 5, first_row=lo),
        lambda lo, hi: mixture.log_prob(x[lo:hi], params),
        lambda lo, hi: mixture.score(x[lo:hi], params),
    ]
    for call in calls:
        parts = [call(lo, hi) for lo, hi in itertools.pairwise((0, 1, 3, 20, 37, 88, 90))]
        assert_same_bits(np.concatenate(parts), call(0, 90))


@jit_exact
def evaluated_in_place(x: Any, arrays: Any) -> Any:
    """What a step of a chain does, for x (D, pitch): the score takes the place of the features."""
    mixture, pitch = mixture_of(arrays), x.shape[1]
    tile, density = scratch(x.shape[0], pitch, x), scratch(1, pitch, x)
    work = scratch(scratch_rows(mixture), pitch, x)
    tile[:] = x
    score = address(tile, 0)
    evaluate(mixture, score, score, address(density, 0), address(work, 0), pitch)
    return tile, density, work


@FULL
def test_one_evaluation_gives_score_and_log_prob(full: bool, dtype: Dtype) -> None:
    """Of a tile of one, two or four vectors, in place."""
    params = mixture.random_params(5, 4, full=full, dtype=dtype)
    arrays = (full_arrays if full else diagonal_arrays)(params.weight, params.mean, params.scale)
    for vectors in (1, 2, 4):
        x = standard_normal(vectors * 64 // dtype.itemsize, 5, 3, dtype=dtype)
        score, density, _ = evaluated_in_place(np.ascontiguousarray(x.T), arrays)
        digits = 20 * np.finfo(dtype).eps
        np.testing.assert_allclose(score.T, mixture.score(x, params), rtol=digits, atol=digits)
        np.testing.assert_allclose(density[0], mixture.log_prob(x, params), rtol=digits)


def test_what_lies_above_the_diagonal_is_not_read() -> None:
    params = mixture.random_params(5, 4, full=True)
    scale = np.where(np.tri(5, dtype=bool), params.scale, np.nan)
    other, x = params._replace(scale=scale), standard_normal(9, 5, 1)
    for function in (mixture.log_prob, mixture.score):
        assert_same_bits(function(x, other), function(x, params))
    assert_same_bits(mixture.sample(9, other, 1), mixture.sample(9, params, 1))


def components_of(x: Any, params: mixture.Params) -> Any:
    """The nearest means, right where components are far apart."""
    return np.abs(x[:, :1] - params.mean[:, 0]).argmin(1)


def test_components_come_as_often_as_they_weigh_and_in_no_order() -> None:
    weight, n = np.array([0.5, 0.1, 0.15, 0.25]), 40_000
    mean = np.array([[0.0, 0], [10_000, 1], [20_000, 2], [30_000, 3]])
    params = mixture.Params(weight, mean, np.ones((4, 2)))
    k = components_of(mixture.sample(n, params, 3), params)
    assert stats.chisquare(np.bincount(k, minlength=4), n * weight).pvalue > 1e-5
    for lag in (1, 2, 7):  # neighbours are independent
        pairs = np.bincount(4 * k[:-lag] + k[lag:], minlength=16).reshape(4, 4)
        assert stats.chi2_contingency(pairs).pvalue > 1e-5
    # The component is that of the row, whatever else is drawn.
    other = mixture.Params(weight.astype(np.float32), mean.astype(np.float32), np.ones((4, 2), np.float32))
    np.testing.assert_array_equal(components_of(mixture.sample(n, other, 3), other), k)


def test_a_row_is_its_component_with_its_normals(dtype: Dtype) -> None:
    """Of known uniforms: the first words of Philox4x32-10 on the stream of the components."""
    weight, mean = [0.25, 0.5, 0.25], np.array([[-1000], [0], [1000]], dtype)
    params = mixture.Params(np.array(weight, dtype), mean, np.full((3, 1), 4, dtype))
    u = [reference._uniform(row, 77) for row in range(200)]
    k = np.searchsorted(np.cumsum(weight), u, side="right")
    expected = mean[k] + 4 * standard_normal(200, 1, 77, dtype=dtype)
    assert {*k.tolist()} == {0, 1, 2}
    np.testing.assert_allclose(mixture.sample(200, params, 77), expected, rtol=4 * np.finfo(dtype).eps)


@FULL
def test_moments_of_samples(full: bool) -> None:
    """Exact mean and covariance: the mean of the means, and both spreads together."""
    n, params = 60_000, mixture.random_params(4, 9, full=full)
    x = mixture.sample(n, params, 10)
    mean = params.weight @ params.mean
    offset = params.mean - mean
    spreads = covariances(params) + offset[:, :, None] * offset[:, None, :]
    covariance = np.einsum("k,kij->ij", params.weight, spreads)
    deviation = np.sqrt(np.diag(covariance))
    assert (np.abs(x.mean(0) - mean) < 5 * deviation / np.sqrt(n)).all()
    products = (x - mean)[:, :, None] * (x - mean)[:, None, :]
    assert (np.abs(products.mean(0) - covariance) < 5 * products.std(0) / np.sqrt(n)).all()


@FULL
def test_the_mean_score_of_samples_is_zero(full: bool) -> None:
    """And the mean of x score^T is -I: both are integrals by parts."""
    n, params = 60_000, mixture.random_params(3, 9, full=full)
    x = mixture.sample(n, params, 11)
    score = mixture.score(x, params)
    assert (np.abs(score.mean(0)) < 5 * score.std(0) / np.sqrt(n)).all()
    products = x[:, :, None] * score[:, None, :]
    assert (np.abs(products.mean(0) + np.eye(3)) < 5 * products.std(0) / np.sqrt(n)).all()


def test_the_noise_behind_samples_is_uniform() -> None:
    """That of the gate before timings; of the samples of another mixture it is not."""
    params, other = mixture.random_params(5, 1), mixture.random_params(5, 2)
    x = mixture.sample(4000, params, 3)
    right, wrong = (np.ravel(_uniforms(x, Call((4000, p, 3)))) for p in (params, other))
    assert stats.kstest(right, "uniform").pvalue > 1e-5
    assert stats.kstest(wrong, "uniform").pvalue < 1e-9


def test_infinite_rows_have_no_density(dtype: Dtype) -> None:
    params = mixture.random_params(2, 1, dtype=dtype)
    x = np.array([[np.inf, 0], [-np.inf, np.inf], [np.nan, 0], [0.5, 0.5]], dtype)
    density = mixture.log_prob(x, params)
    np.testing.assert_array_equal(density[:3], [-np.inf, -np.inf, np.nan])
    assert np.isfinite(density[3])
    assert np.isnan(mixture.score(x, params)[:3]).all()


@pytest.mark.parametrize("exponent", [-1, 1])
def test_scales_whose_squares_do_not_fit(dtype: Dtype, exponent: int) -> None:
    limit = float(np.finfo(dtype).tiny) ** (-0.4 * exponent)

    def narrow(scale: float) -> mixture.Params:
        return mixture.Params(np.ones(1, dtype), np.zeros((1, 1), dtype), np.full((1, 1), scale, dtype))

    size = 0.99**exponent * limit
    x = np.array([[size]], dtype)
    expected = -0.5 * np.log(2 * np.pi * np.e) - np.log(size)
    assert mixture.log_prob(x, narrow(size))[0] == pytest.approx(expected, rel=1e-5)
    assert mixture.score(x, narrow(size))[0, 0] == pytest.approx(-1 / size, rel=1e-5)
    with pytest.raises(ValueError, match=rf"^params\.scale: diagonals, for {dtype}: expected .*, got"):
        mixture.log_prob(x, narrow(limit * 1.02**exponent))


def test_weights_are_divided_by_their_sum() -> None:
    almost = LINE._replace(weight=LINE.weight * (1 + 5e-7))
    x = standard_normal(9, 1, 1)
    np.testing.assert_allclose(mixture.log_prob(x, almost), mixture.log_prob(x, LINE), rtol=1e-14)


def test_one_weight_may_exceed_one_by_rounding() -> None:
    one = mixture.random_params(3, 1, components=1)
    above = one._replace(weight=np.nextafter(one.weight, 2))
    assert mixture.log_prob(X, above).tolist() == mixture.log_prob(X, one).tolist()


X, PARAMS = np.zeros((4, 3)), mixture.random_params(3, 1)
WRONG: list[tuple[type[Exception], str, Any]] = [
    (ValueError, "weight", [0.5, 0.5]),
    (ValueError, "weight", [0.5, 0.5, 0.0]),
    (ValueError, "weight", [0.6, 0.5, -0.1]),
    (ValueError, "weight", [0.3, 0.3, 0.3]),
    (ValueError, "weight", [0.3, 0.7, np.nan]),
    (ValueError, "weight", [[0.2, 0.3, 0.5]]),
    (TypeError, "weight", "abc"),
    (ValueError, "mean", np.zeros(3)),
    (ValueError, "mean", np.zeros((0, 3))),
    (ValueError, "weight", [1.0]),
    (ValueError, "scale", np.zeros((3, 3))),
    (ValueError, "scale", -PARAMS.scale),
    (ValueError, "scale", np.ones((3, 2))),
    (ValueError, "scale", np.ones((3, 3, 2))),
    (ValueError, "scale", np.zeros((3, 3, 3))),
    (ValueError, "scale", 1.0),
    (TypeError, "scale", None),
]


@pytest.mark.parametrize(("error", "name", "value"), WRONG)
def test_wrong_fields_are_named(error: type[Exception], name: str, value: Any) -> None:
    params = PARAMS._replace(**{name: value})
    calls: list[Callable[[], Any]] = [
        lambda: mixture.log_prob(X, params),
        lambda: mixture.score(X, params),
        lambda: mixture.sample(4, params, 0),
    ]
    for call in calls:
        with pytest.raises(error, match=rf"^params\.{name}: .*expected.*got"):
            call()


def test_wrong_arguments_are_named() -> None:
    log_prob, score, sample, draw = mixture.log_prob, mixture.score, mixture.sample, mixture.random_params
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "x has 2 columns, params are for D = 3", lambda: log_prob(X[:, :2], PARAMS)),
        (ValueError, r"x: expected 2 dimensions \(N, D\)", lambda: score(X[0], PARAMS)),
        (TypeError, "x: expected", lambda: score(X.astype(complex), PARAMS)),
        (TypeError, "params: expected mixture.Params, got tuple", lambda: log_prob(X, (*PARAMS,))),  # type: ignore[arg-type]
        (ValueError, "threads", lambda: log_prob(X, PARAMS, threads=0)),
        (ValueError, "out: expected shape", lambda: score(X, PARAMS, out=np.zeros((3, 3)))),
        (TypeError, "out: expected dtype", lambda: score(X, PARAMS, out=np.zeros((4, 3), np.float32))),
        (ValueError, "out: expected no overlap with params", lambda: score(X[:3], PARAMS, out=PARAMS.mean)),
        (ValueError, "out: expected no overlap with params", lambda: sample(3, PARAMS, 0, out=PARAMS.mean)),
        (ValueError, "n: expected", lambda: sample(-1, PARAMS, 0)),
        (ValueError, "seed: expected", lambda: sample(4, PARAMS, -1)),
        (ValueError, "first_row: expected", lambda: sample(4, PARAMS, 0, first_row=2**63)),
        (TypeError, "params: expected", lambda: sample(4, None, 0)),  # type: ignore[arg-type]
        (ValueError, "dim: expected", lambda: draw(0, 1)),
        (ValueError, "components: expected", lambda: draw(3, 1, components=0)),
        (TypeError, "full: expected", lambda: draw(3, 1, full="yes")),  # type: ignore[arg-type]
        (TypeError, "dtype: expected", lambda: draw(3, 1, dtype=int)),
    ]  # fmt: skip
    for error, message, call in cases:
        with pytest.raises(error, match=f"^{message}"):
            call()


def test_params_show_themselves_in_one_line() -> None:
    assert repr(LINE) == "mixture.Params(D=1, float64, components=2)"
