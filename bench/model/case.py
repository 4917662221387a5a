"""What a case is made of: calls, costs, tolerances, operations.

A case module `bench/cases/<stem>.py` holds one `CASE`. Every operation names a public function of
`seqgap.kernels.<stem>` and its twin in `seqgap.reference.<stem>`; verification, tests and timings
are driven from here, so a new family needs no other edit.
"""

import functools
import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Dtype: TypeAlias = np.dtype[Any]
Thunk: TypeAlias = Callable[[], Any]

DTYPES = ("float64", "float32")
OUTSIDE = "own-"  # begins the stems of cases from outside, and no other
COUNT = -1  # row axis of an argument that is itself the number of rows

# Floating-point operations, counted from the polynomials of kernels/_core/vecmath.py in float64; a fused
# multiply-add counts as two. The integer work of the generator is not counted.
EXP_FLOPS = 31
NORMAL_FLOPS = 31


@dataclass(frozen=True)
class Call:
    """Arguments of one call."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def of(self, function: Callable[..., Any]) -> Thunk:
        """The function with these arguments."""
        return functools.partial(function, *self.args, **self.kwargs)


Setup: TypeAlias = Callable[[Call, int, Dtype], Thunk]


def direct(function: Callable[..., Any]) -> Setup:
    """The set-up of a function that takes the same arguments as the kernel."""
    return lambda call, dim, dtype: call.of(function)


class Cost(NamedTuple):
    """What an operation needs at least at one size, for each sample; parameters are shared by the batch."""

    depth: float = 1  # longest chain of dependent steps
    flops: float = 0  # floating-point operations
    elements: float = 0  # array elements read or written
    written: float = 0  # of the elements: those written
    exps: float = 0  # of the flops: exp evaluations
    normals: float = 0  # of the flops: normals drawn
    parameters: float = 0  # array elements shared by the batch
    weights: float = 0  # of the parameters: those that a call must read


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
    lambda dim, dtype: 1e-4, "differences: the reference takes gradients by central differences of step 1e-4"
)


class Noise(NamedTuple):
    """What an operation draws, for set-ups that draw from a generator of their own.

    of(output, call): the noise behind an output. law: its distribution, a name in scipy.stats with its
    parameters; integers have one with a pmf.
    """

    of: Callable[[Any, Call], Any]
    law: str = "norm"
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One public function, what it costs for each sample, and how to call it.

    inputs(size, batch, dtype, seed) makes a call; a size is D unless `axis` says otherwise. rows: for each
    positional argument the axis that counts rows, None, or COUNT; rows is None where a result belongs to the
    whole batch. implementations: further set-ups, name to ((call, size, dtype) -> zero-argument callable);
    `python` and `numba` are always there, unless the operation is not `shipped`: then these are all.
    """

    name: str
    inputs: Callable[[int, int, Dtype, int], Call]
    cost: Callable[[int], Cost]
    tolerance: Tolerance
    rows: tuple[int | None, ...] | None = None
    output_axis: int = 0
    implementations: Mapping[str, Setup] = field(default_factory=dict)
    noise: Noise | None = None
    timed: bool = True
    strategies: tuple[str, ...] = ()  # of the kernel, each timed as numba-<strategy> when asked for
    axis: str = "D"  # what a size counts
    sizes: tuple[int, ...] = ()  # all that it takes; none: every size from 1 on
    dtypes: tuple[str, ...] = DTYPES  # those that `inputs` tells apart
    largest_dim: int | None = None  # above it the reference is too slow to verify
    smallest_batch: int = 0
    shipped: bool = True  # in `seqgap.kernels` and `seqgap.reference`; the rest is for those that are not
    reference: Callable[..., Any] | None = None  # makes the right result of the arguments of a call
    batches: tuple[int, ...] = ()  # all that it is measured with; none: those of the run
    compiled: Callable[..., Setup] | None = None  # of (threads=, strategy=) where not the public function
    function: str = ""  # the public one that it calls; none: that of its name

    @property
    def implementation_names(self) -> list[str]:
        """Slowest expected first: python, others, numba; of one that is not shipped those that it has."""
        if not self.shipped:
            return list(self.implementations)
        return ["python", *self.implementations, *(f"numba-{s}" for s in self.strategies), "numba"]

    @functools.cached_property
    def sequential(self) -> bool:
        """Whether the dependent steps grow with the size."""
        sizes = self.sizes or (2, 1024)
        return self.cost(max(sizes)).depth > self.cost(min(sizes)).depth

    def near(self, wanted: Iterable[int]) -> list[int]:
        """The sizes to take where these are wanted: they themselves, or the nearest of those declared."""
        if not self.sizes:
            return list(dict.fromkeys(wanted))
        nearest = (min(self.sizes, key=lambda size: abs(math.log(size / target))) for target in wanted)
        return list(dict.fromkeys(nearest))

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
        first = {"first_row": call.kwargs["first_row"] + start} if "first_row" in call.kwargs else {}
        return Call(tuple(args), {**call.kwargs, **first})


@dataclass(frozen=True)
class Case:
    """The operations of one family.

    sampler: the operation that stands for the family in family comparisons, if any. matched: pairs
    (sequential, parallel) of operations with the same weights and the same arithmetic; the parallel one
    may be another case's, as stem.operation. title: what a reader calls the family, by default the stem.
    quick: whether the quick profile measures its matched pairs. largest: values up to which results hang on
    more than their rounding; less where nothing holds an exponent. control: two operations that have equally
    many steps and the same arithmetic, at every size, so that their ratio shows what else there is.
    """

    stem: str
    operations: tuple[Operation, ...]
    sampler: str | None = None
    matched: tuple[tuple[str, str], ...] = ()
    title: str = ""
    quick: bool = False
    largest: float = 1e6
    control: tuple[str, str] | None = None

    def operation(self, name: str) -> Operation:
        """The operation of that name; KeyError where there is none."""
        return {operation.name: operation for operation in self.operations}[name]

    def kernel(self, name: str) -> Callable[..., Any]:
        """The compiled function of an operation."""
        return _attribute("kernels", self.stem, self._function(name))

    def reference(self, name: str) -> Callable[..., Any]:
        """The plain-Python function of an operation."""
        return _attribute("reference", self.stem, self._function(name))

    def _function(self, name: str) -> str:
        functions = {operation.name: operation.function for operation in self.operations}
        return functions.get(name) or name

    def plain(self, name: str, call: Call, dtype: Dtype) -> Call:
        """`call` for the reference: lists for arrays, the reference's classes for the kernel's.

        Lists carry no dtype, so references that draw normals take it as an argument of its own.
        """
        args = tuple(plain_value(value) for value in call.args)
        kwargs = {key: plain_value(value) for key, value in call.kwargs.items()}
        if "dtype" in inspect.signature(self.reference(name)).parameters:
            kwargs.setdefault("dtype", dtype.name)
        return Call(args, kwargs)

    def expected(self, name: str, call: Call, dtype: Dtype) -> Any:
        """What the reference makes of a call of the kernel."""
        return self.plain(name, call, dtype).of(self.reference(name))()

    def setup(self, name: str, implementation: str, threads: int = 1) -> Setup:
        """How an implementation of an operation is prepared; KeyError where there is none."""
        if not self.operation(name).shipped:
            return self.operation(name).implementations[implementation]
        if implementation == "python":
            return lambda call, dim, dtype: self.plain(name, call, dtype).of(self.reference(name))
        operation, strategy = self.operation(name), implementation.removeprefix("numba-")
        compiled = operation.compiled or functools.partial(_public, self.kernel(name))
        if implementation == "numba":
            return compiled(threads=threads)
        if strategy in operation.strategies:
            return compiled(threads=threads, strategy=strategy)
        return operation.implementations[implementation]


def _public(kernel: Callable[..., Any], **options: Any) -> Setup:
    """The set-up of a public function."""
    return direct(functools.partial(kernel, **options))


def plain_value(value: Any) -> Any:
    """A value for the references: a list for an array, a name for a dtype, the twin of a family's class."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, np.dtype):
        return value.name
    if type(value) is tuple:
        return tuple(map(plain_value, value))
    package, _, stem = type(value).__module__.rpartition(".")
    if package not in ("seqgap.kernels", "seqgap.kernels._nets"):
        return value
    shared = "_" if package.endswith("_nets") else ""
    counterpart = _attribute("reference", shared + stem, type(value).__name__)
    wanted = len(inspect.signature(counterpart).parameters)
    fields = tuple(value) if isinstance(value, tuple) else tuple(vars(value).values())
    return counterpart(*(plain_value(item) for item in fields[:wanted]))


def _attribute(package: str, stem: str, name: str) -> Callable[..., Any]:
    """A function or class of a family, of those in `kernels` or `reference`."""
    attribute: Callable[..., Any] = getattr(importlib.import_module(f"seqgap.{package}.{stem}"), name)
    return attribute
