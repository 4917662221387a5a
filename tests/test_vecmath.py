"""exp, log, tanh, sin and cos against mpmath, over their domains and at the edges."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from bits import bits
from seqgap.bench.model.case import Dtype
from seqgap.kernels import normal
from seqgap.kernels._core import vecmath
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.simd import lanes, load, store


def over(function: Any, part: int | None = None) -> Callable[[Any, Any], None]:
    """A loop over `function`, or over one of the two values it returns."""
    if part is None:

        @jit_exact
        def loop(x: Any, y: Any) -> None:
            for i in range(x.shape[0]):
                y[i] = function(x[i])
    else:

        @jit_exact
        def loop(x: Any, y: Any) -> None:
            for i in range(x.shape[0]):
                y[i] = function(x[i])[part]

    return loop


def over_vectors(function: Any) -> Callable[[Any, Any], None]:
    @jit_exact
    def loop(x: Any, y: Any) -> None:
        for i in range(0, x.shape[0], lanes(x)):
            store(y, i, function(load(x, i, None)), None)

    return loop


def tanh(x: Any) -> Any:
    """mpmath's own loses all digits of tiny arguments unless given more."""
    return x if abs(x) < 1e-60 else mpmath.sign(x) * (1 if abs(x) > 400 else mpmath.tanh(abs(x)))


def atanh(x: Any) -> Any:
    """mpmath's own loses all digits of tiny arguments unless given more."""
    return x if abs(x) < 1e-60 else mpmath.atanh(x)


def gelu(x: Any) -> Any:
    """mpmath's erfc overflows far out."""
    return max(x, mpmath.mpf(0)) if abs(x) > 100 else x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


LOOPS = {
    "exp": (over(vecmath.exp), mpmath.exp),
    "exp_normal": (over(vecmath.exp_normal), mpmath.exp),
    "exp_negative": (over(vecmath.exp_negative), mpmath.exp),
    "log": (over(vecmath.log), mpmath.log),
    "log_normal": (over(vecmath.log_normal), mpmath.log),
    "tanh": (over(vecmath.tanh), tanh),
    "atanh": (over(vecmath.atanh), atanh),
    "expm1_negative": (over(vecmath.expm1_negative), mpmath.expm1),
    "sigmoid": (over(vecmath.sigmoid), lambda x: 1 / (1 + mpmath.exp(-x))),
    "softplus": (over(vecmath.softplus), lambda x: mpmath.log1p(mpmath.exp(x))),
    "gelu": (over(vecmath.gelu), gelu),
    "sin_turns": (over(vecmath.sincos_turns, 0), lambda x: mpmath.sinpi(2 * x)),
    "cos_turns": (over(vecmath.sincos_turns, 1), lambda x: mpmath.cospi(2 * x)),
    "sin_one_turn": (over(vecmath.sincos_one_turn, 0), lambda x: mpmath.sinpi(2 * x)),
    "cos_one_turn": (over(vecmath.sincos_one_turn, 1), lambda x: mpmath.cospi(2 * x)),
}


def stated(name: str, dtype: Dtype) -> float:
    """The largest error in the docstring of vecmath."""
    row = re.sub("^(sin|cos)_", "sincos_", name)
    (line,) = [x for x in str(vecmath.__doc__).splitlines() if x.startswith(f"| {row} |")]
    return float(line.split("|")[3 if dtype == np.float64 else 4])


def values(name: str, x: Any) -> Any:
    y = np.empty_like(x)
    LOOPS[name][0](x, y)
    return y


def ulps(name: str, x: Any) -> Any:
    """Errors in units in the last place of the exact value (or of the smallest subnormal)."""
    found = []
    with mpmath.workprec(200):
        for argument, value in zip(x.tolist(), values(name, x).tolist(), strict=True):
            true = LOOPS[name][1](mpmath.mpf(argument))
            unit = float(np.spacing(x.dtype.type(abs(float(true)))))
            found.append(float(abs(mpmath.mpf(value) - true) / unit))
    return np.array(found)


def points(dtype: Dtype, low: float, high: float, count: int = 3000) -> Any:
    return np.random.default_rng(1).uniform(low, high, count).astype(dtype)


def patterns(dtype: Dtype, count: int = 3000) -> Any:
    """Random bits: every exponent alike, subnormals among them, both signs; finite."""
    unsigned = np.uint64 if dtype == np.float64 else np.uint32
    x = (
        np.random.default_rng(2)
        .integers(0, np.iinfo(unsigned).max, count, unsigned, endpoint=True)
        .view(dtype)
    )
    subnormal = np.random.default_rng(3).uniform(-1, 1, 100).astype(dtype) * np.finfo(dtype).tiny
    found = np.concatenate([x, subnormal])
    return found[np.isfinite(found)]


def where_exp_is_finite(dtype: Dtype) -> Any:
    low, high = (-745, 709.7) if dtype == np.float64 else (-103.9, 88.7)
    subnormal = (-745, -708) if dtype == np.float64 else (-103.9, -87)
    x = patterns(dtype)
    parts = [points(dtype, low, high), points(dtype, *subnormal, 500), points(dtype, -1, 1)]
    return np.concatenate([*parts, x[(x > low) & (x < high)]])


def positive(dtype: Dtype) -> Any:
    info = np.finfo(dtype)
    edges = np.array(
        [info.smallest_subnormal, info.tiny, info.max, 1, 1 - info.epsneg, 1 + info.eps, np.sqrt(0.5)], dtype
    )
    near = 1 + points(dtype, -1e-3, 1e-3, 1000)
    x = np.concatenate([patterns(dtype), points(dtype, 0.4, 2.5), near, edges])
    return np.abs(x[x != 0])


def where_tanh_bends(dtype: Dtype) -> Any:
    parts = [points(dtype, *limits) for limits in ((-1, 1), (0.15, 0.25), (0.5, 1), (1, 23), (-0.01, 0.01))]
    return np.concatenate([patterns(dtype), *parts])


def near_one(dtype: Dtype) -> Any:
    """The numbers next to 1 and -1, and some that approach them."""
    away = 2.0 ** -np.arange(2, np.finfo(dtype).nmant + 2)
    return np.concatenate([1 - away, away - 1]).astype(dtype)


def one_turn(dtype: Dtype) -> Any:
    x = patterns(dtype)
    near = [points(dtype, -1e-4, 1e-4, 500), 0.25 + points(dtype, -1e-3, 1e-3, 1000)]
    eighths = (np.arange(-8, 9) / 8).astype(dtype)
    return np.concatenate([points(dtype, -1, 1), *near, eighths, x[np.abs(x) <= 1]])


def turns(dtype: Dtype) -> Any:
    return np.concatenate([one_turn(dtype), points(dtype, -1e3, 1e3), patterns(dtype)])


def normal_numbers(dtype: Dtype) -> Any:
    x = positive(dtype)
    return x[x >= np.finfo(dtype).tiny]


LOWEST = {np.dtype(np.float64): -708, np.dtype(np.float32): -87}  # where exp_negative is above 0
DOMAINS = {
    "exp": where_exp_is_finite,
    "exp_normal": lambda dtype: points(dtype, -87, 87),
    "exp_negative": lambda dtype: points(dtype, LOWEST[dtype], 0),
    "log": positive,
    "log_normal": normal_numbers,
    "tanh": where_tanh_bends,
    "atanh": lambda dtype: (lambda x: x[np.abs(x) < 1])(np.append(where_tanh_bends(dtype), near_one(dtype))),
    "expm1_negative": lambda dtype: np.concatenate(
        [points(dtype, -50, 0), points(dtype, -1, 0), -np.abs(patterns(dtype))]
    ),
    "sigmoid": lambda dtype: np.concatenate([points(dtype, -80, 80), points(dtype, -2, 2), patterns(dtype)]),
    "softplus": lambda dtype: np.concatenate([points(dtype, -80, 80), points(dtype, -2, 2), patterns(dtype)]),
    "gelu": lambda dtype: np.concatenate([points(dtype, -40, 10), points(dtype, -2, 2), patterns(dtype)]),
    "sin_turns": turns,
    "cos_turns": turns,
    "sin_one_turn": one_turn,
    "cos_one_turn": one_turn,
}


def test_exp_normal_is_exp_where_that_is_normal(dtype: Dtype) -> None:
    x = np.append(points(dtype, -87, 87), np.nan).astype(dtype)
    assert bits(values("exp_normal", x)) == bits(values("exp", x))


def test_exp_negative_is_exp_or_0(dtype: Dtype) -> None:
    x = np.append(points(dtype, LOWEST[dtype], 0), LOWEST[dtype]).astype(dtype)
    assert bits(values("exp_negative", x)) == bits(values("exp", x))
    beyond = np.nextafter(dtype.type(LOWEST[dtype]), dtype.type(-np.inf))
    assert values("exp_negative", np.array([beyond])) == 0


@pytest.mark.parametrize("name", LOOPS)
def test_no_error_above_the_stated_one(name: str, dtype: Dtype) -> None:
    """And the stated one is not idle: most of it is reached."""
    largest = ulps(name, DOMAINS[name](dtype)).max()
    assert 0.5 * stated(name, dtype) <= largest <= stated(name, dtype)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", [0, -0.0, INF, -INF, NAN, 1e30, -1e30, 1e-40], [1, 1, INF, 0, NAN, INF, 0, 1]),
        ("exp_negative", [0, -0.0, -INF, NAN, -1e30, -710, -1e-40], [1, 1, 0, NAN, 0, 0, 1]),
        ("log", [0, -0.0, INF, -INF, NAN, 1, -1, -1e-40], [-INF, -INF, INF, NAN, NAN, 0, NAN, NAN]),
        ("tanh", [0, INF, -INF, NAN, 1e30, -1e30, 1e-40, -1e-40], [0, 1, -1, NAN, 1, -1, 1e-40, -1e-40]),
        ("atanh", [0, 1, -1, 2, -INF, NAN, 1e-40], [0, INF, -INF, NAN, NAN, NAN, 1e-40]),
        ("expm1_negative", [0, -INF, NAN, -1e30, -1e-40], [0, -1, NAN, -1, -1e-40]),
        ("sigmoid", [0, INF, -INF, NAN, 1e30, -1e30], [0.5, 1, 0, NAN, 1, 0]),
        ("softplus", [INF, -INF, NAN, 1e30, -1e30], [INF, 0, NAN, 1e30, 0]),
        ("gelu", [0, INF, -INF, NAN, 1e30, -1e30, -40, 40], [0, INF, 0, NAN, 1e30, 0, 0, 40]),
        ("sin_turns", [0, INF, -INF, NAN, 1e30, -3e7, 0.5], [0, NAN, NAN, NAN, 0, 0, 0]),
        ("cos_turns", [0, INF, -INF, NAN, 1e30, -3e7, 0.5], [1, NAN, NAN, NAN, 1, 1, -1]),
    ],
)
def test_edges(name: str, x: list[float], expected: list[float], dtype: Dtype) -> None:
    np.testing.assert_array_equal(values(name, np.array(x, dtype)), np.array(expected, dtype))


def test_exp_at_the_last_finite_and_the_first_zero_result(dtype: Dtype) -> None:
    """Next to the logarithms of the largest number and of half the smallest subnormal."""
    info = np.finfo(dtype)
    for limit, inside, beyond in (
        (mpmath.log(float(info.max)), np.isfinite, np.isinf),
        (mpmath.log(mpmath.mpf(float(info.smallest_subnormal)) / 2), bool, lambda y: y == 0),
    ):
        at = dtype.type(float(limit))
        toward = dtype.type(0)
        assert inside(values("exp", np.array([np.nextafter(at, toward)]))[0])
        assert beyond(values("exp", np.array([np.nextafter(np.nextafter(at, at * 2), at * 2)]))[0])


def test_tanh_is_odd_and_keeps_the_sign_of_zero(dtype: Dtype) -> None:
    x = where_tanh_bends(dtype)
    assert bits(values("tanh", -x)) == bits(-values("tanh", x))
    assert np.signbit(values("tanh", np.array([-0.0, 0.0], dtype))).tolist() == [True, False]
    assert np.all(np.abs(values("tanh", x)) <= 1)


def test_gelu_keeps_the_sign_of_zero_and_is_never_above_it_on_the_left(dtype: Dtype) -> None:
    x = np.array([0.0, -0.0, -np.inf, -1e30, -40.0, -5.0, -1e-30], dtype)
    assert np.signbit(values("gelu", x)).tolist() == [False] + [True] * 6


def test_tiny_arguments_are_their_own_tanh(dtype: Dtype) -> None:
    x = patterns(dtype)
    x = x[np.abs(x) < np.sqrt(np.finfo(dtype).eps) / 2]
    assert bits(values("tanh", x)) == bits(x)


def test_quarter_turns_are_exact(dtype: Dtype) -> None:
    x = np.arange(-4, 5).astype(dtype) / 4
    for kind in ("one_turn", "turns"):
        np.testing.assert_array_equal(values(f"sin_{kind}", x), [0, 1, 0, -1, 0, 1, 0, -1, 0])
        np.testing.assert_array_equal(values(f"cos_{kind}", x), [1, 0, -1, 0, 1, 0, -1, 0, 1])


def test_general_functions_have_the_bits_of_the_generator(dtype: Dtype) -> None:
    """Where log_normal and sincos_one_turn hold, log and sincos_turns are the same."""
    x, t = normal_numbers(dtype), one_turn(dtype)
    assert bits(values("log", x)) == bits(values("log_normal", x))
    for part in ("sin", "cos"):
        assert bits(values(f"{part}_turns", t)) == bits(values(f"{part}_one_turn", t))


DIGESTS = {"float64": "181f8af29774973f0037f257f3bb5056", "float32": "9eac9263368b8b7ef46a64d636d94921"}


def test_normals_keep_their_bits(dtype: Dtype) -> None:
    """Written down when the generator was made: a seed is the same sample for ever."""
    x = normal.standard_normal(400, 131, 77, dtype=dtype)
    assert hashlib.sha256(x.tobytes()).hexdigest()[:32] == DIGESTS[dtype.name]


def test_bits_do_not_depend_on_the_place_in_a_vector(dtype: Dtype) -> None:
    for name, domain in DOMAINS.items():
        x = domain(dtype)[:999]
        alone = np.concatenate([values(name, x[i : i + 1]) for i in range(x.size)])
        assert bits(values(name, x)) == bits(alone)


def test_a_nan_has_no_sign_and_a_zero_has() -> None:
    """Which sign softplus of NaN has depends on the processor, and on whether a vector holds it."""
    assert bits(np.array([1, np.nan])) == bits(np.array([1, -np.nan]))
    assert bits(np.array([1, 0.0])) != bits(np.array([1, -0.0]))


@jit_exact
def sines(x: Any) -> Any:
    return vecmath.sincos_lanes(x)[0]


@jit_exact
def cosines(x: Any) -> Any:
    return vecmath.sincos_lanes(x)[1]


OF_LANES = {"sin_turns": sines, "cos_turns": cosines}


def test_vectors_have_the_bits_of_numbers(dtype: Dtype) -> None:
    for name, domain in DOMAINS.items():
        if name.endswith("_one_turn"):
            continue
        x = np.append(domain(dtype)[:1584], np.full(16, np.nan, dtype))
        x = x[x.size % 16 :]
        y = np.empty_like(x)
        over_vectors(OF_LANES.get(name) or getattr(vecmath, name))(x, y)
        assert bits(y) == bits(values(name, x)), name


def test_jitted_only_functions_say_so() -> None:
    names = ("exp", "log", "log_normal", "tanh", "expm1_negative", "sigmoid", "softplus", "gelu")
    for name in (*names, "sincos_turns", "sincos_one_turn"):
        function = getattr(vecmath, name)
        with pytest.raises(TypeError, match="jitted code only"):
            function(1.0)


def test_exact_code_keeps_its_bits_whoever_compiles_it_first(fresh_python: Callable[..., str]) -> None:
    """Numba hands fast-math flags on to callees that set none; exp then overflowed at 88.5."""
    program = """
import numpy as np
from seqgap.kernels import affine_coupling, normal
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.simd import lanes, load, store
from seqgap.kernels._core.vecmath import exp
if {fast_first}:
    params = affine_coupling.random_params(4, 1, dtype="float32")
    affine_coupling.sample(3, params, 1)
@jit_exact
def exp_all(x, y):
    for i in range(x.shape[0]):
        y[i] = exp(x[i])
x = np.linspace(80, 88.7, 500, dtype=np.float32)
y = np.empty_like(x)
exp_all(x, y)
print(y.tobytes().hex(), normal.standard_normal(5, 50, 1, dtype="float32").tobytes().hex())
"""
    alone = fresh_python(program.replace("{fast_first}", "False"))
    assert alone == fresh_python(program.replace("{fast_first}", "True"))
    assert np.all(np.isfinite(np.frombuffer(bytes.fromhex(alone.split()[0]), np.float32)))
