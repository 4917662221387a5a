"""Glow as normflows has it: its own blocks, with the weights copied in, and a split with a conditioned prior.

normflows puts W of a 1 x 1 convolution together, and inverts it, in every call. Its splits have no priors
that are conditioned, so its `Merge` gets one: a convolution more, as the others have it.
"""

import warnings
from collections.abc import Callable
from typing import Any

from seqgap.bench.peers.image_flows import halves, of_torch, outputs, squeezed, summed, unsqueezed


def forward(params: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Latent to data, of rows."""
    flow, shape, own = _model(params), tuple(map(int, params.image_shape)), _own()

    def transform(z: Any) -> tuple[Any, Any]:
        images, parts = z.reshape(len(z), *shape), []
        for _ in flow.merges:
            images, leaving = halves(squeezed(own, images))
            parts.append(leaving)
        x, log_det = flow.forward_and_log_det([squeezed(own, images), *reversed(parts)])
        return x.reshape(z.shape), log_det

    return transform


def inverse(params: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Data to latent, of rows."""
    flow, shape, own = _model(params), tuple(map(int, params.image_shape)), _own()

    def transform(x: Any) -> tuple[Any, Any]:
        (images, *parts), log_det = flow.inverse_and_log_det(x.reshape(len(x), *shape))
        images = unsqueezed(own, images)
        for leaving in parts:
            images = unsqueezed(own, own.join([images, leaving]))
        return images.reshape(x.shape), log_det

    return transform


def _own() -> Any:
    import torch

    return of_torch(torch)


def _model(params: Any) -> Any:
    import normflows
    import torch

    class Merge(normflows.flows.Merge):  # type: ignore[misc]  # normflows is not followed for types
        def __init__(self, weight: Any, bias: Any) -> None:
            super().__init__()
            self.layer = torch.tensor(weight), torch.tensor(bias)

        def forward(self, parts: Any) -> tuple[Any, Any]:
            kept, leaving = parts
            mean, log_scale = outputs(_own(), kept, [self.layer])
            images, _ = super().forward([kept, leaving * log_scale.exp() + mean])
            return images, summed(log_scale)

        def inverse(self, images: Any) -> tuple[Any, Any]:
            (kept, leaving), _ = super().inverse(images)
            mean, log_scale = outputs(_own(), kept, [self.layer])
            return [kept, (leaving - mean) * (-log_scale).exp()], -summed(log_scale)

    levels = params.levels[::-1]  # latent to data, as all lists of normflows
    flows = [
        [*(_block(level, k) for k in reversed(range(len(level.shift)))), normflows.flows.Squeeze()]
        for level in levels
    ]
    merges = [Merge(level.prior_weight, level.prior_bias) for level in levels[1:]]
    bases = [torch.nn.Identity() for _ in flows]  # nothing is drawn from them
    return normflows.MultiscaleFlow(bases, flows, merges, class_cond=False).eval().requires_grad_(False)


def _block(level: Any, k: int) -> Any:
    """A step. normflows has -t for the shift of a coupling, and actnorm from latent to data."""
    import normflows
    import torch

    hidden, channels = level.bias_in.shape[1], level.shift.shape[1]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.lu is deprecated")  # which normflows starts from
        block = normflows.flows.GlowBlock(channels, hidden).to(torch.tensor(level.shift).dtype)
    coupling, mixing, norm = block.flows
    weight_out, bias_out = level.weight_out[k].copy(), level.bias_out[k].copy()
    weight_out[0::2] *= -1
    bias_out[0::2] *= -1
    first, _, second, _, last = coupling.flows[1].param_map.net
    values = (
        (first.weight, level.weight_in[k]), (first.bias, level.bias_in[k]),
        (second.weight, level.weight_hidden[k]), (second.bias, level.bias_hidden[k]),
        (last.weight, weight_out), (last.bias, bias_out),
        (mixing.P, torch.eye(channels)[level.permutation[k]]),
        (mixing.L, level.lower[k]), (mixing.U, level.upper[k]),
        (mixing.sign_S, level.sign[k]), (mixing.log_S, level.log_diagonal[k]),
        (norm.s, -level.log_scale[k][:, None, None]), (norm.t, -level.shift[k][:, None, None]),
    )  # fmt: skip
    with torch.no_grad():
        for parameter, value in values:
            parameter.copy_(torch.as_tensor(value))
    norm.data_dep_init_done = torch.tensor(1.0)
    return block
