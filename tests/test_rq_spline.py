"""Rational-quadratic splines: mpmath, knots, bounds, steep and flat bins; couplings and others."""

from typing import Any

import mpmath
import numpy as np
import pytest

from seqgap.bench.model.case import Dtype
from seqgap.bench.peers import neural
from seqgap.kernels import rq_spline
from seqgap.kernels.normal import standard_normal

KINDS = pytest.mark.parametrize("kind", ["softclip", "softplus"])


def constant(logits: Any, kind: str, dtype: Dtype, bound: float = 5.0) -> rq_spline.Params:
    """A flow of one feature for each row of `logits`, which are the numbers of its spline."""
    dim, outputs = logits.shape
    params = rq_spline.random_params(
        dim, 1, coupling=False, width=2, bins=(outputs + 1) // 3, spline=kind, bound=bound, dtype=dtype
    )
    return params._replace(weight_out=np.zeros_like(params.weight_out), bias_out=logits[None].astype(dtype))


def knots(logits: Any, kind: str, bound: float = 5.0) -> tuple[list[Any], list[Any], list[Any]]:
    """(x, y, slopes) at the knots in 40 digits."""
    mp, bins = mpmath.mp, (len(logits) + 1) // 3
    u = [mpmath.mpf(float(v)) for v in logits]
    clip = -mp.log(mpmath.mpf("1e-3"))

    def edges(part: list[Any]) -> list[Any]:
        floor = mpmath.mpf("1e-3") if kind == "softplus" else 0
        part = part if kind == "softplus" else [v / (1 + abs(2 * v / clip)) for v in part]
        sizes = [mp.exp(v) for v in part]
        shares = [floor + (1 - floor * bins) * s / sum(sizes) for s in sizes]
        return [bound * (2 * sum(shares[:k]) - 1) for k in range(bins + 1)]

    def slope(v: Any) -> Any:
        return (
            mp.exp(v / (1 + abs(v / clip)))
            if kind == "softclip"
            else mp.log1p(mp.exp(v)) + mpmath.mpf("1e-3")
        )

    return edges(u[:bins]), edges(u[bins : 2 * bins]), [1, *map(slope, u[2 * bins :]), 1]


def steepest(table: tuple[list[Any], list[Any], list[Any]]) -> float:
    """The largest of a bin's height over its width, or the other way round."""
    xs, ys, _ = table
    sizes = [(xs[k + 1] - xs[k], ys[k + 1] - ys[k]) for k in range(len(xs) - 1)]
    return max(float(max(w / h, h / w)) for w, h in sizes)


def exact(x: float, table: tuple[list[Any], list[Any], list[Any]]) -> tuple[Any, Any]:
    """(value, log slope) of the spline at x, equations 4 and 5."""
    xs, ys, slopes = table
    if not xs[0] < x < xs[-1]:
        return mpmath.mpf(x), mpmath.mpf(0)
    k = max(j for j in range(len(xs) - 1) if xs[j] <= x)
    w, h = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
    s, t = h / w, (mpmath.mpf(x) - xs[k]) / w
    below = s + (slopes[k] + slopes[k + 1] - 2 * s) * t * (1 - t)
    value = ys[k] + h * (s * t**2 + slopes[k] * t * (1 - t)) / below
    above = slopes[k + 1] * t**2 + 2 * s * t * (1 - t) + slopes[k] * (1 - t) ** 2
    return value, mpmath.log(s**2 * above / below**2)


@KINDS
@pytest.mark.parametrize("bound", [5.0, 2.5])
def test_values_and_slopes_against_mpmath(kind: str, bound: float, dtype: Dtype) -> None:
    logits = np.random.default_rng(3).normal(size=(1, 23)).astype(dtype)
    params = constant(logits, kind, dtype, bound)
    x = np.linspace(-1.2 * bound, 1.2 * bound, 301).astype(dtype)[:, None]
    z, log_det = rq_spline.inverse(x, params)
    with mpmath.workdps(40):
        table = knots(logits[0], kind, bound)
        expected = [exact(float(v), table) for v in x[:, 0]]
    allowed = bound * np.finfo(dtype).eps * steepest(table)  # so far does a unit in a knot move values
    assert np.abs(z[:, 0] - np.array([float(v) for v, _ in expected])).max() < 10 * allowed
    assert np.abs(log_det - np.array([float(v) for _, v in expected])).max() < 20 * allowed


@KINDS
def test_at_the_knots(kind: str, dtype: Dtype) -> None:
    logits = np.random.default_rng(4).normal(size=(1, 23)).astype(dtype)
    params = constant(logits, kind, dtype)
    with mpmath.workdps(40):
        xs, ys, slopes = knots(logits[0], kind)
    at = np.array([float(v) for v in xs], dtype)[:, None]
    z, log_det = rq_spline.inverse(at, params)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(z[:, 0], np.array([float(v) for v in ys]), atol=100 * eps)
    np.testing.assert_allclose(log_det, np.log([float(s) for s in slopes]), atol=1000 * eps)
    for step in (-np.inf, np.inf):  # no jump beside a knot
        beside, _ = rq_spline.inverse(np.nextafter(at, dtype.type(step)), params)
        assert np.abs(beside - z).max() < 100 * eps
    back, _ = rq_spline.forward(z, params)
    assert np.abs(back - at).max() < 300 * eps


@KINDS
def test_tails_are_the_identity(kind: str, dtype: Dtype) -> None:
    params = constant(np.random.default_rng(5).normal(size=(1, 23)), kind, dtype)
    x = np.array([[5.0], [-5.0], [5.5], [-1e6], [np.inf], [-np.inf], [np.nan]], dtype)
    for verb in (rq_spline.inverse, rq_spline.forward):
        moved, log_det = verb(x, params)
        np.testing.assert_array_equal(moved, x)
        assert not log_det.any()
    near = np.nextafter(dtype.type(5), dtype.type(0))
    moved, log_det = rq_spline.inverse(np.array([[near], [-near]]), params)
    np.testing.assert_allclose(np.abs(moved), 5, atol=20 * np.finfo(dtype).eps)
    assert np.abs(log_det).max() < 2000 * np.finfo(dtype).eps


@KINDS
def test_round_trips_within_the_bounds(kind: str, dtype: Dtype) -> None:
    """To 1e-5 in float32 and 1e-12 in float64."""
    logits = np.random.default_rng(6).normal(size=(40, 23)) / 2  # no slope below 1/5
    params = constant(logits, kind, dtype)
    x = np.random.default_rng(7).uniform(-5, 5, (200, 40)).astype(dtype)
    allowed = 1e-5 if dtype == np.float32 else 1e-12
    for there, back in ((rq_spline.inverse, rq_spline.forward), (rq_spline.forward, rq_spline.inverse)):
        moved, log_det = there(x, params)
        again, log_det_back = back(moved, params)
        assert np.abs(again - x).max() < allowed
        assert np.abs(log_det + log_det_back).max() < 40 * allowed


@KINDS
@pytest.mark.parametrize("size", [10.0, 1e3])
def test_slopes_near_zero_and_steep_bins(kind: str, size: float, dtype: Dtype) -> None:
    """Nothing breaks; the inverse is as good as the rounding of x and the slope there allow."""
    for logits in size * np.random.default_rng(8).normal(size=(10, 1, 23)):
        params = constant(logits, kind, dtype)
        z = np.sort(np.random.default_rng(9).uniform(-5, 5, (400, 1)), axis=0).astype(dtype)
        x, log_det = rq_spline.forward(z, params)
        assert np.isfinite(x).all()
        assert np.isfinite(log_det).all()
        assert np.abs(x).max() <= 5
        assert np.diff(x[:, 0]).min() >= -1e-5  # monotonic
        again, log_slope = rq_spline.inverse(x, params)
        units = np.abs(again - z)[:, 0] / (5 * np.finfo(dtype).eps * np.maximum(1, np.exp(log_slope)))
        assert np.median(units) < 10


def test_one_bin_is_the_identity() -> None:
    params = constant(np.ones((3, 2)), "softplus", np.dtype(np.float64))
    x = standard_normal(9, 3, 1)
    z, log_det = rq_spline.inverse(x, params)
    np.testing.assert_allclose(z, x, atol=1e-14)
    np.testing.assert_allclose(log_det, 0, atol=1e-14)


def test_the_network_gives_the_parameters_of_the_splines() -> None:
    """The spline of each feature, computed again from whole matrices."""
    params = rq_spline.random_params(6, 3, coupling=False, width=16)
    x = standard_normal(4, 6, 5)
    z, _ = rq_spline.inverse(x, params)
    theta = neural.theta_of(np, neural.autoregressive(params)[0], x)
    for n in range(4):
        for i in range(6):
            with mpmath.workdps(30):
                value, _ = exact(float(x[n, i]), knots(theta[n, i], "softplus"))
            assert z[n, i] == pytest.approx(float(value), abs=1e-13)
