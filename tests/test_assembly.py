"""What the compiler made of the functions and of the row kernels: vectors, and no call of libm."""

import importlib
import re
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import jit, types

from seqgap.bench.model.case import Case, Dtype, Operation
from seqgap.kernels._core import vecmath
from seqgap.kernels._core.jit import RowKernel, jit_exact

HAS_VECTORS = pytest.mark.skipif(
    not {"avx2", "fma"} <= {name for name, there in llvm.get_host_cpu_features().items() if there},
    reason="this machine has no AVX2 with fused multiply-adds",
)
LIBM = re.compile(
    r"(?:a?(?:sin|cos|tan)h?|sincos|atan2|exp|exp2|expm1|log|log2|log1p|pow|fmod|ldexp|frexp|fma|erfc?"
    r"|cbrt|hypot|sqrt|rint|round|floor|ceil|trunc|nearbyint|copysign)f?|numba_ldexp.*|_ZGV.*"
)  # log10 is in what Numba writes into the message of a wrong shape: code that no kernel reaches
PACKED_FMA = re.compile(r"\bvfn?m(?:add|sub)\w*p[sd]\b.*%[yz]mm")

PACKED_MUL = re.compile(r"\bvmulp[sd]\b.*%[yz]mm")

# Operations without a multiply-add in their loops, and why.
NO_FMA = {"diffusion.reverse_naive": "multiplies only", "mask_stack.inverse": "subtracts, then multiplies"}


def body(assembly: str) -> list[str]:
    """The lines of the kernel and of what it calls, less Numba's wrappers for callers in Python and C."""
    kept, wrapper = [], True
    for line in assembly.splitlines():
        label = re.match(r"([A-Za-z_][\w.$]*):", line)
        if label:
            wrapper = label[1].startswith(("_ZN7cpython", "cfunc"))
        if not wrapper:
            kept.append(line)
    return kept


def libm_calls(lines: list[str]) -> set[str]:
    """Names called directly or by an address in a register that are functions of libm."""
    called = re.compile(r"\b(?:movabsq\s+\$|callq?\s+|jmp\s+)([A-Za-z_]\w*)")
    names = {match[1] for line in lines if (match := called.search(line))}
    return {name for name in names if LIBM.fullmatch(name)}


def inner_loops(lines: list[str]) -> list[list[str]]:
    """Stretches from a label to the last jump back to it, with no other such label between."""
    at = {match[1]: i for i, line in enumerate(lines) if (match := re.match(r"(\.?\w+):", line))}
    jumps = [(i, m[1]) for i, line in enumerate(lines) if (m := re.search(r"\bj\w+\s+(\.?\w+)", line))]
    spans = [(at[name], i) for i, name in jumps if at.get(name, i + 1) <= i]
    return [lines[a:b] for a, b in spans if not any(a < c and d < b for c, d in spans)]


@jit_exact
def exp_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = vecmath.exp(x[i])


@jit_exact
def log_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = vecmath.log(x[i])


@jit_exact
def log_normal_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = vecmath.log_normal(x[i])


@jit_exact
def tanh_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = vecmath.tanh(x[i])


@jit_exact
def sincos_turns_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        sine, cosine = vecmath.sincos_turns(x[i])
        y[i] = sine * cosine


@jit_exact
def sincos_one_turn_loop(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        sine, cosine = vecmath.sincos_one_turn(x[i])
        y[i] = sine * cosine


@HAS_VECTORS
@pytest.mark.parametrize(
    "loop",
    [exp_loop, log_loop, log_normal_loop, tanh_loop, sincos_turns_loop, sincos_one_turn_loop],
    ids=lambda loop: loop.__name__,
)
def test_functions_inline_and_vectorise(loop: Any, dtype: Dtype) -> None:
    """Some innermost loop is of vector multiply-adds alone, with no call and no branch but its own."""
    loop(np.ones(3, dtype), np.ones(3, dtype))
    array = types.Array(types.float64 if dtype == np.float64 else types.float32, 1, "C")
    lines = body(loop.inspect_asm((array, array)))
    assert not libm_calls(lines)
    hot = [found for found in inner_loops(lines) if any(PACKED_FMA.search(line) for line in found)]
    assert hot
    assert not any(re.search(r"\bcallq?\b|\bj\w+\s|\bvfn?m\w+s[sd]\b", x) for found in hot for x in found)


@HAS_VECTORS
def test_a_call_of_libm_is_seen() -> None:
    """The finder finds: NumPy's log in a loop is a scalar call."""

    @jit_exact
    def loop(x: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            y[i] = np.log(x[i])

    loop(np.ones(3), np.ones(3))
    lines = body(loop.inspect_asm(loop.signatures[0]))  # type: ignore[attr-defined]
    assert libm_calls(lines) == {"log"}
    assert not any(PACKED_FMA.search(line) for line in lines)


def assemblies(rows: Any, dtype: Dtype) -> list[list[str]]:
    """Of each version compiled for arrays of this dtype; again, since what came from a file has none."""
    wanted = types.float64 if dtype == np.float64 else types.float32
    chosen = [
        signature
        for signature in rows.signatures
        if any(isinstance(kind, types.Array) and kind.dtype == wanted for kind in signature)
    ]
    fresh = jit(**rows.targetoptions)(rows.py_func)
    for signature in chosen:
        fresh.compile(signature)
    return [body(fresh.inspect_asm(signature)) for signature in chosen]


@HAS_VECTORS
@pytest.mark.float32_is_slow
def test_row_kernels_vectorise_and_call_no_libm(
    case: Case, row_operation: Operation, dtype: Dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every timed operation: some inner loop has vector multiply-adds."""
    made = row_operation.inputs(5, 3, dtype, 1)
    used: list[RowKernel] = []
    run = RowKernel.__call__

    def record(kernel: RowKernel, *arguments: Any) -> None:
        used.append(kernel)
        run(kernel, *arguments)

    monkeypatch.setattr(RowKernel, "__call__", record)
    case.kernel(row_operation.name)(*made.args, **made.kwargs)
    # A function may call its rows itself, past the RowKernel of its name.
    module = importlib.import_module(f"seqgap.kernels.{case.stem}")
    owner = getattr(module, "_verbs", module)
    used = used or [getattr(owner, f"_{row_operation.name}")]
    found = [lines for kernel in used for lines in assemblies(kernel.rows, dtype)]
    assert found
    for lines in found:
        assert not libm_calls(lines)
        wanted = PACKED_MUL if f"{case.stem}.{row_operation.name}" in NO_FMA else PACKED_FMA
        assert any(wanted.search(line) for loop in inner_loops(lines) for line in loop)
