"""What holds for every flow, and for every distribution."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

from seqgap.bench.model.case import Case, Dtype, Operation
from seqgap.kernels.normal import standard_normal


def params_and_batch(
    flow: Case, dim: int, batch: int, dtype: Dtype, verb: str = "forward", seed: int = 3
) -> tuple[Any, Any]:
    z, params = flow.operation(verb).inputs(dim, batch, dtype, seed).args
    return params, z


def draw(case: Case, n: int, dim: int, seed: int) -> tuple[Any, Any]:
    call = case.operation("sample").inputs(dim, n, np.dtype(np.float64), seed)
    return case.kernel("sample")(*call.args, **call.kwargs), call.args[1]


def finely(params: Any) -> Any:
    """What solves an equation is a flow up to the error of its steps: in float64 many, of high order."""
    solves = {"method", "steps"} <= set(params._fields) and params.dtype == np.float64
    return params._replace(method="dormand_prince", steps=200) if solves else params


@pytest.mark.dims(1, 2, 5, 12, 33)
def test_round_trips(flow: Case, dtype: Dtype, dim: int) -> None:
    params, z = params_and_batch(flow, dim, 50, dtype)
    params, forward, inverse = finely(params), flow.kernel("forward"), flow.kernel("inverse")
    both = sum(flow.operation(verb).tolerance.of(dim, dtype) for verb in ("forward", "inverse"))
    allowed = both * max(1, np.abs(z).max())
    x, log_det = forward(z, params)
    back, log_det_back = inverse(x, params)
    assert np.abs(back - z).max() < allowed * max(1, np.abs(x).max())
    assert np.abs(log_det + log_det_back).max() < allowed * max(1, np.abs(x).max())
    _, data = params_and_batch(flow, dim, 50, dtype, "inverse")
    y, _ = inverse(data, params)
    again, _ = forward(y, params)
    assert np.abs(again - data).max() < allowed * max(1, np.abs(y).max())


@pytest.mark.dims(1, 2, 3, 8, 12)
@pytest.mark.parametrize("verb", ["forward", "inverse"])
def test_log_det_is_that_of_the_numerical_jacobian(flow: Case, dim: int, verb: str) -> None:
    params, z = params_and_batch(flow, dim, 4, np.dtype(np.float64), verb)
    params, transform = finely(params), flow.kernel(verb)
    allowed = max(1e-7, flow.operation(verb).tolerance.of(dim, z.dtype))
    _, log_det = transform(z, params)

    def by_differences(row: Any, h: float) -> float:
        steps = h * np.eye(dim)
        jacobian = (transform(row + steps, params)[0] - transform(row - steps, params)[0]) / (2 * h)
        return float(np.linalg.slogdet(jacobian).logabsdet)

    for row, expected in zip(z, log_det, strict=True):  # a smaller step where a ReLU bends within one
        found = [by_differences(row, 1e-5)]
        while abs(found[-1] - expected) > allowed and len(found) < 3:
            found.append(by_differences(row, 0.1 ** (5 + len(found))))
        assert found[-1] == pytest.approx(expected, abs=allowed)


@pytest.mark.dims(7)
def test_log_prob_is_the_change_of_variables(flow: Case, dtype: Dtype, dim: int) -> None:
    params, x = params_and_batch(flow, dim, 20, dtype, "inverse")
    z, log_det = flow.kernel("inverse")(x, params)
    expected = stats.norm.logpdf(z.astype(float)).sum(axis=1) + log_det
    found = flow.kernel("log_prob")(x, params)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=200 * np.finfo(dtype).eps)


@pytest.mark.dims(1, 2, 6)
def test_log_prob_is_the_density_of_the_samples(distribution: Case, dim: int) -> None:
    """With x of p, and y of q: the mean of q / (p + q) at x is that of p / (p + q) at y."""
    n = 20_000
    (x, p), (y, q) = (draw(distribution, n, dim, seed) for seed in (15, 16))
    log_prob = distribution.kernel("log_prob")
    at_x = special.expit(log_prob(x, q) - log_prob(x, p))
    at_y = special.expit(log_prob(y, p) - log_prob(y, q))
    error = np.sqrt((at_x.var() + at_y.var()) / n)
    assert at_x.mean() == pytest.approx(at_y.mean(), abs=5 * error)
    if x.dtype.kind in "iu":  # then they have frequencies
        rows, counts = np.unique(x, axis=0, return_counts=True)
        probability = np.exp(log_prob(rows, p))
        assert (np.abs(counts / n - probability) < 5 * np.sqrt(probability / n) + 5 / n).all()


@pytest.mark.dims(2, exact=True)
def test_log_prob_integrates_to_one(flow: Case, dim: int) -> None:
    def reach_of(drawn: tuple[Any, Any]) -> float:
        return float(np.abs(drawn[0]).max() / stats.iqr(drawn[0]))

    # The mildest of some parameters: no grid follows the tails of a stack of exponentials.
    sample, params = min((draw(flow, 5000, dim, seed) for seed in range(8)), key=reach_of)
    middle, width = np.median(sample, axis=0), 0.3 * stats.iqr(sample, axis=0)
    # x = middle + width sinh(u): fine where the mass is, far enough out for heavy tails.
    reach = np.arcsinh(4 * np.abs(sample - middle).max(axis=0) / width)
    u = [np.linspace(-end, end, 1501) for end in reach]
    axes = [m + w * np.sinh(v) for m, w, v in zip(middle, width, u, strict=True)]
    slopes = [w * np.cosh(v) for w, v in zip(width, u, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(flow.kernel("log_prob")(grid, params)).reshape(1501, 1501) * np.outer(*slopes)
    density[np.isnan(density)] = 0  # where a flow has no value
    total = integrate.simpson(integrate.simpson(density, u[1], axis=1), u[0])
    assert total == pytest.approx(1, abs=1e-4)


@pytest.mark.dims(1, 9)
def test_sample_is_forward_of_the_normals(flow: Case, dtype: Dtype, dim: int) -> None:
    call = flow.operation("sample").inputs(dim, 300, dtype, 2**63 + 1)
    sample = flow.kernel("sample")(*call.args, **call.kwargs)
    z = standard_normal(300, dim, 2**63 + 1, dtype=dtype)
    x, _ = flow.kernel("forward")(z, call.args[1])
    np.testing.assert_array_equal(sample, x)


@pytest.mark.dims(6)
def test_samples_have_independent_standard_normal_latents(flow: Case, dim: int) -> None:
    """Mean, covariance, distribution of each entry, and no correlation of neighbouring rows."""
    n = 40_000
    sample, params = draw(flow, n, dim, 11)
    z, _ = flow.kernel("inverse")(sample, params)
    noise = 5 / np.sqrt(n)  # five standard errors
    assert np.abs(z.mean(axis=0)).max() < noise
    assert np.abs(np.cov(z.T) - np.eye(dim)).max() < noise * np.sqrt(2)
    assert min(stats.kstest(column, "norm").pvalue for column in z.T) > 1e-5
    for lag in (1, 2, 4):
        assert np.abs(z[:-lag].T @ z[lag:] / n).max() < noise


@pytest.mark.dims(5)
def test_samples_follow_log_prob(flow: Case, dim: int) -> None:
    """The mean of -log_prob over a sample is the entropy: that of z plus the mean log_det."""
    n = 40_000
    sample, params = draw(flow, n, dim, 12)
    z = np.random.default_rng(1).standard_normal((n, dim))
    _, log_det = flow.kernel("forward")(z, params)
    entropy = 0.5 * dim * np.log(2 * np.pi * np.e) + log_det.mean()
    density = flow.kernel("log_prob")(sample, params)
    error = np.sqrt((density.var() + log_det.var()) / n)
    assert -density.mean() == pytest.approx(entropy, abs=6 * error)


@pytest.mark.dims(4)
def test_moments_of_samples_match_those_of_numpy(case: Case, numpy_drawing: Operation, dim: int) -> None:
    """Mean and covariance against the implementation in NumPy, with noise of NumPy's generator."""
    n = 60_000 if numpy_drawing.cost(dim).flops < 1e5 else 15_000  # rows; convolutions in NumPy take long
    float64 = np.dtype(np.float64)
    call = numpy_drawing.inputs(dim, n, float64, 13)
    sample = case.kernel(numpy_drawing.name)(*call.args, **call.kwargs)
    other = numpy_drawing.implementations["numpy"](call, dim, float64)()
    spread = sample.std(axis=0)
    assert np.abs((sample.mean(axis=0) - other.mean(axis=0)) / spread).max() < 7 / np.sqrt(n)
    ranks = [stats.ks_2samp(a, b).pvalue for a, b in zip(sample.T, other.T, strict=True)]
    assert min(ranks) > 1e-5
    clipped = [np.clip(s, *np.quantile(sample, [0.001, 0.999], axis=0)) for s in (sample, other)]
    first, second = (np.cov((c / spread).T) for c in clipped)
    assert np.abs(first - second).max() < 0.06
