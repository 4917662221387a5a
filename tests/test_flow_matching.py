"""Flow matching: known vectors, exact maps of Gaussians and mixtures, wrong input."""

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from seqgap.kernels import flow_matching, mixture
from seqgap.kernels.flow_matching import METHODS, Gaussian, Params

GAUSSIAN = Params(Gaussian(np.array([2.0]), np.array([0.5])), 0)
MIXTURE = Params(mixture.Params(np.array([0.3, 0.7]), np.array([[-1.0], [1.5]]), np.array([[0.2], [0.4]])), 0)
POINTS = np.array([[-1.2], [0.1], [1.0]])


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("euler", {1: 2.0, 2: 1.76, 4: 1.59135135135, 10: 1.48306087412, 50: 1.41752391408}),
        ("midpoint", {1: 1.52, 2: 1.40673596674, 4: 1.40205054153, 10: 1.40013831396, 50: 1.40000111983}),
        ("rk4", {4: 1.39999271596}),
    ],
)
def test_known_end_points_of_a_gaussian(method: str, values: dict[int, float]) -> None:
    for steps, value in values.items():
        result = flow_matching.run(np.array([[-1.2]]), GAUSSIAN, 1, steps=steps, method=method)
        assert result[0, 0] == pytest.approx(value, rel=1e-11)
        mirrored = flow_matching.run(
            np.array([[-1.2]]), GAUSSIAN._replace(noise_at=1), 1, steps=steps, method=method
        )
        assert mirrored[0, 0] == pytest.approx(value, rel=1e-11)


def test_euler_steps_shrink_the_deviation_as_known() -> None:
    known = (0, 0.2, 0.340540540541, 0.414784554481, 0.455683093392, 0.477363570075, 0.488555294687)
    for power, deviation in enumerate(known):
        low, high = flow_matching.run(np.array([[0.0], [1.0]]), GAUSSIAN, 1, steps=2**power)[:, 0]
        assert high - low == pytest.approx(deviation, abs=1e-11)


def test_known_end_points_of_a_mixture() -> None:
    result = flow_matching.run(POINTS, MIXTURE, 1, steps=20)[:, 0]
    np.testing.assert_allclose(result, [-1.0260059902, 1.32690981036, 1.76202205613], rtol=1e-10)


def test_a_mixture_is_transported_quantile_by_quantile() -> None:
    """In one dimension the flow maps quantiles to quantiles, which SciPy finds as roots."""
    weight, mean, scale = MIXTURE.model

    def distribution(x: float) -> float:
        return float(weight @ stats.norm.cdf(x, mean[:, 0], scale[:, 0]))

    result = flow_matching.run(POINTS, MIXTURE, 1, steps=400, method="rk4")[:, 0]
    for point, value in zip(POINTS[:, 0], result, strict=True):
        level = stats.norm.cdf(point)
        expected = optimize.brentq(lambda x, p=level: distribution(x) - p, -5, 5, xtol=1e-13)
        assert value == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_methods_converge_at_their_order(method: str) -> None:
    """A network against SciPy's solver at tight tolerances."""
    params = flow_matching.random_params(3, 2, depth=2, width=8)
    start = np.array([[0.3, -1.0, 0.7]])

    def velocity(t: float, x: Any) -> Any:
        units = np.concatenate([x, [t]])
        for weight, bias in zip(
            (params.model.weight_in, *params.model.weight_hidden), params.model.bias_hidden, strict=True
        ):
            units = weight @ units + bias
            units = units / (1 + np.exp(-units))
        return params.model.weight_out @ units + params.model.bias_out

    exact = integrate.solve_ivp(velocity, (0, 1), start[0], "DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    errors = [
        np.abs(flow_matching.run(start, params, 1, steps=steps, method=method)[0] - exact).max()
        for steps in ((2, 4) if method == "dormand_prince" else (16, 32))
    ]
    order = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4, "rk4_38": 4, "dormand_prince": 5}[method]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.25)


def test_shifted_times_are_those_that_are_passed() -> None:
    """The grid of diffusers, sigma' = s sigma / (1 + (s - 1) sigma) for s = 3, where noise is at 1."""
    sigma = np.array([1, 0.75, 0.5, 0.25, 0])
    shifted = 3 * sigma / (1 + 2 * sigma)
    np.testing.assert_allclose(shifted, [1, 0.9, 0.75, 0.5, 0])
    params = GAUSSIAN._replace(noise_at=1)
    x = POINTS.copy()
    for t, following in itertools.pairwise(shifted):
        share = (1 - t) * 0.25 / (t**2 + (1 - t) ** 2 * 0.25)
        data = 2 + share * (x - (1 - t) * 2)
        slope = (x - (1 - t) * data) / t - data
        x = x + (following - t) * slope
    np.testing.assert_allclose(flow_matching.run(POINTS, params, 1, times=shifted), x, rtol=1e-12)


@pytest.mark.parametrize(
    ("params", "options", "error", "message"),
    [
        (GAUSSIAN, {"steps": 0}, ValueError, r"steps: expected .*, got 0"),
        (GAUSSIAN, {"steps": 5, "times": [0.0, 1.0]}, ValueError, r"steps, times: .*, got both"),
        (GAUSSIAN, {"times": [0.0, 0.5, 0.5, 1.0]}, ValueError, r"times: .* strictly ascending, got others"),
        (GAUSSIAN, {"times": [1.0, 0.0]}, ValueError, r"times: .* strictly ascending, got others"),
        (GAUSSIAN, {"times": [0.0, np.nan, 1.0]}, ValueError, r"times: .* strictly ascending, got others"),
        (GAUSSIAN._replace(noise_at=1), {"times": [0.0, 1.0]}, ValueError, r"times: .* strictly descending"),
        (GAUSSIAN._replace(noise_at=2), {}, ValueError, r"params.noise_at: expected .*, got 2"),
        (GAUSSIAN, {"method": "rk5"}, ValueError, r"method: expected one of euler, midpoint, heun, rk4"),
        (GAUSSIAN, {"context": [1.0]}, ValueError, r"context: expected none for Gaussian, got one"),
        (GAUSSIAN._replace(model=3), {}, (TypeError, AttributeError), r""),
        (
            Params(Gaussian(np.array([2.0]), np.array([0.0])), 0), {}, ValueError,
            r"model.deviation: expected positive finite numbers, got others",
        ),
        (
            Params(mixture.random_params(2, 1, full=True), 0), {}, ValueError,
            r"params.model: expected a mixture of diagonal covariances, got full ones",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_named(params: Any, options: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        flow_matching.sample(2, params, 1, **options)
