"""Gradient descent of linear_ar and affine_coupling: known runs digit for digit, teachers recovered."""

import functools
import math
import random
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import seqgap.reference.affine_coupling
import seqgap.reference.linear_ar
from seqgap.kernels import affine_coupling, linear_ar
from seqgap.kernels.normal import standard_normal


class Run(NamedTuple):
    """A known fit of two dimensions: of points that its teacher makes, from a start, with its path."""

    kernel: Any
    reference: Any
    params: Callable[[list[float]], Any]  # of the reference, from theta
    theta: Callable[[Any], list[Any]]
    teacher: list[float]
    count: int
    summary: list[float]  # of the points: means, deviations, correlation
    start: tuple[float, list[float]]  # (NLL, theta)
    path: dict[int, tuple[float, list[float]]]  # after the update of a step
    defaults: dict[str, float]  # whose steps end the path
    sampled: list[float]  # as summary, of 1500 points of the model at the end of the path


plain_ar, plain_coupling = seqgap.reference.linear_ar, seqgap.reference.affine_coupling
RUNS = {
    "linear_ar": Run(  # theta = mu1, log_s1, a, b, log_s2
        linear_ar,
        plain_ar,
        lambda t: plain_ar.Params([[0.0, 0.0], [t[2], 0.0]], [t[0], t[3]], [t[1], t[4]]),
        lambda p: [p.bias[0], p.log_scale[0], p.weight[1][0], p.bias[1], p.log_scale[1]],
        [0.7, math.log(1.1), 1.35, -0.4, math.log(0.55)],
        1200,
        [0.7003, 0.5778, 1.1036, 1.5584, 0.9342],
        (3.70519, [0.0, 0.0, 0.2, 0.0, 0.0]),
        {
            0: (3.52412, [0.028, 0.0283, 0.2668, 0.0175, 0.0411]),
            30: (2.56277, [0.4365, 0.1444, 1.0664, -0.0137, -0.2226]),
            60: (2.36469, [0.598, 0.1108, 1.2731, -0.2711, -0.5167]),
            120: (2.34952, [0.6863, 0.0989, 1.3187, -0.3452, -0.5864]),
            240: (2.34944, [0.7, 0.0985, 1.3193, -0.346, -0.587]),
        },
        {"steps": 241, "lr": 0.04},
        [0.7009, 0.603, 1.102, 1.5245, 0.9283],
    ),
    "affine_coupling": Run(
        affine_coupling,
        plain_coupling,
        lambda t: plain_coupling.Params(*([v] for v in t)),
        lambda p: [v for (v,) in p],
        [0.8, -0.25, 1.35, 0.4],
        1500,
        [0.0008, 0.3953, 0.9986, 1.9593, 0.6564],
        (4.04096, [0.05, 0.0, 0.1, 0.0]),
        {
            0: (3.68161, [0.1377, 0.0723, 0.1352, 0.0083]),
            40: (2.93425, [0.4316, 0.2126, 0.8491, -0.0299]),
            120: (2.61481, [0.7856, -0.196, 1.2985, 0.3324]),
            240: (2.60684, [0.812, -0.2302, 1.3463, 0.4259]),
            260: (2.60684, [0.8121, -0.2302, 1.3466, 0.4266]),
        },
        {"steps": 261, "lr": 0.03},
        [0.0008, 0.421, 0.9986, 1.9984, 0.6408],
    ),
}
STEPS = [(stem, step) for stem, run in RUNS.items() for step in run.path]


@functools.cache
def points(stem: str, theta: tuple[float, ...] = (), count: int = 0) -> list[list[float]]:
    """What a model, the teacher by default, makes of Python's own normals."""
    run = RUNS[stem]
    random.seed(25)
    z = [[random.gauss(0, 1), random.gauss(0, 1)] for _ in range(count or run.count)]
    x: list[list[float]] = run.reference.forward(z, run.params(list(theta) or run.teacher))[0]
    return x


def summary(x: list[list[float]]) -> list[float]:
    columns = list(zip(*x, strict=True))
    means = [statistics.fmean(column) for column in columns]
    deviations = [statistics.pstdev(column) for column in columns]
    return [round(v, 4) for v in [*means, *deviations, statistics.correlation(*columns)]]


@pytest.mark.parametrize("stem", RUNS)
def test_points_and_start_are_the_known_ones(stem: str) -> None:
    run = RUNS[stem]
    assert summary(points(stem)) == run.summary
    nll, theta = run.start
    plain = run.params(theta)
    assert round(run.reference.nll(points(stem), plain), 5) == nll
    compiled = run.kernel.Params(*(np.array(field, float) for field in plain))
    assert run.kernel.nll(points(stem), compiled) == pytest.approx(nll, abs=5e-6)


@pytest.mark.parametrize(("stem", "step"), STEPS)
def test_compiled_fit_follows_the_known_one(stem: str, step: int) -> None:
    run = RUNS[stem]
    params, history = run.kernel.fit(points(stem), steps=step + 1)
    nll, theta = run.path[step]
    assert history.shape == (step + 1,)
    assert history[-1] == pytest.approx(nll, abs=1e-4)
    assert [float(v) for v in run.theta(params)] == pytest.approx(theta, abs=1e-4)
    assert run.kernel.nll(points(stem), params) == pytest.approx(history[-1], rel=1e-12)


TEN_SECONDS = pytest.param("affine_coupling", 260, marks=pytest.mark.slow)
PLAIN = [("linear_ar", 0), ("linear_ar", 240), ("affine_coupling", 40), TEN_SECONDS]


@pytest.mark.parametrize(("stem", "last"), PLAIN)
def test_reference_fit_is_the_known_one_digit_for_digit(stem: str, last: int) -> None:
    run = RUNS[stem]
    params, history = run.reference.fit(points(stem), steps=last + 1)
    for step, (nll, _) in run.path.items():
        if step <= last:
            assert round(history[step], 5) == nll
    assert [round(v, 4) for v in run.theta(params)] == run.path[last][1]
    assert run.reference.fit.__kwdefaults__ == run.kernel.fit.__kwdefaults__ == run.defaults
    if last + 1 == run.defaults["steps"]:
        assert summary(points(stem, tuple(run.theta(params)), 1500)) == run.sampled


@pytest.mark.parametrize(("kernel", "dim", "seed"), [(linear_ar, 4, 8), (affine_coupling, 7, 5)])
def test_fit_recovers_a_teacher_of_more_dimensions(kernel: Any, dim: int, seed: int) -> None:
    teacher = kernel.random_params(dim, seed)
    x, _ = kernel.forward(standard_normal(20_000, dim, 1), teacher)
    params, history = kernel.fit(x, steps=1500)
    assert np.all(np.diff(history) < 1e-9)
    assert history[-1] < kernel.nll(x, teacher)
    for fitted, expected in zip(params, teacher, strict=True):
        np.testing.assert_allclose(fitted, expected, atol=0.06)


CLAMPED = [[200.0, 1.0, 3.0, -1.0], [0.5, -300.0, 1.0, 2.0], [0.3, -0.2, 0.7, 0.1]]  # s of rows far out


@pytest.mark.parametrize(("stem", "allowed"), [("linear_ar", 1e-9), ("affine_coupling", 1e-7)])
def test_one_step_is_minus_lr_times_the_central_differences(stem: str, allowed: float) -> None:
    """At D = 3, and through the clamp, where the gradient is zero."""
    x = CLAMPED if stem == "affine_coupling" else standard_normal(50, 3, 3).tolist()
    params, history = RUNS[stem].kernel.fit(x, steps=1, lr=1e-3)
    plain, plain_history = RUNS[stem].reference.fit(x, steps=1, lr=1e-3)
    for field, expected in zip(params, plain, strict=True):
        np.testing.assert_allclose(field, expected, atol=allowed)
    assert history == pytest.approx(plain_history, rel=1e-9)


def test_fit_clamps_log_scale() -> None:
    params, _ = linear_ar.fit(np.repeat([[1.0, 2.0]], 10, axis=0), steps=400, lr=0.02)
    assert params.log_scale.min() >= -4


def test_float32_fit_is_float32() -> None:
    params, _ = linear_ar.fit(np.float32(standard_normal(20, 2, 1)), steps=3)
    assert {field.dtype for field in params} == {np.dtype(np.float32)}
