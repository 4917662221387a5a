"""Flows in the engines that networks are deployed with: see `model.engines`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.model.case import Thunk
from seqgap.bench.model.engines import Engine, Program
from seqgap.bench.peers import onnx_flows
from seqgap.bench.peers.onnx_graph import Graph, Value

Layers: TypeAlias = Callable[[Any], Sequence[Any]]  # of Params, as those of `neural`
# (graph, batch, tables) -> (values, log_det), which is a number where all rows have the same
Expression: TypeAlias = Callable[[Graph, Value, Any], tuple[Value, Value | float]]


def at_once(layers: Layers, back: bool, bound: float | None = None) -> Program:
    """One pass of each network, as `neural.at_once`; results: values, log_det, log_prob."""

    def program(engine: Engine, batch: Any, params: Any, results: tuple[str, ...]) -> Thunk:
        ordered = layers(params)[:: 1 if back else -1]
        source = _input(graph := Graph(), "batch", batch.shape, engine)
        known = onnx_flows.outputs(source, ordered, back, bound)
        return filling(engine, graph, {"batch": batch}, {name: known[name] for name in results})

    return program


def expressed(function: Expression, tables: Callable[[Any, int], Any]) -> Program:
    """One pass as an expression of the batch and what `tables` makes of the params; results as `at_once`."""

    def program(engine: Engine, batch: Any, params: Any, results: tuple[str, ...]) -> Thunk:
        graph, dim = Graph(), batch.shape[1]
        values, log_det = function(graph, Value(graph, "batch"), tables(params, dim))
        known = {"values": values, "log_det": log_det, "log_prob": onnx_flows.density(values, log_det, dim)}
        return filling(engine, graph, {"batch": batch}, {name: known[name] for name in results})

    return program


def filling(
    engine: Engine, graph: Graph, inputs: dict[str, Any], results: Mapping[str, Value | float]
) -> Thunk:
    """What fills the results anew in each call, and returns them; a number fills its array once.

    "values" have the shape of the first input, all others one entry for each of its rows.
    """
    batch = next(iter(inputs.values()))
    outputs = {name: np.zeros(batch.shape[: 1 + (name == "values")], batch.dtype) for name in results}
    wanted, filled = [], []
    for name, value in results.items():
        if isinstance(value, Value):
            wanted.append((value, outputs[name].shape))
            filled.append(outputs[name])
        else:
            outputs[name].fill(value)
    shapes = {name: array.shape for name, array in inputs.items()}
    run = engine.compiled(graph.model(shapes, wanted))([*inputs.values()], filled)
    everything = tuple(outputs.values()) if len(outputs) > 1 else filled[0]

    def fill() -> Any:
        run()
        return everything

    return fill


def _input(graph: Graph, name: str, shape: tuple[int, int], engine: Engine) -> onnx_flows.Batch:
    rows, dim = shape
    return onnx_flows.Batch(Value(graph, name), dim, engine.gathers_columns or rows == 1)


def by_passes(layers: Layers) -> Program:
    """Latent to data by D calls of the network of each masked affine layer; results as those of `at_once`.

    Each call makes one more feature right: what it returns is what the next one is given.
    """

    def program(engine: Engine, z: Any, params: Any, results: tuple[str, ...]) -> Thunk:
        source, stages, log_scales = z, [], []
        for layer in map(onnx_flows.natural, layers(params)):
            log_scales.append(np.empty_like(z))
            run, source = _passes(engine, layer, source, log_scales[-1])
            stages.append(run)

        def sample() -> Any:
            for stage in stages:
                stage()
            return _results(results, source, log_scales)

        return sample

    return program


def _passes(engine: Engine, layer: Any, source: Any, log_scale: Any) -> tuple[Thunk, Any]:
    """What makes D calls for a layer, and the array that it leaves its values in."""
    graph, dim = Graph(), source.shape[1]
    target = _input(graph, "target", source.shape, engine)
    hidden = onnx_flows.hidden_of(graph, layer, target)
    values, added = onnx_flows.affine(graph, layer, hidden, Value(graph, "source"), back=True)
    shapes = {"source": source.shape, "target": source.shape}
    bind = engine.compiled(graph.model(shapes, [(values, source.shape), (added, source.shape)]))
    start, other = np.zeros_like(source), np.zeros_like(source)
    forth, back = (bind([source, a], [b, log_scale]) for a, b in ((start, other), (other, start)))
    calls = [forth, back] * (dim // 2) + [forth] * (dim % 2)

    def run() -> None:
        start.fill(0)
        for call in calls:
            call()

    return run, other if dim % 2 else start


def _results(names: tuple[str, ...], values: Any, log_scales: Sequence[Any]) -> Any:
    if names == ("values",):
        return values
    log_det = np.sum([log_scale.sum(1) for log_scale in log_scales], axis=0)
    if names == ("log_prob",):
        squares = np.einsum("nd,nd->n", values, values)
        return log_det - 0.5 * squares - 0.5 * onnx_flows.LOG_2_PI * values.shape[1]
    return values, log_det
