"""Whether the kernels are right as compiled for the processor that NUMBA_CPU_NAME names; prints what is not.

`python tests/target.py results width`: results, every operation against its reference, and its bits against
threads, the batch and blocks; width, the vectors in the assembly of every function.
"""

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba.core.registry import cpu_target

from assembly import narrow, row_kernels, vectorises, whole_libraries
from bits import bits
from contextflows import contexts, example, folded
from seqgap import Flow
from seqgap.bench.measure.gate import WrongResultError, check
from seqgap.bench.model.case import Call, Case, Dtype, Operation
from seqgap.bench.model.registry import cases
from seqgap.bench.plan.rungs import BLOCKS, STEPS
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._core.rows import WORTH_LIGHT
from seqgap.kernels.normal import standard_normal

STEP_BY_STEP = (STEPS, "numba-recurrence", "numba")  # the first that an operation has
CONDITIONAL = (("maf", "activated"), ("maf", "blocks"), ("realnvp", "gated"), ("spline", "added"))
SIZES, BATCH, CUTS, MOST = (3, 17), 19, (0, 1, 7, 19), 41


def run(case: Case, operation: Operation, call: Call, **more: Any) -> tuple[Any, ...]:
    """The arrays of a call."""
    result = case.kernel(operation.name)(*call.args, **{**call.kwargs, **more})
    return result if isinstance(result, tuple) else (result,)


def wrong_results(case: Case, operation: Operation, dtype: Dtype) -> Iterator[str]:
    """The sizes at which an operation is not its reference."""
    for size in operation.near(SIZES):
        call = operation.inputs(size, BATCH, dtype, 3)
        output = case.kernel(operation.name)(*call.args, **call.kwargs)
        try:
            check(case, operation, output, call, size, dtype, own_noise=False)
        except WrongResultError as error:
            yield f"size {size}: {error}"


def other_bits(case: Case, operation: Operation, dtype: Dtype) -> Iterator[str]:
    """What a row's bits depend on besides the row."""
    (size,) = operation.near(SIZES[1:])
    call = operation.inputs(size, BATCH, dtype, 4)
    parts = [run(case, operation, operation.part(call, *cut)) for cut in itertools.pairwise(CUTS)]
    joined = (np.concatenate(pieces, operation.output_axis) for pieces in zip(*parts, strict=True))
    if [*map(bits, joined)] != [*map(bits, run(case, operation, call))]:
        yield "bits depend on the batch"
    call = operation.inputs(size, 2 * WORTH_LIGHT // size + 5, dtype, 5)
    results = [run(case, operation, call, threads=n) for n in {1, min(2, threads_available())}]
    if len({tuple(map(bits, result)) for result in results}) > 1:
        yield "bits depend on threads"


def other_batches(case: Case, operation: Operation, dtype: Dtype) -> Iterator[str]:
    """Sizes of small batches whose rows are not those of a larger one; flows take a few rows another way."""
    (size,) = operation.near(SIZES[1:])
    call = operation.inputs(size, MOST, dtype, 6)
    whole = run(case, operation, call)
    for count in range(1, MOST):
        part = operation.part(call, 0, count)
        result = case.setup(operation.name, "numba")(part, size, dtype)()
        first = (np.take(array, range(count), operation.output_axis) for array in whole)
        if [*map(bits, result if isinstance(result, tuple) else (result,))] != [*map(bits, first)]:
            yield f"bits of {count} rows"


def other_blocks(case: Case, operation: Operation, dtype: Dtype) -> Iterator[str]:
    """Whether long chains in blocks have other bits than step by step."""
    (size,) = operation.near([10_000])
    call = operation.inputs(size, 1, dtype, 7)
    steps = next(name for name in STEP_BY_STEP if name in operation.implementation_names)
    results = (case.setup(operation.name, name)(call, size, dtype)() for name in (BLOCKS, steps))
    first, second = (result[0] if isinstance(result, tuple) else result for result in results)
    if bits(first) != bits(second):
        yield "bits of blocks"


def wrong_contexts(family: str, way: str, dtype: Dtype) -> Iterator[str]:
    """Whether a flow with contexts is not that of the weights with one folded in, or one row not as many."""
    flow, params = example(family, way, SIZES[0], dtype)
    some, z = contexts(BATCH, dtype), standard_normal(BATCH, SIZES[0], 1, dtype=dtype)
    x = flow.forward(z, context=some)[0]
    log_prob = flow.log_prob(x, context=some)
    near = {"rtol": 1e-9, "atol": 1e-9} if dtype == np.float64 else {"rtol": 1e-3, "atol": 1e-3}
    for n in range(0, BATCH, 6):
        row, plain, context = slice(n, n + 1), Flow(folded(params, some[n])), some[n]
        if not np.allclose(plain.forward(z[row])[0], x[row], **near):
            yield f"row {n} of its own context"
        if not np.allclose(plain.log_prob(x[row]), log_prob[row], **near):
            yield f"density of row {n} of its own context"
        alone = flow.forward(z[row], context=context)[0], flow.log_prob(x[row], context=context)
        if [*map(bits, alone)] != [bits(x[row]), bits(log_prob[row])]:
            yield f"bits of row {n} alone"


def conditional() -> Iterator[str]:
    """What is wrong with flows that have contexts."""
    for (family, way), dtype in itertools.product(CONDITIONAL, map(np.dtype, (np.float32, np.float64))):
        yield from (f"{family} {way} {dtype}: {text}" for text in wrong_contexts(family, way, dtype))


def compile_all() -> None:
    """Every kernel of every operation, for few rows and for many."""
    for case in cases().values():
        for operation in case.operations:
            few = operation.batches[0] if operation.batches else 3
            for dtype in map(np.dtype, operation.dtypes):
                (size,) = operation.near(SIZES[1:])
                for count in (few, BATCH):
                    run(case, operation, operation.inputs(size, count, dtype, 1))
                if BLOCKS in operation.implementation_names:
                    list(other_blocks(case, operation, dtype))
    list(conditional())


def failures() -> Iterator[str]:
    """Everything that is wrong with the results."""
    for case in cases().values():
        for operation in case.operations:
            for dtype in map(np.dtype, operation.dtypes):
                found = [*wrong_results(case, operation, dtype)]
                if operation.rows is not None and operation.timed:
                    found += [*other_bits(case, operation, dtype), *other_batches(case, operation, dtype)]
                if BLOCKS in operation.implementation_names:
                    found += other_blocks(case, operation, dtype)
                yield from (f"{case.stem}.{operation.name} {dtype}: {text}" for text in found)
    yield from conditional()


def short_vectors() -> Iterator[str]:
    """Functions that multiply in shorter vectors than the target has, and row kernels that do without."""
    if "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]:
        yield from (f"half width: {name}" for library in whole_libraries() for name in narrow(library))
    kernels = [*row_kernels(np.dtype(np.float64)), *row_kernels(np.dtype(np.float32))]
    if len(kernels) < len(cases()):
        yield f"{len(kernels)} row kernels"
    for name, library in kernels:
        if not vectorises(library):
            yield f"no vectors: {name}"


if __name__ == "__main__":
    results, width = ("results" in sys.argv), ("width" in sys.argv)
    if not results:
        compile_all()
    for line in itertools.chain(failures() if results else (), short_vectors() if width else ()):
        sys.stdout.write(f"{line}\n")
