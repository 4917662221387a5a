"""Transforms of zuko and PyTorch that depend on nothing: z-scores, permutations, rotations, LU, boxes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels.interop import affine
from seqgap.kernels.interop.affine import Affine, Pointwise, merged, numbers, triangular
from seqgap.kernels.interop.parts import Parts, positive, refuse


def unconditional(parts: Parts, path: str, transform: Any, dim: int) -> list[Affine | Pointwise]:
    """What an UnconditionalTransform of known numbers does to a vector, evaluated in float64."""
    parts.name(path, transform, "UnconditionalTransform")
    if parts.has(transform.f, "CallableTransform"):
        parts.name(f"{path}.f", transform.f, "CallableTransform")
        return [_box(parts, f"{path}.f.transform", affine.doubled(transform)(), dim)]
    name = parts.known.get(transform.f, "") if isinstance(transform.f, type) else ""
    if name == "SoftclipTransform":
        bound = np.full(dim, positive(f"{path}.bound", affine.doubled(transform)().bound))
        return [Pointwise("softclip", bound, 0 * bound), affine.diagonal(bound, 0 * bound)]
    if name not in AFFINE:
        got = getattr(transform.f, "__name__", type(transform.f).__name__)
        refuse(f"{path}.f", " or ".join((*AFFINE, "SoftclipTransform", "CallableTransform")), got)
    layer: Affine = AFFINE[name](path, affine.doubled(transform)(), dim)
    return [affine.checked(path, layer, dim)]


def _box(parts: Parts, path: str, transform: Any, dim: int) -> Pointwise:
    """The inverse of an affine map of a sigmoid, of each feature: sbi's biject_to(support).inv of a box."""
    parts.name(path, transform, "_InverseTransform")
    inner, path = transform.inv, f"{path}.inv"
    parts.name(path, inner, "IndependentTransform")
    if inner.reinterpreted_batch_ndims != 1:
        refuse(path, "1 dimension", inner.reinterpreted_batch_ndims)
    base, path = inner.base_transform, f"{path}.base_transform"
    parts.name(path, base, "ComposeTransform")
    if len(base.parts) != 2:
        refuse(path, "a SigmoidTransform and an AffineTransform", base.parts)
    for part, name in zip(base.parts, ("SigmoidTransform", "AffineTransform"), strict=True):
        parts.name(path, part, name)
    shift, scale = (_of_each(path, getattr(base.parts[1], name), dim) for name in ("loc", "scale"))
    if not np.isfinite([shift, scale]).all() or not (scale > 0).all():
        refuse(path, "the bounds of a box", f"{shift} and a width of {scale}")
    return Pointwise("logit", scale, shift)


def _of_each(path: str, value: Any, dim: int) -> Array:
    """A number, or one for each feature."""
    own = np.asarray(value, FLOAT64) if isinstance(value, int | float) else numbers(value)
    if own.shape not in ((), (1,), (dim,)):
        refuse(path, f"one number or {dim}", f"shape {own.shape}")
    return np.broadcast_to(own, (dim,))


def _affine(path: str, transform: Any, dim: int) -> Affine:
    loc, scale = (_of_each(f"{path}.{name}", getattr(transform, name), dim) for name in ("loc", "scale"))
    if transform.event_dim and getattr(transform.scale, "numel", lambda: dim)() != dim:
        refuse(f"{path}.scale", f"{dim} numbers, as event_dim is not 0", "1, which log_det counts once")
    if not scale.all():
        refuse(f"{path}.scale", "no zeros", "some")
    return affine.diagonal(scale, loc)


def _monotonic(path: str, transform: Any, dim: int) -> Affine:
    shift, log_scale = (_of_each(path, value, dim) for value in (transform.shift, transform.log_scale))
    return affine.diagonal(np.exp(log_scale), shift)


def _additive(path: str, transform: Any, dim: int) -> Affine:
    return affine.diagonal(np.ones(dim), _of_each(path, transform.shift, dim))


def _identity(path: str, transform: Any, dim: int) -> Affine:
    return affine.permutation(range(dim))


def _permutation(path: str, transform: Any, dim: int) -> Affine:
    order: list[int] = transform.order.tolist()
    if sorted(order) != list(range(dim)):
        refuse(f"{path}.order", f"a permutation of 0 to {dim - 1}", f"{order!r:.60}")
    return affine.permutation(order)


def _rotation(path: str, transform: Any, dim: int) -> Affine:
    return affine.orthogonal(numbers(transform.R))


def _lu(path: str, transform: Any, dim: int) -> Affine:
    upper, lower = numbers(transform.U), numbers(transform.L)
    return merged([triangular(path, upper, lower=False), triangular(path, lower, lower=True)])


# By the class of the transform.
AFFINE: dict[str, Callable[[str, Any, int], Affine]] = {
    "AffineTransform": _affine,
    "MonotonicAffineTransform": _monotonic,
    "AdditiveTransform": _additive,
    "IdentityTransform": _identity,
    "PermutationTransform": _permutation,
    "RotationTransform": _rotation,
    "LULinearTransform": _lu,
}
