"""Autoregressive process: the known series, scipy's filter, the stationary law."""

import random

import numpy as np
import pytest
from scipy import signal

from seqgap.kernels import ar_process
from seqgap.kernels.normal import standard_normal
from seqgap.reference import ar_process as reference


def test_known_series() -> None:
    random.seed(23)
    z = [[random.gauss(0, 0.4) / 0.4 for _ in range(5)]]
    expected = [0.868, 0.164, 0.245, 0.067, -0.305]
    (x,), _ = reference.forward(z, reference.Params([0.7], 0.0, 0.4))
    assert [round(v, 3) for v in x] == expected
    (compiled,), _ = ar_process.forward(z, ar_process.Params(np.array([0.7]), 0.0, 0.4))
    assert [round(float(v), 3) for v in compiled] == expected
    weights = [1.4, -0.6, 0.8, 0.5, -1.1]  # the known decoding is of the rounded series
    assert round(float(compiled.round(3) @ weights) + 0.2, 4) == 1.8818


@pytest.mark.parametrize("order", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("dim", [1, 2, 8, 50])
def test_any_order_is_the_recursive_filter(order: int, dim: int) -> None:
    coefficients = 0.8 * np.random.default_rng(order).dirichlet(np.ones(order))
    params = ar_process.Params(coefficients, 0.3, 1.7)
    z = standard_normal(6, dim, 1)
    x, log_det = ar_process.forward(z, params)
    expected = signal.lfilter([1.0], np.concatenate([[1.0], -coefficients]), 0.3 + 1.7 * z, axis=1)
    np.testing.assert_allclose(x, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(log_det, dim * np.log(1.7))
    np.testing.assert_allclose(ar_process.inverse(expected, params)[0], z, rtol=1e-11, atol=1e-11)


def test_the_start_values_are_zero() -> None:
    x, _ = ar_process.forward(np.zeros((1, 4)), ar_process.Params(np.array([0.5, 0.25]), 1.0, 1.0))
    assert x.tolist() == [[1.0, 1.5, 2.0, 2.375]]


def test_stationary_variance_and_autocorrelation() -> None:
    """AR(1): variance scale^2 / (1 - c^2), autocorrelation c^k."""
    c, n = 0.8, 40_000
    x = ar_process.sample(n, ar_process.Params(np.array([c]), 0.0, 0.5), 3, dim=60)
    late = x[:, 50:]
    variance = 0.25 / (1 - c * c)
    assert late.var() == pytest.approx(variance, rel=0.02)
    for lag in (1, 3, 6):
        found = np.mean(late[:, 0] * late[:, lag]) / variance
        assert found == pytest.approx(c**lag, abs=6 / np.sqrt(n))
