"""exp, log and sincos against mpmath, over their domains and at the edges."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from seqgap.bench.registry import Dtype
from seqgap.kernels import _vecmath
from seqgap.kernels._jit import jit_exact


@jit_exact
def exp_all(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = _vecmath.exp(x[i])


@jit_exact
def log_all(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = _vecmath.log_normal(x[i])


@jit_exact
def sin_all(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = _vecmath.sincos_turns(x[i])[0]


@jit_exact
def cos_all(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = _vecmath.sincos_turns(x[i])[1]


# As the docstring of _vecmath states them.
LARGEST = {
    "float64": {"exp": 1.1, "log": 0.9, "sincos": 1.5},
    "float32": {"exp": 1.0, "log": 0.9, "sincos": 1.7},
}


def ulps(function: Any, exact: Any, x: Any) -> Any:
    """Errors in units in the last place of the exact value (or of the smallest subnormal)."""
    y = np.empty_like(x)
    function(x, y)
    found = []
    with mpmath.workprec(200):
        for argument, value in zip(x.tolist(), y.tolist(), strict=True):
            true = exact(mpmath.mpf(argument))
            unit = float(np.spacing(x.dtype.type(abs(float(true)))))
            found.append(float(abs(mpmath.mpf(value) - true) / unit))
    return np.array(found)


def points(dtype: Dtype, low: float, high: float, count: int = 4000) -> Any:
    return np.random.default_rng(1).uniform(low, high, count).astype(dtype)


def test_exp(dtype: Dtype) -> None:
    low, high = (-708, 709.7) if dtype == np.float64 else (-87, 88.7)
    x = np.concatenate([points(dtype, low, high), points(dtype, -1, 1), points(dtype, -1e-9, 1e-9, 50)])
    assert ulps(exp_all, mpmath.exp, x).max() <= LARGEST[dtype.name]["exp"]


def test_exp_into_subnormals(dtype: Dtype) -> None:
    low, high = (-745, -708) if dtype == np.float64 else (-103.9, -87)
    found = ulps(exp_all, mpmath.exp, points(dtype, low, high, 500))
    assert found.max() <= LARGEST[dtype.name]["exp"]


def test_exp_edges(dtype: Dtype) -> None:
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-40], dtype)
    y = np.empty_like(x)
    exp_all(x, y)
    np.testing.assert_array_equal(y, np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, 1], dtype))


def test_log(dtype: Dtype) -> None:
    info = np.finfo(dtype)
    exponents = points(dtype, np.log2(float(info.tiny)) + 1, np.log2(float(info.max)) - 1).astype(float)
    near_one = points(dtype, 0.4, 2.5)
    x = np.concatenate([np.exp2(exponents).astype(dtype), near_one, 1 + points(dtype, -1e-3, 1e-3)])
    edges = np.array([info.tiny, info.max, 1, 1 - info.epsneg, 1 + info.eps], dtype)
    found = ulps(log_all, mpmath.log, np.concatenate([x, edges]))
    assert found.max() <= LARGEST[dtype.name]["log"]


@pytest.mark.parametrize(("function", "exact"), [(sin_all, mpmath.sinpi), (cos_all, mpmath.cospi)])
def test_sincos(dtype: Dtype, function: Any, exact: Any) -> None:
    x = np.concatenate([points(dtype, -1, 1), points(dtype, -1e-4, 1e-4), 0.25 + points(dtype, -1e-3, 1e-3)])
    quarters = np.arange(-8, 9).astype(dtype) / 8
    everywhere = np.concatenate([x.astype(dtype), quarters])
    found = ulps(function, lambda turns: exact(2 * turns), everywhere)
    assert found.max() <= LARGEST[dtype.name]["sincos"]


def test_sincos_at_quarter_turns_is_exact(dtype: Dtype) -> None:
    x = np.arange(-4, 5).astype(dtype) / 4
    sine, cosine = np.empty_like(x), np.empty_like(x)
    sin_all(x, sine)
    cos_all(x, cosine)
    np.testing.assert_array_equal(sine, [0, 1, 0, -1, 0, 1, 0, -1, 0])
    np.testing.assert_array_equal(cosine, [1, 0, -1, 0, 1, 0, -1, 0, 1])


def test_jitted_only_functions_say_so() -> None:
    for function in (_vecmath.exp, _vecmath.log_normal, _vecmath.sincos_turns):
        with pytest.raises(TypeError, match="jitted code only"):
            function(1.0)


def test_exact_code_keeps_its_bits_whoever_compiles_it_first(fresh_python: Callable[..., str]) -> None:
    """Numba hands fast-math flags on to callees that set none; exp then overflowed at 88.5."""
    program = """
import numpy as np
from seqgap.kernels import affine_coupling, normal
from seqgap.kernels._jit import jit_exact
from seqgap.kernels._vecmath import exp
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
