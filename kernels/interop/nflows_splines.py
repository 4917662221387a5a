"""Rational-quadratic splines of nflows: their numbers, and those that depend on nothing."""

from typing import Any

import numpy as np

from seqgap.kernels.interop.layers import Layer, Network
from seqgap.kernels.interop.parts import Parts, array, positive, refuse

_FLOOR = 1e-3


def bound_of(path: str, transform: Any, bins: int) -> float:
    """The bound of a spline, whose other numbers are nflows' defaults."""
    if transform.tails != "linear":
        refuse(path, "tails='linear'", f"tails={transform.tails!r}")
    for name in ("min_bin_width", "min_bin_height", "min_derivative"):
        if getattr(transform, name) != _FLOOR:
            refuse(path, f"{name}={_FLOOR}", f"{name}={getattr(transform, name)}")
    if bins * _FLOOR > 1:
        refuse(f"{path}.num_bins", f"at most {1 / _FLOOR:.0f}", bins)
    return positive(f"{path}.tail_bound", transform.tail_bound)


def constant_spline(parts: Parts, path: str, coupling: Any, layer: Layer) -> Layer:
    """The unconditional transform of what a coupling keeps, as a coupling whose network has no weights."""
    spline = coupling.unconditional_transform
    parts.name(path, spline, "PiecewiseRationalQuadraticCDF")
    own = (spline.unnormalized_widths, spline.unnormalized_heights, spline.unnormalized_derivatives)
    bias_out = np.concatenate([array(values) for values in own], axis=-1)
    bins = spline.unnormalized_widths.shape[-1]
    if bias_out.shape != (len(layer.kept), 3 * bins - 1):
        refuse(path, f"numbers of shape ({len(layer.kept)}, {3 * bins - 1})", bias_out.shape)
    kept, kind = len(layer.moved), bias_out.dtype
    weights, weight_out = [np.zeros((1, kept), kind)], np.zeros((bias_out.size, 1), kind)
    network = Network(weights, [np.zeros(1, kind)], weight_out, bias_out, "relu", False)
    return Layer(path, network, layer.moved, layer.kept, "softplus", bound_of(path, spline, bins))
