"""Numba's compiler as every jitted function of the package uses it, and ways to extend what it compiles."""

import functools
import itertools
import secrets
from collections.abc import Callable
from typing import Any, TypeAlias

from numba import extending
from numba.core import bytecode, compiler

Function: TypeAlias = Callable[..., Any]


class Compiler(compiler.Compiler):  # type: ignore[misc]  # numba is not followed for types
    """Numba's compiler with symbols that no other process gives out.

    Numba numbers its functions from 1 in each process. Entries of two processes could give one name to
    two functions, and a process that loads both would run one of them for both.
    """

    def compile_extra(self, func: Any) -> Any:
        """Compile `func`; Numba holds its compiler lock."""
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
