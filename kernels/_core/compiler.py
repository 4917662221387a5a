"""Numba's compiler as every jitted function of the package uses it, and ways to extend what it compiles."""

import functools
import itertools
import secrets
from collections.abc import Callable
from typing import Any, TypeAlias

from numba import extending
from numba.core import bytecode, compiler
from numba.core.codegen import JITCodeLibrary

Function: TypeAlias = Callable[..., Any]


class _Library(JITCodeLibrary):  # type: ignore[misc]  # numba is not followed for types
    """Machine code of functions that use 512-bit vectors where the processor has them.

    For Intel's processors LLVM prefers 256 bits, which takes 1.75 times as long for float64 normals. The
    preference is an attribute of a function, and one that is called keeps its own: so every function has it.
    """

    def add_ir_module(self, ir_module: Any) -> None:
        """Take over the functions of an IR module, before anything is optimised."""
        for function in ir_module.functions:
            # A key with a value, which llvmlite's own add refuses.
            set.add(function.attributes, '"prefer-vector-width"="512"')
        super().add_ir_module(ir_module)


class Compiler(compiler.Compiler):  # type: ignore[misc]  # numba is not followed for types
    """Numba's compiler with 512-bit vectors, and with symbols that no other process gives out.

    Numba numbers its functions from 1 in each process. Entries of two processes could give one name to
    two functions, and a process that loads both would run one of them for both.
    """

    def compile_extra(self, func: Any) -> Any:
        """Compile `func`; Numba holds its compiler lock."""
        self.state.library = _Library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()  # else it could not be stored
        before = bytecode.FunctionIdentity._unique_ids
        bytecode.FunctionIdentity._unique_ids = itertools.count(secrets.randbits(62))
        try:
            return super().compile_extra(func)
        finally:
            bytecode.FunctionIdentity._unique_ids = before


# numba.extending's own, typed: code of one instruction or a few, written for LLVM.
intrinsic: Callable[[Function], Function] = extending.intrinsic
literal_intrinsic: Callable[[Function], Function] = extending.intrinsic(prefer_literal=True)


def overload(python: Function) -> Callable[[Function], Function]:
    """`numba.extending.overload`: what jitted code does for `python`, by the types of the arguments."""
    decorator: Callable[[Function], Function] = extending.overload(
        python, jit_options={"pipeline_class": Compiler}
    )
    return decorator


def generated(choose: Function) -> Function:
    """A function of jitted code alone: `choose` takes types and returns what to do, or None."""

    @functools.wraps(choose)
    def stub(*arguments: Any) -> Any:
        raise TypeError(f"{choose.__name__} is for jitted code only")

    overload(stub)(choose)
    return stub
