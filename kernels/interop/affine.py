"""Affine layers between those with networks: neighbours become one, in float64, with its inverse beside it.

The inverse of a product is the product of the inverses, each made from the structure of its layer, so that
nothing is solved with what is already a product, whose condition may be too much for it.
"""

import copy
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels import affine, elementwise
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop.parts import refuse


class Affine(NamedTuple):
    """matrix x + shift, data to latent, in float64."""

    matrix: Array  # (D, D)
    shift: Array  # (D,)
    inverse: Array  # (D, D)
    log_det: float  # log |det matrix|


class Pointwise(NamedTuple):
    """A function of each feature by itself, data to latent, as of elementwise.Params; float64."""

    function: str
    scale: Array  # (D,)
    shift: Array  # (D,)

    def step(self, labels: Array, dtype: np.dtype[Any]) -> elementwise.Params:
        """Its Params in a flow whose features have these labels."""
        scale, shift = (value[np.argsort(labels)].astype(dtype) for value in (self.scale, self.shift))
        return elementwise.Params(scale, shift, self.function)


def dense(path: str, matrix: Array) -> Affine:
    """Of a matrix without structure."""
    if np.linalg.matrix_rank(matrix) < len(matrix):
        refuse(path, "a regular matrix", "a singular one")
    return _linear(matrix, np.linalg.inv(matrix), float(np.linalg.slogdet(matrix).logabsdet))


def triangular(path: str, matrix: Array, *, lower: bool) -> Affine:
    """Of a triangular matrix, by a solve that keeps the digits of each entry."""
    from scipy.linalg import solve_triangular

    if not np.diag(matrix).all():
        refuse(path, "a regular matrix", "a singular one")
    inverse = solve_triangular(matrix, np.eye(len(matrix)), lower=lower, check_finite=False)
    return _linear(matrix, inverse, float(np.log(np.abs(np.diag(matrix))).sum()))


def orthogonal(matrix: Array) -> Affine:
    """Of a matrix whose transpose undoes it."""
    return _linear(matrix, matrix.T, 0.0)


def permutation(order: Sequence[int]) -> Affine:
    """v' = v[order]."""
    return orthogonal(np.eye(len(order))[np.asarray(order)])


def diagonal(scale: Array, shift: Array) -> Affine:
    """scale v + shift, each feature by itself."""
    log_det = float(np.log(np.abs(scale)).sum())
    return shifted(_linear(np.diag(scale), np.diag(1 / scale), log_det), shift)


def _linear(matrix: Array, inverse: Array, log_det: float) -> Affine:
    return Affine(matrix, np.zeros(len(matrix)), inverse, log_det)


def shifted(layer: Affine, shift: Array) -> Affine:
    """The layer with a shift after it."""
    return layer._replace(shift=layer.shift + shift)


def undone(layer: Affine) -> Affine:
    """What takes the layer back."""
    return Affine(layer.inverse, -layer.inverse @ layer.shift, layer.matrix, -layer.log_det)


def checked(path: str, layer: Affine, dim: int) -> Affine:
    """Refuse another D, and what is not finite either way."""
    if layer.matrix.shape != (dim, dim) or layer.shift.shape != (dim,):
        refuse(path, f"an affine map of {dim} features", f"shapes {layer.matrix.shape}, {layer.shift.shape}")
    if not all(np.isfinite(value).all() for value in layer):
        refuse(path, "an affine map of finite numbers that can be undone", "others")
    return layer


def merged(layers: Sequence[Affine]) -> Affine:
    """All one after another, data to latent."""
    return functools.reduce(_then, layers)


def _then(one: Affine, after: Affine) -> Affine:
    return Affine(
        after.matrix @ one.matrix,
        after.matrix @ one.shift + after.shift,
        one.inverse @ after.inverse,
        one.log_det + after.log_det,
    )


def placed(layer: Affine, labels: Array, dtype: np.dtype[Any]) -> tuple[Array, list[Any]]:
    """(labels, steps): of a flow whose features have these labels, latent to data.

    A permutation is no step but other labels, and a diagonal, permuted or not, one that costs D.
    """
    nonzero = layer.matrix != 0
    if not (nonzero.sum(0) == 1).all() or not (nonzero.sum(1) == 1).all():
        return labels, [_dense(layer, np.argsort(labels), dtype)]
    order = np.argmax(nonzero, axis=1)
    scale, labels = layer.matrix[np.arange(len(order)), order], labels[order]
    if (scale == 1).all() and (layer.shift == 0).all():
        return labels, []
    return labels, [Pointwise("identity", 1 / scale, -layer.shift / scale).step(labels, dtype)]


def _dense(layer: Affine, places: Array, dtype: np.dtype[Any]) -> affine.Params:
    """Latent to data; feature i of the data is at places[i] of the layer."""
    back, square = undone(layer), np.ix_(places, places)
    (matrix, shift), (inverse, inverse_shift) = (
        (one.matrix[square].astype(dtype), one.shift[places].astype(dtype)) for one in (back, layer)
    )
    return affine.Params(matrix, shift, inverse, inverse_shift, back.log_det)


def dtype_of(flow: Any) -> np.dtype[Any]:
    """Of the parameters, or of the buffers where there are none."""
    tensors = [*flow.parameters(), *flow.buffers()]
    names = [str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.is_floating_point()]
    if not names or names[0] not in ("float32", "float64"):
        refuse("flow", "parameters of float32 or float64", names[0] if names else "none")
    return np.dtype(names[0])


def doubled(layer: Any) -> Any:
    """A layer of PyTorch in float64, copied where it is not."""
    tensors = [*layer.parameters(), *layer.buffers()]
    if all(str(tensor.dtype) in ("torch.float64", "torch.int64") for tensor in tensors):
        return layer
    return copy.deepcopy(layer).double()


def numbers(tensor: Any) -> Array:
    """A tensor in float64."""
    values: Array = tensor.detach().cpu().numpy().astype(FLOAT64)
    return values
