"""Autoregressive process: the known series, scipy's filter, the stationary law."""

import random
from typing import Any

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


@pytest.mark.parametrize(
    ("coefficients", "growth"),
    [
        ([0.9], 4), ([-0.99], 4), ([1.02], 4), ([1.2, -0.5], 4), ([0.1, 0.85], 4),
        ([1.99, -0.9901], 100),  # a double pole near 1: its eighth power is known to fewer digits
    ],
)  # fmt: skip
@pytest.mark.parametrize("dim", [1, 7, 8, 16, 17, 40, 300])
def test_the_scan_is_the_recurrence_up_to_rounding(
    coefficients: list[float], growth: float, dim: int, dtype: np.dtype[Any]
) -> None:
    """Poles inside, on and outside the unit circle, double ones too."""
    params = ar_process.Params(np.array(coefficients, dtype), 0.3, 1.7)
    z = standard_normal(3, dim, 1, dtype=dtype)
    found, _ = ar_process.forward(z, params, strategy="scan")
    exact = ar_process.Params(params.coefficients.astype(float), 0.3, float(np.float32(1.7)))
    exact = exact if dtype == np.float32 else exact._replace(scale=1.7)
    plain = reference.Params(exact.coefficients.tolist(), 0.3, exact.scale)
    expected, _ = reference.forward(z.astype(float).tolist(), plain)
    size = np.maximum.accumulate(np.abs(np.asarray(expected)), axis=1)

    def error(x: Any) -> float:
        return float(np.max(np.abs(x - np.asarray(expected)) / size))

    recurrence, _ = ar_process.forward(z, params, strategy="recurrence")
    assert error(found) <= growth * error(recurrence) + 40 * np.finfo(dtype).eps


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("strategy", ["recurrence", "scan", "auto"])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(order: int, strategy: str) -> None:
    params = ar_process.Params(np.array([0.6, -0.3])[:order], 0.1, 0.7)
    for dim in (5, 64, 1029):
        z = standard_normal(21, dim, 4)
        together, _ = ar_process.forward(z, params, strategy=strategy)
        for n in range(21):
            alone, _ = ar_process.forward(z[n : n + 1], params, strategy=strategy)
            assert alone.tobytes() == together[n : n + 1].tobytes()


def test_auto_scans_long_series_of_low_order_only() -> None:
    for order, dim, strategy in (
        (1, 128, "scan"),
        (1, 127, "recurrence"),
        (2, 1024, "scan"),
        (2, 1023, "recurrence"),
        (3, 2000, "recurrence"),
    ):
        params = ar_process.Params(np.full(order, 0.3), 0.0, 1.0)
        z = standard_normal(2, dim, 4)
        auto, _ = ar_process.forward(z, params)
        assert auto.tobytes() == ar_process.forward(z, params, strategy=strategy)[0].tobytes()


@pytest.mark.parametrize("strategy", ["recurrence", "scan"])
def test_nan_reaches_later_entries_of_its_row_only(strategy: str) -> None:
    z = standard_normal(9, 50, 4)
    z[3, 20] = np.nan
    x, _ = ar_process.forward(z, ar_process.Params(np.array([0.6, -0.3]), 0.1, 0.7), strategy=strategy)
    assert np.isnan(x[3, 20:]).all()
    x[3, 20:] = 0
    assert np.isfinite(x).all()


def test_wrong_strategies_are_refused() -> None:
    z = np.zeros((1, 4))
    with pytest.raises(
        ValueError, match=r"^strategy: expected one of auto, recurrence, scan, blocks, got 'fast'"
    ):
        ar_process.forward(z, ar_process.Params(np.array([0.5]), 0.0, 1.0), strategy="fast")
    with pytest.raises(ValueError, match=r"^strategy: expected recurrence for 3 coefficients"):
        ar_process.forward(z, ar_process.Params(np.full(3, 0.1), 0.0, 1.0), strategy="scan")


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
