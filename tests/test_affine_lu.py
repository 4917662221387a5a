"""Affine flow by triangular factors: known figures, dense matrices as a second method, what is refused."""

import numpy as np
import pytest
from scipy import stats

from seqgap import Flow
from seqgap.bench.model.case import Dtype
from seqgap.kernels import affine_lu, linear_ar
from seqgap.kernels.normal import standard_normal


def test_known_figures() -> None:
    params = affine_lu.from_matrix([[2, 0.5], [0, 1.5]], [1, 0.5])
    x, log_det = affine_lu.forward([[0.5, -1]], params)
    np.testing.assert_allclose(x, [[1.5, -1.0]], rtol=1e-15)
    assert log_det[0] == pytest.approx(1.0986122886681098, abs=1e-15)
    assert affine_lu.log_prob(x, params)[0] == pytest.approx(-3.56148935508, abs=1e-11)
    np.testing.assert_allclose(affine_lu.inverse(x, params)[0], [[0.5, -1]], rtol=1e-15)


def test_pivots_and_a_negative_determinant() -> None:
    params = affine_lu.from_matrix([[0, 2, 1], [1, 1, 0], [4, -2, 3]], [0, 0, 0])
    np.testing.assert_array_equal(np.diag(params.upper), [4, 2, -1.5])
    x, log_det = affine_lu.forward([[0.3, -0.7, 1.1]], params)
    np.testing.assert_allclose(x, [[-0.3, -0.4, 5.9]], rtol=1e-14)
    assert log_det[0] == pytest.approx(2.48490664979, abs=1e-11)
    z, _ = affine_lu.inverse([[1, 2, 3]], params)
    np.testing.assert_allclose(z, [[4 / 3, 2 / 3, -1 / 3]], rtol=1e-14)


def test_a_normal_of_one_dimension() -> None:
    """log p(5) for mean 2 and scale 3; a figure of -2.3259 that circulates is wrong."""
    expected = pytest.approx(-2.5175508, abs=1e-7)
    assert stats.norm.logpdf(5, 2, 3) == expected
    assert affine_lu.log_prob([[5.0]], affine_lu.from_matrix([[3]], [2]))[0] == expected
    params = linear_ar.Params(np.zeros((1, 1)), np.array([2.0]), np.log([3.0]))
    assert linear_ar.log_prob([[5.0]], params)[0] == expected


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 9, 40])
def test_it_is_the_dense_map(dim: int, dtype: Dtype) -> None:
    matrix, shift = standard_normal(dim, dim, 1, dtype=dtype), standard_normal(1, dim, 2, dtype=dtype)[0]
    flow, z = Flow(affine_lu.from_matrix(matrix, shift)), standard_normal(90, dim, 3, dtype=dtype)
    expected = z.astype(float) @ matrix.astype(float).T + shift
    x, log_det = flow.forward(z)
    unit = float(np.finfo(dtype).eps)
    assert np.abs(x - expected).max() < 20 * dim * unit * np.abs(expected).max()
    expected_log_det = np.linalg.slogdet(matrix.astype(float)).logabsdet
    assert log_det == pytest.approx(expected_log_det, rel=100 * unit, abs=100 * unit)
    back, _ = flow.inverse(expected.astype(dtype))
    allowed = 50 * dim * unit * np.linalg.cond(matrix.astype(float)) * np.abs(z).max()
    assert np.abs(back - z).max() < allowed


def test_small_columns_are_no_singular_matrix() -> None:
    z, _ = affine_lu.inverse([[1e20, 1e-20]], affine_lu.from_matrix([[1e20, 0], [1, 1e-20]], [0, 0]))
    np.testing.assert_allclose(z, [[1, 1 - 1e20]])


def test_other_triangles_are_not_read() -> None:
    params = affine_lu.random_params(9, 1)
    full = params._replace(lower=params.lower + np.triu(np.full((9, 9), np.nan)), upper=params.upper.copy())
    full.upper[np.tril_indices(9, -1)] = np.nan
    assert affine_lu.sample(5, full, 1).tobytes() == affine_lu.sample(5, params, 1).tobytes()
