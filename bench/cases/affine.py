"""Affine flow with its inverse at hand: one product with a dense matrix in either direction."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model.case import Cost, rounding
from seqgap.bench.model.flow import Direction, flow
from seqgap.bench.peers import deployed
from seqgap.kernels import affine


class Tables(NamedTuple):
    """One direction, as users of the other libraries hold it: y = x @ matrix + shift."""

    matrix: Any  # (D, D)
    shift: Any  # (D,)
    log_det: Any  # ()


def _forward(params: affine.Params, dim: int = 0) -> Tables:
    return Tables(np.ascontiguousarray(params.matrix.T), params.shift, np.asarray(params.log_det))


def _inverse(params: affine.Params, dim: int = 0) -> Tables:
    matrix, shift = np.ascontiguousarray(params.inverse.T), params.inverse_shift
    return Tables(matrix, shift, np.asarray(-params.log_det))


def _numpy(tables: Callable[[affine.Params], Tables]) -> Any:
    def product(batch: Any, params: affine.Params) -> tuple[Any, Any]:
        matrix, shift, log_det = tables(params)
        return batch @ matrix + shift, np.full(len(batch), log_det)

    return product


def torch_product(torch: Any, batch: Any, tables: Tables) -> tuple[Any, Any]:
    """One matrix product with its bias."""
    return torch.addmm(tables.shift, batch, tables.matrix), tables.log_det.expand(batch.shape[0])


def jax_product(jax: Any, batch: Any, tables: Tables) -> tuple[Any, Any]:
    """As in NumPy."""
    return batch @ tables.matrix + tables.shift, jax.numpy.full(len(batch), tables.log_det)


def onnx_product(graph: Any, batch: Any, tables: Tables) -> tuple[Any, Any]:
    """As in PyTorch."""
    return graph.add("Gemm", batch, tables.matrix, tables.shift), tables.log_det


def _cost(dim: int) -> Cost:
    weights = dim * (dim + 1)
    return Cost(flops=2 * dim * dim, parameters=2 * weights + 1, weights=weights)


def _direction(tables: Callable[..., Tables]) -> Direction:
    return Direction(
        _cost, _numpy(tables), torch_product, jax_product, tables=tables,
        deployed=deployed.exported(onnx_product, tables),
    )  # fmt: skip


CASE = flow(
    "affine",
    affine.random_params,
    _direction(_forward),
    _direction(_inverse),
    tolerance=rounding(lambda dim: 4 * dim + 30),
)
