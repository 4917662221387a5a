"""Masked networks of zuko with residual=True: linear, then blocks h + W' a(W h + b) + b', linear.

Where hidden layers have other widths, a linear layer comes between the blocks. It is carried along: all that
is added to h is added to M h + c as well, and what comes behind reads that. So the network is one of blocks
that is as wide as all widths together.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop.layers import Network, columns_of_context
from seqgap.kernels.interop.parts import Parts, dense, refuse


class _Linear(NamedTuple):
    """A masked linear layer."""

    weight: Array  # (rows, columns), 0 where it is masked
    bias: Array  # (rows,)
    mask: Array  # (rows, columns) bool

    def after(self, one: "_Linear", shifted: bool) -> "_Linear":
        """Both as one layer, with the bias of the second or without."""
        weight, bias = (self.weight.astype(FLOAT64) @ value for value in (one.weight, one.bias))
        if shifted:
            bias = bias + self.bias
        kind = self.weight.dtype
        return _Linear(weight.astype(kind), bias.astype(kind), self.mask @ one.mask)


class _Block(NamedTuple):
    """What a block adds to units of one width."""

    inner: _Linear
    outer: _Linear


def residual_network(parts: Parts, path: str, hyper: Any, shape: tuple[int, int, int]) -> Network:
    """`shape`: inputs, features and outputs of each feature."""
    linears, blocks, activation = _read(parts, path, hyper)
    first, *between, last = linears
    if first.weight.shape[1] < shape[0]:
        refuse(f"{path}[0]", f"at least {shape[0]} inputs", first.weight.shape[1])
    if len(last.bias) != shape[1] * shape[2]:
        refuse(path, f"{shape[1] * shape[2]} outputs", len(last.bias))
    widths = [len(linear.bias) for linear in linears[:-1]]
    hidden = [_carried(first, 0, between, shifted=True)]
    for at, block in blocks:
        added = _carried(block.outer, at, between, shifted=False)
        hidden += [_placed(block.inner, at, widths, rows=True), _placed(added, at, widths, rows=False)]
    outputs = _placed(last, len(between), widths, rows=False)
    weights, masks = [layer.weight for layer in hidden], _masks(path, hidden, outputs)
    context = columns_of_context(weights, masks, shape[0])
    return Network(
        weights, [layer.bias for layer in hidden], outputs.weight, last.bias.reshape(shape[1:]), activation,
        "direct", masks, context,
    )  # fmt: skip


def _read(parts: Parts, path: str, hyper: Any) -> tuple[list[_Linear], list[tuple[int, _Block]], str]:
    """Linear layers, blocks with the number of the linear layer before them, and their activation."""
    linears, blocks, activation, columns = list[_Linear](), list[tuple[int, _Block]](), "", None
    for i, module in enumerate(hyper):
        at = f"{path}[{i}]"
        if parts.name(at, module, "MaskedLinear", "Residual") == "MaskedLinear":
            linears.append(_linear(parts, at, module, columns))
            columns = len(linears[-1].bias)
            continue
        if len(module) != 3:
            refuse(at, "a linear layer, an activation and a linear layer", f"{len(module)} modules")
        inner, outer = (_linear(parts, f"{at}[{k}]", module[k], columns) for k in (0, 2))
        if (name := parts.activation(f"{at}[1]", module[1])) != (activation := activation or name):
            refuse(f"{at}[1]", f"{activation} as the activation before", name)
        if not len(inner.bias) == len(outer.bias) == columns:
            refuse(at, f"a block of {columns} units", f"{len(inner.bias)} and {len(outer.bias)}")
        blocks.append((len(linears) - 1, _Block(inner, outer)))
    if parts.has(hyper[0], "Residual") or parts.has(hyper[-1], "Residual"):
        refuse(path, "a linear layer first and last", "a block")
    return linears, blocks, activation


def _linear(parts: Parts, path: str, module: Any, columns: int | None) -> _Linear:
    parts.name(path, module, "MaskedLinear")
    weight, bias, mask = dense(path, module, columns, masked=True)
    assert mask is not None
    return _Linear(weight * mask, bias, mask != 0)


def _carried(layer: _Linear, at: int, between: list[_Linear], *, shifted: bool) -> _Linear:
    """What a layer adds to the units of width number `at`, and so to all that linear layers make of them."""
    rows = [layer]
    for linear in between[at:]:
        rows.append(linear.after(rows[-1], shifted))
    widths = [linear.weight.shape[1] for linear in between[:at]]
    rows = [_Linear(*(np.zeros((w, *v.shape[1:]), v.dtype) for v in layer)) for w in widths] + rows
    return _Linear(*(np.concatenate(values) for values in zip(*rows, strict=True)))


def _placed(layer: _Linear, at: int, widths: list[int], *, rows: bool) -> _Linear:
    """A layer whose columns, and rows, are the units of width number `at` among all."""
    before, after = sum(widths[:at]), sum(widths[at + 1 :])
    columns, lines = (before, after), (before, after) if rows else (0, 0)
    weight, mask = (np.pad(value, (lines, columns)) for value in (layer.weight, layer.mask))
    return _Linear(weight, np.pad(layer.bias, lines), mask)


def _masks(path: str, hidden: list[_Linear], outputs: _Linear) -> list[Array]:
    """Between hidden layers a unit sees all that depend on no more than it does."""
    seen = hidden[0].mask
    more = (~seen).astype(FLOAT64) @ seen.T.astype(FLOAT64)  # features that the other one depends on alone
    allowed = np.asarray(more == 0)
    for layer in hidden[1:]:
        if (layer.mask & ~allowed).any():
            refuse(path, "masks of an autoregressive network", "blocks that see later features")
    masks = [seen, *[allowed] * (len(hidden) - 1), outputs.mask]
    return [mask.astype(FLOAT64) for mask in masks]
