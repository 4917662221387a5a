"""What can be run: cases, their operations, and the comparisons between them.

A case module `bench/cases/<stem>.py` holds one `CASE`. Every operation names a public function of
`seqgap.kernels.<stem>` and its twin in `seqgap.reference.<stem>`; verification, tests and timings
are driven from here, so a new family needs no other edit.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

import seqgap.bench.cases

Dtype: TypeAlias = np.dtype[Any]
Thunk: TypeAlias = Callable[[], Any]

COUNT = -1  # row axis of an argument that is itself the number of rows

# Floating-point operations, counted from the polynomials of kernels/_vecmath.py in float64; a fused
# multiply-add counts as two. The integer work of the generator is not counted.
EXP_FLOPS = 31
NORMAL_FLOPS = 31


@dataclass(frozen=True)
class Call:
    """Arguments of one call."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


Setup: TypeAlias = Callable[[Call, int, Dtype], Thunk]


def direct(function: Callable[..., Any]) -> Setup:
    """The set-up of a function that takes the same arguments as the kernel."""
    return lambda call, dim, dtype: functools.partial(function, *call.args, **call.kwargs)


class Tolerance(NamedTuple):
    """Largest allowed |compiled - reference| / max(1, largest |reference|), and why."""

    of: Callable[[int, Dtype], float]
    reason: str


def rounding(steps: Callable[[int], float]) -> Tolerance:
    """At most `steps(D)` roundings, each off by one unit of the dtype."""
    return Tolerance(
        lambda dim, dtype: steps(dim) * float(np.finfo(dtype).eps),
        "rounding: as many units of the dtype (eps) as there are operations on the longest path of a"
        " value, plus 16 for exp, log, sin and cos; the models are conditioned not to amplify them",
    )


EXACT = Tolerance(lambda dim, dtype: 0.0, "exact: integers, every bit equal")
DIFFERENCES = Tolerance(
    lambda dim, dtype: 1e-4,
    "differences: the reference takes gradients by central differences of step 1e-4",
)


@dataclass(frozen=True)
class Operation:
    """One public function, what it costs for each sample, and how to call it.

    inputs(dim, batch, dtype, seed) makes a call. depth, flops and elements are functions of D:
    longest chain of dependent steps, floating-point operations, and array elements read or written
    for each sample (parameters are shared by the batch and not counted). rows: for each positional
    argument the axis that counts rows, None, or COUNT; rows is None where a result belongs to the
    whole batch. implementations: further set-ups, name to ((call, dim, dtype) -> zero-argument
    callable); `python` and `numba` are always there. noise(output, call): for set-ups that draw from
    a generator of their own, the normals they must have drawn.
    """

    name: str
    inputs: Callable[[int, int, Dtype, int], Call]
    depth: Callable[[int], float]
    flops: Callable[[int], float]
    elements: Callable[[int], float]
    tolerance: Tolerance
    rows: tuple[int | None, ...] | None = None
    output_axis: int = 0
    implementations: Mapping[str, Setup] = field(default_factory=dict)
    noise: Callable[[Any, Call], Any] | None = None
    timed: bool = True
    parameters: Callable[[int], float] = lambda dim: dim  # array elements shared by the batch
    strategies: tuple[str, ...] = ()  # of the kernel, each timed as numba-<strategy> when asked for
    largest_dim: int | None = None  # above it the reference is too slow to verify
    smallest_batch: int = 0
    exps: Callable[[int], float] = lambda dim: 0  # of the flops: exp evaluations for each sample
    normals: Callable[[int], float] = lambda dim: 0  # of the flops: normals drawn for each sample
    written: Callable[[int], float] = lambda dim: dim  # of the elements: those written
    weights: Callable[[int], float] = lambda dim: 0  # of the parameters: those that a call must read

    @property
    def implementation_names(self) -> list[str]:
        """Slowest expected first: python, others, numba."""
        return ["python", *self.implementations, *(f"numba-{s}" for s in self.strategies), "numba"]

    @property
    def sequential(self) -> bool:
        """Whether the dependent steps grow with D."""
        return self.depth(1024) > self.depth(2)

    def part(self, call: Call, start: int, stop: int) -> Call:
        """The same call for rows start to stop - 1 alone; only where `rows` is given."""
        assert self.rows is not None
        args: list[Any] = []
        for argument, axis in zip(call.args, self.rows, strict=True):
            if axis == COUNT:
                args.append(stop - start)
            elif axis is None or np.ndim(argument) == 0:
                args.append(argument)
            else:
                args.append(np.take(argument, range(start, stop), axis))
        kwargs = dict(call.kwargs)
        if "first_row" in kwargs:
            kwargs["first_row"] += start
        return Call(tuple(args), kwargs)


@dataclass(frozen=True)
class Case:
    """The operations of one family.

    sampler: the operation that stands for the family in family comparisons, if any. matched: pairs
    (sequential, parallel) of operations with the same weights and the same arithmetic; the parallel one
    may be another case's, as stem.operation.
    """

    stem: str
    operations: tuple[Operation, ...]
    sampler: str | None = None
    matched: tuple[tuple[str, str], ...] = ()

    def operation(self, name: str) -> Operation:
        """The operation of that name; KeyError where there is none."""
        return {operation.name: operation for operation in self.operations}[name]

    def kernel(self, name: str) -> Callable[..., Any]:
        """The compiled function of an operation."""
        function: Callable[..., Any] = getattr(_twin("kernels", self.stem), name)
        return function

    def reference(self, name: str) -> Callable[..., Any]:
        """The plain-Python function of an operation."""
        function: Callable[..., Any] = getattr(_twin("reference", self.stem), name)
        return function

    def plain(self, name: str, call: Call, dtype: Dtype) -> Call:
        """`call` for the reference: lists for arrays, the reference's classes for the kernel's.

        Lists carry no dtype, so references that draw normals take it as an argument of its own.
        """
        args = tuple(self._plain_value(value) for value in call.args)
        kwargs = {key: self._plain_value(value) for key, value in call.kwargs.items()}
        if "dtype" in inspect.signature(self.reference(name)).parameters:
            kwargs.setdefault("dtype", dtype.name)
        return Call(args, kwargs)

    def _plain_value(self, value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        if isinstance(value, np.dtype):
            return value.name
        if type(value).__module__ != f"seqgap.kernels.{self.stem}":
            return value
        twin = getattr(_twin("reference", self.stem), type(value).__name__)
        wanted = len(inspect.signature(twin).parameters)
        fields = tuple(value) if isinstance(value, tuple) else tuple(vars(value).values())
        return twin(*(self._plain_value(item) for item in fields[:wanted]))

    def setup(self, name: str, implementation: str, threads: int = 1) -> Setup:
        """How an implementation of an operation is prepared; KeyError where there is none."""
        if implementation == "python":
            return lambda call, dim, dtype: functools.partial(
                self.reference(name), *(plain := self.plain(name, call, dtype)).args, **plain.kwargs
            )
        if implementation == "numba":
            return direct(functools.partial(self.kernel(name), threads=threads))
        strategy = implementation.removeprefix("numba-")
        if strategy in self.operation(name).strategies:
            return direct(functools.partial(self.kernel(name), threads=threads, strategy=strategy))
        return self.operation(name).implementations[implementation]


@dataclass(frozen=True)
class Comparison:
    """A sequential and a parallel operation, as `stem.operation`.

    matched: the same weights and the same arithmetic, run in either direction. family: different
    models, at equal D.
    """

    kind: Literal["matched", "family"]
    sequential: str
    parallel: str


def stems(package: str) -> list[str]:
    """The public modules of seqgap.<package>, found, never listed; a folder in it is no family."""
    found = importlib.import_module(f"seqgap.{package}")
    names = (module.name for module in pkgutil.iter_modules(found.__path__) if not module.ispkg)
    return sorted(name for name in names if not name.startswith("_"))


@functools.cache
def cases() -> dict[str, Case]:
    """Every case by stem."""
    modules = pkgutil.iter_modules(seqgap.bench.cases.__path__)
    names = sorted(module.name for module in modules)
    return {name: importlib.import_module(f"seqgap.bench.cases.{name}").CASE for name in names}


def comparisons() -> list[Comparison]:
    """Matched pairs as the cases declare them; families: each sequential sampler and each parallel one."""
    matched = [
        Comparison(
            "matched", f"{case.stem}.{sequential}", parallel if "." in parallel else f"{case.stem}.{parallel}"
        )
        for case in cases().values()
        for sequential, parallel in case.matched
    ]
    samplers = [(case, case.operation(case.sampler)) for case in cases().values() if case.sampler]
    names = {
        kind: [f"{case.stem}.{op.name}" for case, op in samplers if op.sequential is kind]
        for kind in (True, False)
    }
    return matched + [Comparison("family", a, b) for a in names[True] for b in names[False]]


def compared() -> set[str]:
    """The operations that take part in a comparison, as `stem.operation`."""
    return {name for comparison in comparisons() for name in (comparison.sequential, comparison.parallel)}


def _twin(package: str, stem: str) -> Any:
    return importlib.import_module(f"seqgap.{package}.{stem}")
