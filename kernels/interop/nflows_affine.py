"""Affine transforms of nflows: linear ones by their factors, z-scores, batch and activation normalisation."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels.interop import affine
from seqgap.kernels.interop.affine import Affine, merged, numbers, triangular
from seqgap.kernels.interop.normalisation import batch_norm
from seqgap.kernels.interop.parts import Parts, refuse


def affine_layer(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    """What a transform of `AFFINE` does to a vector, evaluated in float64."""
    name = parts.name(path, transform, *AFFINE)
    if getattr(transform, "features", dim) != dim:
        refuse(f"{path}.features", dim, transform.features)
    layer: Affine = AFFINE[name](parts, path, affine.doubled(transform), dim)
    return affine.checked(path, layer, dim)


def _identity(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    return affine.permutation(range(dim))


def _permutation(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    if transform._dim != 1:
        refuse(path, "a permutation of dimension 1", f"one of dimension {transform._dim}")
    order: list[int] = transform._permutation.tolist()
    if sorted(order) != list(range(dim)):
        refuse(f"{path}._permutation", f"a permutation of 0 to {dim - 1}", f"{order!r:.60}")
    return affine.permutation(order)


def _pointwise(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    def of_each(name: str) -> Array:
        value = numbers(getattr(transform, name))
        if value.shape not in ((), (1,), (dim,)):
            refuse(f"{path}.{name}", f"one number or {dim}", f"shape {value.shape}")
        return np.broadcast_to(value, (dim,))

    scale, shift = of_each("_scale"), of_each("_shift")
    if not (scale > 0).all():
        refuse(f"{path}._scale", "positive numbers", "others")
    return affine.diagonal(scale, shift)


def _batch_norm(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    norm = batch_norm(path, transform, numbers(transform.weight), dim)
    if not transform.running_var.any():
        refuse(f"{path}.running_var", "variances of a trained flow", "zeros, which it starts with")
    return affine.diagonal(*norm)


def _act_norm(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    if not transform.initialized:
        refuse(f"{path}.initialized", "True, as the first batch in training makes it", "False")
    return affine.diagonal(numbers(transform.scale), numbers(transform.shift))


def _naive(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    return affine.shifted(affine.dense(path, numbers(transform._weight)), numbers(transform.bias))


def _lu(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    lower, upper = map(numbers, transform._create_lower_upper())
    both = triangular(path, upper, lower=False), triangular(path, lower, lower=True)
    return affine.shifted(merged(both), numbers(transform.bias))


def _qr(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    upper = triangular(path, numbers(transform._create_upper()), lower=False)
    rotation = _householder(parts, f"{path}.orthogonal", transform.orthogonal, dim)
    return affine.shifted(merged([upper, rotation]), numbers(transform.bias))


def _svd(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    first, last = (
        _householder(parts, f"{path}.{name}", getattr(transform, name), dim)
        for name in ("orthogonal_2", "orthogonal_1")
    )
    scales = affine.diagonal(numbers(transform.diagonal), np.zeros(dim))
    return affine.shifted(merged([first, scales, last]), numbers(transform.bias))


def _householder(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    parts.name(path, transform, "HouseholderSequence")
    rows = transform(transform.q_vectors.new_ones(dim).diag())[0]
    return affine.orthogonal(numbers(rows).T)


# By the class of the transform.
AFFINE: dict[str, Callable[[Parts, str, Any, int], Affine]] = {
    "IdentityTransform": _identity,
    "Permutation": _permutation,
    "PointwiseAffineTransform": _pointwise,
    "AffineTransform": _pointwise,
    "BatchNorm": _batch_norm,
    "ActNorm": _act_norm,
    "NaiveLinear": _naive,
    "LULinear": _lu,
    "QRLinear": _qr,
    "SVDLinear": _svd,
    "HouseholderSequence": _householder,
}
