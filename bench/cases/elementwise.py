"""A scale and a shift of each feature by itself: what a flow of z-scored data adds to its layers."""

from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import Cost
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import elementwise


class Tables(NamedTuple):
    """What users compute once for a model."""

    scale: Any  # (D,)
    shift: Any  # (D,)
    log_det: Any  # (), of forward


def tables(params: elementwise.Params, dim: int = 0) -> Tables:
    """With the log-determinant."""
    return Tables(params.scale, params.shift, np.asarray(np.log(np.abs(params.scale)).sum()))


def numpy_forward(z: Any, params: elementwise.Params) -> tuple[Any, Any]:
    """Over the whole batch."""
    return z * params.scale + params.shift, np.full(len(z), tables(params).log_det)


def numpy_inverse(x: Any, params: elementwise.Params) -> tuple[Any, Any]:
    """Over the whole batch."""
    return (x - params.shift) / params.scale, np.full(len(x), -tables(params).log_det)


def torch_forward(torch: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """One operation."""
    return torch.addcmul(tables.shift, z, tables.scale), tables.log_det.expand(z.shape[0])


def torch_inverse(torch: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy."""
    return (x - tables.shift) / tables.scale, (-tables.log_det).expand(x.shape[0])


def jax_forward(jax: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy; XLA fuses."""
    return z * tables.scale + tables.shift, jax.numpy.full(len(z), tables.log_det)


def jax_inverse(jax: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy; XLA fuses."""
    return (x - tables.shift) / tables.scale, jax.numpy.full(len(x), -tables.log_det)


def onnx_forward(graph: Any, z: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy."""
    return z * tables.scale + tables.shift, tables.log_det


def onnx_inverse(graph: Any, x: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy."""
    return (x - tables.shift) / tables.scale, -tables.log_det


def _cost(dim: int) -> Cost:
    return Cost(flops=2 * dim, parameters=2 * dim, weights=2 * dim)


CASE = flow(
    "elementwise",
    elementwise.random_params,
    Direction(
        _cost, numpy_forward, torch_forward, jax_forward, tables=tables,
        deployed=deployed.exported(onnx_forward, tables),
    ),
    Direction(
        _cost, numpy_inverse, torch_inverse, jax_inverse, tables=tables,
        deployed=deployed.exported(onnx_inverse, tables),
    ),
)  # fmt: skip
