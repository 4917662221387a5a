"""Stacks of layers as families have them: the row kernels of one transform, for batches and for few rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

from seqgap.kernels._core.family import StrategicFamily
from seqgap.kernels._core.rows import WORTH_HEAVY, FewRows
from seqgap.kernels._nets.layers import STRATEGIES, incremental_layer, parallel_layer, stack, sweeping_layer
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
        FewRows(packed, by_feature_rows(to_data), at_once_rows(to_latent)),
    )


class LayerFamily(StrategicFamily):
    """Stacks of layers, latent to data feature by feature; arrays(params, dtype, dim, strategy)."""

    strategies = STRATEGIES

    def __init__(self, params: type[Any], arrays: Callable[..., tuple[Any, ...]], rows: StackRows) -> None:
        super().__init__(params, arrays, rows.by_feature, rows.at_once, WORTH_HEAVY, rows.few)
        self._by_passes = rows.by_passes

    def _kernel(self, direction: int, *options: Any) -> Callable[..., Any]:
        passes = direction == 0 and options not in ((), STRATEGIES[:1])
        return self._by_passes if passes else super()._kernel(direction)
