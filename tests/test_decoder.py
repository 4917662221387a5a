"""Decoders: known figures, exact and estimated densities, bits of rows, interpolation, what is refused."""

import itertools
import math
import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.kernels import decoder
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._nets.perceptron import random_perceptron
from seqgap.kernels.normal import standard_normal
from seqgap.reference import decoder as reference

FLOAT64 = np.dtype(np.float64)
BITS = decoder.Params(
    decoder.Linear(np.array([[1.4, -0.6], [0.8, 0.5], [-1.1, 0.3]]), np.array([0.2, -0.1, 0]))
)
A, B = np.array([[1, 0.5, -0.5]]), np.array([[-0.2, 1.2, 0.3]])
SHAPES = pytest.mark.parametrize(
    ("dim", "latents", "depth"),
    [(1, 1, 0), (5, 3, 0), (2, 7, 0), (70, 3, 0), (4, 2, 1), (3, 9, 2), (33, 2, 4)],
)


def covariance(params: decoder.Params) -> Any:
    weight = np.asarray(params.model.weight, float)
    return weight @ weight.T + params.sigma**2 * np.eye(len(weight))


def as_perceptron(params: decoder.Params) -> decoder.Params:
    """A linear decoder as a perceptron: relu(z) - relu(-z) is z."""
    weight, bias = params.model
    latents = weight.shape[1]
    both = np.concatenate([np.eye(latents), -np.eye(latents)])
    net = random_perceptron(len(bias), 1, depth=1, width=2 * latents, embedding="none", activation="relu")
    net = net._replace(
        weight_in=both, bias_hidden=np.zeros((1, 2 * latents)), weight_out=weight @ both.T, bias_out=bias
    )
    return params._replace(model=net)


def test_known_figures_of_bits() -> None:
    z, x = [[0.5, -1.0]], [[1, 0, 1]]
    expected = [0.817574476194, 0.450166002688, 0.299432857526]
    np.testing.assert_allclose(decoder.probabilities(z, BITS)[0], expected, rtol=1e-11)
    assert decoder.cross_entropy(x, z, BITS)[0] == pytest.approx(2.00541721581, rel=1e-11)


def test_known_figures_of_a_curved_map() -> None:
    """x = (1.4 z1 + .3 z2, -.8 z1 + 1.2 z2, .5 z1^2 - .2 z2) is linear in (z1, z2, z1^2)."""
    weight = np.array([[1.4, 0.3, 0], [-0.8, 1.2, 0], [0, -0.2, 0.5]])
    params = decoder.Params(decoder.Linear(weight, np.zeros(3)))
    path = decoder.lerp([[-1.2, 0.4]], [[1.1, -0.7]], 6)[:, 0]
    z = np.concatenate([[[1, 0]], path])
    x = decoder.decode(np.column_stack([z, z[:, 0] ** 2]), params)
    np.testing.assert_allclose(x[0], [1.4, -0.8, 0.5], rtol=1e-15)
    np.testing.assert_allclose(x[1], [-1.56, 1.44, 0.64], rtol=1e-14)
    np.testing.assert_allclose(x[-1], [1.33, -1.72, 0.745], rtol=1e-14)


@SHAPES
def test_decode_and_sample_equal_their_reference(dim: int, latents: int, depth: int, dtype: Dtype) -> None:
    params = decoder.random_params(dim, 4, latents=latents, depth=depth, width=9, dtype=dtype)
    drawn = reference.random_params(dim, 4, latents=latents, depth=depth, width=9)
    plain, digits = plain_value(params), 400 * np.finfo(dtype).eps
    for left, right in zip(params.model, drawn.model, strict=True):
        if np.size(left) and not isinstance(left, str):
            np.testing.assert_allclose(left, right, rtol=digits, atol=digits)
    z = standard_normal(37, latents, 3, dtype=dtype)
    np.testing.assert_allclose(
        decoder.decode(z, params), reference.decode(z.tolist(), plain), rtol=digits, atol=digits
    )
    x = decoder.sample(40, params, 8, first_row=5)
    expected = reference.sample(40, plain, 8, first_row=5, dtype=dtype.name)
    np.testing.assert_allclose(x, expected, rtol=digits, atol=digits)


@SHAPES
def test_bits_do_not_depend_on_the_batch(dim: int, latents: int, depth: int, dtype: Dtype) -> None:
    """Few rows go one by one, more side by side."""
    params = decoder.random_params(dim, 4, latents=latents, depth=depth, width=9, dtype=dtype)
    z = standard_normal(150, latents, 5, dtype=dtype)
    cuts = (0, 1, 3, 8, 9, 40, 140, 150)
    whole = decoder.decode(z, params)
    parts = [decoder.decode(z[lo:hi], params) for lo, hi in itertools.pairwise(cuts)]
    assert_same_bits(np.concatenate(parts), whole)
    whole = decoder.sample(150, params, 5)
    parts = [decoder.sample(hi - lo, params, 5, first_row=lo) for lo, hi in itertools.pairwise(cuts)]
    assert_same_bits(np.concatenate(parts), whole)


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
def test_threads_do_not_matter() -> None:
    params = decoder.random_params(40, 1, latents=5, depth=2)
    z = standard_normal(5000, 5, 1)
    assert_same_bits(decoder.decode(z, params, threads=2), decoder.decode(z, params))
    assert_same_bits(decoder.sample(5000, params, 1, threads=2), decoder.sample(5000, params, 1))


def test_a_sample_is_decoded_normals_and_noise() -> None:
    params = decoder.random_params(6, 1, latents=2)
    z, eps = standard_normal(30, 2, 7), standard_normal(30, 6, 7, stream=1)
    clean = decoder.sample(30, params._replace(sigma=None), 7)
    assert_same_bits(clean, decoder.decode(z, params))
    np.testing.assert_allclose(decoder.sample(30, params, 7), clean + 0.5 * eps, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("depth", [0, 2])
def test_what_is_laid_out_once_is_the_same(depth: int, dtype: Dtype) -> None:
    params = decoder.random_params(6, 1, latents=2, depth=depth, dtype=dtype)
    held, z = decoder.Decoder(params), standard_normal(9, 2, 1)
    x, values = decoder.sample(9, params, 1), decoder.decode(z, params)
    estimate = decoder.log_prob_estimate(x, params, 20, 1)
    density = None if depth else decoder.log_prob(x, params)
    for array in params.model:
        if isinstance(array, np.ndarray):
            array[...] = np.nan
    for _ in range(2):
        assert_same_bits(decoder.sample(9, held, 1), x)
        assert_same_bits(decoder.decode(z, held), values)
        assert_same_bits(tuple(decoder.log_prob_estimate(x, held, 20, 1)), tuple(estimate))
        assert depth or np.array_equal(decoder.log_prob(x, held), density)
    assert repr(held) == f"Decoder(D=6, latents=2, {dtype})"


@pytest.mark.parametrize("depth", [0, 2])
def test_a_decoder_has_read_only_arrays_of_its_own(depth: int, dtype: Dtype) -> None:
    params = decoder.random_params(3, 1, latents=3, depth=depth, width=3, dtype=dtype)
    held, z = decoder.Decoder(params), standard_normal(64, 3, 1, dtype=dtype)
    expected = decoder.decode(z, params)
    own = [value for value in held.params.model if isinstance(value, np.ndarray)]
    assert not any(array.flags.writeable for array in own)
    for array in own:
        if array.shape == (3, 3):
            for write in (lambda out: decoder.decode(z[:3], held, out=out),
                          lambda out: decoder.sample(3, held, 1, out=out)):  # fmt: skip
                with pytest.raises(ValueError, match=r"^out: expected a writeable C-contiguous array, got "):
                    write(array)
    arrays = [value for value in held.bound(dtype)[1] if isinstance(value, np.ndarray)]
    assert not any(np.shares_memory(a, b) for a in arrays for b in (*own, *params.model[:5]))
    assert_same_bits(decoder.decode(z, held), expected)
    assert_same_bits(decoder.decode(z, pickle.loads(pickle.dumps(held))), expected)
    held_lists = decoder.Decoder(decoder.Params(decoder.Linear([[1.0, 2]], [0.0])))  # type: ignore[arg-type]
    assert decoder.decode([[1, 1]], held_lists).tolist() == [[3]]


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("verb", [decoder.decode, decoder.probabilities])
def test_out_may_be_z_and_no_part_of_it(verb: Any, depth: int) -> None:
    params, memory = decoder.random_params(3, 1, latents=3, depth=depth), standard_normal(41, 3, 1)
    for any_params in (params, decoder.Decoder(params)):
        expected, z = verb(memory[:40], any_params), memory[:40].copy()
        assert verb(z, any_params, out=z) is z
        assert_same_bits(z, expected)
        with pytest.raises(ValueError, match=r"^out: expected no overlap with z, got overlapping memory$"):
            verb(memory[:40], any_params, out=memory[1:])


def test_moments_of_samples() -> None:
    params, n = decoder.random_params(4, 2, latents=2), 200_000
    x = decoder.sample(n, params, 3) - params.model.bias
    exact = covariance(params)
    errors = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / n)
    assert np.all(np.abs(x.T @ x / n - exact) < 5 * errors)


@pytest.mark.parametrize(("dim", "latents"), [(1, 1), (1, 4), (5, 3), (3, 3), (3, 8), (40, 2), (64, 64)])
def test_log_prob_is_that_of_scipy(dim: int, latents: int, dtype: Dtype) -> None:
    params = decoder.random_params(dim, 5, latents=latents, dtype=dtype)
    x = decoder.sample(70, params, 6)
    exact = stats.multivariate_normal(params.model.bias.astype(float), covariance(params)).logpdf(x)
    found = decoder.log_prob(x, params)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, exact, rtol=(8 * dim + 64) * np.finfo(dtype).eps)


@pytest.mark.parametrize("sigma", [1e-8, 1e-4, 1e4])
@pytest.mark.parametrize(("dim", "latents"), [(5, 2), (3, 3), (2, 4)])
def test_log_prob_holds_for_any_sigma(dim: int, latents: int, sigma: float) -> None:
    """Against mpmath, for columns that depend on each other; a product W W^T would lose sigma^2."""
    weight = standard_normal(dim, latents, 3)
    weight[:, -1] = 2 * weight[:, 0]
    params = decoder.Params(decoder.Linear(weight, np.zeros(dim)), sigma)
    x = decoder.sample(6, params, 4)
    with mpmath.workdps(60):
        factor = mpmath.matrix(weight.tolist())
        matrix = factor * factor.T + mpmath.mpf(sigma) ** 2 * mpmath.eye(dim)
        constant = mpmath.log(mpmath.det(2 * mpmath.pi * matrix))
        rows = [mpmath.matrix(row) for row in x.tolist()]
        exact = [-((row.T * mpmath.lu_solve(matrix, row))[0] + constant) / 2 for row in rows]
    tolerance = 1e-12 + 20 * np.finfo(float).eps * np.abs(x).max() / sigma  # rounding of x itself
    np.testing.assert_allclose(decoder.log_prob(x, params), np.array(exact, float), rtol=tolerance)


def test_estimates_are_right_within_their_errors(dtype: Dtype) -> None:
    """Of a linear map as a perceptron: 300 rows, whose true errors are about as large as those told."""
    params = decoder.random_params(3, 2, latents=2)
    net = as_perceptron(params)
    z = standard_normal(20, 2, 9)
    np.testing.assert_allclose(decoder.decode(z, net), decoder.decode(z, params), rtol=1e-13, atol=1e-14)
    x = decoder.sample(12, params, 5).astype(dtype)
    exact = decoder.log_prob(x.astype(float), params)
    scores = []
    for seed in range(25):
        value, error = decoder.log_prob_estimate(x, net, 2000, seed)
        assert value.dtype == error.dtype == dtype
        assert np.all((error > 0) & (error < 0.5))
        scores.append((value - exact) / error)
    assert 0.7 < np.sqrt(np.mean(np.square(scores))) < 1.4
    assert abs(np.mean(scores)) < 0.5


def test_the_posterior_as_proposal_is_exact() -> None:
    """With independent columns the posterior has independent entries: then all weights are equal."""
    weight, sigma = np.diag([2.0, 0.5, 1])[:, :2], 0.3
    params = decoder.Params(decoder.Linear(weight, np.array([0.1, 0, -0.2])), sigma)
    x = decoder.sample(8, params, 3)
    scale = np.diag(weight.T @ weight) + sigma**2
    mean = (x - params.model.bias) @ weight / scale
    deviation = np.broadcast_to(sigma / np.sqrt(scale), mean.shape)
    value, error = decoder.log_prob_estimate(x, as_perceptron(params), 5, 1, proposal=(mean, deviation))
    np.testing.assert_allclose(value, decoder.log_prob(x, params), rtol=1e-11)
    assert np.all(error < 1e-11)
    wide = mean + 0.1, 1.5 * deviation
    value, error = decoder.log_prob_estimate(x, params, 4000, 1, proposal=wide)
    assert np.all(np.abs(value - decoder.log_prob(x, params)) < 5 * error)


@pytest.mark.parametrize("given", [False, True], ids=["prior", "proposal"])
def test_an_estimate_without_any_weight_is_none(given: bool, dtype: Dtype) -> None:
    """Beside a row that has weights, and in float32 one whose value only float64 holds."""
    params = decoder.random_params(2, 1, latents=3, dtype=dtype)
    if dtype == FLOAT64:
        x = np.array([[0.1, 0.2], [1e200, 0]])
    else:
        x, params = np.array([[0.1, 0.2], [1e30, 0]], dtype), params._replace(sigma=1e-2)
    proposal = (np.zeros((2, 3)), np.ones((2, 3))) if given else None
    value, error = decoder.log_prob_estimate(x, params, 9, 1, proposal=proposal)
    assert np.isfinite([value[0], error[0]]).all()
    assert value[1] == -np.inf
    assert error[1] == np.inf


def test_an_estimate_of_a_map_that_overflows_is_told() -> None:
    linear = decoder.Params(decoder.Linear(np.full((1, 1), 1e200), np.zeros(1)), 1.0)
    assert [float(a[0]) for a in decoder.log_prob_estimate([[0.0]], linear, 9, 1)] == [-np.inf, np.inf]


def test_estimates_do_not_depend_on_the_batch() -> None:
    params = decoder.random_params(5, 2, latents=2, depth=1)
    x = decoder.sample(7, params, 5)
    whole = decoder.log_prob_estimate(x, params, 50, 3)
    assert_same_bits(tuple(decoder.log_prob_estimate(x[2:5], params, 50, 3)), tuple(a[2:5] for a in whole))


def test_cross_entropy_is_that_of_scipy(dtype: Dtype) -> None:
    params = decoder.random_params(21, 3, latents=4, dtype=dtype)
    z = 2 * standard_normal(33, 4, 1, dtype=dtype)
    x, p = (standard_normal(33, 21, 2) > 0).astype(int), decoder.probabilities(z, params).astype(float)
    assert p.min() < 0.1 < 0.9 < p.max()
    expected = -(special.xlogy(x, p) + special.xlog1py(1 - x, -p)).sum(1)
    np.testing.assert_allclose(p, special.expit(decoder.decode(z, params).astype(float)), rtol=1e-6)
    np.testing.assert_allclose(decoder.cross_entropy(x, z, params), expected, rtol=200 * np.finfo(dtype).eps)
    sure = decoder.Params(decoder.Linear(np.array([[800.0]]), np.zeros(1)))
    assert decoder.cross_entropy([[1], [0]], [[1], [1]], sure).tolist() == [0, 800]
    assert decoder.cross_entropy([[True], [False]], [[1], [1]], sure).tolist() == [0, 800]


def test_known_figures_of_paths() -> None:
    np.testing.assert_allclose(decoder.lerp(A, B, 5)[1, 0], [0.7, 0.675, -0.3], rtol=1e-14)
    expected = [0.812013921761, 0.860023919117, -0.336158198075]
    np.testing.assert_allclose(decoder.slerp(A, B, 5)[1, 0], expected, rtol=1e-11)
    for path in (decoder.lerp, decoder.slerp):
        np.testing.assert_allclose(path(A, B, 7)[[0, -1]], [A, B], rtol=1e-14, atol=1e-15)


def test_only_slerp_keeps_the_norm_of_normals() -> None:
    a, b = (standard_normal(400, 1000, 1, stream=stream) for stream in (1, 2))
    size = [
        np.linalg.norm(path(a, b, 3)[1], axis=1).mean() / math.sqrt(1000)
        for path in (decoder.lerp, decoder.slerp)
    ]
    assert size[0] == pytest.approx(0.70710678, abs=5e-3)
    assert size[1] == pytest.approx(1, abs=5e-3)


def test_slerp_goes_at_an_even_pace(dtype: Dtype) -> None:
    """Equal angles between steps, of unit rows; also where acos has lost its digits."""
    for angle in (1e-3, 1.0, 3.1):
        a, b = np.array([[1, 0]], dtype), np.array([[math.cos(angle), math.sin(angle)]], dtype)
        path = decoder.slerp(a, b, 9)[:, 0].astype(float)
        assert decoder.slerp(a, b, 9).dtype == dtype
        turned = np.diff(np.arctan2(path[:, 1], path[:, 0]))
        np.testing.assert_allclose(turned, angle / 8, rtol=1e-5 if dtype == FLOAT64 else 1e-2)


def test_slerp_of_near_rows() -> None:
    """At an angle of 0 it is the straight path, and it gets there smoothly."""
    parallel = decoder.slerp(A, 3 * A, 4)
    np.testing.assert_allclose(parallel, decoder.lerp(A, 3 * A, 4), rtol=1e-15)
    near = decoder.slerp(A, A + np.array([1e-13, 0, 0]), 4)
    np.testing.assert_allclose(near, np.repeat(A[None], 4, 0), rtol=1e-12)
    tiny = decoder.slerp(1e-200 * A, 1e-200 * B, 5)
    np.testing.assert_allclose(tiny, 1e-200 * decoder.slerp(A, B, 5), rtol=1e-13)


def test_reconstruction_errors() -> None:
    errors = np.array([[0.42], [0.31], [0.29], [0.36], [0.33]])
    found = decoder.reconstruction_errors(np.zeros((5, 1)), np.sqrt(errors))
    np.testing.assert_allclose(found, [0.342, 0.29, 0.42], rtol=1e-14)
    assert decoder.reconstruction_errors([[1, 2, 3]], [[1, 2, 6]]) == (3, 3, 3)
    assert decoder.reconstruction_errors([[0], [1e200]], [[2], [0]]) == (math.inf, 4, math.inf)


def refused(error: type[Exception], name: str, function: Any, *args: Any, **kwargs: Any) -> None:
    with pytest.raises(error, match=rf"^{name}: expected .*, got "):
        function(*args, **kwargs)


def test_what_decode_refuses() -> None:
    z, linear, net = np.zeros((4, 3)), decoder.random_params(5, 1), decoder.random_params(5, 1, depth=2)
    for params in (linear, net):
        with pytest.raises(ValueError, match=r"^z has 2 columns, params are for K = 3$"):
            decoder.decode(z[:, :2], params)
        refused(ValueError, "z", decoder.decode, z[0], params)
        refused(ValueError, "out", decoder.decode, z, params, out=z)
        refused(ValueError, "threads", decoder.decode, z, params, threads=0)
        refused(ValueError, "out", decoder.sample, 4, params, 1, out=np.zeros((4, 3)))
        for sigma in (0, -1.0, np.nan, np.inf):
            refused(ValueError, "params.sigma", decoder.sample, 4, params._replace(sigma=sigma), 1)
            refused(ValueError, "params.sigma", decoder.log_prob_estimate, np.zeros((2, 5)),
                    params._replace(sigma=sigma), 9, 1)  # fmt: skip
    refused(TypeError, "params", decoder.decode, z, tuple(linear))
    refused(TypeError, "params.model", decoder.decode, z, decoder.Params(np.eye(3)))
    wrong = linear.model._replace(bias=np.zeros(3))
    refused(ValueError, "params.model.bias", decoder.decode, z, linear._replace(model=wrong))
    wrong = linear.model._replace(weight=np.zeros(3))
    refused(ValueError, "params.model", decoder.decode, z, linear._replace(model=wrong))
    refused(
        ValueError, "model.bias_out", decoder.decode, z, net._replace(model=net.model._replace(bias_out=z[0]))
    )
    timed = net.model._replace(embedding="time")
    refused(ValueError, "params.model.embedding", decoder.decode, z, net._replace(model=timed))
    for name in ("dim", "latents"):
        refused(ValueError, name, decoder.random_params, **{"dim": 2, "seed": 1, name: 0})
    refused(ValueError, "depth", decoder.random_params, 2, 1, depth=-1)


@pytest.mark.parametrize(
    ("kind", "sigma"),
    [("f4", 1e-20), ("f4", 1e-16), ("f4", 2e15), ("f4", 1e39), ("f8", 1e-155), ("f8", 1e200)],
)
def test_a_sigma_whose_square_is_not_normal_is_refused(kind: str, sigma: float) -> None:
    dtype = np.dtype(kind)
    params = decoder.random_params(5, 1, dtype=dtype)._replace(sigma=sigma)
    calls: list[tuple[Any, Any]] = [(decoder.log_prob, ()), (decoder.log_prob_estimate, (5, 1))]
    for function, more in calls:
        refused(ValueError, f"params.sigma, for {dtype}", function, np.ones((3, 5), dtype), params, *more)
    refused(ValueError, f"params.sigma, for {dtype}", decoder.sample, 3, params, 1)


@pytest.mark.parametrize(("kind", "sigma"), [("f4", 1e-15), ("f4", 1e15), ("f8", 1e-123), ("f8", 1e123)])
def test_the_least_and_largest_sigma_give_a_density(kind: str, sigma: float) -> None:
    """With a map of 0, so that features are independent normals."""
    linear = decoder.Linear(np.zeros((3, 2), kind), np.zeros(3, kind))
    x = np.array([[0.5, -1, 2]]) * sigma
    exact = stats.norm.logpdf(x, scale=sigma).sum(1)
    found = decoder.log_prob(x.astype(kind), decoder.Params(linear, sigma))
    estimate = decoder.log_prob_estimate(x.astype(kind), decoder.Params(linear, sigma), 4, 1)
    np.testing.assert_allclose(found, exact, rtol=1e-5)
    np.testing.assert_allclose(estimate.value, exact, rtol=1e-5)


def test_what_densities_refuse() -> None:
    x, linear, net = np.zeros((4, 5)), decoder.random_params(5, 1), decoder.random_params(5, 1, depth=2)
    refused(TypeError, "params.model", decoder.log_prob, x, net)
    refused(TypeError, "params.sigma", decoder.log_prob, x, linear._replace(sigma=None))
    refused(ValueError, "params.sigma", decoder.log_prob, x, linear._replace(sigma=0.0))
    broken = linear._replace(model=linear.model._replace(weight=np.full((5, 3), np.nan)))
    refused(ValueError, "params.model.weight", decoder.log_prob, x, broken)
    for name in ("weight", "bias"):
        wide = linear._replace(model=linear.model._replace(**{name: 1e200 * getattr(linear.model, name)}))
        refused(ValueError, f"params.model.{name}, for float32", decoder.log_prob, x.astype(np.float32), wide)
    with pytest.raises(ValueError, match=r"^x has 4 columns, params are for D = 5$"):
        decoder.log_prob(x[:, :4], linear)
    estimate = decoder.log_prob_estimate
    refused(ValueError, "x", estimate, np.full((4, 5), np.nan), net, 9, 1)
    for draws in (1, 0, -3):
        refused(ValueError, "draws", estimate, x, net, draws, 1)
    refused(TypeError, "proposal", estimate, x, net, 9, 1, proposal=np.zeros((4, 3)))
    for mean, deviation in (
        (x, x),
        (np.zeros((4, 3)), np.zeros((4, 3))),
        (np.full((4, 3), np.nan), np.ones((4, 3))),
    ):
        refused(ValueError, "proposal", estimate, x, net, 9, 1, proposal=(mean, deviation))
    z = np.zeros((4, 3))
    refused(ValueError, "x", decoder.cross_entropy, x[:3], z, linear)
    refused(ValueError, "x", decoder.cross_entropy, x - 1, z, linear)
    refused(ValueError, "x", decoder.cross_entropy, np.full((4, 5), np.nan), z, linear)


@pytest.mark.parametrize("path", [decoder.lerp, decoder.slerp])
def test_what_paths_refuse(path: Any) -> None:
    for steps in (1, 0, -2):
        refused(ValueError, "steps", path, A, B, steps)
    refused(TypeError, "steps", path, A, B, 2.0)
    refused(ValueError, "b", path, A, B[:, :2], 3)
    refused(ValueError, "a", path, np.full((1, 3), np.nan), B, 3)
    refused(ValueError, "b", path, A, np.full((1, 3), np.inf), 3)
    refused(ValueError, "a", path, A[0], B[0], 3)


def test_slerp_refuses_what_has_no_arc() -> None:
    refused(ValueError, "a, b", decoder.slerp, A, -2 * A, 3)
    refused(ValueError, "b", decoder.slerp, A, 0 * B, 3)


def test_what_errors_refuse() -> None:
    refused(ValueError, "y", decoder.reconstruction_errors, A, B[:, :2])
    refused(ValueError, "y", decoder.reconstruction_errors, A[:0], B[:0])
    refused(ValueError, "y", decoder.reconstruction_errors, A, np.full((1, 3), np.nan))
    refused(ValueError, "x", decoder.reconstruction_errors, np.full((1, 3), np.nan), B)
