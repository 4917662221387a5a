"""Langevin chains against exact laws, known figures and the reference."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bits import assert_same_bits
from seqgap.bench.cases.langevin import _adjusted, _uniforms
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.kernels import langevin, mixture
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import random_perceptron
from seqgap.kernels.normal import standard_normal
from seqgap.reference import langevin as reference
from seqgap.reference import mixture as plain_mixture

NORMAL = langevin.Gaussian(np.zeros(1), np.ones(1))
NORMAL_MIXTURE = mixture.Params(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
LINE = mixture.Params(np.array([0.3, 0.7]), np.array([[-2.0], [1.0]]), np.array([[0.5], [1.0]]))
ADJUST = pytest.mark.parametrize("adjust", [False, True], ids=["unadjusted", "adjusted"])
FULL = pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])


def of_size(target: Any, size: float, steps: int) -> langevin.Params:
    return langevin.Params(target, np.full(steps, size))


def assert_variance(x: Any, expected: float) -> None:
    """Of normal numbers with mean 0, to 5 standard errors."""
    assert abs(np.mean(x * x) / expected - 1) < 5 * np.sqrt(2 / x.size)


@pytest.mark.parametrize(("size", "variance"), [(0.5, 1.33333333333), (1.9, 20.0)])
def test_the_variance_of_unadjusted_chains(size: float, variance: float) -> None:
    """1 / (1 - h / 2), where the first state is forgotten."""
    for target in (NORMAL, NORMAL_MIXTURE):
        assert_variance(langevin.sample(40_000, of_size(target, size, 100), 3), variance)


def test_the_variance_of_the_convention_of_song_and_ermon() -> None:
    """1 / (1 - eps / 4) for the same number eps = .5: the step sizes differ by the factor 2."""
    half = langevin.annealed([1.0], steps=100, smallest=0.5)
    assert_variance(langevin.sample(40_000, langevin.Params(NORMAL, half), 3), 1 / (1 - 0.5 / 4))


def test_adjusted_chains_have_no_bias() -> None:
    for target in (NORMAL, NORMAL_MIXTURE):
        assert_variance(langevin.sample(40_000, of_size(target, 0.5, 60), 4, adjust=True), 1)


def test_a_known_proposal_and_its_log_alpha() -> None:
    """h / 4 (x^2 - y^2) for N(0, 1)."""
    x, y = 0.7, reference._proposal([0.7], [-0.7], 0.3, [-0.4])[0]
    points = ([x], -0.5 * x * x, [-x]), ([y], -0.5 * y * y, [-y])
    assert y == pytest.approx(0.180161332303, abs=1e-12)
    assert reference._log_alpha(*points, 0.3) == pytest.approx(0.0343156420757, abs=1e-13)


@pytest.mark.parametrize("size", [0.3, 1.5])
def test_what_is_accepted_of_a_normal(dtype: Dtype, size: float) -> None:
    """log u < h / 4 (x^2 - y^2), with the documented uniforms and normals, of float64 arithmetic."""
    n, seed = 3000, 2**40 + 7
    start = standard_normal(n, 1, 9, dtype=dtype)
    states = langevin.trajectory(start, of_size(NORMAL, size, 1), seed, adjust=True, first_row=5)
    x, noise = start.astype(float), standard_normal(n, 1, seed, stream=1, first_row=5, dtype=dtype)
    y = x - size * x + np.sqrt(2 * size) * noise
    u = np.array([[plain_mixture._uniform(5 + row, seed, 2**31 + 1)] for row in range(n)])
    margin = size / 4 * (x * x - y * y) - np.log(u)
    clear = np.abs(margin) > 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(
        states[1][clear], np.where(margin > 0, y, x)[clear], atol=8 * np.finfo(dtype).eps
    )
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(langevin.accepted(states)[clear[:, 0]], margin[clear] > 0)
    assert 0.02 < 1 - np.mean(margin > 0) < 0.6


def test_known_steps_of_the_mixture() -> None:
    """rows of an independent calculation: h = .05 from 0, with the normals of Python's Random(11)."""
    import random

    expected = [-0.337298999139, -0.154325734137, 0.217255406599, 0.0940712379853, -0.280985541824]
    generator, x = random.Random(11), 0.0
    for value in expected:
        noise = generator.gauss()
        score = mixture.score([[x]], LINE)[0, 0]
        x = x + 0.05 * score + np.sqrt(0.1) * noise
        assert x == pytest.approx(value, abs=1e-11)


@ADJUST
def test_steps_are_those_of_the_formula(adjust: bool) -> None:
    """Steps of different sizes; score and log p of `mixture`, log alpha by densities of SciPy."""
    sizes, x = np.array([0.05, 0.4, 0.9, 0.2]), standard_normal(400, 1, 2)
    states = langevin.trajectory(x, langevin.Params(LINE, sizes), 12, adjust=adjust)
    for j, h in enumerate(sizes, 1):
        x, scale = states[j - 1], np.sqrt(2 * h)
        y = x + h * mixture.score(x, LINE) + scale * standard_normal(len(x), 1, 12, stream=j)
        if adjust:
            there = stats.norm(x + h * mixture.score(x, LINE), scale).logpdf(y)
            back = stats.norm(y + h * mixture.score(y, LINE), scale).logpdf(x)
            change = mixture.log_prob(y, LINE) - mixture.log_prob(x, LINE)
            u = [plain_mixture._uniform(row, 12, 2**31 + j) for row in range(len(x))]
            taken = np.log(u) < change + (back - there)[:, 0]
            assert 0 < taken.sum() < len(x)
            y = np.where(taken[:, None], y, x)
        np.testing.assert_allclose(states[j], y, rtol=1e-12, atol=1e-13)


@FULL
def test_adjusted_chains_keep_their_target(full: bool) -> None:
    """Rows of the mixture are rows of it after some large steps; of unadjusted ones they are not."""
    params = langevin.random_params(4, 5, steps=30, step_size=0.4, full=full)
    x = mixture.sample(20_000, params.target, 6)
    kept = langevin.run(x, params, 8, adjust=True)
    for column in range(4):
        assert (
            stats.ks_2samp(kept[:, column], mixture.sample(20_000, params.target, 7)[:, column]).pvalue > 1e-5
        )
    states = langevin.trajectory(x[:2000], params, 8, adjust=True)
    assert 0.3 < langevin.accepted(states).mean() / 30 < 0.95


def test_the_noise_behind_adjusted_chains_is_uniform() -> None:
    """That of the gate before timings; without the adjustment of long steps it is not."""
    call = _adjusted(20, 5000, np.dtype(float), 3)
    x, params, seed = call.args
    long = params._replace(step_sizes=np.full(20, 0.3))
    right, wrong = (langevin.run(x, long, seed, adjust=adjust) for adjust in (True, False))
    assert stats.kstest(np.ravel(_uniforms(right, call)), "uniform").pvalue > 1e-5
    assert stats.kstest(np.ravel(_uniforms(wrong, call)), "uniform").pvalue < 1e-9


@FULL
@ADJUST
def test_mixtures_equal_their_reference(full: bool, adjust: bool, dtype: Dtype) -> None:
    params = langevin.random_params(5, 2, steps=12, step_size=0.2, full=full, dtype=dtype)
    found = langevin.sample(21, params, 4, adjust=adjust, first_row=3)
    right = reference.sample(21, plain_value(params), 4, adjust=adjust, first_row=3, dtype=dtype.name)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, right, atol=200 * np.finfo(dtype).eps)


@ADJUST
def test_gaussians_equal_their_reference(adjust: bool) -> None:
    target = langevin.Gaussian(np.array([0.5, -1, 2]), np.array([0.5, 1, 2]))
    params = of_size(target, 0.2, 15)
    found = langevin.sample(21, params, 4, adjust=adjust)
    np.testing.assert_allclose(found, reference.sample(21, plain_value(params), 4, adjust=adjust), atol=1e-13)


def test_a_network_is_given_its_times() -> None:
    score = random_perceptron(3, 1, depth=2, width=8)
    score = score._replace(weight_in=np.concatenate([score.weight_in, 0.3 * score.weight_in[:, :2]], 1))
    params = langevin.Params(score, np.array([0.1, 0.05]), np.array([5.0, 0.5]))
    found = langevin.sample(9, params, 4, context=[1.0, -2.0])
    right = reference.sample(9, plain_value(params), 4, context=[1.0, -2.0])
    np.testing.assert_allclose(found, right, atol=1e-13)
    other = langevin.sample(9, params._replace(times=np.zeros(2)), 4, context=[1.0, -2.0])
    assert (found != other).all()


@FULL
@ADJUST
def test_bits_do_not_depend_on_the_batch(full: bool, adjust: bool, dtype: Dtype) -> None:
    params = langevin.random_params(7, 4, steps=9, step_size=0.3, full=full, dtype=dtype)
    whole = langevin.sample(90, params, 5, adjust=adjust)
    for cuts in ((0, 1, 3, 7, 20, 37, 88, 90), range(91)):
        parts = [
            langevin.sample(hi - lo, params, 5, adjust=adjust, first_row=lo)
            for lo, hi in itertools.pairwise(cuts)
        ]
        assert_same_bits(np.concatenate(parts), whole)


def test_chains_end_where_their_trajectory_does() -> None:
    params = langevin.random_params(3, 4, steps=9, step_size=0.5)
    x = standard_normal(19, 3, 1)
    states = langevin.trajectory(x, params, 5, adjust=True)
    assert_same_bits(states[0], x)
    assert_same_bits(states[-1], Chain(params, adjust=True).run(x, 5))


def test_annealed_step_sizes() -> None:
    """alpha_i from .2 to 2e-5 for sigma from 1 to .01; half of each here."""
    sigmas = np.geomspace(1, 0.01, 10)
    sizes = langevin.annealed(sigmas, steps=3)
    assert sizes.shape == (30,)
    np.testing.assert_allclose(2 * sizes[[0, 2, -3, -1]], [0.2, 0.2, 2e-5, 2e-5], rtol=1e-12)
    np.testing.assert_allclose(sizes[::3] / sigmas**2, 0.1, rtol=1e-12)


def test_proposals_without_a_density_are_rejected(dtype: Dtype) -> None:
    """Steps so long that log p overflows; and chains that start where it is not finite stay there."""
    far = of_size(NORMAL_MIXTURE, 1e30, 4)._replace(target=mixture.Params(*(v.astype(dtype) for v in LINE)))
    x = np.array([[0.5], [-2]], dtype)
    assert_same_bits(langevin.run(x, far, 1, adjust=True), x)
    outside = np.array([[np.inf], [np.nan], [1e30]], dtype)
    near = far._replace(step_sizes=np.full(4, 0.1))
    assert_same_bits(langevin.run(outside, near, 1, adjust=True)[:2], outside[:2])


def test_what_counts_as_accepted() -> None:
    states = np.array(
        [[[0, 0], [1, np.nan]], [[0, 1], [1, np.nan]], [[0, 1], [1, np.nan]], [[2, 3], [1, np.nan]]]
    )
    np.testing.assert_array_equal(langevin.accepted(states), [2, 0])
    assert langevin.accepted(np.zeros((1, 3, 2))).tolist() == [0, 0, 0]
    assert langevin.accepted(np.zeros((4, 0, 2))).tolist() == []


def test_later_changes_of_arrays_change_no_chain() -> None:
    for adjust in (False, True):
        params = langevin.random_params(3, 4, steps=5)
        chain = Chain(params, adjust=adjust)
        before = chain.sample(9, 1)
        for array in (*params.target, params.step_sizes):
            np.multiply(array, 2, out=array)
        assert_same_bits(chain.sample(9, 1), before)


PARAMS = langevin.random_params(3, 1, steps=4)
NETWORK = langevin.Params(random_perceptron(3, 1, depth=1, width=4), np.ones(4), np.ones(4))
GAUSSIAN = langevin.Params(langevin.Gaussian(np.zeros(3), np.ones(3)), np.ones(4))
WRONG: list[tuple[type[Exception], str, langevin.Params, dict[str, Any]]] = [
    (ValueError, r"params\.step_sizes: expected positive finite numbers, got 0$",
     PARAMS._replace(step_sizes=np.array([0.1, 0, 0.2])), {}),
    (ValueError, r"params\.step_sizes: .* got -0.5$", GAUSSIAN._replace(step_sizes=np.array([-0.5])), {}),
    (ValueError, r"params\.step_sizes: .* got nan$", PARAMS._replace(step_sizes=np.array([np.nan])), {}),
    (ValueError, r"params\.step_sizes: .* got inf$", PARAMS._replace(step_sizes=np.array([np.inf])), {}),
    (ValueError, r"params\.step_sizes: expected 1 dimension", PARAMS._replace(step_sizes=np.eye(2)), {}),
    (ValueError, r"params\.step_sizes: expected", PARAMS._replace(step_sizes=np.empty(0)), {}),
    (TypeError, r"params\.step_sizes: expected", PARAMS._replace(step_sizes=np.array(["abc"])), {}),
    (TypeError, r"params\.target: expected .*, got None", PARAMS._replace(target=None), {}),
    (ValueError, r"params\.target\.weight: expected", PARAMS._replace(
        target=PARAMS.target._replace(weight=np.ones(3))), {}),
    (ValueError, r"params\.target\.scale: ", PARAMS._replace(
        target=PARAMS.target._replace(scale=np.ones(3))), {}),
    (ValueError, r"params\.target\.deviation: ", GAUSSIAN._replace(
        target=GAUSSIAN.target._replace(deviation=np.zeros(3))), {}),
    (ValueError, r"params\.target\.deviation: ", GAUSSIAN._replace(
        target=GAUSSIAN.target._replace(deviation=np.zeros(3))), {"adjust": True}),
    (ValueError, r"params\.target\.weight_out: ", NETWORK._replace(
        target=NETWORK.target._replace(weight_out=np.ones((2, 2)))), {}),
    (ValueError, r"params\.times: expected none for a density", PARAMS._replace(times=np.ones(4)), {}),
    (ValueError, r"params\.times: expected shape \(4,\), got \(0", NETWORK._replace(times=np.empty(0)), {}),
    (ValueError, r"params\.times: expected shape \(4,\), got \(3,\)", NETWORK._replace(times=np.ones(3)), {}),
    (ValueError, r"params\.times: expected finite", NETWORK._replace(times=np.full(4, np.inf)), {}),
    (ValueError, "context: expected none for a density", GAUSSIAN, {"context": [1.0]}),
    (ValueError, r"adjust: expected False for a Perceptron, got True: a score alone has no log p", NETWORK,
     {"adjust": True}),
    (TypeError, "adjust: expected True or False, got", PARAMS, {"adjust": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "params", "options"), WRONG)
def test_wrong_params_and_options_are_named(
    error: type[Exception], message: str, params: langevin.Params, options: dict[str, Any]
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: langevin.sample(2, params, 0, **options),
        lambda: langevin.run(np.zeros((2, 3)), params, 0, **options),
        lambda: langevin.trajectory(np.zeros((2, 3)), params, 0, **options),
        lambda: Chain(params, **options),
    ]
    for call in calls:
        with pytest.raises(error, match=f"^{message}"):
            call()


def test_wrong_arguments_are_named() -> None:
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "sigmas: expected positive finite numbers, got 0", lambda: langevin.annealed([1.0, 0])),
        (ValueError, "steps: expected", lambda: langevin.annealed([1.0], steps=0)),
        (ValueError, "smallest: expected", lambda: langevin.annealed([1.0], smallest=-1)),
        (ValueError, "states: expected 3 dimensions", lambda: langevin.accepted(np.zeros((2, 2)))),
        (ValueError, "states: expected shape", lambda: langevin.accepted(np.zeros((0, 2, 2)))),
        (ValueError, "step_size: expected", lambda: langevin.random_params(2, 1, step_size=0)),
        (ValueError, "steps: expected", lambda: langevin.random_params(2, 1, steps=0)),
        (ValueError, "dim: expected", lambda: langevin.random_params(0, 1)),
        (ValueError, "x has 2 columns", lambda: langevin.run(np.zeros((2, 2)), PARAMS, 0)),
    ]
    for error, message, call in cases:
        with pytest.raises(error, match=f"^{message}"):
            call()


def test_params_show_themselves_in_one_line() -> None:
    assert repr(PARAMS) == "langevin.Params(D=3, float64)"
