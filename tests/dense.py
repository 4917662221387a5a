"""The neural flows a second way, for their tests: whole masked matrices in float64, no order of computing."""

import itertools
from typing import Any

import numpy as np

ACTIVATIONS = {
    "relu": lambda u: np.maximum(u, 0),
    "tanh": np.tanh,
    "elu": lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))),
    "silu": lambda u: u / (1 + np.exp(-u)),
}
SCALES = {
    "softclip": lambda u: np.exp(u / (1 + np.abs(u) / np.log(1000))),
    "softplus": lambda u: np.logaddexp(0, u) + 1e-3,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u - 2)) + 1e-3,
}


def numbers(params: Any, layer: int, features: Any, degrees: Any, first: int) -> Any:
    """What a network makes of the features in their order, for those from `first` on: (N, S, P)."""
    p, act = params, ACTIVATIONS[params.activation]
    sees = [np.arange(p.weight_in.shape[2]) < degrees[0][:, None]]
    sees += [one <= other[:, None] for one, other in itertools.pairwise(degrees)]
    weights = [
        np.where(s, w, 0) for s, w in zip(sees, (p.weight_in[layer], *p.weight_hidden[layer]), strict=True)
    ]
    bias = p.bias_hidden[layer]
    hidden = features.astype(float)[:, : p.weight_in.shape[2]] @ weights[0].T + bias[0]
    if p.residual:
        for k in range(1, len(weights), 2):
            inner = act(act(hidden) @ weights[k].T + bias[k])
            hidden = hidden + inner @ weights[k + 1].T + bias[k + 1]
    else:
        hidden = act(hidden)
        for k in range(1, len(weights)):
            hidden = act(hidden @ weights[k].T + bias[k])
    positions = first + np.arange(p.weight_out.shape[1])
    last = np.where(degrees[-1] <= positions[:, None, None], p.weight_out[layer], 0)
    return np.einsum("nh,sph->nsp", hidden, last) + p.bias_out[layer]


def affine(params: Any, made: Any, x: Any) -> tuple[Any, Any]:
    """(z, log_det)"""
    scale = np.ones_like(made[..., 0]) if params.scale == "additive" else SCALES[params.scale](made[..., 1])
    return scale * x + made[..., 0], np.log(scale).sum(axis=1)


def inverse(
    params: Any, orders: Any, kept: Any, degrees: Any, x: Any, transform: Any = affine
) -> tuple[Any, Any]:
    """Data to latent through all layers."""
    z, log_det = x.astype(float), np.zeros(len(x))
    for layer in reversed(range(len(orders))):
        features, first = z[:, orders[layer]], kept[layer]
        made = numbers(params, layer, features, degrees[layer], first)[:, : x.shape[1] - first]
        moved, added = transform(params, made, features[:, first:])
        z[:, orders[layer][first:]] = moved
        log_det += added
    return z, log_det
