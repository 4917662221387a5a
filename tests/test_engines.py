"""The engines that networks are deployed with: what they run, on how many threads, in whose memory."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from command import invoke

from seqgap.bench.machine.environment import versions
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Call, Thunk
from seqgap.bench.model.engines import Engine
from seqgap.bench.model.implementation import left_out
from seqgap.bench.model.registry import cases, operation_of
from seqgap.bench.plan.cells import plan
from seqgap.bench.plan.options import Options
from seqgap.kernels._core.jit import threads_available

FLOAT32 = np.dtype(np.float32)
OPERATIONS = {
    f"{case.stem}.{operation.name}": operation
    for case in cases().values()
    for operation in case.operations
    if "onnxruntime" in operation.implementations
}
DRAWING = [name for name, operation in OPERATIONS.items() if operation.noise]
ONE_PASS = [
    f"{case.stem}.{direction}"
    for case in cases().values()
    for direction in ("forward", "inverse")
    if direction in {operation.name for operation in case.operations}
    and "torch" in case.operation(direction).implementations
    and not case.operation(direction).sequential
]


def missing(*names: str) -> str:
    return "; ".join(f"{', '.join(group)}: {remedy}" for remedy, group in left_out(names).items())


ENGINES = [
    pytest.param(name, marks=pytest.mark.skipif(bool(missing(name)), reason=missing(name)))
    for name in ("onnxruntime", "openvino")
]
each = pytest.mark.parametrize("engine", ENGINES)


def prepared(operation: str, engine: str, dim: int, batch: int) -> tuple[Thunk, Call]:
    call = operation_of(operation).inputs(dim, batch, FLOAT32, 3)
    return operation_of(operation).implementations[engine](call, dim, FLOAT32), call


@each
@pytest.mark.parametrize(("dim", "batch"), [(1, 1), (1, 300), (2, 5), (9, 1), (9, 300)])
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - DRAWING))
def test_every_row_agrees_with_the_kernel(engine: str, name: str, dim: int, batch: int) -> None:
    (size,) = operation_of(name).near((dim,))
    thunk, call = prepared(name, engine, size, batch)
    assert_as_the_kernel(name, thunk, call, size)


def assert_as_the_kernel(name: str, thunk: Thunk, call: Call, dim: int) -> None:
    """Also in the second call, which writes to the same memory."""
    stem, operation = name.split(".")
    expected, tolerance = (
        call.of(cases()[stem].kernel(operation))(),
        2 * operation_of(name).tolerance.of(dim, FLOAT32),
    )
    for _ in range(2):
        assert difference(thunk(), expected, tolerance, FLOAT32).used <= 1


@each
@pytest.mark.parametrize(("dim", "batch"), [(1, 5), (9, 300)])
@pytest.mark.parametrize("name", DRAWING)
def test_samples_are_made_of_the_normals_of_numpy(engine: str, name: str, dim: int, batch: int) -> None:
    (size,) = operation_of(name).near((dim,))
    thunk, call = prepared(name, engine, size, batch)
    noise = OPERATIONS[name].noise
    assert noise is not None
    normals = np.random.default_rng(call.args[-1]).standard_normal((batch, size), np.float32)
    np.testing.assert_allclose(noise.of(thunk(), call), normals, rtol=0, atol=2e-4)


@each
@pytest.mark.parametrize("name", ["mask_stack.forward", "mask_stack.inverse"])
def test_masks_that_do_not_alternate(engine: str, name: str) -> None:
    """Among them are layers that keep all or nothing."""
    call, masks = operation_of(name).inputs(9, 5, FLOAT32, 3), np.random.default_rng(1).random((4, 9)) < 0.4
    masks[0], masks[2] = False, True
    call = Call((call.args[0], call.args[1]._replace(masks=masks)))
    assert_as_the_kernel(name, operation_of(name).implementations[engine](call, 9, FLOAT32), call, 9)


@each
@pytest.mark.parametrize("dim", [2, 64, 65, 70])
@pytest.mark.parametrize("order", [1, 3])
def test_series_of_other_orders_and_lengths(engine: str, dim: int, order: int) -> None:
    name = "ar_process.inverse"
    call = operation_of(name).inputs(dim, 5, FLOAT32, 3)
    coefficients = np.array([0.5, -0.3, 0.1], np.float32)[:order]
    call = Call((call.args[0], call.args[1]._replace(coefficients=coefficients)))
    assert_as_the_kernel(name, operation_of(name).implementations[engine](call, dim, FLOAT32), call, dim)


def test_each_direction_of_one_pass_has_engines() -> None:
    """Of those that PyTorch has; a solve has a chain that grows with D."""
    assert set(ONE_PASS) - OPERATIONS.keys() == set()


@each
def test_results_are_written_to_the_same_memory(engine: str) -> None:
    thunk, _ = prepared("realnvp.forward", engine, 6, 4)
    assert all(a is b for a, b in zip(thunk(), thunk(), strict=True))


@each
def test_the_memory_of_the_batch_lives_as_long_as_what_reads_it(engine: str) -> None:
    thunk, call = prepared("maf.inverse", engine, 6, 4)
    batch = weakref.ref(call.args[0])
    del call
    gc.collect()
    assert batch() is not None
    del thunk
    gc.collect()
    assert batch() is None


@each
def test_draws_differ_from_call_to_call_and_not_from_run_to_run(engine: str) -> None:
    def draws() -> list[Any]:
        thunk, _ = prepared("realnvp.sample", engine, 6, 5)
        return [thunk().copy() for _ in range(2)]

    first, second = draws(), draws()
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(first, second)


THREADS = """
import sys
import numpy as np
import psutil
from seqgap.bench.model.registry import operation_of

def spent():
    return {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}

float32 = np.dtype(np.float32)
operation = operation_of("realnvp.forward")
run = operation.implementations[ENGINE](operation.inputs(256, 4096, float32, 1), 256, float32)
run()
start = spent()
for _ in range(40):
    run()
gained = [seconds - start.get(thread, 0) for thread, seconds in spent().items()]
print(max(gained) / sum(gained))
"""


@pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")
@each
def test_a_single_thread_does_all_of_the_work(engine: str, fresh_python: Callable[..., str]) -> None:
    assert float(fresh_python(THREADS.replace("ENGINE", repr(engine)))) > 0.9


NO_TELEMETRY = """
import sys
import numpy as np
from seqgap.bench.model.registry import operation_of

float32 = np.dtype(np.float32)
operation = operation_of("linear_ar.inverse")
operation.implementations["openvino"](operation.inputs(4, 3, float32, 1), 4, float32)()
print([name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module])
"""


@pytest.mark.skipif(bool(missing("openvino")), reason=missing("openvino"))
def test_openvino_reports_nothing(fresh_python: Callable[..., str]) -> None:
    assert fresh_python(NO_TELEMETRY).strip() == "[]"


def test_cells_are_of_float32_and_of_one_thread() -> None:
    options = Options(
        impl=("numba", "onnxruntime"), case=("realnvp.forward",), dim=(2,), batch=(1,), map=(),
        dtype=("float64", "float32"), threads=(1, 2),
    )  # fmt: skip
    cells = [cell for cell in plan(options) if cell.impl == "onnxruntime"]
    assert [(cell.dtype, cell.threads) for cell in cells] == [("float32", 1)]


@pytest.mark.skipif(bool(missing("onnxruntime")), reason=missing("onnxruntime"))
@pytest.mark.parametrize("dim", [4, 5])
def test_masked_flows_are_sampled_by_d_calls_of_each_network(dim: int) -> None:
    from seqgap.bench.model import engines
    from seqgap.bench.peers import deployed, neural

    calls = []

    def compiled(model: bytes) -> Any:
        bind = engines.onnxruntime(model)

        def counted(inputs: Any, outputs: Any) -> Thunk:
            run = bind(inputs, outputs)
            return lambda: (calls.append(model), run())

        return counted

    z, params = operation_of("maf.forward").inputs(dim, 3, FLOAT32, 2).args
    sample = deployed.by_passes(neural.autoregressive)(Engine(compiled, False, False), z, params, ("values",))
    sample()
    assert len(calls) == dim * len(params.order)
    assert len(set(calls)) == len(params.order)


@each
def test_the_versions_are_recorded(engine: str) -> None:
    assert {engine, "onnx"} <= versions().keys()


@each
def test_a_dtype_that_an_engine_does_not_take_is_named(engine: str) -> None:
    asked = ["run", "--case", "realnvp.forward", "--impl", engine, "--dtype", "float64", "--dry-run"]
    done = invoke(*asked)
    assert done.exit_code == 2
    assert f"no chosen operation runs in {engine} with float64; see seqgap list" in done.output
    done = invoke(*asked, "--impl", f"numba,{engine}")
    assert f"No chosen operation runs in {engine} with float64; left out" in done.output
