"""Flows of zuko: masked autoregressive, coupling; affine and rational-quadratic."""

import functools
import sys
from math import prod
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.layers import Layer, Network, activation_name, array, flow_of, refuse

_SLOPE = 1e-3


def from_zuko(flow: Any) -> Flow:
    """The `Flow` of a trained zuko flow, in the dtype of its parameters.

    zuko.flows.MAF, NSF, NICE and RealNVP, and any zuko Flow made of MaskedAutoregressiveTransform and
    GeneralCouplingTransform with MonotonicAffineTransform or MonotonicRQSTransform (slope 1e-3), ReLU, Tanh,
    ELU or SiLU, without context, over a standard normal base. log_prob and forward equal zuko's log_prob
    and transform.inv to rounding. Raises TypeError for what is no zuko flow, and ValueError naming the part
    that is not supported; nothing is approximated.
    """
    zuko = sys.modules.get("zuko")
    if zuko is None or not isinstance(flow, zuko.lazy.Flow):
        raise TypeError(f"flow: expected a zuko Flow, got {type(flow).__name__}")
    dim = _dim(flow.base)
    transforms = getattr(flow.transform, "transforms", None)
    named = {"flow.transform": flow.transform}
    if transforms is not None:
        named = {f"flow.transform.transforms[{i}]": t for i, t in enumerate(transforms)}
    return flow_of([_layer(place, transform, dim) for place, transform in named.items()], dim)


def _dim(base: Any) -> int:
    expected = "a DiagNormal of loc 0 and scale 1"
    try:
        normal = base()
        loc, scale = array(normal.base_dist.loc), array(normal.base_dist.scale)
    except (AttributeError, TypeError):
        refuse("flow.base", expected, type(base).__name__)
    if type(normal).__name__ != "DiagNormal" or loc.ndim != 1 or (loc != 0).any() or (scale != 1).any():
        refuse("flow.base", expected, repr(normal))
    return len(loc)


def _layer(place: str, transform: Any, dim: int) -> Layer:
    kind = type(transform).__name__
    if kind not in ("MaskedAutoregressiveTransform", "GeneralCouplingTransform"):
        refuse(place, "MaskedAutoregressiveTransform or GeneralCouplingTransform", kind)
    bound, outputs = _univariate(place, transform)
    if kind == "GeneralCouplingTransform":
        mask = array(transform.mask)
        kept, moved = np.flatnonzero(mask).tolist(), np.flatnonzero(~mask).tolist()
    else:
        if transform.order is None:
            refuse(place, "an order", "an adjacency")
        kept, moved = [], np.argsort(array(transform.order), kind="stable").tolist()
    network = _network(place, transform.hyper, outputs, len(kept) or dim)
    return Layer(network, kept, moved, "softclip", bound)


def _univariate(place: str, transform: Any) -> tuple[float | None, int]:
    """(bound, outputs for each feature), bound None for affine."""
    made: Any = transform.univariate
    options: dict[str, Any] = {}
    while isinstance(made, functools.partial):
        made, options = made.func, {**made.keywords, **options}
    expected = f"MonotonicAffineTransform or MonotonicRQSTransform of slope {_SLOPE}"
    name = getattr(made, "__name__", type(made).__name__)
    if options.pop("slope", _SLOPE) != _SLOPE:
        refuse(f"{place}.univariate", expected, "another slope")
    outputs = sum(prod(shape) for shape in transform.shapes)
    bound = None if name == "MonotonicAffineTransform" else float(options.pop("bound", 5.0))
    if name not in ("MonotonicAffineTransform", "MonotonicRQSTransform") or options:
        refuse(f"{place}.univariate", expected, name if not options else f"{name} with {', '.join(options)}")
    return bound, outputs


def _network(place: str, hyper: Any, outputs: int, columns: int) -> Network:
    linears, activations = list(hyper)[::2], list(hyper)[1::2]
    for linear in linears:
        if type(linear).__name__ not in ("MaskedLinear", "Linear") or getattr(linear, "stack", None):
            refuse(f"{place}.hyper", "linear layers and activations in turns", type(linear).__name__)
    if not activations:
        refuse(f"{place}.hyper", "at least 1 hidden layer", "none")
    if linears[0].in_features != columns:
        refuse(f"{place}.hyper", f"{columns} inputs, without context", f"{linears[0].in_features}")
    names = {activation_name(f"{place}.hyper", activation) for activation in activations}
    if len(names) > 1:
        refuse(f"{place}.hyper", "one activation", " and ".join(sorted(names)))
    masks = [array(linear.mask) for linear in linears] if hasattr(linears[0], "mask") else None
    weights, biases = [array(linear.weight) for linear in linears], [_bias(linear) for linear in linears]
    bias_out = biases.pop().reshape(-1, outputs)
    return Network(weights[:-1], biases, weights[-1], bias_out, names.pop(), False, masks)


def _bias(linear: Any) -> Array:
    return array(linear.weight[:, 0] * 0 if linear.bias is None else linear.bias)
