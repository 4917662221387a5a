"""The guards that keep kernels, references and cases in step."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

import pytest

from seqgap.bench.model.case import Case
from seqgap.bench.model.registry import cases, comparisons, matched_pairs, operation_of, stems

MODULES = ("kernels", "reference", "bench", "bench.cases")
DRAWN = {"dim", "first_row", "dtype"}  # keywords


def public(module: ModuleType) -> dict[str, object]:
    """Functions and classes that a module defines itself and does not hide, and methods of its family."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isroutine(value) or inspect.isclass(value))
        and (inspect.ismethod(value) or value.__module__ == module.__name__)
    }


def mismatches(kernel: ModuleType, reference: ModuleType) -> list[str]:
    """How the public names and parameters of twins differ.

    The reference leaves out keywords that cannot matter to lists, such as `out` and `threads`; whatever
    it draws takes dim, first_row and dtype as keywords.
    """
    names = sorted(public(kernel) | public(reference))
    found = [name for name in names if not (hasattr(kernel, name) and hasattr(reference, name))]
    for name in sorted({*names} - {*found}):
        left, right = (inspect.signature(getattr(side, name)).parameters for side in (kernel, reference))
        positional, keywords = zip(*map(by_kind, (left, right)), strict=True)
        known = keywords[1] if any(p.kind is p.VAR_KEYWORD for p in left.values()) else keywords[0]
        wrong = (keywords[0] & DRAWN) - keywords[1] | keywords[1] - known - DRAWN
        if positional[0] != positional[1] or wrong:
            found.append(f"{name}({', '.join(left)}) against ({', '.join(right)})")
    return found


def by_kind(parameters: Mapping[str, inspect.Parameter]) -> tuple[list[str], set[str]]:
    """Positional parameters, and keywords."""
    keywords = {name for name, p in parameters.items() if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD)}
    return [name for name in parameters if name not in keywords], keywords


def without_operation(case: Case, kernel: ModuleType) -> set[str]:
    """Public functions that no operation of the case covers."""
    functions = {name for name, value in public(kernel).items() if inspect.isroutine(value)}
    return functions - {operation.name for operation in case.operations}


def test_every_kernel_has_a_reference_and_a_case() -> None:
    assert stems("kernels") == stems("reference") == stems("bench.cases") == sorted(cases())


@pytest.mark.parametrize("stem", stems("kernels"))
def test_twins_have_the_same_names_and_parameters(stem: str) -> None:
    kernel, reference = (importlib.import_module(f"seqgap.{p}.{stem}") for p in ("kernels", "reference"))
    assert mismatches(kernel, reference) == []


@pytest.mark.parametrize("stem", stems("kernels"))
def test_every_public_function_has_a_case(stem: str) -> None:
    kernel = importlib.import_module(f"seqgap.kernels.{stem}")
    assert without_operation(cases()[stem], kernel) == set()
    assert cases()[stem].stem == stem


def test_the_guards_notice_what_they_guard_against() -> None:
    def module(name: str, source: str) -> ModuleType:
        made = ModuleType(name)
        exec(source, vars(made))
        return made

    kernel = module("a", "def forward(z, *, out=None): ...\ndef extra(): ...")
    assert mismatches(kernel, module("b", "def forward(z, *, out=None): ...")) == ["extra"]
    wrong = ("x", "z, out=None", "z, *, more=None")
    for parameters in wrong:
        reference = module("b", f"def forward({parameters}): ...\ndef extra(): ...")
        assert len(mismatches(kernel, reference)) == 1
    assert mismatches(kernel, module("b", "def forward(z): ...\ndef extra(): ...")) == []
    assert without_operation(cases()["linear_ar"], kernel) == {"extra"}


def test_the_top_level_folders_are_not_importable_names(fresh_python: Callable[..., str]) -> None:
    program = f"""
import importlib, pkgutil, sys
for package in {MODULES}:
    found = importlib.import_module("seqgap." + package)
    for module in pkgutil.iter_modules(found.__path__):
        importlib.import_module(found.__name__ + "." + module.name)
print([name for name in ("kernels", "bench", "reference") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"
    assert not {"kernels", "bench", "reference"} & set(sys.modules)


def test_references_use_no_numpy_and_no_kernel(fresh_python: Callable[..., str]) -> None:
    program = f"""
import importlib, sys
for stem in {stems("reference")}:
    importlib.import_module("seqgap.reference." + stem)
print([name for name in ("numpy", "numba", "seqgap.kernels") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"


def test_kernels_know_nothing_of_benchmarks_and_change_no_setting(fresh_python: Callable[..., str]) -> None:
    program = f"""
import importlib, os, sys
import numba
names = [n for n in dir(numba.config) if n.isupper()]
before = {{n: getattr(numba.config, n) for n in names}}, numba.get_num_threads(), dict(os.environ)
for stem in {stems("kernels")}:
    importlib.import_module("seqgap.kernels." + stem)
after = {{n: getattr(numba.config, n) for n in names}}, numba.get_num_threads(), dict(os.environ)
print(before == after, [n for n in sys.modules if n.startswith(("seqgap.bench", "seqgap.reference"))])
"""
    assert fresh_python(program) == "True []\n"


def test_comparisons_are_of_sequential_and_parallel_operations() -> None:
    samplers = {f"{case.stem}.{case.sampler}" for case in cases().values() if case.sampler}
    families = [(c.sequential, c.parallel) for c in comparisons() if c.kind == "family"]
    assert {name for pair in families for name in pair} <= samplers
    assert len(families) == len(set(families)) > len(cases()) / 2
    for comparison in comparisons():
        one, other = operation_of(comparison.sequential), operation_of(comparison.parallel)
        sequential = comparison.kind != "control"
        assert (one.sequential, other.sequential, one.axis) == (sequential, False, other.axis)


def test_costs_are_positive_and_grow() -> None:
    """But for the arithmetic of what only moves values."""
    for case in cases().values():
        for operation in case.operations:
            if operation.timed:
                sizes = operation.sizes or (8, 64)
                small, large = map(operation.cost, (min(sizes), max(sizes)))
                assert 0 < small.depth <= large.depth
                assert 0 <= small.flops <= large.flops
                assert 0 < small.elements <= large.elements
                assert small.flops + small.elements < large.flops + large.elements


def test_controls_have_equally_many_steps_and_the_same_arithmetic() -> None:
    controls = [c for c in comparisons() if c.kind == "control"]
    assert ("glow.forward", "glow.inverse") in [(c.sequential, c.parallel) for c in controls]
    for control in controls:
        first, second = operation_of(control.sequential), operation_of(control.parallel)
        assert first is not second
        assert first.sizes == second.sizes
        for dim in first.sizes or (1, 2, 64):
            assert first.cost(dim) == second.cost(dim)


def test_matched_pairs_count_the_same_arithmetic() -> None:
    """But for a scan, which moves each normal once where steps move the state too."""
    for pair in matched_pairs():
        forward, inverse = operation_of(pair.sequential), operation_of(pair.parallel)
        most = 1.07 if inverse.name == "scan" else 1
        for dim in forward.near((1, 2, 64)):
            assert 1 <= forward.cost(dim).flops / inverse.cost(dim).flops <= most
