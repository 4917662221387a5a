"""Linear autoregressive model: the cleanest matched pair, one set of weights in both directions."""

from dataclasses import replace
from typing import Any, NamedTuple

import numba
import numpy as np

from seqgap.bench.model.case import Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import linear_ar


def numpy_forward(z: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """D steps, each one matrix-vector product for the whole batch."""
    x = params.bias + np.exp(params.log_scale) * z
    for d in range(1, z.shape[1]):
        x[:, d] += x[:, :d] @ params.weight[d, :d]
    return x, np.full(len(z), params.log_scale.sum())


def numpy_passes(z: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """D full passes, each one matrix product, as samplers of masked autoregressive flows do it."""
    return sweeps(z, params, z.shape[1]), np.full(len(z), params.log_scale.sum())


def sweeps(z: Any, params: linear_ar.Params, count: int) -> Any:
    """x after `count` passes x <- bias + W x + exp(log_scale) z from zeros: `count` values right."""
    driven = params.bias + np.exp(params.log_scale) * z
    x = np.zeros_like(z)
    for _ in range(count):
        x = driven + x @ params.weight.T
    return x


def plain_forward(z: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """Compiled loops over rows, dimensions and weights."""
    result: tuple[Any, Any] = _plain_loops(z, params.weight, params.bias, params.log_scale)
    return result


@numba.njit  # type: ignore[untyped-decorator]  # Numba's defaults: each sum is one chain of scalar additions
def _plain_loops(z: Any, weight: Any, bias: Any, log_scale: Any) -> tuple[Any, Any]:
    x = np.empty_like(z)
    scale = np.exp(log_scale)
    for n in range(z.shape[0]):
        for d in range(z.shape[1]):
            value = bias[d] + scale[d] * z[n, d]
            for k in range(d):
                value += weight[d, k] * x[n, k]
            x[n, d] = value
    return x, np.full(z.shape[0], log_scale.sum())


def numpy_inverse(x: Any, params: linear_ar.Params) -> tuple[Any, Any]:
    """One matrix product for the whole batch."""
    z = (x - params.bias - x @ params.weight.T) * np.exp(-params.log_scale)
    return z, np.full(len(x), -params.log_scale.sum())


class Tables(NamedTuple):
    """What users of the other libraries compute once for a model."""

    weight: Any  # (D, D), minus that of the model, the unit diagonal left out: x = solve(weight, rhs)
    bias: Any  # (D,)
    scale: Any  # (D,)
    log_det: Any  # (), of forward
    matrix: Any  # (D, D) and (D,): z = x @ matrix + offset
    offset: Any


def tables(params: linear_ar.Params, dim: int) -> Tables:
    """The model as a triangular system, and the inverse as one affine map."""
    rate = np.exp(-params.log_scale)
    matrix = np.ascontiguousarray(((np.eye(dim, dtype=rate.dtype) - params.weight) * rate[:, None]).T)
    return Tables(
        np.negative(params.weight), params.bias, np.exp(params.log_scale),
        np.asarray(params.log_scale.sum()), matrix, -rate * params.bias,
    )  # fmt: skip


def scipy_forward(scipy: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One triangular solve for the whole batch, in place: x.T has the order that LAPACK wants."""
    x = tables.scale * z
    x += tables.bias
    solve = scipy.linalg.solve_triangular
    solved = solve(
        tables.weight.T, x.T, trans=1, unit_diagonal=True, overwrite_b=True, check_finite=False
    )  # fmt: skip
    return solved.T, np.full(len(z), tables.log_det)


def torch_forward(torch: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One triangular solve for the whole batch."""
    rhs = torch.addcmul(tables.bias, tables.scale, z).mT
    x = torch.linalg.solve_triangular(tables.weight, rhs, upper=False, unitriangular=True)
    return x.mT, tables.log_det.expand(z.shape[0])


def torch_inverse(torch: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its offset."""
    return torch.addmm(tables.offset, x, tables.matrix), (-tables.log_det).expand(x.shape[0])


def jax_forward(jax: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One triangular solve for the whole batch."""
    rhs = (tables.bias + tables.scale * z).T
    x = jax.scipy.linalg.solve_triangular(tables.weight, rhs, lower=True, unit_diagonal=True)
    return x.T, jax.numpy.full(len(z), tables.log_det)


def jax_inverse(jax: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its offset."""
    return x @ tables.matrix + tables.offset, jax.numpy.full(len(x), -tables.log_det)


def onnx_inverse(graph: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its offset."""
    return graph.add("Gemm", x, tables.matrix, tables.offset), -tables.log_det


def _cost(dim: int) -> Cost:
    return Cost(
        flops=dim * (dim - 1) + 3 * dim,
        parameters=dim * (dim + 2),
        weights=dim * (dim - 1) / 2 + 2 * dim,  # below the diagonal, bias, scale
    )


CASE = flow(
    "linear_ar",
    linear_ar.random_params,
    Direction(
        lambda dim: _cost(dim)._replace(depth=dim), numpy_forward, torch_forward, jax_forward, scipy_forward,
        tables, explaining={"numpy-passes": numpy_passes, "numba-plain": plain_forward},
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, tables=tables,
        deployed=deployed.exported(onnx_inverse, tables),
    ),
    matched=("forward", "inverse"),
    fit_steps=20,
)  # fmt: skip
CASE = replace(CASE, title="linear autoregression", quick=True)
