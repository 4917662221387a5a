"""Affine coupling: known values, the clamp in map and log_det."""

import numpy as np
import pytest

from seqgap.kernels import affine_coupling
from seqgap.kernels.normal import standard_normal
from seqgap.reference import affine_coupling as reference


def both(theta: list[float]) -> tuple[affine_coupling.Params, reference.Params]:
    return affine_coupling.Params(*np.array(theta)[:, None]), reference.Params(*([v] for v in theta))


def test_known_values() -> None:
    for module, params in zip((affine_coupling, reference), both([0.55, -0.18, 1.1, 0.35]), strict=True):
        (x,), (log_det,) = module.forward([[0.7, -1.2]], params)
        assert x[0] == 0.7
        assert round(float(x[1]), 5) == -0.35303
        assert log_det == pytest.approx(0.205, abs=1e-15)
        (z,), (log_det_back,) = module.inverse([list(x)], params)
        assert list(z) == pytest.approx([0.7, -1.2], abs=1e-14)
        assert log_det_back == -log_det


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
