"""Continuous normalizing flow: in fixed steps, and in adaptive ones at equal tolerances.

The trace of a density is thought to cost D evaluations of the network. Here it is one more layer, as in the
implementations that NumPy and the engines have; PyTorch and JAX have it as their users do, from D passes.
No pair is matched: neither direction has steps that grow with D, and log_prob has the trace that sample does
without; docs/exact_densities.py compares the two at equal evaluations.
"""

import functools
from dataclasses import replace
from typing import Any

from seqgap.bench.model.case import (
    COUNT,
    DIFFERENCES,
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


def _small(dim: int, seed: int, dtype: Dtype) -> cnf.Params:
    """A network that plain Python differentiates number by number."""
    return cnf.random_params(dim, seed, depth=1, width=4, dtype=dtype)._replace(method="rk4", steps=2)


def _solve(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((standard_normal(count, dim, seed, dtype=dtype), _small(dim, seed, dtype)), {"inverse": True})


def _estimated(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    x = standard_normal(count, dim, seed, stream=1, dtype=dtype)
    return Call((x, _small(dim, seed, dtype), seed), {"probes": 3, "first_row": 0})


def _gradient(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    z, of_x, of_log_det = (standard_normal(count, dim, seed, stream=s, dtype=dtype) for s in (1, 2, 3))
    return Call((z, _small(dim, seed, dtype), of_x, of_log_det[:, 0].copy()))


_VERIFIED = functools.partial(Operation, cost=lambda dim: Cost(), sizes=(1, 2, 3), timed=False)
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
        _VERIFIED("solve", _solve, rows=(0, None), tolerance=rounding(lambda dim: 1000)),
        _VERIFIED(
            "estimated_log_prob", _estimated, rows=(0, None, None), tolerance=rounding(lambda dim: 1000)
        ),
        _VERIFIED("gradient", _gradient, tolerance=DIFFERENCES),
    ),
)  # fmt: skip
CASE = replace(
    _FLOW,
    title="continuous flow",
    operations=tuple(replace(operation, largest_dim=_LARGEST) for operation in _FLOW.operations),
)
