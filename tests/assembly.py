"""What the compiler made of the kernels: the functions of a library, their loops and what they call."""

import functools
import gc
import re
from collections.abc import Iterator
from typing import Any

import llvmlite.binding as llvm
from numba.core.dispatcher import Dispatcher

from seqgap.bench.model.case import Dtype
from seqgap.bench.model.registry import cases

LIBM = re.compile(
    r"(?:a?(?:sin|cos|tan)h?|sincos|atan2|exp|exp2|expm1|log|log2|log1p|pow|fmod|ldexp|frexp|fma|erfc?"
    r"|cbrt|hypot|sqrt|rint|round|floor|ceil|trunc|nearbyint|copysign)f?|numba_ldexp.*|_ZGV.*"
)  # log10 is in what Numba writes into the message of a wrong shape: code that no kernel reaches
PACKED = re.compile(r"\bv(?:fn?m(?:add|sub)\w*|mul)p[sd]\b.*%([yz])mm")  # multiplies and multiply-adds

WRAPPERS = ("_ZN7cpython", "cfunc")  # Numba's, for callers in Python and C


def machine_features() -> set[str]:
    """What this machine can execute, whatever NUMBA_CPU_FEATURES says."""
    return {name for name, there in llvm.get_host_cpu_features().items() if there}


def run_everything(dtype: Dtype) -> None:
    """Compile or load every kernel of every operation, for one thread."""
    for case in cases().values():
        for operation in case.operations:
            count = operation.batches[0] if operation.batches else 3
            call = operation.inputs(*operation.near([5]), count, dtype, 1)
            case.kernel(operation.name)(*call.args, **call.kwargs)


def libraries(module: str = "seqgap.kernels.") -> Iterator[tuple[Dispatcher, Any, Any]]:
    """(function, signature, library) of all that this process has compiled or loaded."""
    for item in gc.get_objects():
        if issubclass(type(item), Dispatcher) and item.py_func.__module__.startswith(module):
            for signature, compiled in list(item.overloads.items()):
                yield item, signature, compiled.library


def whole_libraries() -> list[Any]:
    """Those of `libraries` whose functions are not all part of a larger one: nothing is looked at twice."""
    names = {library: _own_names(library) for _, _, library in libraries()}
    whole, seen = [], set[str]()
    for library in sorted(names, key=lambda library: -len(names[library])):
        if not names[library] <= seen:
            whole.append(library)
            seen |= names[library]
    return whole


def _own_names(library: Any) -> set[str]:
    """Of its functions that are not always part of their callers."""
    own = (part for part in defined(library) if "alwaysinline" not in attributes(part))
    return {part.name for part in own if not part.name.startswith(WRAPPERS)}


def row_kernels(dtype: Dtype) -> Iterator[tuple[str, Any]]:
    """(name, library) of the functions of rows lo to hi - 1 that this process has, for arrays of a dtype."""
    for function, signature, library in libraries():
        takes_rows = function.py_func.__code__.co_varnames[:2] == ("lo", "hi")
        if (
            takes_rows
            and not function.targetoptions.get("forceinline")
            and f"Array({dtype}" in str(signature)
        ):
            yield f"{function.py_func.__module__}.{function.py_func.__qualname__} {signature}", library


def defined(library: Any) -> Iterator[Any]:
    """The functions of a library; one that comes from the cache on disk has no other module."""
    return (part for part in library._get_module_for_linking().functions if not part.is_declaration)


def attributes(function: Any) -> str:
    """Those of an LLVM function, as one text."""
    return b" ".join(function.attributes).decode()


@functools.cache
def code(library: Any) -> dict[str, list[str]]:
    """The assembly of each function of a library, less Numba's wrappers for callers in Python and C."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    text = library._codegen._tm.emit_assembly(library._get_module_for_linking())
    for line in text.splitlines():
        if label := re.match(r"([A-Za-z_][\w.$]*):", line):
            lines = found.setdefault(label[1], [])
        lines.append(line)
    return {name: body for name, body in found.items() if not name.startswith(WRAPPERS)}


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


SCALAR = re.compile(r"\bv(?:fn?m(?:add|sub)\w*|mul)s[sd]\b")


def vectorises(library: Any) -> bool:
    """Whether its inner loops multiply in vectors, or multiply nothing, as those that look numbers up."""
    functions = list(code(library).values())
    loops = (loop for lines in functions for loop in inner_loops(lines))
    scalars = any(SCALAR.search(line) for loop in loops for line in loop)
    return not scalars or any(sum(packed(lines).values()) for lines in functions)


def packed(lines: list[str]) -> dict[int, int]:
    """How many multiplications there are in the inner loops of a function, by the bits of their vectors."""
    widths = [match[1] for loop in inner_loops(lines) for line in loop if (match := PACKED.search(line))]
    return {256: widths.count("y"), 512: widths.count("z")}


def narrow(library: Any) -> dict[str, dict[int, int]]:
    """The functions of a library that multiply in shorter vectors than 512 bits more often than in those.

    A function that is always part of its callers is counted there alone.
    """
    own = _own_names(library)
    counts = {name: packed(lines) for name, lines in code(library).items() if name in own}
    return {name: count for name, count in counts.items() if count[256] > count[512]}
