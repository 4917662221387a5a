"""Reverse diffusion: known moments and vectors, PyTorch's networks, diffusers' schedulers, wrong input."""

import math
from typing import Any

import numpy as np
import pytest

from seqgap.bench.model.case import Dtype
from seqgap.kernels import ddim, ddpm
from seqgap.kernels._core import rows
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import ACTIVATIONS, random_perceptron
from seqgap.kernels.diffusion import cosine_betas, linear_betas, scaled_linear_betas
from seqgap.kernels.normal import standard_normal

MEAN, DEVIATION = 0.5, 0.3


def gaussian(betas: Any = None, family: Any = ddim) -> Any:
    betas = linear_betas(1000) if betas is None else betas
    model = ddpm.Gaussian(np.array([MEAN]), np.array([DEVIATION]))
    return family.Params(model, betas, np.arange(len(betas), dtype=float), "epsilon")


def constant(value: float, betas: Any) -> Any:
    """A network that predicts the same noise everywhere."""
    zeros = np.zeros
    model = ddpm.Perceptron(
        zeros((1, 1)),
        zeros((0, 1, 1)),
        zeros((1, 1)),
        zeros((1, 1)),
        np.array([value]),
        zeros(0),
        "relu",
        "none",
    )
    return ddim.Params(model, betas, np.arange(len(betas), dtype=float), "epsilon")


def moments(params: Any, **options: Any) -> tuple[float, float]:
    """Mean and deviation after all steps from a standard normal: of an affine map, and of the noise in it."""
    chain = Chain(params, **options)
    field = chain.field(np.dtype(np.float64))
    mean, variance = 0.0, 1.0
    for t, (_, _, keep, _, push, noise) in enumerate(chain.steps.table):
        gain = keep + push * field.gain[t, 0]
        mean = gain * mean + push * field.offset[t, 0]
        variance = gain**2 * variance + noise**2
    return mean, math.sqrt(variance)


@pytest.mark.parametrize(
    ("options", "betas", "mean", "deviation"),
    [
        ({}, linear_betas(1000), 0.49999818381, 0.296253446261),
        ({"variance": "beta"}, linear_betas(1000), 0.49999818381, 0.300922028832),
        ({}, cosine_betas(1000), 0.499999999891, 0.298072699328),
    ],
)
def test_ancestral_sampling_has_its_exact_moments(
    options: Any, betas: Any, mean: float, deviation: float
) -> None:
    params = gaussian(betas, ddpm)
    assert moments(params, **options) == pytest.approx((mean, deviation), rel=1e-11)
    x = ddpm.sample(40000, params, 3, **options)
    assert np.mean(x) == pytest.approx(mean, abs=5 * deviation / 200)
    assert np.std(x) == pytest.approx(deviation, rel=5 / math.sqrt(2 * 40000))


SLOPES = {  # of DDIM without noise, which is an affine map
    "leading": {2: 0.0373092524, 5: 0.119661334, 10: 0.190522693, 50: 0.274956935, 1000: 0.298541015},
    "trailing": {2: 0.0260885636, 5: 0.111321237, 10: 0.184550532, 50: 0.2732874, 1000: 0.298541015},
    "linspace": {2: 0.0105607049, 5: 0.0965254014, 10: 0.180687418, 50: 0.274500349, 1000: 0.298541015},
}


@pytest.mark.parametrize("spacing", SLOPES)
def test_deterministic_sampling_shrinks_the_deviation_as_known(spacing: str) -> None:
    for steps, slope in SLOPES[spacing].items():
        low, high = ddim.run(np.array([[0.0], [1.0]]), gaussian(), 1, steps=steps, spacing=spacing)[:, 0]
        assert high - low == pytest.approx(slope, rel=1e-8)


def test_full_noise_is_ancestral_sampling() -> None:
    full = moments(gaussian(), eta=1.0)
    assert full == pytest.approx(moments(gaussian(family=ddpm)), rel=1e-11)
    assert moments(gaussian(), eta=1.0, steps=10) == pytest.approx((0.499987836, 0.171885347), rel=1e-8)


def test_a_step_from_500_to_400() -> None:
    states = ddim.trajectory(
        np.array([[0.8]]), gaussian(linear_betas(1000)[:500]), 1, steps=5, spacing="trailing"
    )
    assert states[1, 0, 0] == pytest.approx(0.840787534077, rel=1e-11)


@pytest.mark.parametrize(("clip", "value"), [("keep", 0.238988647826), ("rederive", 3.02067657826)])
def test_clipping_keeps_or_rederives_the_noise(clip: str, value: float) -> None:
    params = constant(0.2, linear_betas(1000)[:900])
    states = ddim.trajectory(np.array([[3.0]]), params, 1, steps=9, spacing="trailing", limit=1.0, clip=clip)
    assert states[1, 0, 0] == pytest.approx(value, rel=1e-11)


def test_schedules() -> None:
    assert np.prod(1 - cosine_betas(1000)) == pytest.approx(2.42876690703e-09, rel=1e-9)
    assert np.prod(1 - linear_betas(1000)) == pytest.approx(4.0358e-05, rel=1e-4)
    assert np.prod(1 - scaled_linear_betas(1000)) == pytest.approx(0.00466009851308, rel=1e-10)
    with pytest.raises(ValueError, match=r"^first: expected a number above 0 and below 1, got 1.0$"):
        scaled_linear_betas(10, first=1.0)


@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_all_predictions_of_exact_data_are_the_same_chain(prediction: str) -> None:
    x = standard_normal(5, 1, 2)
    for family, options in ((ddpm, {}), (ddim, {"eta": 0.5, "steps": 20})):
        expected = family.run(x, gaussian(family=family), 3, **options)
        result = family.run(x, gaussian(family=family)._replace(prediction=prediction), 3, **options)
        np.testing.assert_allclose(result, expected, rtol=1e-9)


def test_noise_of_a_step_is_its_own_stream() -> None:
    params = gaussian(linear_betas(3), ddpm)
    states = ddpm.trajectory(standard_normal(4, 1, 9), params, 9, first_row=0)
    np.testing.assert_array_equal(states[-1], ddpm.sample(4, params, 9))
    chain = Chain(params)
    field = chain.field(np.dtype(np.float64))
    for j, t in enumerate((3, 2, 1)):
        keep, push, noise = chain.steps.table[j, [2, 4, 5]]
        f = field.gain[j, 0] * states[j] + field.offset[j, 0]
        eps = standard_normal(4, 1, 9, stream=t)
        np.testing.assert_allclose(states[j + 1], keep * states[j] + push * f + noise * eps, rtol=1e-12)
    assert noise == 0


def test_what_is_done_to_arrays_later_changes_nothing() -> None:
    params = ddpm.random_params(3, 1, steps=4, width=9)
    model = params.model._replace(embedding="none", frequencies=np.empty(0))
    model = model._replace(weight_in=model.weight_in[:, :3].copy())
    data = ddpm.Gaussian(np.zeros(3), np.ones(3))
    for known in (model, data):
        changed = params._replace(model=known, betas=params.betas.copy(), times=params.times.copy())
        chain = Chain(changed)
        expected = chain.sample(40, 2)
        x = standard_normal(5, 3, 2, dtype=np.float32)  # a dtype that the chain is asked for later
        single = Chain(changed).run(x, 2)
        for array in (*known, changed.betas, changed.times):
            if isinstance(array, np.ndarray):
                array[...] = 7
        np.testing.assert_array_equal(chain.sample(40, 2), expected)
        np.testing.assert_array_equal(chain.sample(2, 2), expected[:2])
        np.testing.assert_array_equal(chain.run(x, 2), single)


def test_rows_do_not_depend_on_the_batch(dtype: Dtype) -> None:
    """By units or rows in the lanes, cut anywhere, on threads."""
    params = ddpm.random_params(7, 1, steps=6, width=21, dtype=dtype)
    whole = ddpm.sample(150, params, 4)
    for count in (1, 2, 3, 5, 6, 7, 16, 17, 33, 65):
        np.testing.assert_array_equal(ddpm.sample(count, params, 4), whole[:count])
        np.testing.assert_array_equal(ddpm.sample(count, params, 4, first_row=11), whole[11 : 11 + count])
    np.testing.assert_array_equal(ddpm.sample(150, params, 4, threads=2), whole)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_equal_those_of_pytorch(activation: str, dtype: Dtype) -> None:
    """One step that returns what the network does, with time and context; one to four hidden layers."""
    torch = pytest.importorskip("torch")
    names = {"relu": "ReLU", "tanh": "Tanh", "elu": "ELU", "silu": "SiLU", "leaky_relu": "LeakyReLU"}
    cls = getattr(
        torch.nn,
        {**names, "gelu": "GELU", "selu": "SELU", "softplus": "Softplus", "sigmoid": "Sigmoid"}[activation],
    )
    real = getattr(torch, dtype.name)
    for depth in (1, 2, 4):
        model = random_perceptron(5, depth, depth=depth, width=19, activation=activation, dtype=dtype)
        wide = np.concatenate([model.weight_in, 0.1 * model.weight_in[:, :2]], 1)
        model = model._replace(weight_in=wide)
        weights = [wide, *model.weight_hidden, model.weight_out]
        biases = [*model.bias_hidden, model.bias_out]
        layers: list[Any] = []
        for weight, bias in zip(weights, biases, strict=True):
            linear = torch.nn.Linear(*weight.shape[::-1], dtype=real)
            linear.weight.data, linear.bias.data = torch.tensor(weight), torch.tensor(bias)
            layers += [linear, cls()]
        x, context = 2 * standard_normal(33, 5, 1, dtype=dtype), np.array([0.3, -0.8])
        angles = 7.0 * model.frequencies.astype(float)
        added = np.concatenate([np.sin(angles), np.cos(angles), context]).astype(dtype)
        inputs = torch.tensor(np.concatenate([x, np.broadcast_to(added, (33, added.size))], 1))
        expected = torch.nn.Sequential(*layers[:-1])(inputs).detach().numpy()
        params = ddim.Params(model, np.array([0.5]), np.array([7.0]), "x0")  # one step from t = 1: to x_0
        for count in (1, 33):
            result = ddim.run(x[:count], params, 1, context=context)
            scale = np.abs(expected).max()
            assert np.abs(result - expected[:count]).max() <= 200 * np.finfo(dtype).eps * scale


SCHEDULERS = {"leading": 0, "trailing": 1}


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("spacing", SCHEDULERS)
def test_ddim_walks_as_diffusers_does(spacing: str, prediction: str, clip: float | None) -> None:
    """With eta 0 and 1, from the same noise; diffusers computes in float32 tables."""
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    names = {"epsilon": "epsilon", "v": "v_prediction"}
    scheduler = diffusers.DDIMScheduler(
        1000, prediction_type=names[prediction], clip_sample=clip is not None, clip_sample_range=clip or 1.0,
        timestep_spacing=spacing, set_alpha_to_one=True,
    )  # fmt: skip
    scheduler.set_timesteps(10)
    betas, slope = np.asarray(scheduler.betas, float), 0.3
    model = constant(0.0, betas).model._replace(bias_hidden=np.array([[0.4]]), weight_out=np.array([[slope]]))
    model = model._replace(weight_in=np.array([[1.0]]), activation="tanh")
    params = ddim.Params(model, betas, np.arange(1000.0), prediction)
    for eta in (0.0, 1.0):
        start = standard_normal(6, 1, 5)
        state = torch.tensor(start)
        for t in scheduler.timesteps:
            noise = torch.tensor(standard_normal(6, 1, 5, stream=int(t) + 1)) if eta else None
            output = slope * torch.tanh(state + 0.4)
            state = scheduler.step(output, t, state, eta=eta, variance_noise=noise).prev_sample
        result = ddim.run(start, params, 5, steps=10, spacing=spacing, eta=eta, limit=clip, clip="keep")
        np.testing.assert_allclose(result, state.numpy(), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"betas": np.array([0.1, 1.0])}, {}, ValueError, r"betas: expected values above 0 and below 1"),
        ({"betas": np.empty(0)}, {}, ValueError, r"betas: expected at least 1 step, got none"),
        ({"prediction": "noise"}, {}, ValueError, r"params.prediction: expected one of epsilon, x0, v"),
        ({"times": np.zeros(3)}, {}, ValueError, r"params.times: expected shape \(100,\), got \(3,\)"),
        ({"model": None}, {}, TypeError, r"params.model: expected a Perceptron or Gaussian, got None"),
        ({}, {"steps": 0}, ValueError, r"steps: expected .*1.*100.*got 0"),
        ({}, {"steps": 101}, ValueError, r"steps: expected .*1.*100.*got 101"),
        ({}, {"spacing": "even"}, ValueError, r"spacing: expected one of leading, trailing, linspace"),
        ({}, {"limit": 0.0}, ValueError, r"limit: expected a positive finite number, got 0.0"),
        ({}, {"context": np.ones(2)}, ValueError, r"context: .*|model.weight_in: expected shape \(9, 37\)"),
        ({}, {"eta": 1.5}, ValueError, r"eta: expected 0 to 1, got 1.5"),
        ({}, {"eta": math.nan}, ValueError, r"eta: expected 0 to 1, got nan"),
        ({}, {"clip": "none"}, ValueError, r"clip: expected one of rederive, keep, got 'none'"),
        ({}, {"variance": "beta"}, TypeError, r"options: expected of steps, spacing, eta, .*, got variance"),
    ],
)
def test_wrong_input_is_named(change: Any, options: Any, error: type[Exception], message: str) -> None:
    params = ddim.Params(*ddpm.random_params(3, 1, width=9))._replace(**change)
    with pytest.raises(error, match=f"^({message})"):
        ddim.sample(2, params, 1, **options)


def test_networks_that_do_not_fit_are_named() -> None:
    params = ddpm.random_params(3, 1, width=9)
    model = params.model
    wrong = {
        "weight_in": (
            model.weight_in[:, 1:],
            r"model.weight_in: expected shape \(9, 35\), got \(9, 34\) \(",
        ),
        "weight_hidden": (model.weight_hidden[1:], r"model.weight_hidden: expected shape \(2, 9, 9\)"),
        "frequencies": (np.empty(0), r"model.frequencies: expected at least 1"),
        "activation": ("mish", r"model.activation: expected one of relu, .*, got 'mish'"),
        "embedding": ("sine", r"model.embedding: expected one of none, time, waves, got 'sine'"),
    }
    for field, (value, message) in wrong.items():
        with pytest.raises(ValueError, match=f"^{message}"):
            ddpm.sample(2, params._replace(model=model._replace(**{field: value})), 1)
    with pytest.raises(ValueError, match=r"^x has 4 columns, the chain is for D = 3$"):
        ddpm.run(np.zeros((2, 4)), params, 1)
    with pytest.raises(TypeError, match=r"^params: expected ddpm.Params, got "):
        ddpm.sample(2, ddim.Params(*params), 1)
    with pytest.raises(TypeError, match=r"^params: expected Params of a family of chains, got int 3$"):
        Chain(3)


@pytest.mark.parametrize("options", [{}, {"eta": 0.5, "limit": 1.0}, {"steps": 70}])
def test_sweeps_that_change_nothing_have_the_bits_of_steps(options: dict[str, Any], dtype: Dtype) -> None:
    """Picard's iteration over windows of 64 or 32 steps."""
    params = ddim.Params(*ddpm.random_params(6, 1, width=17, dtype=dtype))
    chain, x = Chain(params, **options), standard_normal(4, 6, 2, dtype=dtype)
    expected = chain.run(x, 3)
    states, sweeps = chain.picard(x, 3, tolerance=1e-30)
    np.testing.assert_array_equal(states, expected)
    assert sweeps.max() < chain.length
    states, fewer = chain.picard(x, 3, tolerance=1e-3)
    assert np.abs(states - expected).max() < 1e-2
    assert (fewer < sweeps).all()


def test_sweeps_end_where_states_are_not_finite() -> None:
    params = ddim.Params(*ddpm.random_params(3, 1, width=9))
    x = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [0.1, 0, 0]])
    states, sweeps = Chain(params, steps=40).picard(x, 3)
    np.testing.assert_array_equal(np.isnan(states[0]), True)
    np.testing.assert_allclose(states[2], ddim.run(x[2:], params, 3, steps=40)[0], rtol=1e-9)
    assert sweeps.max() <= 40


@pytest.mark.parametrize("family", [ddpm, ddim])
def test_a_scan_is_the_chain_of_a_linear_model(family: Any, dtype: Dtype) -> None:
    model = ddpm.Gaussian(np.linspace(-1, 1, 5).astype(dtype), np.linspace(0.2, 1.5, 5).astype(dtype))
    params = gaussian(family=family)._replace(model=model)
    options = {"eta": 0.7, "steps": 50} if family is ddim else {}
    x = standard_normal(100, 5, 2, dtype=dtype)
    expected = family.run(x, params, 3, **options)
    result = family.run(x, params, 3, strategy="scan", **options)
    np.testing.assert_allclose(result, expected, rtol=0, atol=200 * np.finfo(dtype).eps)


def test_sample_is_run_from_normals_for_every_strategy() -> None:
    linear, network = (
        Chain(gaussian(), steps=20),
        Chain(ddim.Params(*ddpm.random_params(3, 1, width=9)), steps=20),
    )
    for chain, strategy in ((linear, "steps"), (linear, "scan"), (network, "steps"), (network, "picard")):
        start = standard_normal(5, chain.dim, 7, first_row=2, dtype=chain.dtype)
        expected = chain.run(start, 7, strategy=strategy, first_row=2)
        sample = chain.sample(5, 7, strategy=strategy, first_row=2)
        assert sample.tobytes() == expected.tobytes(), strategy
    with pytest.raises(ValueError, match=r"^strategy: expected one of steps, .*, scan, got 'all'$"):
        linear.sample(1, 7, strategy="all")
    out = np.full((2, 3), 7.0)
    with pytest.raises(ValueError, match=r"^strategy: scan needs a Gaussian as model"):
        network.sample(2, 7, strategy="scan", out=out)
    with pytest.raises(ValueError, match=r"^picard: expected a Perceptron as model"):
        linear.sample(1, 7, strategy="picard")
    assert (out == 7).all()


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
def test_few_rows_of_a_large_network_take_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part for each row, with the same bits; where all rows are one part no thread is woken."""
    network = ddim.Params(*ddpm.random_params(8, 1, depth=2, width=300, dtype=np.float32))
    chain, x = Chain(network, steps=40), standard_normal(3, 8, 1, dtype=np.float32)
    expected, (states, _) = chain.run(x, 1), chain.picard(x, 1)
    parts: list[tuple[int, int]] = []
    plain = rows._outcome

    def noted(work: Any, lo: int, hi: int) -> Any:
        parts.append((lo, hi))
        return plain(work, lo, hi)

    monkeypatch.setattr(rows, "_outcome", noted)
    assert chain.run(x, 1, threads=2).tobytes() == expected.tobytes()
    assert sorted(parts) == [(0, 1), (1, 2), (2, 3)]
    assert chain.picard(x, 1, threads=2)[0].tobytes() == states.tobytes()
    assert sorted(parts) == sorted(2 * [(0, 1), (1, 2), (2, 3)])
    monkeypatch.setattr(rows, "_pool", lambda: pytest.fail("a thread was woken"))
    many = standard_normal(60, 8, 1, dtype=np.float32)
    assert chain.run(many, 1, threads=2).tobytes() == chain.run(many, 1).tobytes()


def test_strategies_that_do_not_fit_are_refused_by_name() -> None:
    network = ddim.Params(*ddpm.random_params(3, 1, width=9))
    with pytest.raises(ValueError, match=r"^strategy: scan needs a Gaussian as model"):
        ddim.run(np.zeros((1, 3)), network, 1, strategy="scan")
    with pytest.raises(ValueError, match=r"^picard: expected a Perceptron as model"):
        ddim.run(np.zeros((1, 1)), gaussian(), 1, strategy="picard")
    with pytest.raises(ValueError, match=r"^tolerance: expected a positive finite number, got 0.0$"):
        Chain(network).picard(np.zeros((1, 3)), 1, tolerance=0.0)
    with pytest.raises(ValueError, match=r"^strategy: expected one of steps, .*, scan, got 'jacobi'$"):
        ddim.run(np.zeros((1, 3)), network, 1, strategy="jacobi")
