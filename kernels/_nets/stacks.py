"""Stacks of layers as families have them: the row kernels of one transform, for batches and for few rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

from seqgap.kernels._core.family import StrategicFamily
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.rows import WORTH_HEAVY, FewRowKernel, FewRows
from seqgap.kernels._nets.context_tables import tables_of
from seqgap.kernels._nets.layers import (
    STRATEGIES,
    Layers,
    incremental_layer,
    parallel_layer,
    stack,
    sweeping_layer,
)
from seqgap.kernels._nets.mlp import Network
from seqgap.kernels._nets.packed import packed
from seqgap.kernels._nets.single import at_once_rows, by_feature_rows


class StackRows(NamedTuple):
    """The row kernels of stacks with one transform: rows(lo, hi, source, target, log_det, layers, network).

    layers and network are plain tuples in the order of `Layers` and `Network`: Numba unpacks those faster.
    """

    by_feature: Any  # latent to data
    by_passes: Any  # latent to data, naive and jacobi
    at_once: Any  # data to latent
    few: FewRows


def stack_rows(to_data: Any, to_latent: Any) -> StackRows:
    """Row kernels made of transform(form, parameters, outputs, pitch, feature, result, log_det).

    It transforms one feature of a tile. parameters: address of the `outputs` rows of `pitch` for it; log_det:
    address of the sum.
    """
    return StackRows(
        stack(incremental_layer(to_data)),
        stack(sweeping_layer(to_data)),
        stack(parallel_layer(to_latent)),
        FewRows(
            packed,
            FewRowKernel(by_feature_rows(to_data), _most_by_feature),
            FewRowKernel(at_once_rows(to_latent), _most_at_once),
        ),
    )


def _most_at_once(layers: tuple[Any, ...], network: tuple[Any, ...]) -> int:
    """How many rows are faster one by one, in one pass of each network: docs/few_rows.csv.

    6 of float32, 3 of float64. Splines of fewer features than lanes take as long for one row as for a vector.
    """
    _, features, outputs, _ = Network(*network).weight_out.shape
    lanes = VECTOR_BYTES // Network(*network).weight_out.itemsize
    return 2 if outputs > 2 and features < lanes else 3 * lanes // 8


def _most_by_feature(layers: tuple[Any, ...], network: tuple[Any, ...]) -> int:
    """The same feature by feature: 2 of float32, 1 of float64; couplings take one pass."""
    if (Network(*network).degrees == Layers(*layers).identity[:, None, None]).all():
        return _most_at_once(layers, network)
    return max(1, _most_at_once(layers, network) // 3)


class LayerFamily(StrategicFamily):
    """Stacks of layers, latent to data feature by feature; arrays(params, dtype, dim, strategy)."""

    strategies = STRATEGIES

    def __init__(self, params: type[Any], arrays: Callable[..., tuple[Any, ...]], rows: StackRows) -> None:
        super().__init__(params, arrays, rows.by_feature, rows.at_once, WORTH_HEAVY, rows.few, tables_of)
        self._by_passes = rows.by_passes

    def _kernel(self, direction: int, *options: Any) -> Callable[..., Any]:
        passes = direction == 0 and options not in ((), STRATEGIES[:1])
        return self._by_passes if passes else super()._kernel(direction)
