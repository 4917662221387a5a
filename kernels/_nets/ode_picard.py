"""Continuous flows by Picard's sweeps: f and its trace at all Euler steps of a window at once.

The state has log_det as one more number, which f does not see; the rest is `_nets.picard`.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._nets import picard
from seqgap.kernels._nets.chain_plan import EULER
from seqgap.kernels._nets.dense import moved, put
from seqgap.kernels._nets.divergence import on_tile, tile_space
from seqgap.kernels._nets.ode_rows import Arrays
from seqgap.kernels._nets.trace_forms import Field

_ROUNDINGS = 64  # of the dtype: a change that counts as none, as in `Chain.picard`


@jit_inline
def _on_window(field: Any, first: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    """f and its trace with evaluation first + j for column j."""
    net, form, biases = field
    width, dim, last = net.weight_in.shape[0], net.weight_out.shape[0], biases.shape[0] - 1
    for j in range(pitch):
        row = min(first + j, last)
        for unit in range(width):
            put(space, unit * pitch + j, biases[row, unit])
    window, trace = Field(net, form, space, None), moved(result, dim * pitch)
    on_tile(window, 0, source, result, moved(space, width * pitch), trace, pitch)


@jit_inline
def _space(field: Any, pitch: Any) -> Any:
    return tile_space(field[0], pitch) + field[0].weight_in.shape[0] * pitch


_rows = picard.picard_rows(_on_window, _space)


def picard_rows(source: Array, target: Array, log_det: Array, arrays: Arrays) -> None:
    """Write target and log_det of a batch."""
    grid, net, dtype = arrays.method, arrays.net, source.dtype
    states = np.zeros((len(source), source.shape[1] + 1), dtype)
    states[:, :-1] = source
    table = np.zeros((grid.steps, 6), dtype)
    table[:, 2], table[:, 4] = 1, grid.width
    tableau = (np.ascontiguousarray(part, dtype) for part in EULER[1:])
    steps = table, np.zeros(grid.steps, np.uint32), *tableau, dtype.type(np.inf)
    field = net._replace(bias_in=np.zeros_like(net.bias_in[:1])), arrays.form, net.bias_in
    tolerance = _ROUNDINGS * float(np.finfo(dtype).eps)
    sweeps = np.empty(len(states), np.int64)
    _rows(0, len(states), states, sweeps, (np.int64(0), np.uint64(0)), (steps, tolerance), field)
    target[:], log_det[:] = states[:, :-1], states[:, -1]
