"""Flows of normflows over images: Glow at several levels, and its blocks one after another."""

import functools
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels import actnorm, conv1x1, conv_coupling, elementwise, glow, squeeze
from seqgap.kernels._core.flow import Flow
from seqgap.kernels._nets.image_shapes import Shape
from seqgap.kernels.interop import evaluation
from seqgap.kernels.interop.affine import dtype_of
from seqgap.kernels.interop.normflows_blocks import known, step
from seqgap.kernels.interop.normflows_latents import BASES, evaluate, moments, placed, samples
from seqgap.kernels.interop.parts import TORCH, Parts, refuse

_MODELS = ("MultiscaleFlow", "NormalizingFlow")
_PARTS = {
    "core": _MODELS,
    "distributions.base": BASES,
    "flows.affine.glow": ("GlowBlock",),
    "flows.affine.coupling": ("AffineCouplingBlock", "AffineCoupling"),
    "flows.mixing": ("Invertible1x1Conv",),
    "flows.normalization": ("ActNorm",),
    "flows.reshape": ("Split", "Merge", "Squeeze"),
    "nets.cnn": ("ConvNet2d",),
}


def from_normflows(flow: Any, *, dtype: DTypeLike | None = None, check: bool = True) -> Flow:
    """The `Flow` of a trained Glow of normflows, in the dtype of its parameters.

    normflows.MultiscaleFlow without transform: at each level, latent to data, GlowBlocks on an even number of
    channels (split_mode channel; scale_map sigmoid or exp, or scale=False; use_lu or not; leaky 0;
    net_actnorm=False), then a Squeeze; Merge of channels between the levels. It becomes `glow`. And
    normflows.NormalizingFlow of GlowBlocks and Squeezes, which become `conv_coupling`, `conv1x1`, `actnorm`
    and `squeeze`. Over DiagGaussian, or GlowBase without classes, whose means and deviations become an
    `elementwise` part before. Rows are images (C, H, W), row-major; of a MultiscaleFlow latent j stands where
    pixel j of the image does, of a NormalizingFlow latents are row-major as its base has them.
    log_prob and forward equal normflows' log_prob and forward_and_log_det to rounding.

    dtype and check as in `from_nflows`, but at 16 samples of the flow: elsewhere a Glow overflows. Raises
    TypeError for what is no such model or another dtype, and ValueError naming the part that is not
    supported; nothing is approximated. `flow` and the generator of PyTorch are left as they are.
    """
    names = [f"normflows.{module}.{name}" for module, names in _PARTS.items() for name in names]
    parts = Parts(*names, "torch.nn.modules.conv.Conv2d", *TORCH)
    if not parts.has(flow, *_MODELS):
        expected = "a normflows MultiscaleFlow or NormalizingFlow"
        raise TypeError(f"flow: expected {expected}, got {type(flow).__name__}")
    read = functools.partial(_read, parts)
    library = evaluation.Library("normflows", read, functools.partial(evaluate, parts), points=samples)
    return evaluation.load(flow, library, check, dtype)


def _read(parts: Parts, flow: Any) -> Flow:
    several = parts.name("flow", flow, *_MODELS) == "MultiscaleFlow"
    own, dtype = moments(parts, flow), dtype_of(flow)
    params = [_glow(parts, flow, own)] if several else _one_after_another(parts, flow, own[0])
    means, deviations = (placed(parts, flow, values).numpy()[0] for values in zip(*own, strict=True))
    if means.any() or (deviations != 1).any():
        params.insert(0, elementwise.Params(deviations.astype(dtype), means.astype(dtype)))
    return Flow(*params)


def _glow(parts: Parts, flow: Any, bases: list[Any]) -> glow.Params:
    """The levels of a MultiscaleFlow, whose first one is the last before the latents."""
    parts.name("flow.flows", flow.flows, "ModuleList")
    levels, scales, shape = list[glow.Level](), dict[str, str](), Shape(*bases[0][0].shape[1:])
    for i, (flows, (mean, _)) in enumerate(zip(flow.flows, bases, strict=True)):
        if tuple(mean.shape[1:]) != shape:
            refuse(f"flow.q0[{i}].shape", tuple(shape), tuple(mean.shape[1:]))
        image = shape if i == 0 else shape._replace(channels=2 * shape.channels)
        levels.append(_level(parts, f"flow.flows[{i}]", flows, image, scales))
        shape = _unsqueezed(f"flow.q0[{i}].shape", image)
    return glow.Params(tuple(levels[::-1]), np.array(shape), scale=next(iter(scales.values())))


def _level(parts: Parts, path: str, flows: Any, shape: Shape, scales: dict[str, str]) -> glow.Level:
    """Blocks and a Squeeze; scales: of all couplings, by their paths."""
    parts.name(path, flows, "ModuleList")
    if len(flows) < 2:
        refuse(path, "GlowBlocks and a Squeeze", f"{len(flows)} modules")
    *blocks, last = flows
    known(parts, f"{path}[{len(blocks)}]", last, "Squeeze")
    steps = []
    for i, block in enumerate(blocks):
        at = f"{path}[{i}]"
        level, scales[at] = step(parts, at, block, shape.channels)
        steps.append(level)
        for name, got, expected in (
            ("scale_map", scales[at], next(iter(scales.values()))),
            ("hidden channels", *(one.bias_in.size for one in (level, steps[0]))),
            ("filters", *(_filters(one) for one in (level, steps[0]))),
        ):
            if got != expected:
                refuse(f"{at}, {name}", f"{expected}, as in the blocks before", got)
    return glow.Level(*map(np.stack, zip(*(level[:13] for level in steps[::-1]), strict=True)))


def _filters(level: glow.Level) -> tuple[int, ...]:
    """Their sizes."""
    return tuple(w.shape[-1] for w in (level.weight_in, level.weight_hidden, level.weight_out))


def _unsqueezed(path: str, shape: Shape) -> Shape:
    if shape.channels % 4:
        refuse(path, "channels that a Squeeze makes, four times as many", shape.channels)
    return Shape(shape.channels // 4, 2 * shape.height, 2 * shape.width)


def _one_after_another(parts: Parts, flow: Any, base: Any) -> list[Any]:
    """Params of each part of a NormalizingFlow, latent to data."""
    parts.name("flow.flows", flow.flows, "ModuleList")
    shape, params = Shape(*base[0].shape[1:]), list[Any]()
    for i, part in enumerate(flow.flows):
        path = f"flow.flows[{i}]"
        if parts.name(path, part, "GlowBlock", "Squeeze") == "Squeeze":
            known(parts, path, part, "Squeeze")
            shape = _unsqueezed(path, shape)
            params.append(squeeze.Params(np.array(shape)))
            continue
        level, scale = step(parts, path, part, shape.channels)
        size = np.array(shape)
        params += [
            conv_coupling.Params(*level[7:13], size, scale=scale),
            conv1x1.Params(*level[2:7], size),
            actnorm.Params(*level[:2], size),
        ]
    return params
