"""Tables of contexts: the biases and gates that the networks of a stack have for each context.

How a context c enters a network with the activation a:

- added: W c + b is added to the biases of the first hidden layer (zuko: the columns of c in its weights);
- activated: a(W c + b) is (MADE of nflows);
- blocks: the same, and W c + b is added to the biases of the first layer of each residual block (MADE of
  nflows with residual blocks);
- gated: as added, and what each residual block adds is multiplied by sigmoid(W c + b) (ResidualNet of nflows;
  Dauphin et al., "Language modeling with gated convolutional networks", 2017, equation 1).

T of the hidden layers have an entry: the first one, and with blocks and gated also one in each block. Units
lie in whole vectors, U for H of them, as the kernels for single rows have them.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.simd import lanes, scratch
from seqgap.kernels._core.vecmath import sigmoid
from seqgap.kernels._nets.columns import add_all_columns
from seqgap.kernels._nets.contexts import GATED, WAYS, entries_of
from seqgap.kernels._nets.dense import address, read, write
from seqgap.kernels._nets.made import sorted_units
from seqgap.kernels._nets.mlp import Network, activate
from seqgap.kernels._nets.packed import padded

_ADDED = 0


class Tables(NamedTuple):
    """What makes a table of contexts."""

    weight: Array  # (L, T, C, U)
    bias: Array  # (L, T, U)
    hidden: Array  # (L, T, U): biases that the entries are added to; zeros where they are gates
    way: int  # among WAYS
    activation: int

    @property
    def columns(self) -> int:
        """C."""
        return int(self.weight.shape[2])

    def __call__(self, contexts: Array) -> tuple[Array, int]:
        """The table (B, L, T, U) of contexts (B, C) of the dtype of the weights, and how it is used."""
        return _table(contexts, self.weight, self.bias, self.hidden, self.way, self.activation), self.way


def tables_of(params: Any, layers: tuple[Any, ...], network: tuple[Any, ...]) -> Tables | None:
    """The checked tables of Params with the fields of a context; None where they have none."""
    if hasattr(params, "degrees"):
        params = sorted_units(params)
    way, fields = params.context, ("weight_context", "bias_context")
    values = {f"params.{name}": getattr(params, name) for name in fields}
    if way is None:
        for name, value in values.items():
            if value is not None:
                raise ValueError(f"{name}: expected None where params.context is, got one")
        return None
    net = Network(*network)
    number, (count, depth, width) = check.choice("params.context", way, WAYS), net.bias_hidden.shape
    if way in ("blocks", "gated") and not net.residual:
        raise ValueError(f"params.context: expected added or activated without residual blocks, got {way!r}")
    places = entries_of(way, depth)
    shape, dtype = (count, len(places), width), net.bias_hidden.dtype
    columns = check.shape("params.weight_context", params.weight_context, 4)[3]
    weight = check.shaped("params.weight_context", params.weight_context, dtype, (*shape, columns))
    bias = check.shaped("params.bias_context", params.bias_context, dtype, shape)
    hidden = net.bias_hidden[:, places].copy()
    if number == GATED:
        hidden[:, 1:] = 0
    step = VECTOR_BYTES // dtype.itemsize
    weight, bias, hidden = (padded(array, step) for array in (weight.swapaxes(2, 3), bias, hidden))
    return Tables(np.ascontiguousarray(weight), bias, hidden, number, net.activation)


@jit_exact
def _table(contexts: Any, weight: Any, bias: Any, hidden: Any, way: Any, activation: Any) -> Any:
    isolate()
    layers, entries, columns, units = weight.shape
    table = scratch(contexts.shape[0], layers * entries * units, weight)
    for b in range(contexts.shape[0]):
        for at in range(layers * entries):
            source, start = address(contexts, b * columns), address(bias, at * units)
            sums, base = address(table, (b * layers * entries + at) * units), address(hidden, at * units)
            for v in range(0, units, lanes(table)):
                write(sums, v, read(start, v))
            add_all_columns(address(weight, at * columns * units), units, columns, source, sums, units)
            _finish(at % entries == 0, way, activation, base, sums, units)
    return table.reshape(contexts.shape[0], layers, entries, units)


@jit_exact
def _finish(first: Any, way: Any, activation: Any, base: Any, sums: Any, units: Any) -> None:
    isolate()
    if first and way != _ADDED and way != GATED:
        activate(activation, sums, sums, units)
    gates = way == GATED and not first
    for v in range(0, units, lanes(sums)):
        value = read(sums, v)
        write(sums, v, sigmoid(value) if gates else value + read(base, v))
