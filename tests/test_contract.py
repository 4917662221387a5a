"""The contract of the public functions: inputs, outputs, rows, chunks, threads, processes."""

import copy
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from bits import assert_same_bits
from seqgap.bench.model.case import Call, Case, Dtype, Operation
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._core.rows import WORTH_LIGHT, RowKernel
from seqgap.kernels.normal import standard_normal

TWO_THREADS = pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")


def run(case: Case, operation: Operation, made: Call, **more: Any) -> Any:
    return case.kernel(operation.name)(*made.args, **{**made.kwargs, **more})


def arrays(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def with_first(made: Call, first: Any) -> Call:
    """The call with another first argument."""
    return Call((first, *made.args[1:]), made.kwargs)


@TWO_THREADS
@pytest.mark.float32_is_slow
@pytest.mark.dims(1, 3, 64, 1000)
def test_bits_do_not_depend_on_threads(case: Case, row_operation: Operation, dtype: Dtype, dim: int) -> None:
    for batch in (1, 2 * WORTH_LIGHT // dim + 5):
        made = row_operation.inputs(dim, batch, dtype, 5)
        one = run(case, row_operation, made, threads=1)
        assert_same_bits(run(case, row_operation, made, threads=2), one)


@pytest.mark.float32_is_slow
@pytest.mark.dims(3, 64, 1030)
def test_bits_do_not_depend_on_chunking(case: Case, row_operation: Operation, dtype: Dtype, dim: int) -> None:
    """Every cut of a batch gives the rows of the whole."""
    batch = 9 + 123 // dim
    made = row_operation.inputs(dim, batch, dtype, 6)
    whole = run(case, row_operation, made)
    for cuts in ([0, 1, 2, batch], [0, 5, batch - 1, batch], [0, batch // 2, batch]):
        parts = [
            arrays(run(case, row_operation, row_operation.part(made, start, stop)))
            for start, stop in itertools.pairwise(cuts)
        ]
        axis = row_operation.output_axis
        joined = [np.concatenate(pieces, axis) for pieces in zip(*parts, strict=True)]
        assert_same_bits(tuple(joined) if isinstance(whole, tuple) else joined[0], whole)


@pytest.mark.dims(21)
def test_rows_keep_their_bits_at_any_place(case: Case, mapping: Operation, dtype: Dtype, dim: int) -> None:
    """The same row at each place of a vector block."""
    made = mapping.inputs(dim, 1, dtype, 7)
    assert mapping.rows is not None
    many = [
        argument if axis is None or not np.ndim(argument) else np.repeat(argument, 23, axis)
        for argument, axis in zip(made.args, mapping.rows, strict=True)
    ]
    for array in arrays(run(case, mapping, Call(tuple(many), made.kwargs))):
        assert len({row.tobytes() for row in np.moveaxis(array, mapping.output_axis, 0)}) == 1


DIGESTS = """
import hashlib
import numpy as np
from seqgap.bench.model.registry import cases
found = []
for case in cases().values():
    for operation in case.operations:
        if operation.noise is None and operation.name != case.sampler:
            continue
        made = operation.inputs(*operation.near((13,)), 11, np.dtype(np.float64), 2**64 - 1)
        result = case.kernel(operation.name)(*made.args, **made.kwargs)
        for array in result if isinstance(result, tuple) else (result,):
            found.append(f"{case.stem} {operation.name} {hashlib.sha256(array.tobytes()).hexdigest()}")
"""


def test_bits_do_not_depend_on_the_process(fresh_python: Callable[..., str]) -> None:
    here: dict[str, Any] = {}
    exec(DIGESTS, here)
    assert len(here["found"]) > 10
    printed = fresh_python(DIGESTS + "print(*found, sep='\\n')", NUMBA_NUM_THREADS="1")
    assert printed.splitlines() == here["found"]


@pytest.mark.dims(1, 2, 5)
def test_out_is_written_completely(case: Case, writing_operation: Operation, dtype: Dtype, dim: int) -> None:
    for batch in (0, 1, 7):
        made = writing_operation.inputs(dim, batch, dtype, 8)
        expected = run(case, writing_operation, made)
        first = arrays(expected)[0]
        out = np.full_like(first, np.nan if first.dtype.kind == "f" else np.iinfo(first.dtype).max)
        result = run(case, writing_operation, made, out=out)
        assert arrays(result)[0] is out
        assert_same_bits(result, expected)


@pytest.mark.dims(6)
def test_out_may_be_the_input_or_apart(case: Case, transform: Operation, dtype: Dtype, dim: int) -> None:
    made = transform.inputs(dim, 9, dtype, 9)
    first, expected = made.args[0], arrays(run(case, transform, made))[0]
    if expected.shape == first.shape:
        again = first.copy()
        result = arrays(run(case, transform, with_first(made, again), out=again))
        assert result[0] is again
        assert_same_bits(again, expected)
    memory = np.zeros(expected.size + first.size, dtype)
    overlapping = memory[expected.size // 2 :][: first.size].reshape(first.shape)
    out = memory[: expected.size].reshape(expected.shape)
    with pytest.raises(ValueError, match="out: expected no overlap"):
        run(case, transform, with_first(made, overlapping), out=out)


@pytest.mark.dims(6)
def test_inputs_are_left_alone(case: Case, row_operation: Operation, dim: int) -> None:
    made = row_operation.inputs(dim, 9, np.dtype(np.float64), 10)
    before = copy.deepcopy(made.args)
    run(case, row_operation, made)
    for left, right in zip(made.args, before, strict=True):
        if isinstance(left, np.ndarray | tuple):
            np.testing.assert_equal(left, right)


@pytest.mark.dims(10)
def test_nan_and_inf_stay_in_the_row(case: Case, float_operation: Operation, dtype: Dtype, dim: int) -> None:
    made, axis = float_operation.inputs(dim, 9, dtype, 11), float_operation.output_axis
    clean = arrays(run(case, float_operation, made))
    for bad in (np.nan, np.inf, -np.inf):
        for row, column in ((0, 0), (4, dim - 1), (8, dim // 3)):
            dirty = made.args[0].copy()
            dirty[row, column] = bad
            result = arrays(run(case, float_operation, with_first(made, dirty)))
            for left, right in zip(result, clean, strict=True):
                assert_same_bits(np.delete(left, row, axis), np.delete(right, row, axis))
            assert not all(np.all(np.isfinite(np.take(part, row, axis))) for part in result)


@pytest.mark.dims(6)
def test_nan_reaches_what_depends_on_it_and_no_more(case: Case, float_operation: Operation, dim: int) -> None:
    """Entry by entry as the reference has it."""
    rows = min(dim, 8)  # the reference of an image takes long
    made = float_operation.inputs(dim, rows, np.dtype(np.float64), 12)
    made.args[0][range(rows), np.linspace(0, dim - 1, rows).astype(int)] = np.nan
    plain = case.plain(float_operation.name, made, np.dtype(np.float64))
    expected = case.reference(float_operation.name)(*plain.args, **plain.kwargs)
    result = arrays(run(case, float_operation, made))
    for left, right in zip(result, expected if isinstance(expected, tuple) else [expected], strict=True):
        np.testing.assert_array_equal(np.isnan(left), np.isnan(right))


def padded(array: Any) -> Any:
    memory = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    memory[..., ::2] = array
    return memory[..., ::2]


def read_only(array: Any) -> Any:
    result = array.copy()
    result.flags.writeable = False
    return result


VIEWS = {  # the same values with other strides, orders, byte orders and flags
    "fortran": np.asfortranarray,
    "padded": padded,
    "reversed": lambda array: array[::-1].copy()[::-1],
    "read-only": read_only,
    "swapped": lambda array: array.astype(array.dtype.newbyteorder()),
}


def viewed(value: Any, view: Callable[[Any], Any]) -> Any:
    """The value with each array in it seen that way."""
    if isinstance(value, np.ndarray) and value.ndim:
        return view(value)
    if isinstance(value, tuple):
        items = [viewed(item, view) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


@pytest.mark.float32_is_slow
@pytest.mark.dims(6)
def test_other_layouts_are_converted(case: Case, row_operation: Operation, dtype: Dtype, dim: int) -> None:
    made = row_operation.inputs(dim, 9, dtype, 14)
    expected = run(case, row_operation, made)
    for view in VIEWS.values():
        assert_same_bits(run(case, row_operation, Call(viewed(made.args, view), made.kwargs)), expected)


@pytest.mark.dims(3)
def test_lists_and_integers_become_float64(flow: Case, dim: int) -> None:
    z, params = flow.operation("forward").inputs(dim, 2, np.dtype(np.float64), 1).args
    integers = np.rint(5 * z).astype(int)
    expected = flow.kernel("forward")(integers.astype(float), params)
    for values in (integers, integers.tolist(), integers.astype(np.int8), tuple(map(tuple, integers))):
        assert_same_bits(flow.kernel("forward")(values, params), expected)
    assert {array.dtype for array in expected} == {np.dtype(np.float64)}


@pytest.mark.dims(5)
def test_the_dtype_of_the_batch_decides(flow: Case, dim: int) -> None:
    z, params = flow.operation("forward").inputs(dim, 4, np.dtype(np.float64), 1).args
    for verb in ("forward", "inverse", "log_prob"):
        result = flow.kernel(verb)(z.astype(np.float32), params)
        assert {array.dtype for array in arrays(result)} == {np.dtype(np.float32)}


@pytest.mark.dims(1, 5)
def test_empty_batches(case: Case, row_operation: Operation, dtype: Dtype, dim: int) -> None:
    calls = (row_operation.inputs(dim, n, dtype, 16) for n in (0, 1))
    empty, single = (arrays(run(case, row_operation, call)) for call in calls)
    for none, one in zip(empty, single, strict=True):
        axis = row_operation.output_axis if one.ndim > 1 else 0
        assert none.shape == np.delete(one, 0, axis).shape
        assert none.dtype == one.dtype
        assert one.dtype == dtype or one.dtype.kind != "f"


@TWO_THREADS
def test_kernels_never_start_the_threads_of_numba(fresh_python: Callable[..., str]) -> None:
    """They are nobody else's business, and some of their layers abort on concurrent callers."""
    program = """
import numba
from seqgap.kernels import normal
normal.standard_normal(5000, 64, 1, threads=2)
try:
    print(numba.threading_layer())
except ValueError:
    print("no pool")
"""
    assert fresh_python(program) == "no pool\n"


@TWO_THREADS
def test_concurrent_callers_get_their_own_results() -> None:
    expected = [standard_normal(4000, 33, seed).tobytes() for seed in range(8)]

    def draw(seed: int) -> bytes:
        return standard_normal(4000, 33, seed, threads=2).tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert all(list(pool.map(draw, range(8))) == expected for _ in range(5))


@pytest.mark.dims(3)
def test_samplers_take_rows_from_far_away(case: Case, drawing_operation: Operation, dim: int) -> None:
    """first_row up to the end of the 63-bit range."""
    made, last = drawing_operation.inputs(dim, 4, np.dtype(np.float64), 17), 2**63 - 1 - 4
    near, far = (run(case, drawing_operation, made, first_row=row) for row in (2**33, last))
    assert near.tobytes() != far.tobytes()
    tail = drawing_operation.part(Call(made.args, {**made.kwargs, "first_row": last}), 2, 4)
    assert run(case, drawing_operation, tail).tobytes() == far[2:].tobytes()


FORKED = """
import multiprocessing, threading
from seqgap.kernels import {module} as module
def drawn(threads):
    return module.{call}.tobytes()
expected = drawn(1)
def draw(index):
    return drawn(2) == expected
assert draw(0)
stop = threading.Event()
def busy():
    while not stop.is_set():
        draw(0)
other = threading.Thread(target=busy)
other.start()
pool = multiprocessing.get_context("fork").Pool(2)
print(pool.map_async(draw, range(4)).get(timeout=3000))
stop.set()
other.join()
pool.terminate()
"""


@TWO_THREADS
@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("normal", "standard_normal(20_000, 8, 0, threads=threads)"),
        ("maf", "sample(20_000, module.random_params(8, 1), 0, threads=threads)"),
    ],
)
def test_forks_after_a_parallel_call_work(fresh_python: Callable[..., str], module: str, call: str) -> None:
    """GNU OpenMP ends a forked process that opens a region; a lock held at the fork stays held; Python's
    threads are gone."""
    assert fresh_python(FORKED.format(module=module, call=call)) == "[True, True, True, True]\n"


def test_an_error_in_another_thread_is_raised() -> None:
    def rows(lo: int, hi: int) -> None:
        if lo > 0:
            raise MemoryError("no room for a tile")

    with pytest.raises(MemoryError, match="no room"):
        RowKernel(rows)(2, 4096, 64)
