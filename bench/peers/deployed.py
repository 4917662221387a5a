"""Flows in the engines that networks are deployed with: see `model.engines`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.model.case import Thunk
from seqgap.bench.model.engines import Engine, Program
from seqgap.bench.peers import onnx_flows
from seqgap.bench.peers.onnx_batch import Batch
from seqgap.bench.peers.onnx_graph import LOG_2_PI, Graph, Value, log_density

Layers: TypeAlias = Callable[[Any], Sequence[Any]]  # of Params, as those of `neural`
# (values, log_det): pieces where the features are in any order, a number where it is the same for all rows
Transformed: TypeAlias = tuple[Value | Batch, Value | float]
Export: TypeAlias = Callable[[Graph, Value, Any], Transformed]  # (graph, batch, tables)
Wanted: TypeAlias = Sequence[tuple[Value | float, tuple[int, ...]]]  # results with their shapes


def exported(export: Export, tables: Callable[[Any, int], Any] = lambda params, dim: params) -> Program:
    """A transform as one graph; results: values, log_det, log_prob. tables: as in `Direction`."""

    def transformed(batch: Value, params: Any) -> Transformed:
        return export(batch.graph, batch, tables(params, batch.graph.dim))

    return _program(transformed)


def at_once(layers: Layers, back: bool, bound: float | None = None) -> Program:
    """One pass of each network, as `neural.at_once`; results as those of `exported`."""

    def transformed(batch: Value, params: Any) -> Transformed:
        ordered = layers(params)[:: 1 if back else -1]
        return onnx_flows.transformed(Batch(batch), ordered, back, bound)

    return _program(transformed)


def _program(transformed: Callable[[Value, Any], Transformed]) -> Program:
    def program(engine: Engine, batch: Any, params: Any, results: tuple[str, ...]) -> Thunk:
        known = _named(*transformed(Value(Graph(engine, batch.shape), "batch"), params))
        wanted = [(known[name], batch.shape if name == "values" else batch.shape[:1]) for name in results]
        return running(engine, {"batch": batch}, wanted)

    return program


def _named(values: Value | Batch, log_det: Value | float) -> dict[str, Value | float]:
    batch = values if isinstance(values, Batch) else Batch(values)
    log_prob = log_density(batch.joined(), log_det)
    return {"values": batch.natural(), "log_det": log_det, "log_prob": log_prob}


def running(engine: Engine, inputs: Mapping[str, Any], wanted: Wanted) -> Thunk:
    """What computes results of these shapes from the inputs anew in each call, in the same memory.

    A number fills its array here, once: a user would not have the engine write it in each call.
    """
    dtype = next(iter(inputs.values())).dtype
    arrays = [np.full(shape, 0 if isinstance(value, Value) else value, dtype) for value, shape in wanted]
    computed = [
        (value, array) for (value, _), array in zip(wanted, arrays, strict=True) if isinstance(value, Value)
    ]
    shapes = {name: array.shape for name, array in inputs.items()}
    model = computed[0][0].graph.model(shapes, [(value, array.shape) for value, array in computed])
    run = engine.compiled(model)(list(inputs.values()), [array for _, array in computed])

    def transform() -> Any:
        run()
        return tuple(arrays) if len(arrays) > 1 else arrays[0]

    return transform


def by_passes(layers: Layers) -> Program:
    """Latent to data by D calls of the network of each masked affine layer; results as those of `exported`.

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
    graph, dim = Graph(engine, source.shape), source.shape[1]
    target = Batch(Value(graph, "target"))
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
        return log_det - 0.5 * squares - 0.5 * LOG_2_PI * values.shape[1]
    return values, log_det
