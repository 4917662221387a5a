"""Continuous flows: known figures, SciPy's solver, Jacobians by differences, and what a row depends on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype
from seqgap.kernels import cnf
from seqgap.kernels.interop import Flow, from_torch_mlp
from seqgap.kernels.normal import standard_normal

FIXED = tuple(cnf.METHODS)
EMBEDDINGS = ("none", "time", "waves")


def tanh_field(**options: Any) -> cnf.Params:
    """Two features, three units, and the time as one more input."""
    weight_in = np.array([[0.8, -0.5, 0.5], [0.3, 0.9, -0.3], [-1.1, 0.4, 0.2]])
    weight_out = np.array([[0.7, -0.6, 0.4], [0.5, 0.8, -0.9]])
    own = weight_in, np.empty((0, 3, 3)), weight_out, np.array([[0.1, -0.2, 0.05]]), np.array([0.05, -0.1])
    return cnf.Params(*own, np.empty(0), "tanh", "time", **options)


def minus_z(**options: Any) -> cnf.Params:
    """dz/dt = -z, by units of relu of either sign."""
    weight_in, weight_out = np.vstack([np.eye(2), -np.eye(2)]), np.hstack([-np.eye(2), np.eye(2)])
    own = weight_in, np.empty((0, 4, 4)), weight_out, np.zeros((1, 4)), np.zeros(2), np.empty(0)
    return cnf.Params(*own, "relu", "none", **options)


def random_field(depth: int, embedding: str, dtype: Any = np.float64, **options: Any) -> cnf.Params:
    """Three features, nine units."""
    of_time = {"none": 0, "time": 1, "waves": 4}[embedding]
    params = cnf.random_params(3, 5, depth=depth, width=9, dtype=dtype)
    weight_in = (0.5 * standard_normal(9, 3 + of_time, 7)).astype(dtype)
    frequencies = np.array([1.0, 2.5] if embedding == "waves" else [], dtype)
    return params._replace(weight_in=weight_in, embedding=embedding, frequencies=frequencies, **options)


def velocity(params: cnf.Params, z: Any, t: float) -> Any:
    """f of one state, by NumPy; silu."""
    waves = np.outer(np.atleast_1d(t), params.frequencies).ravel()
    seen = {"none": [], "time": [t], "waves": [*np.sin(waves), *np.cos(waves)]}[params.embedding]
    units = np.concatenate([z, seen])
    for weight, bias in zip([params.weight_in, *params.weight_hidden], params.bias_hidden, strict=True):
        sums = weight @ units + bias
        units = sums / (1 + np.exp(-sums))
    return params.weight_out @ units + params.bias_out


KNOWN = {
    "euler": [0.31640625, 0.158203125],
    "midpoint": [0.3725290298461914, 0.1862645149230957],
    "heun": [0.3725290298461914, 0.1862645149230957],
    "rk4": [0.367894199407, 0.183947099703],
    "rk4_38": [0.367894199407, 0.183947099703],
    "dormand_prince": [0.367879591495136, 0.183939795747568],
}


@pytest.mark.parametrize("method", FIXED)
def test_four_steps_of_a_linear_field(method: str) -> None:
    x, log_det = cnf.forward(np.array([[1.0, 0.5]]), minus_z(method=method, steps=4))
    np.testing.assert_allclose(x[0], KNOWN[method], rtol=1e-11)
    np.testing.assert_allclose(log_det, -2, rtol=1e-14)


def test_known_figures() -> None:
    """RK4 in 10 and in 1000 steps; log p of where it ends."""
    z = np.array([[0.5, -1.0]])
    x, log_det = cnf.forward(z, tanh_field(method="rk4", steps=10))
    np.testing.assert_allclose(
        [*x[0], *log_det], [1.23174601405, -0.452483882078, 0.0980953022095], rtol=1e-10
    )
    params = tanh_field(method="rk4", steps=1000)
    x, log_det = cnf.forward(z, params)
    np.testing.assert_allclose(
        [*x[0], *log_det], [1.23174604369, -0.452483914247, 0.0980953342839], rtol=1e-11
    )
    np.testing.assert_allclose(cnf.log_prob(x, params), -2.56097240069, rtol=1e-11)
    exact = cnf.forward(np.array([[1.0, 0.5]]), minus_z(relative_tolerance=1e-10, absolute_tolerance=1e-12))
    np.testing.assert_allclose(exact[0][0], [0.36787944117, 0.18393972059], rtol=1e-9)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("base_at", [0, 1])
def test_against_scipy(depth: int, embedding: str, base_at: int) -> None:
    """States by solve_ivp, at tight tolerances; log_det by differences of the map."""
    params = random_field(
        depth, embedding, base_at=base_at, relative_tolerance=1e-9, absolute_tolerance=1e-10
    )
    z = standard_normal(4, 3, 1)

    def solved(start: Any) -> Any:
        span = (base_at, 1 - base_at)
        result = solve_ivp(lambda t, y: velocity(params, y, t), span, start, "DOP853", rtol=1e-12, atol=1e-13)
        return result.y[:, -1]

    x, log_det = cnf.forward(z, params)
    np.testing.assert_allclose(x, [solved(row) for row in z], rtol=1e-7, atol=1e-8)
    for row, value in zip(z, log_det, strict=True):
        steps = 1e-4 * np.eye(3)
        slopes = [
            (8 * (solved(row + h) - solved(row - h)) - (solved(row + 2 * h) - solved(row - 2 * h))) / 12e-4
            for h in steps
        ]
        np.testing.assert_allclose(value, np.linalg.slogdet(slopes).logabsdet, rtol=1e-6, atol=1e-7)
    back, lost = cnf.inverse(x, params)
    np.testing.assert_allclose(back, z, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(lost, -log_det, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", [*FIXED, "dopri5"])
def test_a_row_depends_on_nothing_else_in_the_batch(method: str, dtype: Dtype) -> None:
    """One row is stiff, one is NaN."""
    params = random_field(2, "time", dtype, method=method)
    z = standard_normal(75, 3, 2, dtype=dtype)
    z[7], z[30, 1] = 40 * z[7], np.nan
    x, log_det = cnf.forward(z, params)
    assert np.isnan(x[30]).all()
    for part in (slice(0, 1), slice(7, 8), slice(3, 20), slice(40, 75)):
        own, own_det = cnf.forward(z[part], params)
        assert_same_bits(own, x[part])
        assert_same_bits(own_det, log_det[part])


def test_too_few_steps_are_an_error() -> None:
    params = random_field(2, "time", max_steps=2)
    with pytest.raises(
        ValueError, match=r"params.max_steps: expected at most 2 steps for each row, got more for rows 0, 1"
    ):
        cnf.forward(20 * standard_normal(5, 3, 1), params)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("method", ["heun", "dopri5"])
def test_samples_have_no_trace_and_the_same_bits(method: str, depth: int, dtype: Dtype) -> None:
    """Few rows go alone, many in tiles, and samples leave the trace out."""
    params = random_field(depth, "waves", dtype, method=method, steps=3)
    x = cnf.forward(standard_normal(75, 3, 4, dtype=dtype), params)[0]
    for count in (1, 2, 9, 75):
        assert_same_bits(cnf.sample(count, params, 4), x[:count])


ACTIVATIONS = ("relu", "tanh", "elu", "silu", "leaky_relu", "gelu", "selu", "softplus", "sigmoid")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_activations_have_the_same_bits_with_slopes_and_without(method: str, activation: str) -> None:
    params = random_field(2, "time", method=method, steps=2)._replace(activation=activation)
    x, log_det = cnf.forward(standard_normal(40, 3, 4), params)
    assert_same_bits(cnf.sample(40, params, 4), x)
    alone, own = cnf.forward(standard_normal(1, 3, 4), params)
    assert_same_bits(alone, x[:1])
    assert_same_bits(own, log_det[:1])


def test_evaluations_are_counted() -> None:
    """Against SciPy's count of the same pair with steps of one row; fixed steps have as many each."""
    z = standard_normal(9, 3, 2)
    z[4] *= 30
    tight = random_field(2, "time")._replace(relative_tolerance=1e-5, absolute_tolerance=1e-5)
    solution = cnf.solve(z, tight)
    assert_same_bits(solution.states, cnf.forward(z, tight)[0])
    assert_same_bits(solution.log_det, cnf.forward(z, tight)[1])
    alone = [int(cnf.solve(row[None], tight).evaluations[0]) for row in z]
    assert solution.evaluations.tolist() == alone
    assert solution.evaluations[4] == max(alone) > 2 * min(alone)
    for row, count in zip(z, alone, strict=True):
        theirs = solve_ivp(lambda t, y: velocity(tight, y, t), (0, 1), row, "RK45", rtol=1e-5, atol=1e-5).nfev
        assert abs(theirs - count) <= 0.4 * theirs
    fixed = cnf.solve(z, random_field(2, "time", method="rk4", steps=7), inverse=True)
    assert fixed.evaluations.tolist() == [28] * 9


def test_rows_that_need_too_many_steps_are_named() -> None:
    """Wherever a batch is cut: in chunks, on threads, in a flow."""
    params = random_field(2, "time", np.float32)
    z = standard_normal(60_000, 3, 1, dtype=np.float32)
    z *= np.float32(0.01)
    z[[7, 31_000, 59_990]] = 40 * standard_normal(6, 3, 2, dtype=np.float32)[5]
    z[100] = np.nan
    needed = np.sort(cnf.solve(z, params).evaluations)
    assert needed[-3] > needed[-4]
    params = params._replace(max_steps=int(needed[-4] - 2) // 6)
    flow = Flow(params)
    for call in (cnf.forward, cnf.inverse, cnf.log_prob, lambda *a, **k: flow.log_prob(a[0], **k)):
        for threads in (1, 2):
            with pytest.raises(ValueError, match=r"params.max_steps: expected at most \d+ steps") as caught:
                call(z, params, threads=threads)
            named = [int(number) for number in str(caught.value).rpartition("rows ")[2].split(", ")]
            assert named
            assert set(named) <= {7, 31_000, 59_990}


@pytest.mark.parametrize("noise", cnf.NOISES)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_estimates_of_the_trace(method: str, depth: int, noise: str) -> None:
    """Their mean is exact within its error; a row's probes depend on the seed and its number alone."""
    params = random_field(depth, "waves", method=method, steps=8)
    x = standard_normal(40, 3, 3)
    exact = cnf.log_prob(x, params)
    values = np.array([cnf.estimated_log_prob(x, params, seed, noise=noise) for seed in range(200)])
    error = values.std(0) / np.sqrt(200)
    assert (np.abs(values.mean(0) - exact) < 5 * error + 1e-12).all()
    assert error.min() > 0
    many = cnf.estimated_log_prob(x, params, 5, noise=noise, probes=4)
    part = cnf.estimated_log_prob(x[30:31], params, 5, noise=noise, probes=4, first_row=30)
    assert_same_bits(part, many[30:31])
    assert_same_bits(cnf.estimated_log_prob(x, params, 5, noise=noise, probes=4, threads=2), many)
    averaged = np.array(
        [cnf.estimated_log_prob(x, params, seed, noise=noise, probes=16) for seed in range(200)]
    )
    assert averaged.std(0).mean() == pytest.approx(values.std(0).mean() / 4, rel=0.15)


def test_the_variance_of_probes_is_that_of_the_literature() -> None:
    """One Euler step: 2 sum of S_ij^2 over i != j of signs, over all of normals, and none of signs in 1-D."""
    params = random_field(2, "none", method="euler", steps=1)
    x = standard_normal(1, 3, 3)
    jacobian = np.array(
        [(velocity(params, x[0] + h, 1.0) - velocity(params, x[0] - h, 1.0)) / 2e-6 for h in 1e-6 * np.eye(3)]
    )
    squares = ((jacobian + jacobian.T) / 2) ** 2
    laws = {"rademacher": 2 * (squares.sum() - np.trace(squares)), "gaussian": 2 * squares.sum()}
    for noise, law in laws.items():
        drawn = cnf.estimated_log_prob(np.repeat(x, 40_000, 0), params, 1, noise=noise)
        assert drawn.var() == pytest.approx(law, rel=0.05)
    single = cnf.random_params(1, 2)._replace(method="euler", steps=3)
    x = standard_normal(9, 1, 1)
    np.testing.assert_allclose(cnf.estimated_log_prob(x, single, 4), cnf.log_prob(x, single), rtol=1e-12)


def test_contexts_are_biases_of_the_first_layer() -> None:
    for method in ("rk4", "dopri5"):
        params = random_field(2, "waves", method=method, steps=3)
        weight, contexts = standard_normal(9, 2, 8), standard_normal(70, 2, 9)
        flow, x = Flow(params._replace(weight_context=weight)), standard_normal(70, 3, 1)
        assert flow.context_dim == 2
        density = flow.log_prob(x, context=contexts)
        for row in (0, 33, 69):
            biases = params.bias_hidden.copy()
            biases[0] += weight @ contexts[row]
            own = params._replace(bias_hidden=biases)
            np.testing.assert_allclose(cnf.log_prob(x[row : row + 1], own), density[row], rtol=1e-11)
            assert_same_bits(flow.condition(contexts[row]).log_prob(x[row : row + 1]), density[row : row + 1])
        order = np.arange(70)[::-1].copy()
        assert_same_bits(flow.log_prob(x, context=contexts[::-1].copy(), index=order), density)
        assert_same_bits(flow.log_prob(x, context=contexts, threads=2), density)
    with pytest.raises(
        ValueError, match=r"params.weight_context: expected None, got .*; Flow\(params\) takes"
    ):
        cnf.log_prob(x, params._replace(weight_context=weight))
    with pytest.raises(ValueError, match=r"params.weight_context: expected None"):
        cnf.solve(x, params._replace(weight_context=weight))


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("base_at", [0, 1])
def test_sweeps_have_what_steps_have(base_at: int, depth: int, dtype: Dtype) -> None:
    params = random_field(depth, "time", dtype, method="euler", steps=90, base_at=base_at)
    z = standard_normal(5, 3, 1, dtype=dtype)
    close = {"rtol": 2e-5, "atol": 2e-5} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for swept, stepped in zip(cnf.forward(z, params, strategy="picard"), cnf.forward(z, params), strict=True):
        np.testing.assert_allclose(swept, stepped, **close)
    alone = cnf.forward(z[3:4], params, strategy="picard")[0]
    assert_same_bits(alone, cnf.forward(z, params, strategy="picard")[0][3:4])
    with pytest.raises(
        ValueError, match=r"params.method: expected 'euler' with the strategy picard, got 'rk4'"
    ):
        cnf.forward(z, params._replace(method="rk4"), strategy="picard")
    conditional = Flow(params._replace(weight_context=np.ones((9, 1), dtype)))
    with pytest.raises(ValueError, match="strategy: expected steps for a flow with contexts, got picard"):
        conditional.forward(z, context=np.ones(1), strategy="picard")


def test_files_keep_the_solver(tmp_path: Path) -> None:
    params = random_field(2, "waves", base_at=1, relative_tolerance=1e-4, max_steps=77)
    flow = Flow(params._replace(weight_context=np.ones((9, 1))))
    flow.save(tmp_path / "flow.npz")
    loaded = Flow.load(tmp_path / "flow.npz")
    x = standard_normal(9, 3, 1)
    assert_same_bits(loaded.log_prob(x, context=np.ones(1)), flow.log_prob(x, context=np.ones(1)))
    kept = loaded.params[0]._asdict()
    assert {name: kept[name] for name in ("base_at", "method", "max_steps", "relative_tolerance")} == {
        "base_at": 1, "method": "dopri5", "max_steps": 77, "relative_tolerance": 1e-4,
    }  # fmt: skip


def test_a_torchcfm_network_is_a_velocity() -> None:
    models = pytest.importorskip("torchcfm.models.models")
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    network = models.MLP(dim=2, w=16, time_varying=True).double()
    params = cnf.Params(*from_torch_mlp(network), relative_tolerance=1e-9, absolute_tolerance=1e-10)

    def theirs(t: float, y: Any) -> Any:
        with torch.no_grad():
            return network(torch.tensor([[*y, t]])).numpy()[0]

    z = standard_normal(3, 2, 1)
    for row, x in zip(z, cnf.forward(z, params)[0], strict=True):
        expected = solve_ivp(theirs, (0, 1), row, "DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
        np.testing.assert_allclose(x, expected, rtol=1e-7, atol=1e-8)
