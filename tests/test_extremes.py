"""Numbers at the ends of a dtype: exact, or refused by name. Expected values are by hand or in mpmath."""

from importlib import import_module
from typing import Any

import mpmath
import numpy as np
import pytest

from bits import bits
from seqgap import Flow
from seqgap.bench.model.case import Dtype
from seqgap.kernels import ar_process, diffusion, linear_ar, planar, radial, rq_spline
from seqgap.kernels.normal import standard_normal
from seqgap.reference import radial as reference


def spline(slopes: float, dtype: Any, bound: float = 1.0) -> rq_spline.Params:
    """A softplus spline of one feature: four equal bins, and `slopes` at the three knots between them."""
    params = rq_spline.random_params(1, 1, coupling=False, width=2, bins=4, bound=bound, dtype=dtype)
    outputs = np.array([0.0] * 8 + [slopes] * 3, dtype)  # softplus is the identity here
    return params._replace(weight_out=np.zeros_like(params.weight_out), bias_out=outputs.reshape(1, 1, 11))


def exact(x: float, inner: float) -> tuple[Any, Any]:
    """(z, log slope) of `spline(inner)` with bound 1 at x: equations 4 and 5, with bins of width 1/2."""
    x, inner = mpmath.mpf(x), mpmath.mpf(inner) + mpmath.mpf("1e-3")
    index = int(mpmath.floor(2 * (x + 1)))
    low, high = (1 if index == 0 else inner), (1 if index == 3 else inner)
    start = mpmath.mpf(index) / 2 - 1
    part = 2 * (x - start)
    product = part * (1 - part)
    below = 1 + (low + high - 2) * product
    z = start + (part**2 + low * product) / below / 2
    slope = (high * part**2 + 2 * product + low * (1 - part) ** 2) / below**2
    return z, mpmath.log(slope)


@pytest.mark.parametrize(
    ("real", "slopes"),
    [(np.float32, s) for s in (1e3, 1e18, 1e20, 1e25, 1e37)]
    + [(np.float64, s) for s in (1e3, 1e160, 1e200, 1e300)],
)
def test_very_steep_knots(real: Any, slopes: float) -> None:
    params, digits = spline(slopes, real), float(np.finfo(real).eps)
    x = np.array([[-0.9], [-0.3], [0.1], [0.2], [0.45], [0.7]], real)
    expected = [exact(float(value), float(real(slopes))) for value in x[:, 0]]
    z, log_det = rq_spline.inverse(x, params)
    np.testing.assert_allclose(z[:, 0], [float(value) for value, _ in expected], atol=8 * digits)
    np.testing.assert_allclose(log_det, [float(slope) for _, slope in expected], rtol=16 * digits)


@pytest.mark.parametrize(("real", "slopes"), [(np.float32, 1e25), (np.float64, 1e160), (np.float64, 1e300)])
def test_very_steep_knots_in_the_other_direction(real: Any, slopes: float) -> None:
    """x is next to where the exact spline takes z; the slope there changes between neighbours of x."""
    params, step, inner = spline(slopes, real), 4 * float(np.finfo(real).eps), float(real(slopes))
    z = np.array([[-0.9], [-0.3], [0.1], [0.2], [0.45], [0.7]], real)
    x, log_det = rq_spline.forward(z, params)
    for value, target in zip(x[:, 0], z[:, 0], strict=True):
        low, high = (exact(float(value) + side, inner)[0] for side in (-step, step))
        assert low <= float(target) <= high
    assert np.all(np.abs(log_det) <= np.log(slopes) + 1)


def test_floors_of_more_than_a_thousand_bins_fill_more_than_the_bounds() -> None:
    def of(bins: int, kind: str) -> rq_spline.Params:
        return rq_spline.random_params(1, 1, coupling=False, width=2, bins=bins, spline=kind)

    x = np.linspace(-6, 6, 2001)[:, None]
    for params in (of(1000, "softplus"), of(1500, "softclip")):
        z, log_det = rq_spline.inverse(x, params)
        assert np.all(np.diff(z[:, 0]) > 0)
        assert np.all(np.isfinite(log_det))
    for call in (lambda p: rq_spline.inverse(x, p), Flow):
        with pytest.raises(ValueError, match=r"params\.bias_out: expected at most 1000 softplus bins"):
            call(of(1001, "softplus"))


@pytest.mark.parametrize("kind", ["softplus", "softclip"])
@pytest.mark.parametrize("exponent", [-1, 1])
def test_bounds_whose_squares_do_not_fit(dtype: Dtype, kind: str, exponent: int) -> None:
    """The largest and smallest bounds keep the digits; what is beyond is refused."""
    limit = float(np.finfo(dtype).tiny) ** (-0.4 * exponent)

    def of(bound: float) -> rq_spline.Params:
        return rq_spline.random_params(3, 1, coupling=False, width=8, spline=kind, bound=bound, dtype=dtype)

    bound = limit * 0.99**exponent
    z = np.clip(standard_normal(2000, 3, 1, dtype=dtype), -3, 3) * dtype.type(bound / 3)
    params = of(bound)._replace(weight_in=of(bound).weight_in * 0)
    x, log_det = rq_spline.forward(z, params)
    back, log_det_back = rq_spline.inverse(x, params)
    digits = np.finfo(dtype).eps
    np.testing.assert_allclose(back, z, atol=2000 * digits * bound)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e4 * digits)
    for beyond in (limit * 1.01**exponent, limit**2):
        with pytest.raises(ValueError, match=rf"params\.bound: expected .* for {dtype}, got"):
            rq_spline.forward(z, of(beyond))


@pytest.mark.parametrize("exponent", [0.3, 0.45, 0.499, 0.51, 0.7, 0.97])
def test_radial_layers_leave_what_is_far_away(dtype: Dtype, exponent: float) -> None:
    """Also where the square of a distance is infinite; the known values are those of the plain reference."""
    params = radial.random_params(4, 1, dtype=dtype)
    size = float(np.finfo(dtype).max) ** exponent
    z = np.array([[1.0, -1.0, 0.5, 2.0], [0.0, 0.0, 0.0, 1.0]], dtype) * dtype.type(size)
    for name in ("forward", "inverse"):
        x, log_det = getattr(radial, name)(z, params)
        plain, plain_log_det = getattr(reference, name)(z.tolist(), [v.tolist() for v in params])
        np.testing.assert_allclose(x, plain, rtol=4 * np.finfo(dtype).eps, atol=100)
        np.testing.assert_allclose(log_det, plain_log_det, atol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("exponent", [-1, 1])
def test_parameters_whose_squares_do_not_fit(dtype: Dtype, exponent: int) -> None:
    """The largest and smallest numbers keep the digits; what is beyond is refused by name."""
    limit = float(np.finfo(dtype).tiny) ** (-0.4 * exponent)
    x = np.array([[1.0, 2.0], [-0.5, 3.0]], dtype)

    def layer(size: float) -> radial.Params:
        return radial.Params(np.zeros((1, 2), dtype), np.array([size], dtype), np.array([1.0], dtype))

    def bend(size: float) -> planar.Params:
        return planar.Params(np.array([[size, size / 2]], dtype), np.ones((1, 2), dtype), np.ones(1, dtype))

    for module, of, field in ((radial, layer, "alpha"), (planar, bend, "weight")):
        params: Any = of(limit * 0.99**exponent)
        result, log_det = module.forward(x, params)  # type: ignore[attr-defined]
        plain = import_module(f"seqgap.reference.{module.__name__.rpartition('.')[2]}")
        expected, expected_log_det = plain.forward(x.tolist(), [array.tolist() for array in params])
        size = 64 * np.finfo(dtype).eps
        np.testing.assert_allclose(result, expected, rtol=size, atol=size)
        np.testing.assert_allclose(log_det, expected_log_det, rtol=size, atol=size)
        for beyond in (limit * 1.02**exponent, limit ** (2 if exponent < 0 else 2.4), np.inf):
            with (
                np.errstate(over="ignore"),
                pytest.raises(ValueError, match=rf"params\.{field}:? ?.*expected"),
            ):
                module.forward(x, of(beyond))  # type: ignore[attr-defined]


def test_radial_layers_that_nearly_fold_are_refused(dtype: Dtype) -> None:
    params = radial.Params(np.zeros((1, 2), dtype), np.ones(1, dtype), np.array([-800.0], dtype))
    with pytest.raises(ValueError, match=r"^params\.beta: softplus\(b\): expected"):
        radial.inverse(np.zeros((1, 2), dtype), params)


def test_log_prob_of_one_affine_dimension() -> None:
    params = linear_ar.Params(np.zeros((1, 1)), np.array([2.0]), np.log([3.0]))
    assert linear_ar.log_prob([[5.0]], params)[0] == pytest.approx(-2.517550821873, abs=1e-12)


def last_entry(value: float, dim: int, dtype: Any) -> np.ndarray:
    z = np.zeros((1, dim), dtype)
    z[0, -1] = value
    return z


@pytest.mark.parametrize("dim", [128, 1024, 4096])
@pytest.mark.parametrize(
    "coefficients",
    [[300.0], [-300.0], [3e38], [3.0], [1.05], [3.0, 1.0], [0.5, 40.0], [3.0, -3.0], [0.0, -2.0]],
)
def test_a_series_that_grows_is_the_recurrence(coefficients: list[float], dim: int, dtype: Dtype) -> None:
    params = ar_process.Params(np.array(coefficients, dtype), 0.0, 1.0)
    for z in (last_entry(0, dim, dtype), last_entry(1, dim, dtype)):
        x, log_det = ar_process.forward(z, params)
        assert bits(x) == bits(z)  # 0 = 300 * 0 + 0
        assert not log_det.any()
    z = np.ones((1, dim), dtype)
    with np.errstate(all="ignore"):
        recurrence, _ = ar_process.forward(z, params, strategy="recurrence")
        automatic, _ = ar_process.forward(z, params)
    assert np.array_equal(np.isnan(automatic), np.isnan(recurrence))
    finite = np.isfinite(recurrence)
    np.testing.assert_allclose(
        automatic[finite], recurrence[finite], rtol=1e-4 if dtype == np.float32 else 1e-10
    )
    assert np.array_equal(automatic[~finite], recurrence[~finite], equal_nan=True)


def test_a_scan_that_could_overflow_is_refused_by_name(dtype: Dtype) -> None:
    params = ar_process.Params(np.array([300.0], dtype), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"^strategy: expected recurrence .*, got 'scan'"):
        ar_process.forward(np.zeros((1, 512), dtype), params, strategy="scan")


def test_a_bias_beyond_the_dtype_is_refused() -> None:
    params = ar_process.Params(np.array([0.5], np.float32), 1e39, 1.0)
    with pytest.raises(ValueError, match=r"^params\.bias: expected a number of float32, got 1e\+39"):
        ar_process.forward(np.zeros((1, 4), np.float32), params)
    assert np.isinf(ar_process.forward(np.zeros((1, 4)), params._replace(bias=np.inf))[0]).all()


def test_signs_of_zeros_do_not_depend_on_earlier_calls(dtype: Dtype) -> None:
    z = np.full((1, 3), -0.0, dtype)
    for dim, repeat in ((3, 1), (256, 86)):
        series = np.tile(z, repeat)[:, :dim]
        for bias in (-0.0, 0.0, -0.0):
            for coefficient in (-0.5, 0.0, -0.0):
                params = ar_process.Params(np.array([coefficient], dtype), bias, 1.0)
                expected, value = [], dtype.type(0.0)
                for entry in series[0]:
                    value = dtype.type(coefficient) * value + (entry + dtype.type(bias))
                    expected.append(value)
                x, _ = ar_process.forward(series, params, strategy="recurrence")
                assert bits(x[0]) == bits(np.array(expected, dtype))


def test_scans_do_not_depend_on_earlier_calls(dtype: Dtype) -> None:
    z = np.full((1, 256), -0.0, dtype)

    def scanned(coefficient: float) -> bytes:
        params = ar_process.Params(np.array([coefficient], dtype), -0.0, 1.0)
        return bits(ar_process.forward(z, params, strategy="scan")[0])

    first = {c: scanned(c) for c in (0.0, -0.0)}
    assert [scanned(c) for c in (-0.0, 0.0)] == [first[-0.0], first[0.0]]


@pytest.mark.parametrize(
    ("beta", "steps"), [(0.05, 20_000), (2.0**-53, 10), (1 - 2.0**-53, 25), (0.9, 400), (1e-4, 1000)]
)
def test_the_signal_of_a_schedule_whose_square_underflows(beta: float, steps: int) -> None:
    x, eps = np.ones((1, 1)), np.zeros((1, 1))
    ((signal,),) = diffusion.noise(x, eps, steps, diffusion.Schedule(np.full(steps, beta)))
    with mpmath.workdps(50):
        expected = mpmath.sqrt((1 - mpmath.mpf(beta)) ** steps)
    assert float(abs(mpmath.mpf(float(signal)) / expected - 1)) < 1e-11


def test_a_weight_changed_between_calls_is_looked_at() -> None:
    params, z = linear_ar.random_params(4, 1), np.ones((2, 4))
    params.weight.flags.writeable = False
    linear_ar.forward(z, params)
    params.weight.flags.writeable = True
    params.weight[0, 3] = 7
    params.weight.flags.writeable = False
    with pytest.raises(ValueError, match=r"params\.weight: expected a strictly lower triangular"):
        linear_ar.forward(z, params)
