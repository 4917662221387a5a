"""The case of a sampler that is not in this package: its callables, and the sizes to measure them at."""

import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import DTYPES, Call, Case, Cost, Dtype, Operation, Setup, Thunk, Tolerance
from seqgap.bench.model.implementation import OWN

Sampler: TypeAlias = Callable[..., Any]

_LARGEST_SIZE = 2**24  # of a dimension or a batch
_NAME = "1 to 60 letters, digits and _"
_HALF = Tolerance(
    lambda dim, dtype: float(np.sqrt(np.finfo(dtype).eps)), "half of the digits of the result's dtype"
)


def pair(
    name: str,
    *,
    sequential: Sampler | Mapping[str, Sampler] | None = None,
    parallel: Sampler | Mapping[str, Sampler] | None = None,
    dims: Sequence[int] = (),
    batches: Sequence[int] = (),
    inputs: Callable[[int, int, int], tuple[Any, ...]] | None = None,
    reference: Sampler | None = None,
    dtype: str = "float64",
) -> Case:
    """The case of your own sampler, for a file that `seqgap run --case FILE.py` measures.

    Parameters
    ----------
    name : str
        1 to 60 letters, digits and _; the sampler is `own-NAME` in results.
    sequential, parallel : callable, or dict of str to callable
        What draws n samples of dimension dim one dimension at a time, and all at once; one of them may be
        missing. Called as f(n, dim, seed), or with what `inputs` returns. The result has n rows: an array, a
        tensor, a list, or a tuple of such. A dict has several implementations by name; a bare callable is
        {"own": callable}. The names python, numpy-passes and numpy are rungs of the ladder below own.
    dims, batches : sequence of int
        Dimensions and batch sizes n to measure at; none: those of the run. `--dim` and `--batch` go before.
    inputs : callable, optional
        inputs(n, dim, seed) returns the tuple of arguments. It runs once for each cell and is not timed: the
        place to build models and to draw noise.
    reference : callable, optional
        Returns the right result of the same arguments. A result that is further from it than half of its
        digits, sqrt(eps) max(1, largest |reference|), is reported as wrong and not timed. Without it a
        result is only asked for n rows of finite numbers.
    dtype : str
        float64 or float32: what the sampler computes in, as the results name it.

    Raises
    ------
    TypeError, ValueError
        Names the argument, what was expected and what came.
    """
    named(name)
    if dtype not in DTYPES:
        raise ValueError(f"dtype: expected one of {', '.join(DTYPES)}, got {dtype!r}")
    for argument, value in (("inputs", inputs), ("reference", reference)):
        if value is not None:
            _refuse_unless_callable(argument, value, argument == "inputs" or inputs is None)
    directions = {"sequential": sequential, "parallel": parallel}
    operations = tuple(
        Operation(
            direction,
            _inputs(inputs),
            _sequential_cost if direction == "sequential" else _parallel_cost,
            _HALF,
            implementations=_setups(direction, samplers, inputs is None),
            sizes=whole("dims", dims),
            batches=whole("batches", batches),
            dtypes=(dtype,),
            shipped=False,
            reference=reference,
        )
        for direction, samplers in directions.items()
        if samplers is not None
    )
    if not operations:
        raise TypeError("sequential, parallel: expected a callable for one of them at least, got none")
    return Case(name, operations, matched=(("sequential", "parallel"),) if len(operations) == 2 else ())


def named(name: str) -> str:
    """The name; ValueError where no case from outside can have it."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_]{1,60}", name):
        raise ValueError(f"name: expected {_NAME}, got {name!r}")
    return name


def whole(argument: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes from small to large, each once; TypeError or ValueError where they are none."""
    expected = f"{argument}: expected integers from 1 to {_LARGEST_SIZE}"
    try:
        integers = set()
        for size in map(operator.index, sizes):
            if not 1 <= size <= _LARGEST_SIZE:
                raise ValueError(f"{expected}, got {sizes!r}")
            integers.add(size)
    except TypeError:
        raise TypeError(f"{expected}, got {sizes!r}") from None
    return tuple(sorted(integers))


def _inputs(inputs: Callable[..., Any] | None) -> Callable[[int, int, Dtype, int], Call]:
    def call(dim: int, batch: int, dtype: Dtype, seed: int) -> Call:
        args = (batch, dim, seed) if inputs is None else inputs(batch, dim, seed)
        if not isinstance(args, tuple):
            raise TypeError(f"inputs: expected a tuple of arguments, got {type(args).__name__}")
        return Call(args)

    return call


def _setups(direction: str, samplers: Any, of_sizes: bool) -> dict[str, Setup]:
    by_name = samplers if isinstance(samplers, Mapping) else {OWN: samplers}
    if not by_name:
        raise TypeError(
            f"{direction}: expected a callable, or a dict of names to callables, got {samplers!r}"
        )
    for name, sampler in by_name.items():
        if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_-]{1,60}", name):
            raise ValueError(f"{direction}: expected names of {_NAME} or -, got {name!r}")
        _refuse_unless_callable(direction, sampler, of_sizes)
    return {name: _setup(sampler) for name, sampler in by_name.items()}


def _refuse_unless_callable(argument: str, value: Any, of_sizes: bool) -> None:
    """TypeError where it is no callable, or none of (n, dim, seed) that has to be one."""
    if not callable(value):
        raise TypeError(f"{argument}: expected a callable, got {value!r}")
    if of_sizes:
        try:
            signature = inspect.signature(value)
        except ValueError:  # of some functions of C
            return
        try:
            signature.bind(1, 1, 0)
        except TypeError as error:
            raise TypeError(
                f"{argument}: expected a callable of (n, dim, seed), got {signature}: {error}"
            ) from None


def _setup(sampler: Sampler) -> Setup:
    def prepared(call: Call, dim: int, dtype: Dtype) -> Thunk:
        return arrays.finished(call.of(sampler))

    return prepared


def _sequential_cost(dim: int) -> Cost:
    return Cost(depth=dim)


def _parallel_cost(dim: int) -> Cost:
    return Cost()
