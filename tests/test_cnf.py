"""Continuous flows: known figures, SciPy's solver, Jacobians by differences, and what a row depends on."""

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from bits import assert_same_bits
from seqgap.bench.model.case import Dtype
from seqgap.kernels import cnf
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
