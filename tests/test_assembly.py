"""What the compiler made of the functions and of the kernels: vectors of full width, and no call of libm."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assembly import (
    attributes,
    code,
    defined,
    inner_loops,
    libm_calls,
    libraries,
    machine_features,
    packed,
    row_kernels,
    run_everything,
    vectorises,
)
from seqgap.bench.model.case import Dtype
from seqgap.bench.model.registry import cases
from seqgap.kernels._core import vecmath
from seqgap.kernels._core.jit import jit_exact

HAS_VECTORS = pytest.mark.skipif(
    not {"avx2", "fma"} <= machine_features(), reason="this machine has no AVX2 with fused multiply-adds"
)
HAS_AVX512 = pytest.mark.skipif(
    "avx512f" not in machine_features(), reason="this machine has no AVX-512, and compiles no code for it"
)


def over(function: Any) -> Any:
    @jit_exact
    def loop(x: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            y[i] = function(x[i])

    return loop


def over_both(function: Any) -> Any:
    @jit_exact
    def loop(x: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            sine, cosine = function(x[i])
            y[i] = sine * cosine

    return loop


NAMES = (
    "exp", "exp_normal", "exp_negative", "log", "log_normal", "tanh", "expm1_negative", "sigmoid", "softplus",
    "gelu",
)  # fmt: skip
PAIRS = ("sincos_turns", "sincos_one_turn")
LOOPS = {name: over(getattr(vecmath, name)) for name in NAMES}
LOOPS |= {name: over_both(getattr(vecmath, name)) for name in PAIRS}


def assembly(loop: Any, dtype: Dtype) -> list[str]:
    """Of all that `loop` is compiled to for one dtype."""
    loop(np.ones(3, dtype), np.ones(3, dtype))
    (library,) = (compiled.library for key, compiled in loop.overloads.items() if str(dtype) in str(key))
    return [line for lines in code(library).values() for line in lines]


@HAS_VECTORS
@pytest.mark.parametrize("name", LOOPS)
def test_functions_inline_and_vectorise(name: str, dtype: Dtype) -> None:
    """Some innermost loop is of vector multiply-adds alone, with no call and no branch but its own."""
    lines = assembly(LOOPS[name], dtype)
    assert not libm_calls(lines)
    hot = [loop for loop in inner_loops(lines) if re.search(r"\bvfn?m\w+p[sd]\b", "\n".join(loop))]
    assert hot
    assert not any(re.search(r"\bcallq?\b|\bj\w+\s|\bvfn?m\w+s[sd]\b", x) for loop in hot for x in loop)


@HAS_VECTORS
def test_a_call_of_libm_is_seen() -> None:
    """The finder finds: NumPy's log in a loop is a scalar call."""
    lines = assembly(over(np.log), np.dtype(np.float64))
    assert libm_calls(lines) == {"log"}
    assert not any(packed(lines).values())


@HAS_VECTORS
@pytest.mark.targets
def test_kernels_vectorise_and_call_no_libm(dtype: Dtype) -> None:
    """Every row kernel that multiplies has an inner loop of vector multiplications."""
    run_everything(dtype)
    kernels = list(row_kernels(dtype))
    assert len(kernels) > len(cases())
    for name, library in kernels:
        functions = code(library).values()
        assert not any(map(libm_calls, functions)), name
        assert vectorises(library), name


@pytest.mark.targets
def test_every_function_may_use_512_bits(dtype: Dtype) -> None:
    """Of every library, whoever calls it: of its own functions and of those that are linked into it."""
    run_everything(dtype)
    checked: set[str] = set()
    for function, _, library in libraries():
        for part in defined(library):
            if part.name.startswith("_ZN6seqgap"):
                checked.add(part.name)
                assert '"prefer-vector-width"="512"' in attributes(part), (function, part.name)
    assert any("philox" in name for name in checked)


NARROW = f"""
import json, sys
sys.path.append({str(Path(__file__).parent)!r})
import numba, numpy as np
from assembly import narrow, libraries
from seqgap.kernels import linear_ar, normal

@numba.njit
def plain(x):
    for i in range(x.shape[0]):
        x[i] *= 3.0

plain(np.ones(3))
(library,) = (compiled.library for compiled in plain.overloads.values())
normal.standard_normal(3, 40, 1)
linear_ar._exp(np.ones(3))
names = [name for _, _, library in libraries() for name in narrow(library)]
print(json.dumps([list(narrow(library)), names]))
"""


@HAS_AVX512
def test_no_loop_stays_at_half_width_where_llvm_prefers_that(fresh_python: Callable[..., str]) -> None:
    """For Intel's servers; `.ci/run targets` looks at everything. A loop of Numba's own compiler is seen."""
    plain, package = json.loads(fresh_python(NARROW, NUMBA_CPU_NAME="icelake-server"))
    assert len(plain) == 1
    assert package == []
