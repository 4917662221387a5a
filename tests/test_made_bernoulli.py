"""Autoregressive bits: sums over all vectors, a network with explicit masks, samples, what is refused."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.bench.model.registry import Comparison, matched_pairs, operation_of
from seqgap.kernels import bernoulli, made_bernoulli
from seqgap.kernels._nets.bits import to_uniforms
from seqgap.kernels.made_bernoulli import Params
from seqgap.kernels.normal import philox4x32
from seqgap.reference import made_bernoulli as reference

NETWORKS = {
    "relu": {},
    "tanh": {"activation": "tanh", "depth": 2},
    "residual": {"residual": True, "depth": 3, "activation": "elu"},
}
EACH = pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)


def network(dim: int, seed: int, **options: Any) -> Params:
    """Random params whose bits come in another order than their own, with units of any degree."""
    params = made_bernoulli.random_params(dim, seed, **{"width": 24, **options})
    random = np.random.default_rng(seed)
    degrees = np.tile(random.integers(0, dim + 1, 24), (len(params.degrees), 1))
    filled = {
        name: getattr(params, name) + random.normal(0, 0.3, getattr(params, name).shape).astype(params.dtype)
        for name in ("weight_in", "weight_hidden", "weight_out", "bias_out")
    }
    return params._replace(order=random.permutation(dim), degrees=degrees, **filled)


def all_vectors(dim: int) -> Any:
    return np.array(list(itertools.product((0, 1), repeat=dim)))


def masked_logits(x: Any, params: Params) -> Any:
    """(N, D) in the places of the bits, by products with whole matrices of masked weights."""
    activation = {"relu": lambda u: np.maximum(u, 0), "tanh": np.tanh, "elu": elu}[params.activation]
    degrees, dim = params.degrees, params.dim
    hidden, below = x[:, params.order].astype(float), np.arange(1, dim + 1)
    raw = np.zeros(())
    weights = [params.weight_in, *params.weight_hidden]
    for k, (weight, bias) in enumerate(zip(weights, params.bias_hidden, strict=True)):
        hidden = hidden @ np.where(below <= degrees[k][:, None], weight, 0).T + bias
        if params.residual and k % 2 == 0:
            raw = hidden = hidden + raw
        if not (params.residual and k == len(weights) - 1):
            hidden = activation(hidden)
        below = degrees[k]
    seen = below <= np.arange(dim)[:, None]
    return (hidden @ np.where(seen, params.weight_out, 0).T + params.bias_out)[:, np.argsort(params.order)]


def elu(u: Any) -> Any:
    return np.where(u > 0, u, np.expm1(np.minimum(u, 0)))


def words(n: int, dim: int, seed: int, first_row: int = 0) -> Any:
    counters = [[d // 4, first_row + i, 0, 0] for i in range(n) for d in range(0, dim, 4)]
    return philox4x32(counters, [seed, 0]).reshape(n, -1)[:, :dim]


@EACH
@pytest.mark.parametrize("dim", range(1, 7))
def test_probabilities_of_all_vectors_sum_to_one(dim: int, options: Any, dtype: Dtype) -> None:
    for seed in (1, 2):
        params = network(dim, seed, dtype=dtype, **options)
        density = made_bernoulli.log_prob(all_vectors(dim), params)
        assert density.dtype == np.float64
        assert np.exp(density).sum() == pytest.approx(1, abs=30 * float(np.finfo(dtype).eps))
        assert density.std() > 0


@EACH
@pytest.mark.parametrize("dim", [1, 2, 5, 40])
def test_log_prob_is_that_of_masked_matrices(dim: int, options: Any, dtype: Dtype) -> None:
    params = network(dim, 3, dtype=dtype, **options)
    x = np.random.default_rng(1).integers(0, 2, (70, dim))
    probability = special.expit(masked_logits(x, params))
    expected = stats.bernoulli(probability).logpmf(x).sum(1)
    found = made_bernoulli.log_prob(x, params)
    np.testing.assert_allclose(found, expected, rtol=200 * np.finfo(dtype).eps)


@EACH
@pytest.mark.parametrize("dim", [1, 2, 5, 40])
def test_both_directions_equal_the_reference(dim: int, options: Any) -> None:
    """On the same uniforms, in another order than that of the bits."""
    params, row = network(dim, 4, **options), 2**34 + 1
    x = made_bernoulli.sample(20, params, 2**64 - 5, first_row=row)
    assert (x.dtype, x.shape) == (np.uint8, (20, dim))
    np.testing.assert_array_equal(x, reference.sample(20, plain_value(params), 2**64 - 5, first_row=row))
    expected = reference.log_prob(x.tolist(), plain_value(params))
    np.testing.assert_allclose(made_bernoulli.log_prob(x, params), expected, rtol=1e-13)


@EACH
def test_bits_are_those_of_the_conditional_probabilities(options: Any, dtype: Dtype) -> None:
    """p(bit | those before it) by sums of `log_prob` over all that may come after it."""
    dim, n, every = 6, 400, all_vectors(6)
    params = network(dim, 5, dtype=dtype, **options)
    x, u = made_bernoulli.sample(n, params, 7), words(n, dim, 7) / 2**32
    mass = np.exp(made_bernoulli.log_prob(every, params))
    for i in range(dim):
        before, bit = params.order[:i], params.order[i]
        agrees = (x[:, None, before] == every[:, before]).all(2)
        probability = (agrees & (every[:, bit] == 1)) @ mass / (agrees @ mass)
        np.testing.assert_array_equal(x[:, bit], u[:, bit] < probability)


def test_one_pass_gives_the_logits_that_a_sample_was_drawn_with(dtype: Dtype) -> None:
    """The matched pair: each bit of a sample, from its word and one pass of the network."""
    params = network(70, 6, dtype=dtype)
    x = made_bernoulli.sample(300, params, 9)
    probability = special.expit(masked_logits(x, params))
    np.testing.assert_array_equal(x, words(300, 70, 9) / 2**32 < probability)


@pytest.mark.parametrize("dim", [1, 3, 5])
def test_frequencies_of_all_vectors(dim: int) -> None:
    n, params = 100_000, network(dim, 8)
    x = made_bernoulli.sample(n, params, 12)
    counts = np.bincount(x @ (1 << np.arange(dim)[::-1]), minlength=2**dim)
    expected = n * np.exp(made_bernoulli.log_prob(all_vectors(dim), params))
    assert stats.chisquare(counts, expected).pvalue > 1e-5


def test_without_weights_bits_are_independent(dtype: Dtype) -> None:
    """The same bits and densities as those of `bernoulli`."""
    params = network(37, 9, dtype=dtype)
    params = params._replace(weight_out=0 * params.weight_out)
    logit = np.empty(37, dtype)
    logit[params.order] = params.bias_out
    simple = bernoulli.Params(logit)
    x = made_bernoulli.sample(500, params, 3)
    np.testing.assert_array_equal(x, bernoulli.sample(500, simple, 3))
    expected = bernoulli.log_prob(x, simple)
    np.testing.assert_allclose(made_bernoulli.log_prob(x, params), expected, rtol=40 * np.finfo(dtype).eps)


def test_infinite_logits_are_certain_bits(dtype: Dtype) -> None:
    params = network(4, 2, dtype=dtype)
    bias = np.array([np.inf, -np.inf, np.inf, 0], dtype)
    params = params._replace(weight_out=0 * params.weight_out, bias_out=bias, order=np.arange(4))
    x = made_bernoulli.sample(2000, params, 1)
    assert {*map(tuple, x.tolist())} == {(1, 0, 1, 0), (1, 0, 1, 1)}
    density = made_bernoulli.log_prob([[1, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]], params)
    np.testing.assert_allclose(density, [-np.log(2), -np.inf, -np.inf], rtol=1e-6)


def test_what_a_unit_does_not_see_is_not_read() -> None:
    params = network(5, 3, depth=2)
    degrees, below = params.degrees, np.arange(1, 6)
    blind = params._replace(
        weight_in=np.where(below <= degrees[0][:, None], params.weight_in, np.nan),
        weight_hidden=np.where(degrees[0] <= degrees[1][:, None], params.weight_hidden, np.nan),
        weight_out=np.where(degrees[1] <= np.arange(5)[:, None], params.weight_out, np.nan),
    )
    x = made_bernoulli.sample(40, params, 1)
    assert_same_bits(made_bernoulli.sample(40, blind, 1), x)
    assert_same_bits(made_bernoulli.log_prob(x, blind), made_bernoulli.log_prob(x, params))


@pytest.mark.parametrize("dim", [1, 11, 70])
def test_bits_do_not_depend_on_the_batch(dim: int, dtype: Dtype) -> None:
    params = network(dim, 4, dtype=dtype)
    x = made_bernoulli.sample(150, params, 5)
    calls: list[Callable[[int, int], Any]] = [
        lambda lo, hi: made_bernoulli.sample(hi - lo, params, 5, first_row=lo),
        lambda lo, hi: made_bernoulli.log_prob(x[lo:hi], params),
    ]
    for call in calls:
        parts = [call(lo, hi) for lo, hi in itertools.pairwise((0, 1, 3, 20, 67, 148, 150))]
        assert_same_bits(np.concatenate(parts), call(0, 150))


def test_uniforms_are_rounded_down(dtype: Dtype) -> None:
    random = np.random.default_rng(1)
    near = [2**bits + offset for bits in range(8, 32) for offset in range(-3, 4)]
    drawn = random.integers(0, 2**32, 20_000) >> random.integers(0, 32, 20_000)
    chosen = np.concatenate([near, drawn, 2**32 - 1 - np.arange(600)]).astype(np.uint32)
    uniforms = np.empty(len(chosen), dtype)
    to_uniforms(chosen, uniforms)
    exact = chosen / 2**32
    assert (uniforms <= exact).all()
    assert (np.nextafter(uniforms, dtype.type(2)).astype(float) > exact).all()


def test_the_benchmark_finds_the_pair() -> None:
    pair = Comparison("matched", "made_bernoulli.sample", "made_bernoulli.log_prob")
    assert pair in matched_pairs()
    assert operation_of(pair.sequential).sequential
    assert not operation_of(pair.parallel).sequential
    assert {"numpy-passes", "numpy", "numba"} <= {*operation_of(pair.sequential).implementation_names}


def test_wrong_params_are_named() -> None:
    params, x = network(3, 1, depth=2), np.zeros((4, 3), int)
    wrong: list[tuple[type[Exception], str, Any]] = [
        (ValueError, "order", [0, 1]),
        (ValueError, "order", [0, 1, 1]),
        (TypeError, "order", [0.0, 1.0, 2.0]),
        (ValueError, "degrees", params.degrees[:1]),
        (ValueError, "degrees", params.degrees + 4),
        (TypeError, "degrees", params.degrees * 1.0),
        (ValueError, "weight_in", params.weight_in[:, 1:]),
        (TypeError, "weight_in", params.weight_in.astype(complex)),
        (ValueError, "weight_hidden", params.weight_hidden[0]),
        (ValueError, "weight_out", params.weight_out[:, None]),
        (TypeError, "weight_out", np.full((3, 24), "a")),
        (ValueError, "bias_hidden", params.bias_hidden[0]),
        (ValueError, "bias_out", params.bias_out[:, None]),
        (TypeError, "bias_out", params.bias_out.astype(np.float16)),
        (ValueError, "activation", "mish"),
        (TypeError, "activation", 1),
        (TypeError, "residual", 1),
        (ValueError, "residual", "no"),
        (ValueError, "residual", True),
    ]
    for error, name, value in wrong:
        for call in (
            lambda p: made_bernoulli.log_prob(x, p),
            lambda p: made_bernoulli.sample(4, p, 0),
        ):
            with pytest.raises(error, match=rf"^params\.{name}: .*expected.*got"):
                call(params._replace(**{name: value}))


def test_wrong_arguments_are_named() -> None:
    log_prob, sample, draw = made_bernoulli.log_prob, made_bernoulli.sample, made_bernoulli.random_params
    params, x = network(3, 1), np.zeros((4, 3), np.uint8)
    checked: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "x: expected 0 or 1, got 0 to 2", lambda: log_prob([[0, 1, 2]], params)),
        (ValueError, "x: expected 0 or 1, got -1 to 0", lambda: log_prob([[0, 0, -1]], params)),
        (TypeError, "x: expected integers or bools", lambda: log_prob(x * 0.5, params)),
        (ValueError, "x has 2 columns, params are for D = 3", lambda: log_prob(x[:, :2], params)),
        (TypeError, "params: expected made_bernoulli.Params", lambda: log_prob(x, (*params,))),  # type: ignore[arg-type]
        (ValueError, "n: expected", lambda: sample(-1, params, 0)),
        (TypeError, "out: expected dtype uint8", lambda: sample(4, params, 0, out=np.zeros((4, 3)))),
        (ValueError, "seed: expected", lambda: sample(4, params, -1)),
        (ValueError, "first_row: expected", lambda: sample(4, params, 0, first_row=2**63)),
        (ValueError, "threads", lambda: log_prob(x, params, threads=0)),
        (ValueError, "dim: expected", lambda: draw(0, 1)),
        (ValueError, "width: expected", lambda: draw(3, 1, width=0)),
        (TypeError, "depth: expected", lambda: draw(3, 1, depth=1.5)),  # type: ignore[arg-type]
        (TypeError, "dtype: expected", lambda: draw(3, 1, dtype=int)),
    ]  # fmt: skip
    for error, message, call in checked:
        with pytest.raises(error, match=f"^{message}"):
            call()


def test_params_show_themselves_in_one_line() -> None:
    params = made_bernoulli.random_params(4, 1, depth=2, width=8)
    assert repr(params) == "made_bernoulli.Params(D=4, float64, depth=2, width=8)"
