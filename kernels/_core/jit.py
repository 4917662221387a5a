"""Every Numba flag of the project."""

import functools
from collections.abc import Callable
from typing import Any

import numba
from numba import njit, types
from numba.core.registry import cpu_target

from seqgap.kernels._core import cache
from seqgap.kernels._core.compiler import Compiler, intrinsic

# Without reassoc a sum over a row does not vectorise. nnan and ninf stay out: NaN and inf are data.
# A loop that sums nothing takes jit_exact and writes the fma: the same speed, with a defined rounding.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    dispatcher = njit(error_model="numpy", pipeline_class=Compiler, **options)(function)
    cache.enable(dispatcher)
    compiled: Callable[..., Any] = dispatcher
    return compiled


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` with the fast-math subset: sums may be reordered, NaN and inf hold."""
    return _compiled(function, fastmath=_FAST, nogil=True)


def jit_exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` without fast-math: each operation rounds as written, in every context.

    fastmath=False is not the default, nor is forceinline=False: without them Numba hands on the flags of
    whichever caller is compiled first, and the bits depend on what else the process has run.
    """
    return _compiled(function, fastmath=False, forceinline=False, nogil=True)


def jit_inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jit_exact`, and part of its callers: a call that passes arrays costs as much as 50 entries."""
    return _compiled(function, fastmath=False, forceinline=True, nogil=True)


@intrinsic
def isolate(typing_context: Any) -> Any:
    """Say of the calling kernel what Numba has no word for.

    It stays one function whoever calls it: inlined into several callers, the optimiser could sum a row in
    another order for each. And no array that it writes overlaps another: the public functions see to that.
    Without it a loop that stores is guarded by a check of addresses, and the scalar loop behind it sums in
    another order, so that bits would depend on where arrays lie.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.function
        function.attributes.add("noinline")
        for argument in function.args:
            if _is_array_data(argument, function):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), codegen


def _is_array_data(argument: Any, function: Any) -> bool:
    """Whether an argument is the data pointer of an array: its fifth field, before the shape."""
    stem, _, field = argument.name.rpartition(".")
    return field == "4" and f"{stem}.5.0" in {argument.name for argument in function.args}


@functools.cache
def has_wide_vectors() -> bool:
    """Whether kernels are compiled for 32 registers of 64 bytes (AVX-512): the target, not the machine."""
    return "+avx512f" in str(cpu_target.target_context.codegen().magic_tuple()[2])


def threads_available() -> int:
    """The largest `threads` that the kernels take: fixed when Numba starts."""
    return int(numba.config.NUMBA_NUM_THREADS)
