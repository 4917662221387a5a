"""The neural flows in zuko, nflows and flowjax: each library's own transforms over a bare network.

A library is imported where its model is built. A builder takes the layers in the order in which data pass
them, and the bound of the splines, None for affine layers; it returns data to latent and latent to data,
each batch -> (batch, log_det) with the library's arrays. Both sides of a coupling ascend, as in the cases.
The networks multiply by no mask, since hidden weights are 0 already: a little less work than the libraries'
own. Where a library has no parameterisation `softclip` for affine layers, or `softplus` for splines, its
class gets that one: the cost is the same, and the results can be compared.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

Directions: TypeAlias = tuple[Callable[[Any], Any], Callable[[Any], Any]]
Model: TypeAlias = Callable[[Any], Any]
_CLIP = float(np.log(1e-3))


def models(
    layers: Callable[[Any], Sequence[Any]], back: bool, bound: float | None = None
) -> dict[str, Callable[[Any], Model]]:
    """What makes of Params the model of each library: latent to data if `back`, else data to latent.

    layers(params): from that next to the latent on.
    """

    def build(builder: Callable[..., Directions], params: Any) -> Model:
        transforming = [layer for layer in layers(params) if len(layer.bias_out)]
        return builder(transforming[::-1], bound)[back]

    return {
        name: functools.partial(build, builder)
        for name, builder in (("zuko", zuko), ("nflows", nflows), ("flowjax", flowjax))
    }


def _torch_network(layer: Any) -> Callable[..., Any]:
    """ReLU between two linear layers, of features in their natural order: (N, C) -> (N, S * P)."""
    import torch
    from torch.nn.functional import linear

    weight_in, weight_out, bias_out = layer.weight_in, layer.weight_out, layer.bias_out
    if layer.degrees is not None:
        weight_in = weight_in[:, layer.rank]
        weight_out, bias_out = weight_out[layer.rank], bias_out[layer.rank]
    arrays = weight_in, layer.bias_hidden[0], weight_out.reshape(-1, len(weight_in)), bias_out.reshape(-1)
    first, hidden, last, bias = map(torch.tensor, arrays)

    def network(values: Any, context: Any = None) -> Any:
        return linear(linear(values, first, hidden).relu(), last, bias)

    network.hidden_features = 1  # type: ignore[attr-defined]  # nflows divides logits by its root
    return network


def zuko(layers: Sequence[Any], bound: float | None) -> Directions:
    """zuko's transforms."""
    import torch
    import zuko.transforms as t
    from torch.nn import functional

    class Spline(t.MonotonicRQSTransform):  # type: ignore[misc]  # zuko is not followed for types
        def __init__(self, widths: Any, heights: Any, slopes: Any) -> None:
            super(t.MonotonicRQSTransform, self).__init__()
            self.horizontal, self.vertical = self.edges(widths), self.edges(heights)
            self.derivatives = functional.pad(functional.softplus(slopes) + 1e-3, (1, 1), value=1.0)

        def edges(self, logits: Any) -> Any:
            parts = 1e-3 + (1 - 1e-3 * logits.shape[-1]) * logits.softmax(-1)
            return bound * (2 * functional.pad(parts, (1, 0)).cumsum(-1) - 1)

    def univariate(theta: Any) -> Any:
        if bound is None:
            return t.MonotonicAffineTransform(*theta.unbind(-1))
        return Spline(*theta.tensor_split((_bins(theta), 2 * _bins(theta)), -1))

    def transform(layer: Any) -> Any:
        network, outputs = _torch_network(layer), layer.bias_out.shape[1]

        def meta(values: Any) -> Any:
            return t.DependentTransform(univariate(network(values).unflatten(-1, (-1, outputs))), 1)

        if layer.degrees is not None:
            return t.AutoregressiveTransform(meta, len(layer.order))
        return t.CouplingTransform(meta, torch.tensor(layer.rank < layer.identity))

    flow = t.ComposedTransform(*map(transform, layers))
    return flow.call_and_ladj, flow.inv.call_and_ladj


def nflows(layers: Sequence[Any], bound: float | None) -> Directions:
    """nflows' transforms."""
    import torch
    from nflows.transforms import CompositeTransform, PiecewiseRationalQuadraticCouplingTransform
    from nflows.transforms.autoregressive import AutoregressiveTransform
    from nflows.transforms.coupling import AffineCouplingTransform

    def shift_and_log_scale(theta: Any) -> Any:
        shift, u = theta.unflatten(-1, (-1, 2)).unbind(-1)
        return shift, u / (1 + (u / _CLIP).abs())

    class Masked(AutoregressiveTransform):  # type: ignore[misc]  # nflows is not followed for types
        def _elementwise_forward(self, values: Any, theta: Any) -> tuple[Any, Any]:
            shift, log_scale = shift_and_log_scale(theta)
            return values * log_scale.exp() + shift, log_scale.sum(1)

        def _elementwise_inverse(self, values: Any, theta: Any) -> tuple[Any, Any]:
            shift, log_scale = shift_and_log_scale(theta)
            return (values - shift) * (-log_scale).exp(), -log_scale.sum(1)

    class Coupling(AffineCouplingTransform):  # type: ignore[misc]
        def _scale_and_shift(self, theta: Any) -> tuple[Any, Any]:
            shift, log_scale = shift_and_log_scale(theta)
            return log_scale.exp(), shift

    def transform(layer: Any) -> Any:
        network = _torch_network(layer)
        if layer.degrees is not None:
            return Masked(network)
        transformed = torch.tensor(layer.rank >= layer.identity).int()
        if bound is None:
            return Coupling(transformed, lambda *sizes: network)
        return PiecewiseRationalQuadraticCouplingTransform(
            transformed,
            lambda *sizes: network,
            num_bins=_bins(layer.bias_out),
            tails="linear",
            tail_bound=bound,
        )

    flow = CompositeTransform(map(transform, layers))
    return flow, flow.inverse


def flowjax(layers: Sequence[Any], bound: float | None) -> Directions:
    """flowjax's bijections."""
    import jax
    from flowjax import bijections

    double = layers[0].weight_in.dtype == np.float64
    with jax.enable_x64(double):
        chain = bijections.Chain([_bijection(layer, bound) for layer in layers])
    return _vectorised(chain.transform_and_log_det, double), _vectorised(chain.inverse_and_log_det, double)


def _bijection(layer: Any, bound: float | None) -> Any:
    import equinox
    import jax
    from flowjax import bijections

    dim, key = len(layer.order), jax.random.key(0)
    options = {"nn_width": len(layer.weight_in), "nn_depth": 1, "transformer": _univariate(layer, bound)}
    if layer.degrees is not None:
        bijection: Any = bijections.MaskedAutoregressive(key, dim=dim, **options)
        network = "masked_autoregressive_mlp"
    else:
        bijection = bijections.Coupling(key, dim=dim, untransformed_dim=layer.identity, **options)
        network = "conditioner"
    rows, biases = _flowjax_outputs(layer, bound)
    arrays = layer.weight_in, layer.bias_hidden[0], rows.reshape(-1, rows.shape[-1]), biases.reshape(-1)

    def parts(bijection: Any) -> list[Any]:
        first, last = getattr(bijection, network).layers
        return [first.weight, first.bias, last.weight, last.bias]

    bijection = equinox.tree_at(parts, bijection, list(map(jax.numpy.array, arrays)))
    to_order, back = map(bijections.Permute, map(jax.numpy.array, (layer.order, layer.rank)))
    return bijections.Chain([to_order, bijection, back])


def _univariate(layer: Any, bound: float | None) -> Any:
    import equinox
    import jax
    from flowjax.bijections import Affine, RationalQuadraticSpline
    from paramax import Parameterize

    if bound is None:
        scale: Any = Parameterize(lambda u: jax.numpy.exp(u / (1 + abs(u / _CLIP))), jax.numpy.zeros(()))
        return equinox.tree_at(lambda affine: affine.scale, Affine(), scale)
    knots = _bins(layer.bias_out) - 1
    return RationalQuadraticSpline(knots=knots, interval=bound, min_width=2e-3 * bound)


def _flowjax_outputs(layer: Any, bound: float | None) -> tuple[Any, Any]:
    """Output weights and biases with slopes at both bounds, which start at 1, as all others do."""
    rows, biases = layer.weight_out, layer.bias_out
    if bound is None:
        return rows, biases
    first = 2 * _bins(biases)
    biases = biases.copy()
    biases[:, first:] -= np.log(np.expm1(1 - 1e-3))
    widths = [(0, 0), (1, 1)]
    more_rows, more_biases = np.pad(rows[:, first:], [*widths, (0, 0)]), np.pad(biases[:, first:], widths)
    rows = np.concatenate([rows[:, :first], more_rows], 1)
    return rows, np.concatenate([biases[:, :first], more_biases], 1)


def _vectorised(method: Any, double: bool) -> Model:
    """Over the batch, as a tree of the arrays that JAX compiles for; its constants get the weights' dtype."""
    import equinox
    import jax

    arrays, rest = equinox.partition(method, equinox.is_array)

    def run(arrays: Any, batch: Any) -> Any:
        with jax.enable_x64(double):
            return jax.vmap(equinox.combine(arrays, rest))(batch)

    model: Model = jax.tree_util.Partial(run, arrays)
    return model


def _bins(theta: Any) -> int:
    return (int(theta.shape[-1]) + 1) // 3
