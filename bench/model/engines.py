"""Engines that networks are deployed with, ONNX Runtime and OpenVINO: one thread, float32, shared buffers.

What an engine makes of an ONNX model is bind(inputs, outputs) -> the callable that runs it. The arrays, in
the order of the model's, are its own memory: nothing is copied in or out.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.bench.model.case import Call, Dtype, Setup, Thunk

Arrays: TypeAlias = Sequence[Any]
Bind: TypeAlias = Callable[[Arrays, Arrays], Thunk]


class Engine(NamedTuple):
    """What compiles a model, and what a graph for it has to know."""

    compiled: Callable[[bytes], Bind]
    gathers_columns: bool  # about as fast as rows
    fuses_elementwise: bool  # what follows each other element by element is one pass


# (engine, batch, params, names of the results) -> what fills the results anew in each call, and returns them
Program: TypeAlias = Callable[[Engine, Any, Any, tuple[str, ...]], Thunk]


def onnxruntime(model: bytes) -> Bind:
    """All of its graph optimisations, no thread that spins, buffers bound once."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def bind(inputs: Arrays, outputs: Arrays) -> Thunk:
        binding = session.io_binding()
        for method, nodes, arrays in (
            (binding.bind_input, session.get_inputs(), inputs),
            (binding.bind_output, session.get_outputs(), outputs),
        ):
            for node, array in zip(nodes, arrays, strict=True):
                method(node.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return _keeping(functools.partial(session.run_with_iobinding, binding), inputs, outputs)

    return bind


def openvino(model: bytes) -> Bind:
    """Compiled for latency: one stream, one request, tensors set once.

    Without its telemetry, which reports each use from a forked process while others are timed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: not to be imported
    import openvino as ov

    core = ov.Core()
    wanted = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(model), "CPU", wanted)

    def bind(inputs: Arrays, outputs: Arrays) -> Thunk:
        request = compiled.create_infer_request()
        for method, arrays in ((request.set_input_tensor, inputs), (request.set_output_tensor, outputs)):
            for index, array in enumerate(arrays):
                method(index, ov.Tensor(array, shared_memory=True))
        return _keeping(functools.partial(request.infer, share_outputs=True), inputs, outputs)

    return bind


def _keeping(run: Any, *arrays: Arrays) -> Thunk:
    """The callable, with the arrays: the engines hold their addresses alone."""
    run.arrays = arrays
    return run  # type: ignore[no-any-return]


_ENGINES = {  # ONNX Runtime copies columns element by element, rows as a whole
    "onnxruntime": Engine(onnxruntime, gathers_columns=False, fuses_elementwise=False),
    "openvino": Engine(openvino, gathers_columns=True, fuses_elementwise=True),
}


def setups(prepared: Callable[[Engine, Call, int, Dtype], Thunk]) -> dict[str, Setup]:
    """The set-up in each engine, by name of the implementation."""
    return {name: functools.partial(prepared, engine) for name, engine in _ENGINES.items()}


def drawing(run: Thunk, batch: Any, seed: int) -> Thunk:
    """The callable after NumPy has drawn the batch of normals anew."""
    normals = np.random.default_rng(seed).standard_normal

    def drawn() -> Any:
        normals(dtype=batch.dtype, out=batch)
        return run()

    return drawn


def implementations(
    program: Program | None, results: tuple[str, ...], *, draws: bool = False
) -> dict[str, Setup]:
    """The set-ups of a program, by name of the implementation; none without a program.

    draws: the call is (n, params, seed), and the batch is drawn in each call; else the call begins with the
    batch and the params.
    """
    if program is None:
        return {}

    def prepared(engine: Engine, call: Call, dim: int, dtype: Dtype) -> Thunk:
        first, params, *seed = call.args
        if not draws:
            return program(engine, first, params, results)
        batch = np.empty((first, dim), dtype)
        return drawing(program(engine, batch, params, results), batch, *seed)

    return setups(prepared)
