"""Planar and radial flows: known figures, extreme layers, roots at the last digits, what is refused."""

import importlib
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest

from seqgap.bench.model.case import Dtype
from seqgap.kernels import planar, radial
from seqgap.kernels.normal import standard_normal
from seqgap.reference import radial as reference

PLANAR = planar.Params(np.array([[1, -0.5]]), np.array([[-2, 0.7]]), np.array([0.3]))
RADIAL = radial.Params(np.array([[0.2, 0.1]]), np.array([0.8]), np.array([-1.3]))
FLOWS = pytest.mark.parametrize("module", [planar, radial], ids=["planar", "radial"])


@pytest.mark.parametrize(
    ("module", "params", "x", "log_det"),
    [
        (planar, PLANAR, [-0.229988823181, -0.893522536204], -0.266551224208),
        (radial, RADIAL, [0.413565824162, -0.683074688593], -0.466307046447),
    ],
    ids=["planar", "radial"],
)
def test_known_figures(module: ModuleType, params: Any, x: list[float], log_det: float) -> None:
    """Of an independent calculation in plain Python, which normflows agrees with."""
    found, found_log_det = module.forward([[0.5, -1]], params)
    np.testing.assert_allclose(found, [x], rtol=1e-11)
    assert found_log_det[0] == pytest.approx(log_det, abs=1e-12)
    z, log_det_back = module.inverse(found, params)
    np.testing.assert_allclose(z, [[0.5, -1]], rtol=1e-14)
    assert log_det_back[0] == pytest.approx(-log_det, abs=1e-12)


def test_the_root_has_its_last_digits() -> None:
    """Against mpmath, for layers from nearly folding to steep."""
    for inner in (-20.0, -3.0, 0.0, 5.0, 300.0):
        params = planar.Params(np.array([[2.0]]), np.array([[inner / 2]]), np.array([0.25]))
        x = np.linspace(-30, 30, 61)[:, None]
        z, _ = planar.inverse(x, params)
        with mpmath.workdps(50):
            gain = mpmath.log1p(mpmath.exp(inner)) - 1
            u_hat = gain / 2
            slopes = [1 + gain * mpmath.sech(2 * mpmath.mpf(v) + 0.25) ** 2 for v in z[:, 0]]
            errors = [
                abs(mpmath.mpf(v) + u_hat * mpmath.tanh(2 * mpmath.mpf(v) + 0.25) - w) / slope
                for v, w, slope in zip(z[:, 0].tolist(), x[:, 0].tolist(), slopes, strict=True)
            ]
        # A unit in x moves z by 1 / slope; where a layer nearly folds that is much.
        allowed = [
            2e-14 * max(1, abs(w)) * max(1, 1 / float(slope))
            for w, slope in zip(x[:, 0], slopes, strict=True)
        ]
        assert all(float(error) <= limit for error, limit in zip(errors, allowed, strict=True)), inner


@pytest.mark.parametrize("inner", [-12.0, -20.0, -40.0, -80.0])
def test_log_det_of_a_layer_that_nearly_folds(inner: float, dtype: Dtype) -> None:
    """At the fold it is log softplus(inner), about inner itself: 1 + (1 - tanh^2) w^T u_hat would cancel."""
    params = planar.Params(np.array([[1]], dtype), np.array([[inner]], dtype), np.array([0], dtype))
    x, log_det = planar.forward(np.zeros((1, 1), dtype), params)
    assert log_det[0] == pytest.approx(inner, rel=1e-5 if inner > -15 else 1e-6)
    assert planar.inverse(x, params)[1][0] == pytest.approx(-float(log_det[0]), rel=1e-6)
    params = radial.Params(np.zeros((1, 1), dtype), np.ones(1, dtype), np.array([inner], dtype))
    _, log_det = radial.forward(np.zeros((1, 1), dtype), params)
    assert log_det[0] == pytest.approx(inner, rel=1e-5 if inner > -15 else 1e-6)


def test_a_layer_without_weight_is_a_shift(dtype: Dtype) -> None:
    params = planar.Params(np.zeros((1, 3), dtype), np.array([[1, 2, 3]], dtype), np.array([0.5], dtype))
    z = standard_normal(20, 3, 1, dtype=dtype)
    x, log_det = planar.forward(z, params)
    np.testing.assert_allclose(x, z + np.tanh(0.5) * params.direction, atol=20 * np.finfo(dtype).eps)
    assert not log_det.any()


def test_the_centre_of_a_layer_stays() -> None:
    z, log_det = radial.inverse(RADIAL.center, RADIAL)
    np.testing.assert_array_equal(z, RADIAL.center)
    x, back = radial.forward(RADIAL.center, RADIAL)
    np.testing.assert_array_equal(x, RADIAL.center)
    assert log_det[0] == pytest.approx(-back[0], abs=1e-15)


@FLOWS
def test_layers_go_one_after_another(module: ModuleType) -> None:
    params, z = module.random_params(5, 1, layers=3), standard_normal(9, 5, 2)
    x, total = z, np.zeros(9)
    for k in range(3):
        x, log_det = module.forward(x, type(params)(*(array[k : k + 1] for array in params)))
        total += log_det
    found, log_det = module.forward(z, params)
    np.testing.assert_allclose(found, x, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(log_det, total, atol=1e-13)


@FLOWS
def test_the_root_of_a_row_does_not_depend_on_the_others(module: ModuleType, dtype: Dtype) -> None:
    params, x = module.random_params(4, 1, dtype=dtype), 10 * standard_normal(70, 4, 2, dtype=dtype)
    z, _ = module.inverse(x, params)
    for row in (0, 3, 69):
        assert module.inverse(x[row : row + 1], params)[0].tobytes() == z[row].tobytes()


@FLOWS
def test_they_equal_normflows(module: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("normflows")
    name = module.__name__.rpartition(".")[2]
    params, z = module.random_params(6, 1), standard_normal(20, 6, 2)
    case = importlib.import_module(f"seqgap.bench.cases.{name}")
    with torch.inference_mode():
        expected = case.normflows(params)(torch.tensor(z))
    for left, right in zip(module.forward(z, params), expected, strict=True):
        np.testing.assert_allclose(left, right.numpy(), rtol=1e-12, atol=1e-12)


def exact_log_det(x: list[float], params: radial.Params) -> mpmath.mpf:
    """Of the inverse, in the working precision of mpmath."""
    values, total = [mpmath.mpf(v) for v in x], mpmath.mpf(0)
    layers = zip(*(field.tolist() for field in params), strict=True)
    for center, size, raw in reversed([*layers]):
        alpha = mpmath.mpf(size)
        beta = mpmath.log1p(mpmath.exp(raw)) - alpha
        offset = [v - c for v, c in zip(values, center, strict=True)]
        outer = mpmath.sqrt(sum(o * o for o in offset))
        gap = alpha + beta - outer
        r = (mpmath.sqrt(gap * gap + 4 * alpha * outer) - gap) / 2
        h = 1 / (alpha + r)
        total -= (len(x) - 1) * mpmath.log1p(beta * h) + mpmath.log1p(alpha * beta * h * h)
        values = [c + (alpha + r) / (alpha + r + beta) * o for c, o in zip(center, offset, strict=True)]
    return total


@pytest.mark.parametrize("seed", [25, 35, 50])
def test_log_det_of_many_dimensions(seed: int) -> None:
    """D - 1 logarithms near 0 in each layer: the reference is right to its last digits, the kernel nearly."""
    x, params = standard_normal(40, 128, seed), radial.random_params(128, seed)
    kernel = radial.inverse(x, params)[1]
    plain = reference.inverse(x.tolist(), reference.Params(*(field.tolist() for field in params)))[1]
    with mpmath.workdps(40):
        for row, ours, theirs in zip(x.tolist(), kernel.tolist(), plain, strict=True):
            expected = exact_log_det(row, params)
            assert abs(theirs - expected) < 2e-14
            assert abs(ours - expected) < 1e-13
