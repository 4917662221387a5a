"""Continuous normalizing flow: in fixed steps, and in adaptive ones at equal tolerances.

The trace of a density is thought to cost D evaluations of the network. Here it is one more layer, as in the
implementations that NumPy and the engines have; PyTorch and JAX have it as their users do, from D passes.
Neither direction has steps that grow with D, so no pair is matched: samples do without the trace.
"""

import functools
from dataclasses import replace
from typing import Any

from seqgap.bench.model.case import (
    COUNT,
    EXP_FLOPS,
    NORMAL_FLOPS,
    Call,
    Cost,
    Dtype,
    Noise,
    Operation,
    rounding,
)
from seqgap.bench.model.flow import Direction, flow, held
from seqgap.bench.peers import deployed, fields, solvers
from seqgap.kernels import cnf
from seqgap.kernels.normal import standard_normal

_WIDTH, _STAGES = 64, 4
_EVALUATIONS = 20  # that adaptive steps take at least
_SIZES = (1, 2, 3, 5, 6, 8, 10, 13, 17, 21, 32, 64, 128, 256)
_LARGEST = 10  # D above which plain Python, of D tangents through all layers, is too slow for whole batches


def _random_params(dim: int, seed: Any, **options: Any) -> cnf.Params:
    return cnf.random_params(dim, seed, **options)._replace(method="rk4", steps=fields.STEPS)


def _adaptive_params(dim: int, seed: int, dtype: Dtype) -> cnf.Params:
    return cnf.random_params(dim, seed, width=_WIDTH, dtype=dtype)._replace(
        relative_tolerance=solvers.RELATIVE, absolute_tolerance=solvers.ABSOLUTE
    )


def _cost(evaluations: int, traced: bool, dim: int) -> Cost:
    """Of evaluations one after the other, each three layers deep."""
    weights = _WIDTH * (2 * dim + _WIDTH)
    units, form = 2 * _WIDTH, _WIDTH * (_WIDTH + 1) if traced else 0
    flops = 2 * (weights + form) + units * (EXP_FLOPS + 6) + 2 * dim
    return Cost(
        depth=3 * evaluations, flops=evaluations * flops, exps=evaluations * units,
        parameters=weights + 2 * units + dim, weights=weights,
    )  # fmt: skip


def _direction(start: int, *, traced: bool = True) -> Direction:
    """From a time to the other end."""

    def numpy(z: Any, params: cnf.Params) -> tuple[Any, Any]:
        field = fields.numpy_field(fields.tables(params, params.dim), traced=traced)
        return fields.solved(field, z, start)

    def torch(torch: Any, z: Any, net: fields.Tables) -> tuple[Any, Any]:
        return fields.solved(fields.torch_field(torch, net, traced=traced), z, start)

    def jax(jax: Any, z: Any, net: fields.Tables) -> tuple[Any, Any]:
        return fields.solved(fields.jax_field(jax, net, traced=traced), z, start)

    def onnx(graph: Any, z: Any, net: fields.Tables) -> tuple[Any, Any]:
        return fields.solved(fields.onnx_field(graph, net), z, start)

    def passes(z: Any, params: cnf.Params) -> tuple[Any, Any]:
        return fields.solved(fields.numpy_tangents(fields.tables(params, params.dim)), z, start)

    return Direction(
        functools.partial(_cost, _STAGES * fields.STEPS, traced), numpy, torch, jax, tables=fields.tables,
        explaining={"numpy-passes": passes}, deployed=deployed.exported(onnx, fields.tables),
    )  # fmt: skip


def _adaptive_log_prob(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((standard_normal(count, dim, seed, dtype=dtype), _adaptive_params(dim, seed, dtype)))


def _adaptive_sample(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, _adaptive_params(dim, seed, dtype), seed), {"first_row": 0})


def _adaptive_cost(dim: int) -> Cost:
    cost = _cost(_EVALUATIONS, True, dim)
    return cost._replace(flops=cost.flops + 2 * dim + 1, elements=dim + 1, written=1)


def _adaptive_sample_cost(dim: int) -> Cost:
    cost = _cost(_EVALUATIONS, False, dim)
    return cost._replace(flops=cost.flops + NORMAL_FLOPS * dim, normals=dim, elements=dim, written=dim)


def _normals(x: Any, call: Call) -> Any:
    return cnf.inverse(x, call.args[1])[0]


_ADAPTIVE = functools.partial(Operation, tolerance=solvers.ERRORS, sizes=_SIZES, largest_dim=_LARGEST)
_FLOW = flow(
    "cnf",
    _random_params,
    _direction(0),
    _direction(1),
    sampling=_direction(0, traced=False),
    tolerance=rounding(lambda dim: 8 * (dim + 2 * _WIDTH + 64)),
    sizes=_SIZES,
    more=(
        _ADAPTIVE(
            "adaptive_log_prob", _adaptive_log_prob, _adaptive_cost, rows=(0, None),
            implementations=solvers.densities(), compiled=held("log_prob"), function="log_prob",
        ),
        _ADAPTIVE(
            "adaptive_sample", _adaptive_sample, _adaptive_sample_cost, rows=(COUNT, None, None),
            implementations=solvers.samplers(), noise=Noise(_normals), compiled=held("sample"),
            function="sample",
        ),
    ),
)  # fmt: skip
CASE = replace(
    _FLOW,
    title="continuous flow",
    operations=tuple(replace(operation, largest_dim=_LARGEST) for operation in _FLOW.operations),
)
