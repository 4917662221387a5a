"""Latents of normflows: their means, deviations and places in a row, and models evaluated."""

from typing import Any

import numpy as np

from seqgap.kernels._core.check import FLOAT32, Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.normflows_blocks import split
from seqgap.kernels.interop.parts import Parts, refuse
from seqgap.kernels.normal import standard_normal

BASES = ("DiagGaussian", "GlowBase")
_ROWS = 8  # at each temperature: an image takes as long as hundreds of vectors
_TEMPERATURES = (0.5, 1.0)


def moments(parts: Parts, flow: Any) -> list[tuple[Any, Any]]:
    """Means and deviations at each level, latent to data."""
    if parts.has(flow, "NormalizingFlow"):
        return [_moments(parts, "flow.q0", flow.q0)]
    if flow.transform is not None:
        got = type(flow.transform).__name__
        refuse("flow.transform", "None (`elementwise` behind the flow may do the same)", got)
    counts = len(flow.q0), len(flow.flows), len(flow.merges)
    if counts != (counts[0], counts[0], counts[0] - 1):
        got = "{}, {}, {}".format(*counts)
        refuse("flow", "as many q0 as flows, and one of merges less", got)
    for i, merge in enumerate(flow.merges):
        split(parts, f"flow.merges[{i}]", merge, "Merge")
    return [_moments(parts, f"flow.q0[{i}]", base) for i, base in enumerate(flow.q0)]


def _moments(parts: Parts, path: str, base: Any) -> tuple[Any, Any]:
    """Tensors (1, C, H, W) in float64: means and deviations."""
    name = parts.name(path, base, *BASES)
    if base.temperature is not None:
        refuse(f"{path}.temperature", "None", base.temperature)
    if len(base.shape) != 3:
        refuse(f"{path}.shape", "that of an image", tuple(base.shape))
    mean, log_deviation = base.loc.double(), base.log_scale.double()
    if name == "GlowBase":
        if base.num_classes is not None:
            refuse(f"{path}.num_classes", "None", base.num_classes)
        factor = base.logscale_factor
        mean = mean * (factor * base.loc_logs.double()).exp()
        log_deviation = log_deviation * (factor * base.log_scale_logs.double()).exp()
    deviation = log_deviation.exp()
    if not (mean.isfinite().all() and deviation.isfinite().all() and (deviation > 0).all()):
        refuse(path, "finite means, and finite deviations above 0", "others")
    shape = (1, *base.shape)
    return mean.expand(shape), deviation.expand(shape)


def placed(parts: Parts, flow: Any, latents: Any) -> Any:
    """Latents of all levels in rows, (N, D); of several levels as the library merges and unsqueezes them."""
    if parts.has(flow, "NormalizingFlow"):
        return latents[0].flatten(1)
    return _together(flow, latents).flatten(1)


def _together(flow: Any, latents: Any) -> Any:
    """An image of all latents."""
    image = flow.flows[0][-1](latents[0])[0]
    for merge, level, latent in zip(flow.merges, flow.flows[1:], latents[1:], strict=True):
        image = level[-1](merge([image, latent])[0])[0]
    return image


def evaluate(parts: Parts, flow: Any, x: Any, context: Any) -> tuple[Any, Any]:
    """(z, log_prob): latents without their means and deviations, in their places."""
    own = moments(parts, flow)
    if parts.has(flow, "NormalizingFlow"):
        images = x.reshape(-1, *_image(flow))
        latents, log_prob = [flow.inverse(images)], flow.log_prob(images)
    else:
        images = x.reshape(-1, *_together(flow, [mean for mean, _ in own]).shape[1:])
        latents, log_prob = flow.inverse_and_log_det(images)[0], flow.log_prob(images, None)
    normal = [(z - mean.to(x)) / deviation.to(x) for z, (mean, deviation) in zip(latents, own, strict=True)]
    return placed(parts, flow, normal), log_prob


def _image(flow: Any) -> tuple[int, int, int]:
    """(C, H, W) of what a NormalizingFlow makes."""
    channels, height, width = flow.q0.shape
    times = 2 ** sum(type(part).__name__ == "Squeeze" for part in flow.flows)
    return channels // times**2, height * times, width * times


def samples(flow: Flow) -> Array:
    """Images that the flow makes; normals where they overflow."""
    rows = [flow.sample(_ROWS, 0, temperature=temperature) for temperature in _TEMPERATURES]
    with np.errstate(over="ignore"):
        images = np.concatenate(rows).astype(FLOAT32)
    finite = np.isfinite(images).all(1, keepdims=True)
    points: Array = np.where(finite, images, standard_normal(len(images), flow.dim, 0, dtype=FLOAT32))
    return points
