"""Diffusion: known values, schedules against mpmath, the chain, its oracle and its naive reversal."""

import copy
import pickle

import mpmath
import numpy as np
import pytest
from scipy import stats

from seqgap.bench.model.case import Dtype
from seqgap.kernels import diffusion
from seqgap.kernels.normal import standard_normal
from seqgap.reference import diffusion as reference


def chain(dim: int, rows: int, steps: int, dtype: Dtype) -> tuple[np.ndarray, np.ndarray, diffusion.Schedule]:
    x0 = standard_normal(rows, dim, 1, stream=8, dtype=dtype)
    eps = standard_normal(steps * rows, dim, 1, stream=9, dtype=dtype).reshape(steps, rows, dim)
    return x0, eps, diffusion.Schedule(diffusion.linear_betas(steps))


def test_known_step() -> None:
    for module in (diffusion, reference):
        schedule = module.Schedule([0.12])
        ((x,),) = module.noise([[1.5]], [[-0.3]], 1, schedule)
        assert round(float(x), 4) == 1.3032
        states = module.trajectory([[1.5]], [[[-0.3]]], schedule)
        assert [round(float(state[0][0]), 4) for state in states] == [1.5, 1.3032]
        ((back,),) = module.reverse([[float(x)]], [[[-0.3]]], schedule)
        assert back == pytest.approx(1.5, abs=1e-14)
        ((naive,),) = module.reverse_naive([[float(x)]], schedule)
        assert abs(naive - 1.5) > 0.1


def test_linear_schedule() -> None:
    betas = diffusion.linear_betas()
    assert betas.shape == (1000,)
    assert (betas[0], betas[-1]) == (1e-4, 0.02)
    with mpmath.workprec(200):
        step = (mpmath.mpf("0.02") - mpmath.mpf("1e-4")) / 999
        exact = mpmath.fprod(1 - (mpmath.mpf("1e-4") + i * step) for i in range(1000))
    last = diffusion.Schedule(betas).alpha_bar[-1]
    assert last == pytest.approx(float(exact), rel=1e-12)
    assert f"{last:.2e}" == "4.04e-05"


def test_cosine_schedule() -> None:
    betas = diffusion.cosine_betas()
    schedule = diffusion.Schedule(betas)
    assert betas.max() == 0.999
    with mpmath.workprec(200):

        def f(t: int) -> mpmath.mpf:
            share = (mpmath.mpf(t) / 1000 + mpmath.mpf("0.008")) / mpmath.mpf("1.008")
            return mpmath.cospi(share / 2) ** 2

        for t in (1, 10, 500, 900, 999):  # up to the last step, which is clipped
            assert schedule.alpha_bar[t] == pytest.approx(float(f(t) / f(0)), rel=1e-9)


def test_schedule_cannot_be_changed() -> None:
    given = np.array([0.1, 0.2])
    schedule = diffusion.Schedule(given)
    given[0] = 0.9
    assert schedule.betas.tolist() == [0.1, 0.2]
    assert schedule.alpha_bar.tolist() == pytest.approx([1, 0.9, 0.72], rel=1e-15)
    with pytest.raises(ValueError, match="read-only"):
        schedule.alpha_bar[0] = 2


def test_copies_of_a_schedule_are_schedules() -> None:
    schedule = diffusion.Schedule([0.1, 0.2])
    for other in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert other.alpha_bar.tobytes() == schedule.alpha_bar.tobytes()
        assert diffusion.noise([[1.0]], [[2.0]], 2, other) == diffusion.noise([[1.0]], [[2.0]], 2, schedule)
        with pytest.raises(ValueError, match="read-only"):
            other.betas[0] = 0.9


def test_tiny_betas_keep_their_noise() -> None:
    """1 - alpha_bar would cancel to 0 where sqrt(beta) is 3e-9."""
    for beta in (1e-12, 1e-17, 1e-30):
        for module in (diffusion, reference):
            schedule = module.Schedule([beta, beta])
            ((x,),) = module.noise([[0.0]], [[1.0]], 2, schedule)
            assert x == pytest.approx(np.sqrt(2 * beta), rel=1e-12)


def test_oracle_undoes_the_chain_and_the_naive_reversal_does_not(dtype: Dtype) -> None:
    x0, eps, schedule = chain(7, 30, 50, dtype)
    states = diffusion.trajectory(x0, eps, schedule)
    assert states.shape == (51, 30, 7)
    assert states[0].tobytes() == x0.tobytes()
    back = diffusion.reverse(states[-1], eps, schedule)
    growth = 1 / np.sqrt(schedule.alpha_bar[-1])
    assert np.abs(back - x0).max() < 100 * np.finfo(dtype).eps * growth
    naive = diffusion.reverse_naive(states[-1], schedule)
    np.testing.assert_allclose(naive, states[-1] * growth, rtol=1e-4)
    expected = np.sqrt(1 - schedule.alpha_bar[-1]) * growth
    assert np.std(naive - x0) == pytest.approx(expected, rel=0.2)


def test_reverse_from_a_state_in_the_middle() -> None:
    x0, eps, _ = chain(3, 5, 20, np.dtype(np.float64))
    part = diffusion.Schedule(diffusion.linear_betas(20)[:12])
    states = diffusion.trajectory(x0, eps[:12], part)
    np.testing.assert_allclose(diffusion.reverse(states[12], eps[:12], part), x0, atol=1e-13)


def test_t_zero_is_the_data_and_t_may_differ_by_row(dtype: Dtype) -> None:
    x0, eps, schedule = chain(5, 6, 10, dtype)
    assert diffusion.noise(x0, eps[0], 0, schedule).tobytes() == x0.tobytes()
    times = np.array([0, 10, 3, 3, 1, 7])
    mixed = diffusion.noise(x0, eps[0], times, schedule)
    for row, t in enumerate(times):
        alone = diffusion.noise(x0, eps[0], int(t), schedule)
        assert mixed[row].tobytes() == alone[row].tobytes()
    for same in (times.tolist(), times.astype(np.uint8)):
        assert diffusion.noise(x0, eps[0], same, schedule).tobytes() == mixed.tobytes()
    plain = reference.Schedule(schedule.betas.tolist())
    expected = reference.noise(x0.tolist(), eps[0].tolist(), times.tolist(), plain)
    np.testing.assert_allclose(mixed, expected, atol=10 * np.finfo(dtype).eps)


def test_closed_form_has_the_law_of_the_chain() -> None:
    """Both end at mean sqrt(alpha_bar) x_0 and variance 1 - alpha_bar."""
    steps, rows = 40, 50_000
    schedule = diffusion.Schedule(np.linspace(0.01, 0.1, steps))
    x0 = np.full((rows, 1), 2.0)
    eps = standard_normal(steps * rows, 1, 3).reshape(steps, rows, 1)
    ends = [
        diffusion.trajectory(x0, eps, schedule)[-1].ravel(),
        diffusion.sample_noisy(x0, steps, schedule, 4).ravel(),
    ]
    law = stats.norm(2 * np.sqrt(schedule.alpha_bar[-1]), np.sqrt(1 - schedule.alpha_bar[-1]))
    for end in ends:
        assert stats.kstest(end, law.cdf).pvalue > 1e-4


def test_sample_noisy_is_noise_with_the_normals(dtype: Dtype) -> None:
    x0, _, schedule = chain(9, 300, 10, dtype)
    times = np.arange(300) % 11
    drawn = diffusion.sample_noisy(x0, times, schedule, 2**64 - 1)
    eps = standard_normal(300, 9, 2**64 - 1, dtype=dtype)
    assert drawn.tobytes() == diffusion.noise(x0, eps, times, schedule).tobytes()
