"""Linear autoregressive model: moments, the dense solution, checks of the weight."""

import numpy as np
import pytest

from seqgap.kernels import linear_ar
from seqgap.kernels.normal import standard_normal


def test_samples_have_the_mean_and_covariance_of_the_model() -> None:
    """x = (I - W)^-1 (bias + S z): mean and covariance in closed form."""
    n, dim = 200_000, 5
    params = linear_ar.random_params(dim, 4)
    solve = np.linalg.inv(np.eye(dim) - params.weight)
    covariance = solve @ np.diag(np.exp(2 * params.log_scale)) @ solve.T
    x = linear_ar.sample(n, params, 5)
    spread = np.sqrt(np.diag(covariance))
    assert np.abs((x.mean(axis=0) - solve @ params.bias) / spread).max() < 5 / np.sqrt(n)
    scaled = (np.cov(x.T) - covariance) / np.outer(spread, spread)
    assert np.abs(scaled).max() < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("dim", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 257])
def test_every_tail_length_of_the_dot_products(dim: int) -> None:
    params = linear_ar.random_params(dim, 1)
    z = standard_normal(6, dim, 2)
    x, _ = linear_ar.forward(z, params)
    right = params.bias + np.exp(params.log_scale) * z
    expected = np.linalg.solve(np.eye(dim) - params.weight, right.T).T
    np.testing.assert_allclose(x, expected, rtol=1e-11, atol=1e-11)
    back, _ = linear_ar.inverse(expected, params)
    np.testing.assert_allclose(back, z, rtol=1e-11, atol=1e-11)


def test_a_weight_is_looked_at_in_every_call() -> None:
    params = linear_ar.random_params(3, 1)
    view = params.weight[:]
    view.flags.writeable = False  # still changes with the array behind it
    for weight in (params.weight, view):
        params.weight[0, 2] = 0.0
        linear_ar.forward(np.zeros((1, 3)), params._replace(weight=weight))
        params.weight[0, 2] = 1.0
        with pytest.raises(ValueError, match=r"params\.weight"):
            linear_ar.forward(np.zeros((1, 3)), params._replace(weight=weight))


def test_log_det_of_many_float32_dimensions_is_summed_in_float64() -> None:
    dim = 4096
    params = linear_ar.Params(np.zeros((dim, dim)), np.zeros(dim), np.full(dim, 0.1))
    _, log_det = linear_ar.forward(np.zeros((1, dim), np.float32), params)
    assert log_det[0] == pytest.approx(dim * float(np.float32(0.1)), rel=1e-7)
