"""Affine coupling: known values, the clamp in map and log_det, the fit that finds its teacher."""

import random
import statistics

import numpy as np
import pytest

from seqgap.kernels import affine_coupling
from seqgap.kernels.normal import standard_normal
from seqgap.reference import affine_coupling as reference

KNOWN = {
    0: (3.68161, [0.1377, 0.0723, 0.1352, 0.0083]),
    40: (2.93425, [0.4316, 0.2126, 0.8491, -0.0299]),
    120: (2.61481, [0.7856, -0.196, 1.2985, 0.3324]),
    240: (2.60684, [0.812, -0.2302, 1.3463, 0.4259]),
    260: (2.60684, [0.8121, -0.2302, 1.3466, 0.4266]),
}


def both(theta: list[float]) -> tuple[affine_coupling.Params, reference.Params]:
    return affine_coupling.Params(*np.array(theta)[:, None]), reference.Params(*([v] for v in theta))


def teacher_points(theta: list[float], count: int) -> list[list[float]]:
    random.seed(25)
    z = [[random.gauss(0, 1), random.gauss(0, 1)] for _ in range(count)]
    return reference.forward(z, both(theta)[1])[0]


def summary(points: list[list[float]]) -> list[float]:
    columns = list(zip(*points, strict=True))
    means = [statistics.fmean(column) for column in columns]
    spreads = [statistics.pstdev(column) for column in columns]
    return [round(v, 4) for v in [*means, *spreads, statistics.correlation(*columns)]]


def test_known_values() -> None:
    for module, params in zip((affine_coupling, reference), both([0.55, -0.18, 1.1, 0.35]), strict=True):
        (x,), (log_det,) = module.forward([[0.7, -1.2]], params)
        assert x[0] == 0.7
        assert round(float(x[1]), 5) == -0.35303
        assert log_det == pytest.approx(0.205, abs=1e-15)
        (z,), (log_det_back,) = module.inverse([list(x)], params)
        assert list(z) == pytest.approx([0.7, -1.2], abs=1e-15)
        assert log_det_back == -log_det


@pytest.fixture(scope="module")
def points() -> list[list[float]]:
    return teacher_points([0.8, -0.25, 1.35, 0.4], 1500)


def test_the_points_are_the_known_ones(points: list[list[float]]) -> None:
    assert summary(points) == [0.0008, 0.3953, 0.9986, 1.9593, 0.6564]
    compiled, plain = both([0.05, 0.0, 0.1, 0.0])
    assert round(reference.nll(points, plain), 5) == 4.04096
    assert affine_coupling.nll(points, compiled) == pytest.approx(4.04096, abs=5e-6)


@pytest.mark.parametrize("step", KNOWN)
def test_compiled_fit_follows_the_known_one(points: list[list[float]], step: int) -> None:
    params, history = affine_coupling.fit(points, steps=step + 1)
    nll, expected = KNOWN[step]
    assert history[-1] == pytest.approx(nll, abs=1e-4)
    assert [float(v[0]) for v in params] == pytest.approx(expected, abs=1e-4)
    assert affine_coupling.nll(points, params) == pytest.approx(history[-1], rel=1e-12)


def test_reference_fit_is_the_known_one_digit_for_digit(points: list[list[float]]) -> None:
    for step in (0, 40, 260):
        params, history = reference.fit(points, steps=step + 1)
        assert round(history[-1], 5) == KNOWN[step][0]
        assert [round(v, 4) for (v,) in params] == KNOWN[step][1]
    assert [round(history[step], 5) for step in (120, 240)] == [KNOWN[120][0], KNOWN[240][0]]
    assert reference.fit.__kwdefaults__ == {"steps": 261, "lr": 0.03}
    assert summary(teacher_points([v for (v,) in params], 1500)) == [0.0008, 0.421, 0.9986, 1.9984, 0.6408]


def test_fit_recovers_its_teacher(points: list[list[float]]) -> None:
    params, _ = affine_coupling.fit(points)
    assert [float(v[0]) for v in params] == pytest.approx([0.8, -0.25, 1.35, 0.4], abs=0.05)


def test_fit_recovers_a_teacher_of_odd_dimension() -> None:
    teacher = affine_coupling.random_params(7, 5)
    x = affine_coupling.sample(20_000, teacher, 1, dim=7)
    params, history = affine_coupling.fit(x, steps=1500)
    assert history[-1] < affine_coupling.nll(x, teacher)
    for found, expected in zip(params, teacher, strict=True):
        np.testing.assert_allclose(found, expected, atol=0.06)


def test_fit_gradient_is_zero_through_the_clamp() -> None:
    """Rows far out have s at the clamp; one step against the central differences of the reference."""
    x = [[200.0, 1.0, 3.0, -1.0], [0.5, -300.0, 1.0, 2.0], [0.3, -0.2, 0.7, 0.1]]
    params, history = affine_coupling.fit(x, steps=1, lr=1e-3)
    expected, expected_history = reference.fit(x, steps=1, lr=1e-3)
    for found, wanted in zip(params, expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-7)
    assert history == pytest.approx(expected_history, rel=1e-9)


@pytest.mark.parametrize("b_s", [5.5, -5.5, 8.0, -8.0, 1000.0])
def test_log_det_sums_the_clamped_s(b_s: float) -> None:
    """The slip is to clamp inside exp alone: density and map then disagree outside the clamp."""
    for module, params in zip((affine_coupling, reference), both([0.0, b_s, 0.0, 0.0]), strict=True):
        (x,), (log_det,) = module.forward([[1.0, 2.0]], params)
        limit = 5.0 if b_s > 0 else -5.0
        assert x[1] == pytest.approx(2 * np.exp(limit), rel=1e-14)
        assert log_det == limit
        _, (log_det_back,) = module.inverse([[1.0, 2.0]], params)
        assert log_det_back == -limit
        (density,) = module.log_prob([list(x)], params)
        assert density == pytest.approx(-0.5 * (1 + 4) - np.log(2 * np.pi) - limit, rel=1e-13)


def test_log_det_matches_the_jacobian_on_both_sides_of_the_clamp() -> None:
    params = affine_coupling.Params(*(np.full(3, v) for v in (1.0, 4.0, 0.5, 0.1)))
    z = standard_normal(40, 6, 4) * 2
    _, log_det = affine_coupling.forward(z, params)
    clamped = (z[:, :3] + 4 > 5).sum(axis=1)
    assert len(set(clamped)) > 2
    h = 1e-6
    for row, expected in zip(z, log_det, strict=True):
        steps = h * np.eye(6)
        plus, minus = (affine_coupling.forward(row + sign * steps, params)[0] for sign in (1, -1))
        assert np.linalg.slogdet((plus - minus).T / (2 * h))[1] == pytest.approx(expected, abs=1e-6)


def test_kept_entries_are_kept_and_paired_by_position() -> None:
    """D = 5 keeps 3; entry j of the transformed part depends on entry j of the kept part alone."""
    params = affine_coupling.random_params(5, 1)
    z = standard_normal(1, 5, 2)
    x, _ = affine_coupling.forward(z, params)
    assert x[0, :3].tobytes() == z[0, :3].tobytes()
    for j in range(3):
        moved = z.copy()
        moved[0, j] += 1
        changed = np.flatnonzero(affine_coupling.forward(moved, params)[0][0] != x[0])
        assert changed.tolist() == ([j, 3 + j] if j < 2 else [2])


def test_default_dim_of_sample_is_even() -> None:
    params = affine_coupling.random_params(6, 1)
    assert affine_coupling.sample(3, params, 1).shape == (3, 6)
    assert affine_coupling.sample(3, params, 1, dim=7).shape == (3, 7)
    assert affine_coupling.sample(3, affine_coupling.random_params(1, 1), 1).shape == (3, 1)
