"""Linear autoregressive model: the known fit, the dense solution, four rows against one."""

import math
import random
import statistics

import numpy as np
import pytest

from seqgap.kernels import linear_ar
from seqgap.kernels.normal import standard_normal
from seqgap.reference import linear_ar as reference

# NLL and theta = mu1, log_s1, a, b, log_s2 after the update of a step.
KNOWN = {
    0: (3.52412, [0.028, 0.0283, 0.2668, 0.0175, 0.0411]),
    30: (2.56277, [0.4365, 0.1444, 1.0664, -0.0137, -0.2226]),
    60: (2.36469, [0.598, 0.1108, 1.2731, -0.2711, -0.5167]),
    120: (2.34952, [0.6863, 0.0989, 1.3187, -0.3452, -0.5864]),
    240: (2.34944, [0.7, 0.0985, 1.3193, -0.346, -0.587]),
}


@pytest.fixture(scope="module")
def points() -> list[list[float]]:
    random.seed(25)
    found = []
    for _ in range(1200):
        x1 = random.gauss(0.7, 1.1)
        found.append([x1, 1.35 * x1 - 0.4 + random.gauss(0, 0.55)])
    return found


def theta(params: reference.Params | linear_ar.Params) -> list[float]:
    (mu1, b), (log_s1, log_s2) = params.bias, params.log_scale
    return [float(v) for v in (mu1, log_s1, params.weight[1][0], b, log_s2)]


def summary(points: list[list[float]]) -> list[float]:
    columns = list(zip(*points, strict=True))
    means = [statistics.fmean(column) for column in columns]
    spreads = [statistics.pstdev(column) for column in columns]
    return [*means, *spreads, statistics.correlation(*columns)]


def test_the_points_are_the_known_ones(points: list[list[float]]) -> None:
    assert [round(v, 4) for v in summary(points)] == [0.7003, 0.5778, 1.1036, 1.5584, 0.9342]


def test_start_of_the_known_fit(points: list[list[float]]) -> None:
    start = reference.Params([[0, 0], [0.2, 0]], [0, 0], [0, 0])
    assert round(reference.nll(points, start), 5) == 3.70519
    compiled = linear_ar.Params(*(np.array(field, float) for field in start))
    assert linear_ar.nll(points, compiled) == pytest.approx(3.70519, abs=5e-6)


@pytest.mark.parametrize("step", KNOWN)
def test_compiled_fit_follows_the_known_one(points: list[list[float]], step: int) -> None:
    params, history = linear_ar.fit(points, steps=step + 1)
    nll, expected = KNOWN[step]
    assert history.shape == (step + 1,)
    assert history[-1] == pytest.approx(nll, abs=1e-4)
    assert theta(params) == pytest.approx(expected, abs=1e-4)
    assert linear_ar.nll(points, params) == pytest.approx(history[-1], rel=1e-12)


def test_reference_fit_is_the_known_one_digit_for_digit(points: list[list[float]]) -> None:
    for step in (0, 30, 60, 120, 240):
        params, history = reference.fit(points, steps=step + 1)
        assert round(history[-1], 5) == KNOWN[step][0]
        assert [round(v, 4) for v in theta(params)] == KNOWN[step][1]
    assert reference.fit.__kwdefaults__ == {"steps": 241, "lr": 0.04}

    mu1, log_s1, a, b, log_s2 = theta(params)
    random.seed(25)
    sample = []
    for _ in range(1500):
        x1 = random.gauss(mu1, math.exp(log_s1))
        sample.append([x1, random.gauss(a * x1 + b, math.exp(log_s2))])
    assert [round(v, 4) for v in summary(sample)] == [0.7009, 0.603, 1.102, 1.5245, 0.9283]


def test_fit_recovers_a_model_of_more_dimensions() -> None:
    teacher = linear_ar.random_params(4, 8)
    params, history = linear_ar.fit(linear_ar.sample(20_000, teacher, 1), steps=1500)
    assert np.all(np.diff(history) < 1e-9)
    for found, expected in zip(params, teacher, strict=True):
        np.testing.assert_allclose(found, expected, atol=0.05)


def test_fit_gradient_matches_differences() -> None:
    """One step moves by -lr times the central-difference gradient, at D = 3 (also the reference)."""
    x = linear_ar.sample(50, linear_ar.random_params(3, 2), 3)
    (weight, bias, log_scale), _ = linear_ar.fit(x, steps=1, lr=1e-3)
    (w, b, s), _ = reference.fit(x.tolist(), steps=1, lr=1e-3)
    for found, expected in ((weight, w), (bias, b), (log_scale, s)):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_fit_clamps_log_scale() -> None:
    constant = np.repeat([[1.0, 2.0]], 10, axis=0)
    params, _ = linear_ar.fit(constant, steps=400, lr=0.02)
    assert params.log_scale.min() >= -4


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


def test_a_read_only_weight_is_checked_once_and_others_in_every_call() -> None:
    assert not linear_ar.random_params(3, 1).weight.flags.writeable
    params = linear_ar.random_params(3, 1)
    params = params._replace(weight=params.weight.copy())
    view = params.weight[:]
    view.flags.writeable = False  # still changes with the array behind it
    for weight in (params.weight, view):
        params.weight[0, 2] = 0.0
        linear_ar.forward(np.zeros((1, 3)), params._replace(weight=weight))
        params.weight[0, 2] = 1.0
        with pytest.raises(ValueError, match=r"params\.weight"):
            linear_ar.forward(np.zeros((1, 3)), params._replace(weight=weight))


def test_a_weight_found_wrong_is_looked_at_again() -> None:
    params = linear_ar.random_params(3, 1)
    linear_ar.forward(np.zeros((1, 3)), params)
    params.weight.flags.writeable = True
    params.weight[0, 2] = 7.0
    for writeable in (True, False):
        params.weight.flags.writeable = writeable
        with pytest.raises(ValueError, match=r"params\.weight"):
            linear_ar.forward(np.zeros((1, 3)), params)


def test_log_det_of_many_float32_dimensions_is_summed_in_float64() -> None:
    dim = 4096
    params = linear_ar.Params(np.zeros((dim, dim)), np.zeros(dim), np.full(dim, 0.1))
    _, log_det = linear_ar.forward(np.zeros((1, dim), np.float32), params)
    assert log_det[0] == pytest.approx(dim * float(np.float32(0.1)), rel=1e-7)


def test_float32_fit_is_float32() -> None:
    params, _ = linear_ar.fit(np.float32(standard_normal(20, 2, 1)), steps=3)
    assert {field.dtype for field in params} == {np.dtype(np.float32)}
