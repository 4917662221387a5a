"""Affine and element-wise flows: known figures, other methods, extreme values, what is refused."""

from typing import Any

import mpmath
import numpy as np
import pytest

from seqgap import Flow
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype
from seqgap.kernels import affine, affine_lu, elementwise
from seqgap.kernels.normal import standard_normal
from seqgap.reference import elementwise as reference

PARAMS = affine.Params(
    np.array([[2, 0.5], [0, 1.5]]), np.array([1, 0.5]),
    np.array([[0.5, -1 / 6], [0, 2 / 3]]), np.array([-5 / 12, -1 / 3]), 1.0986122886681098,
)  # fmt: skip


def test_known_figures() -> None:
    x, log_det = affine.forward([[0.5, -1]], PARAMS)
    np.testing.assert_allclose(x, [[1.5, -1.0]], rtol=1e-15)
    assert log_det[0] == PARAMS.log_det
    assert affine.log_prob(x, PARAMS)[0] == pytest.approx(-3.56148935508, abs=1e-11)
    np.testing.assert_allclose(affine.inverse(x, PARAMS)[0], [[0.5, -1]], rtol=1e-15)


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 9, 40])
def test_it_is_the_flow_of_its_factors(dim: int, dtype: Dtype) -> None:
    params = affine.random_params(dim, 1)
    assert params.log_det == pytest.approx(np.linalg.slogdet(params.matrix).logabsdet, abs=1e-13)
    factors = Flow(affine_lu.from_matrix(params.matrix, params.shift))
    batch = standard_normal(90, dim, 3, dtype=dtype)
    single = params._replace(**{n: v.astype(dtype) for n, v in params._asdict().items() if np.ndim(v)})
    for name in ("forward", "inverse"):
        ours, theirs = getattr(affine, name)(batch, single), getattr(factors, name)(batch.astype(float))
        for value, truth in zip(ours, theirs, strict=True):
            allowed = 8 * dim * float(np.finfo(dtype).eps)
            assert difference(value.astype(float), truth, allowed, np.dtype(float)).used <= 1


def test_an_inverse_of_another_matrix_is_refused() -> None:
    for wrong in (PARAMS.inverse.T, PARAMS.inverse + 1e-12, np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"^params\.inverse: expected the inverse of params\.matrix"):
            affine.forward(np.zeros((1, 2)), PARAMS._replace(inverse=wrong))
    params = affine.random_params(5, 1)
    for matrix in (np.diag([1e-6, 1, 1e6, 1, 1]) @ params.matrix, 1e-30 * params.matrix):
        inverse = np.linalg.inv(matrix)
        single = [v.astype(np.float32) for v in (matrix, params.shift, inverse, -inverse @ params.shift)]
        affine.forward(np.zeros((1, 5)), affine.Params(*single, 0.0))


def clipped(t: Any) -> Any:
    return t / (1 + abs(t))


def logit(t: Any) -> Any:
    return mpmath.log(t / (1 - t))


@pytest.mark.parametrize(("function", "exact"), [("softclip", clipped), ("logit", logit)])
def test_functions_are_what_mpmath_has(function: str, exact: Any) -> None:
    """log_det as the logarithm of the slope that mpmath finds."""
    params = elementwise.Params(np.array([2.5]), np.array([-1.0]), function)
    x = np.linspace(-0.999, 1.499, 41)
    z, log_det = elementwise.inverse(x[:, None], params)
    with mpmath.workdps(40):
        inner = [(mpmath.mpf(value) + 1) / 2.5 for value in x.tolist()]
        expected = [float(exact(t)) for t in inner]
        slopes = [float(mpmath.log(mpmath.diff(exact, t) / 2.5)) for t in inner]
    np.testing.assert_allclose(z[:, 0], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(log_det, slopes, atol=1e-12)
    back, log_det_back = elementwise.forward(z, params)
    np.testing.assert_allclose(back[:, 0], x, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-12)


@pytest.mark.parametrize("function", elementwise.FUNCTIONS)
@pytest.mark.parametrize("dim", [1, 5, 17])
def test_functions_are_the_reference(function: str, dim: int) -> None:
    params = elementwise.random_params(dim, 2, function=function)
    plain = reference.random_params(dim, 2, function=function)
    batch = 3 * standard_normal(30, dim, 1)
    for name in ("forward", "inverse"):
        ours = getattr(elementwise, name)(batch, params)
        theirs = getattr(reference, name)(batch.tolist(), plain)
        for value, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_the_logit_stays_finite_at_and_beyond_the_box(dtype: Dtype) -> None:
    params = elementwise.Params(np.ones(1, dtype), np.zeros(1, dtype), "logit")
    limits = np.finfo(dtype)
    z, _ = elementwise.inverse(np.array([[-1], [0], [1], [2]], dtype), params)
    lowest = float(np.log(limits.tiny))
    np.testing.assert_allclose(z[:2, 0], lowest, rtol=1e-6)
    np.testing.assert_allclose(z[2:, 0], -np.log(limits.eps), rtol=1e-5)
    x, _ = elementwise.forward(np.array([[-2e3], [2e3], [np.nan]], dtype), params)
    np.testing.assert_array_equal(x[:2, 0], [limits.tiny, 1 - limits.eps])
    assert np.isnan(x[2, 0])


def test_what_is_refused() -> None:
    params = elementwise.random_params(3, 1)
    for wrong, message in (
        ({"scale": np.array([1, 0, 1.0])}, r"^params\.scale: expected no zeros"),
        ({"function": "exp"}, r"^params\.function: expected one of identity, softclip, logit"),
        ({"shift": np.zeros(2)}, r"^params\.shift: "),
    ):
        with pytest.raises(ValueError, match=message):
            elementwise.forward(np.zeros((1, 3)), params._replace(**wrong))
