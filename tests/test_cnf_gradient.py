"""Gradients of continuous flows: known figures, mpmath, differences of fourth order, the adjoint's error."""

import functools
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from bits import assert_same_bits
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import plain_value
from seqgap.kernels import cnf
from seqgap.kernels._nets.curves import CURVES
from seqgap.kernels._nets.mlp import ACTIVATIONS
from seqgap.kernels._nets.reverse import arrays_of
from seqgap.kernels.normal import standard_normal
from seqgap.reference import cnf as reference

FIXED = tuple(cnf.METHODS)
BENT = ("relu", "elu", "leaky_relu", "selu")  # at 0, where differences across it are wrong
COLUMNS = {"none": 0, "time": 1, "waves": 4}  # of the time, by embedding


def field(
    dim: int = 3, depth: int = 2, width: int = 5, embedding: str = "time", **options: Any
) -> cnf.Params:
    """Weights of normals, of a size at which steps bend."""
    params = cnf.random_params(dim, 5, depth=depth, width=width)
    waves = np.array([1.0, 2.5] if embedding == "waves" else [])
    fields = {"weight_in": 0.7 * standard_normal(width, dim + COLUMNS[embedding], 7), "frequencies": waves}
    return params._replace(**{"method": "rk4", "steps": 3, **fields, "embedding": embedding, **options})


def tanh_field(**options: Any) -> cnf.Params:
    """Two features, three units, and the time as one more input."""
    weight_in = np.array([[0.8, -0.5, 0.5], [0.3, 0.9, -0.3], [-1.1, 0.4, 0.2]])
    weight_out = np.array([[0.7, -0.6, 0.4], [0.5, 0.8, -0.9]])
    own = weight_in, np.empty((0, 3, 3)), weight_out, np.array([[0.1, -0.2, 0.05]]), np.array([0.05, -0.1])
    return cnf.Params(*own, np.empty(0), "tanh", "time", **options)


def arrays(params: cnf.Params) -> dict[str, Any]:
    return arrays_of(params.model)


def flat(gradient: cnf.Gradient) -> Any:
    """All numbers of a gradient, one after the other."""
    return np.concatenate([np.ravel(a) for a in (gradient.z, *arrays(gradient.params).values())])


def moved(z: Any, params: cnf.Params, step: Any) -> tuple[Any, cnf.Params]:
    """z and params with the numbers of a step added, laid out as in `flat`."""
    numbers = {"z": z, **arrays(params)}
    parts = np.split(step, np.cumsum([a.size for a in numbers.values()])[:-1])
    numbers = {
        name: a + part.reshape(a.shape) for (name, a), part in zip(numbers.items(), parts, strict=True)
    }
    return numbers.pop("z"), params._replace(**numbers)


def slope(of: Callable[[Any, cnf.Params], Any], z: Any, params: cnf.Params, way: Any, h: float) -> float:
    """The derivative of a number along a way, by differences of fourth order."""

    def at(part: float) -> float:
        return float(of(*moved(z, params, part * way)))

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def steady_slope(of: Callable[[Any, cnf.Params], Any], z: Any, params: cnf.Params, way: Any) -> float | None:
    """The derivative; None where differences of several lengths are not the same, across a bend say."""
    h = 1e-5 if params.activation in BENT else 1e-4
    first, second, third = (slope(of, z, params, way, h * part) for part in (1, 1.5, 2.5))
    steady = max(abs(second - first), abs(third - first)) < 3e-10 * abs(first)
    return first if steady else None


def weighted(of_x: Any, of_log_det: Any, solved: Any, z: Any, params: cnf.Params) -> Any:
    """A number whose derivatives for x and log_det are these; solved: forward or inverse."""
    x, log_det = solved(z, params)
    return np.sum(of_x * x) + (0 if of_log_det is None else np.sum(of_log_det * log_det))


def test_known_figures() -> None:
    """|x|^2 / 2: the adjoint in 4 steps, which is off, and both in 400."""
    z = np.array([[0.5, -1.0]])
    params = tanh_field(method="rk4", steps=4)
    x, _ = cnf.forward(z, params)
    found = cnf.gradient(z, params, x, by="adjoint")
    np.testing.assert_allclose(found.z[0], [0.657480350329, -0.937396374772], rtol=1e-11)
    for by, steps in (("steps", 400), ("adjoint", 400)):
        params = tanh_field(method="rk4", steps=steps)
        found = cnf.gradient(z, params, cnf.forward(z, params)[0], by=by)
        np.testing.assert_allclose(found.z[0], [0.657472279784, -0.937404868218], rtol=1e-9)
        known = [0.0524660941999, -0.676626444382, 0.375689732683]
        np.testing.assert_allclose(found.params.bias_hidden[0], known, rtol=1e-9)


def _matrix(array: Any) -> Any:
    return mpmath.matrix(array.tolist())


def _precise_field(params: cnf.Params, z: Any, t: Any) -> tuple[Any, Any]:
    """f and the trace of the whole Jacobian, by mpmath; silu or tanh."""
    curve = {"tanh": mpmath.tanh, "silu": lambda u: u / (1 + mpmath.exp(-u))}[params.activation]
    waves = [w * t for w in params.frequencies]
    times = {"none": [], "time": [t], "waves": [*map(mpmath.sin, waves), *map(mpmath.cos, waves)]}
    units, jacobian = mpmath.matrix([*z, *times[params.embedding]]), mpmath.eye(len(z))
    for weight, bias in zip([params.weight_in, *params.weight_hidden], params.bias_hidden, strict=True):
        matrix = mpmath.matrix(weight)
        sums = matrix * units + mpmath.matrix(bias)
        jacobian = mpmath.diag([mpmath.diff(curve, u) for u in sums]) * matrix[:, : jacobian.rows] * jacobian
        units = sums.apply(curve)
    out = mpmath.matrix(params.weight_out)
    trace = out * jacobian
    return out * units + mpmath.matrix(params.bias_out), sum(trace[d, d] for d in range(len(z)))


def _precise_rk4(f: Any, y: Any, t: Any, h: Any) -> Any:
    k1 = f(y, t)
    k2 = f(y + h / 2 * k1, t + h / 2)
    k3 = f(y + h / 2 * k2, t + h / 2)
    k4 = f(y + h * k3, t + h)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _precise_heun(f: Any, y: Any, t: Any, h: Any) -> Any:
    k1 = f(y, t)
    return y + h / 2 * (k1 + f(y + h * k1, t + h))


def _precise(z: Any, params: cnf.Params) -> tuple[Any, Any]:
    """x and log_det of one row, solved together by an RK4 or a Heun of its own; numbers of mpmath."""

    def f(y: Any, t: Any) -> Any:
        slope, trace = _precise_field(params, list(y[: len(z[0])]), t)
        return mpmath.matrix([*slope, trace])

    step = {"rk4": _precise_rk4, "heun": _precise_heun}[params.method]
    h, t, y = mpmath.mpf(1) / params.steps, mpmath.mpf(0), mpmath.matrix([*z[0], 0])
    for _ in range(params.steps):
        y, t = step(f, y, t, h), t + h
    return np.array([list(y[: len(z[0])])]), np.array([y[len(z[0])]])


@pytest.mark.parametrize("method", ["rk4", "heun"])
@pytest.mark.parametrize(("activation", "embedding"), [("tanh", "time"), ("silu", "waves")])
def test_every_number_against_mpmath(method: str, activation: str, embedding: str) -> None:
    """Central differences of a step of 1e-15 in 40 digits, which are right to 25."""
    params = field(2, 2, 3, embedding, method=method, steps=2, activation=activation)
    z, of_x, of_log_det = np.array([[0.5, -1.0]]), np.array([[0.7, -0.4]]), np.array([1.3])
    found = flat(cnf.gradient(z, params, of_x, of_log_det))
    with mpmath.workdps(40):
        exact = np.vectorize(mpmath.mpf, otypes=[object])
        precise = params._replace(**{n: exact(a) if a.size else a for n, a in arrays(params).items()})
        of = functools.partial(weighted, exact(of_x), exact(of_log_det), _precise)
        h, expected = mpmath.mpf(10) ** -15, []
        for way in np.eye(len(found)):
            up, down = (of(*moved(exact(z), precise, sign * h * exact(way))) for sign in (1, -1))
            expected.append(float((up - down) / (2 * h)))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("method", FIXED)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("embedding", COLUMNS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_differences_of_fourth_order(method: str, depth: int, embedding: str, activation: str) -> None:
    """Along a way in which z and every parameter move; base at either end of time, and either direction."""
    for base_at, inverse in ((0, False), (1, True), (1, False)):
        params = field(3, depth, 5, embedding, method=method, activation=activation, base_at=base_at)
        of_x, solved = standard_normal(2, 3, 2), cnf.inverse if inverse else cnf.forward
        for of_log_det in (None, np.array([1.3, -0.6])):
            of, seeds = functools.partial(weighted, of_x, of_log_det, solved), iter(range(10, 20))
            expected = None
            while expected is None:
                z = standard_normal(2, 3, next(seeds))
                found = flat(cnf.gradient(z, params, of_x, of_log_det, inverse=inverse))
                way = standard_normal(1, len(found), 3)[0]
                expected = steady_slope(of, z, params, way)
            assert found @ way == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_curves_against_mpmath(activation: str) -> None:
    """Slopes and bends as differences of the values, away from where they jump."""
    exp, curve = mpmath.exp, CURVES[activation]
    leak, scale, alpha = (
        mpmath.mpf("0.01"),
        mpmath.mpf("1.0507009873554805"),
        mpmath.mpf("1.6732632423543772"),
    )
    precise: dict[str, Any] = {
        "relu": lambda u: max(u, 0 * u),
        "tanh": mpmath.tanh,
        "elu": lambda u: u if u > 0 else mpmath.expm1(u),
        "silu": lambda u: u / (1 + exp(-u)),
        "leaky_relu": lambda u: u if u > 0 else leak * u,
        "gelu": lambda u: u / 2 * mpmath.erfc(-u / mpmath.sqrt(2)),
        "selu": lambda u: scale * (u if u > 0 else alpha * mpmath.expm1(u)),
        "softplus": lambda u: u if u > 20 else mpmath.log1p(exp(u)),
        "sigmoid": lambda u: 1 / (1 + exp(-u)),
    }
    at = np.array([-30.0, -3.1, -0.7, -1e-3, 1e-3, 0.4, 2.6, 19.9, 20.1, 35.0])
    with mpmath.workdps(60):
        for order, found in enumerate(curve(at)):
            expected = [float(mpmath.diff(precise[activation], u, order)) for u in at]
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_every_activation_has_a_curve() -> None:
    assert tuple(CURVES) == ACTIVATIONS


@pytest.mark.parametrize(
    ("method", "order"), [("euler", 1), ("midpoint", 2), ("heun", 3), ("rk4", 4), ("rk4_38", 4)]
)
def test_the_adjoint_is_off_by_the_order_of_the_method(method: str, order: int) -> None:
    """Twice the steps, 2**order times less between the two, in every part of the gradient.

    Of Heun's method one order more, since what a step forth is off by a step back takes away.
    """
    z, of_x, of_log_det = standard_normal(4, 3, 1), standard_normal(4, 3, 2), np.array([0.3, -1, 2, 0.5])

    def apart(steps: int) -> Any:
        params = field(embedding="waves", method=method, steps=steps)
        ways = (cnf.gradient(z, params, of_x, of_log_det, by=by) for by in ("steps", "adjoint"))
        exact, adjoint = ({"z": g.z, **arrays(g.params)} for g in ways)
        return np.array([np.linalg.norm(exact[name] - adjoint[name]) for name in exact])

    few, many = apart(32), apart(64)
    assert few.min() > 1e-11
    np.testing.assert_allclose(np.log2(few / many), order, atol=0.25)


@pytest.mark.parametrize("base_at", [0, 1])
def test_the_mean_of_log_prob(base_at: int) -> None:
    """What gradient ascent takes, by `inverse`."""
    params = field(depth=2, base_at=base_at)
    x = standard_normal(20, 3, 4)
    latent, _ = cnf.inverse(x, params)
    found = flat(cnf.gradient(x, params, -latent / 20, np.full(20, 1 / 20), inverse=True))
    for seed in (5, 6, 7):
        way = standard_normal(1, len(found), seed)[0]
        expected = slope(lambda x, params: cnf.log_prob(x, params).mean(), x, params, way, 1e-4)
        assert found @ way == pytest.approx(expected, rel=1e-9)
    uphill = params._replace(
        **{
            n: a + 0.01 * found_a
            for (n, a), found_a in zip(arrays(params).items(), _parts(found, x, params), strict=True)
        }
    )
    assert cnf.log_prob(x, uphill).mean() > cnf.log_prob(x, params).mean()


def _parts(found: Any, x: Any, params: cnf.Params) -> list[Any]:
    """Those of the arrays of the parameters."""
    return list(
        arrays(moved(x, params._replace(**{n: 0 * a for n, a in arrays(params).items()}), found)[1]).values()
    )


@pytest.mark.parametrize("method", FIXED)
@pytest.mark.parametrize("embedding", COLUMNS)
@pytest.mark.parametrize("inverse", [False, True])
def test_the_reference_by_differences(method: str, embedding: str, inverse: bool) -> None:
    """Either way, with base at time 1 and with a log_det that counts or does not."""
    for by in ("steps", "adjoint"):
        params = field(2, 2, 3, embedding, method=method, steps=2, base_at=1)
        z, of_x = standard_normal(2, 2, 1), standard_normal(2, 2, 2)
        for of_log_det in (None, np.array([0.4, -1.2])):
            arguments, options = (z, params, of_x, of_log_det), {"by": by, "inverse": inverse}
            expected = reference.gradient(*map(plain_value, arguments), **options)
            found = cnf.gradient(*arguments, **options)
            assert difference(found, expected, 1e-9, z.dtype).used < 1


@pytest.mark.parametrize("by", ["steps", "adjoint"])
def test_float32_is_float64_rounded(by: str) -> None:
    params = field(embedding="waves")
    small = params._replace(**{name: a.astype(np.float32) for name, a in arrays(params).items()})
    wide = small._replace(**{name: a.astype(float) for name, a in arrays(small).items()})
    z, of_x = standard_normal(3, 3, 1, dtype=np.dtype(np.float32)), standard_normal(3, 3, 2)
    found = cnf.gradient(z, small, of_x, np.ones(3), by=by)
    expected = cnf.gradient(z.astype(float), wide, of_x, np.ones(3), by=by)
    assert_same_bits(found.z, expected.z.astype(np.float32))
    for name, array in arrays(expected.params).items():
        assert_same_bits(getattr(found.params, name), array.astype(np.float32))
    assert cnf.gradient(z, wide, of_x).params.dtype == np.float64


def test_what_is_no_array_stays_and_inputs_are_left_alone() -> None:
    params, z, of_x = field(steps=7, base_at=1), standard_normal(3, 3, 1), standard_normal(3, 3, 2)
    before = flat(cnf.Gradient(z.copy(), params._replace(**{n: a.copy() for n, a in arrays(params).items()})))
    found = cnf.gradient(z, params, of_x, np.ones(3)).params
    assert found[6:] == params[6:]
    np.testing.assert_array_equal(flat(cnf.Gradient(z, params)), before)


@pytest.mark.parametrize("by", ["steps", "adjoint"])
def test_rows_that_are_not_finite_and_no_rows(by: str) -> None:
    params, z, of_x = field(), standard_normal(5, 3, 1), standard_normal(5, 3, 2)
    clean = cnf.gradient(z, params, of_x, np.ones(5), by=by)
    z[1, 0], z[3, 2] = np.nan, np.inf
    found = cnf.gradient(z, params, of_x, np.ones(5), by=by)
    np.testing.assert_allclose(found.z[[0, 2, 4]], clean.z[[0, 2, 4]], rtol=1e-12)
    assert np.isnan(found.z[[1, 3]]).any(axis=1).all()
    assert np.isnan(found.params.weight_in).all()
    none = cnf.gradient(z[:0], params, of_x[:0], np.ones(0), by=by)
    assert none.z.shape == (0, 3)
    assert not any(array.any() for array in arrays(none.params).values())


WRONG: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (
        ValueError,
        r"params\.method: expected one of euler, .*got 'dopri5'",
        {"params": field(method="dopri5")},
    ),
    (
        ValueError,
        r"params\.weight_context: expected None",
        {"params": field(weight_context=np.zeros((5, 2)))},
    ),
    (TypeError, r"params: expected cnf\.Params, got", {"params": tuple(field())}),
    (ValueError, r"params\.steps: expected", {"params": field(steps=0)}),
    (ValueError, r"params\.base_at: expected", {"params": field(base_at=2)}),
    (ValueError, r"weight_out: expected shape", {"params": field(weight_out=np.zeros((3, 4)))}),
    (ValueError, "z has 2 columns, params are for D = 3", {"z": np.zeros((4, 2))}),
    (ValueError, "z: expected 2 dimensions", {"z": np.zeros(3)}),
    (ValueError, r"of_x: expected shape \(4, 3\), got \(3,\)", {"of_x": np.zeros(3)}),
    (TypeError, "of_x: expected float32", {"of_x": np.full((4, 3), "a")}),
    (ValueError, r"of_log_det: expected shape \(4,\), got \(4, 1\)", {"of_log_det": np.zeros((4, 1))}),
    (ValueError, "by: expected one of steps, adjoint, got 'backprop'", {"by": "backprop"}),
    (TypeError, "by: expected", {"by": None}),
    (TypeError, "inverse: expected True or False, got int 1", {"inverse": 1}),
]


@pytest.mark.parametrize(("error", "message", "wrong"), WRONG)
def test_wrong_arguments(error: type[Exception], message: str, wrong: dict[str, Any]) -> None:
    arguments = {"z": np.zeros((4, 3)), "params": field(), "of_x": np.zeros((4, 3)), **wrong}
    with pytest.raises(error, match=message):
        cnf.gradient(**arguments)
