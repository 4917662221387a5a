"""The contract of the public functions: inputs, outputs, rows, chunks, threads, processes."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgap.bench.model.case import COUNT, Call, Case, Dtype, Operation
from seqgap.bench.model.registry import cases
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels._core.rows import RowKernel

TWO_THREADS = pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")


def run(case: Case, operation: Operation, made: Call, **more: Any) -> Any:
    return case.kernel(operation.name)(*made.args, **{**made.kwargs, **more})


def arrays(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


def assert_same_bits(actual: Any, expected: Any) -> None:
    for left, right in zip(arrays(actual), arrays(expected), strict=True):
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes()


def takes_out(case: Case, operation: Operation) -> bool:
    return operation.name != "log_prob"


THREADED = pytest.mark.parametrize(
    ("dim", "batch"), [(1, 70_000), (3, 25_001), (64, 1033), (1000, 69), (5, 1)]
)


def assert_threads_do_not_matter(
    case: Case, operation: Operation, dtype: Dtype, dim: int, batch: int
) -> None:
    made = operation.inputs(dim, batch, dtype, 5)
    one = run(case, operation, made, threads=1)
    assert_same_bits(run(case, operation, made, threads=2), one)


@TWO_THREADS
@THREADED
def test_bits_do_not_depend_on_threads(case: Case, row_operation: Operation, dim: int, batch: int) -> None:
    assert_threads_do_not_matter(case, row_operation, np.dtype(np.float64), dim, batch)


@TWO_THREADS
@THREADED
@pytest.mark.slow
def test_float32_draws_do_not_depend_on_threads(
    case: Case, drawing_operation: Operation, dim: int, batch: int
) -> None:
    assert_threads_do_not_matter(case, drawing_operation, np.dtype(np.float32), dim, batch)


@TWO_THREADS
@THREADED
@pytest.mark.slow
def test_no_float32_bits_depend_on_threads(
    case: Case, row_operation: Operation, dim: int, batch: int
) -> None:
    assert_threads_do_not_matter(case, row_operation, np.dtype(np.float32), dim, batch)


@pytest.mark.float32_is_slow
@pytest.mark.parametrize(("dim", "batch"), [(3, 50), (64, 23), (1030, 9)])
def test_bits_do_not_depend_on_chunking(
    case: Case, row_operation: Operation, dtype: Dtype, dim: int, batch: int
) -> None:
    """Every cut of a batch gives the rows of the whole."""
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


def test_rows_keep_their_bits_anywhere_in_a_batch(flow: Case, dtype: Dtype) -> None:
    """The same row at each place of a vector block."""
    for verb in ("forward", "inverse", "log_prob"):
        z, params = flow.operation("forward").inputs(21, 1, dtype, 7).args
        many = flow.kernel(verb)(np.repeat(z, 23, axis=0), params)
        for array in arrays(many):
            assert len({row.tobytes() for row in array}) == 1


DIGESTS = """
import hashlib
import numpy as np
from seqgap.bench.model.registry import cases
found = []
for case in cases().values():
    for operation in case.operations:
        if operation.noise is None and operation.name != case.sampler:
            continue
        made = operation.inputs(13, 11, np.dtype(np.float64), 2**64 - 1)
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


@pytest.mark.parametrize("batch", [0, 1, 7])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_out_is_written_completely(
    case: Case, row_operation: Operation, dtype: Dtype, dim: int, batch: int
) -> None:
    if not takes_out(case, row_operation):
        return
    made = row_operation.inputs(dim, batch, dtype, 8)
    expected = run(case, row_operation, made)
    shape = arrays(expected)[0].shape
    out = np.full(shape, np.nan, dtype)
    result = run(case, row_operation, made, out=out)
    assert arrays(result)[0] is out
    assert_same_bits(result, expected)
    assert np.all(np.isfinite(out))


def test_out_may_be_the_input_but_not_overlap_it(case: Case, row_operation: Operation, dtype: Dtype) -> None:
    made = row_operation.inputs(6, 9, dtype, 9)
    first = made.args[0]
    if not takes_out(case, row_operation) or not isinstance(first, np.ndarray):
        return
    expected = arrays(run(case, row_operation, made))
    if expected[0].shape == first.shape:
        again = first.copy()
        result = arrays(run(case, row_operation, Call((again, *made.args[1:]), made.kwargs), out=again))
        assert result[0] is again
        assert again.tobytes() == expected[0].tobytes()
    memory = np.zeros(expected[0].size + first.size, dtype)
    overlapping = memory[first.size // 2 :][: first.size].reshape(first.shape)
    out = memory[: expected[0].size].reshape(expected[0].shape)
    with pytest.raises(ValueError, match="out: expected no overlap"):
        run(case, row_operation, Call((overlapping, *made.args[1:]), made.kwargs), out=out)


def test_inputs_are_left_alone(case: Case, row_operation: Operation) -> None:
    made = row_operation.inputs(6, 9, np.dtype(np.float64), 10)
    before = [np.array(a, copy=True) if isinstance(a, np.ndarray) else a for a in made.args]
    run(case, row_operation, made)
    for left, right in zip(made.args, before, strict=True):
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right)


def test_nan_and_inf_stay_in_their_row(flow: Case, dtype: Dtype) -> None:
    for verb in ("forward", "inverse", "log_prob"):
        z, params = flow.operation("forward").inputs(10, 9, dtype, 11).args
        clean = arrays(flow.kernel(verb)(z, params))
        for bad in (np.nan, np.inf, -np.inf):
            for row, column in ((0, 0), (4, 9), (8, 3)):
                dirty = z.copy()
                dirty[row, column] = bad
                result = arrays(flow.kernel(verb)(dirty, params))
                for left, right in zip(result, clean, strict=True):
                    others = np.arange(9) != row
                    assert left[others].tobytes() == right[others].tobytes()
                assert not np.all(np.isfinite(result[0][row]))


def test_nan_reaches_what_depends_on_it_and_no_more(flow: Case) -> None:
    """Entry by entry as the reference has it."""
    for verb in ("forward", "inverse"):
        z, params = flow.operation("forward").inputs(6, 6, np.dtype(np.float64), 12).args
        z[np.diag_indices(6)] = np.nan
        made = Call((z, params))
        actual, log_det = flow.kernel(verb)(*made.args)
        plain = flow.plain(verb, made, z.dtype)
        expected, expected_log_det = flow.reference(verb)(*plain.args)
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
        np.testing.assert_array_equal(np.isnan(log_det), np.isnan(expected_log_det))


def test_nan_in_diffusion_stays_in_its_entry() -> None:
    case = cases()["diffusion"]
    for name in ("noise", "sample_noisy", "trajectory", "reverse", "reverse_naive"):
        operation = case.operation(name)
        made = operation.inputs(5, 4, np.dtype(np.float64), 13)
        made.args[0][2, 3] = np.nan
        result = np.isnan(run(case, operation, made))
        expected = np.zeros_like(result)
        expected[..., 2, 3] = True
        np.testing.assert_array_equal(result, expected)


def views(array: Any) -> list[Any]:
    """The same values with other strides, orders, byte orders and containers."""
    padded = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    padded[..., ::2] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    found = [np.asfortranarray(array), padded[..., ::2], array[::-1].copy()[::-1], read_only]
    return [*found, array.astype(array.dtype.newbyteorder()), array.view(np.ndarray)]


@pytest.mark.float32_is_slow
def test_strides_and_byte_orders_are_converted(case: Case, row_operation: Operation, dtype: Dtype) -> None:
    made = row_operation.inputs(6, 9, dtype, 14)
    expected = run(case, row_operation, made)
    for index, argument in enumerate(made.args):
        if not isinstance(argument, np.ndarray):
            continue
        for view in views(argument):
            args = [*made.args[:index], view, *made.args[index + 1 :]]
            assert_same_bits(run(case, row_operation, Call(tuple(args), made.kwargs)), expected)


@pytest.mark.float32_is_slow
def test_params_with_other_strides(flow: Case, dtype: Dtype) -> None:
    z, params = flow.operation("forward").inputs(6, 9, dtype, 15).args
    expected = flow.kernel("forward")(z, params)
    for index, value in enumerate(params):
        if np.ndim(value):
            for view in views(value):
                other = type(params)(*params[:index], view, *params[index + 1 :])
                assert_same_bits(flow.kernel("forward")(z, other), expected)


def test_lists_and_integers_become_float64(flow: Case) -> None:
    params, integers = flow.kernel("random_params")(3, 1), [[1, -2, 3], [0, 5, -7]]
    expected = flow.kernel("forward")(np.array(integers, float), params)
    for given in (integers, np.array(integers), np.array(integers, np.int8), tuple(map(tuple, integers))):
        result = flow.kernel("forward")(given, params)
        assert result[0].dtype == result[1].dtype == np.float64
        assert_same_bits(result, expected)


def test_the_dtype_of_the_batch_decides(flow: Case) -> None:
    params = flow.kernel("random_params")(5, 1)
    z = np.ones((4, 5), np.float32)
    for verb in ("forward", "inverse", "log_prob"):
        assert {array.dtype for array in arrays(flow.kernel(verb)(z, params))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
def test_empty_batches(case: Case, row_operation: Operation, dtype: Dtype, dim: int) -> None:
    made = row_operation.inputs(dim, 0, dtype, 16)
    one = row_operation.inputs(dim, 1, dtype, 16)
    for threads in {1, threads_available()}:
        result = arrays(run(case, row_operation, made, threads=threads))
        for empty, single in zip(result, arrays(run(case, row_operation, one)), strict=True):
            wanted = list(single.shape)
            wanted[row_operation.output_axis if single.ndim > 1 else 0] = 0
            assert empty.shape == tuple(wanted)
            assert empty.dtype == dtype


@TWO_THREADS
def test_thread_setting_is_restored(fresh_python: Callable[..., str]) -> None:
    program = """
import numba, numpy as np
from seqgap.kernels import normal
numba.set_num_threads(1)
normal.standard_normal(5000, 64, 1, threads=2)
print(numba.get_num_threads())
"""
    assert fresh_python(program) == "1\n"


def test_one_thread_starts_no_thread_pool(fresh_python: Callable[..., str]) -> None:
    program = """
import numba
from seqgap.kernels import normal
normal.standard_normal(5000, 64, 1, threads=1)
try:
    print(numba.threading_layer())
except ValueError:
    print("no pool")
"""
    assert fresh_python(program) == "no pool\n"


@TWO_THREADS
def test_concurrent_callers_get_their_own_results(fresh_python: Callable[..., str]) -> None:
    """Also on Numba's workqueue layer, which aborts the process on concurrent parallel regions."""
    program = """
from concurrent.futures import ThreadPoolExecutor
from seqgap.kernels import normal
expected = [normal.standard_normal(4000, 33, seed).tobytes() for seed in range(8)]
with ThreadPoolExecutor(8) as pool:
    draw = lambda seed: normal.standard_normal(4000, 33, seed, threads=2).tobytes()
    print(all(list(pool.map(draw, range(8))) == expected for _ in range(5)))
"""
    for layer in ("default", "workqueue"):
        assert fresh_python(program, NUMBA_THREADING_LAYER=layer) == "True\n"


def test_samplers_take_rows_from_far_away() -> None:
    """first_row up to the end of the 63-bit range."""
    for case in cases().values():
        for operation in case.operations:
            if operation.rows is None or COUNT not in operation.rows:
                continue
            made = operation.inputs(3, 4, np.dtype(np.float64), 17)
            last = 2**63 - 1 - 4
            near, far = (run(case, operation, made, first_row=row) for row in (2**33, last))
            assert near.tobytes() != far.tobytes()
            tail = operation.part(Call(made.args, {**made.kwargs, "first_row": last}), 2, 4)
            assert run(case, operation, tail).tobytes() == far[2:].tobytes()


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
def test_processes_forked_after_a_parallel_call_work(
    fresh_python: Callable[..., str], module: str, call: str
) -> None:
    """GNU OpenMP ends a forked process that opens a region; a lock held at the fork stays held; Python's
    threads are gone."""
    assert fresh_python(FORKED.format(module=module, call=call)) == "[True, True, True, True]\n"


def test_an_error_in_another_thread_is_raised() -> None:
    def rows(lo: int, hi: int) -> None:
        if lo > 0:
            raise MemoryError("no room for a tile")

    with pytest.raises(MemoryError, match="no room"):
        RowKernel(rows)(2, 4096, 64)
