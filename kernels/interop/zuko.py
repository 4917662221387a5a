"""Flows of zuko: masked autoregressive, coupling; affine and rational-quadratic."""

import functools
from typing import Any

import numpy as np

from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop import evaluation
from seqgap.kernels.interop.layers import Context, Layer, Network, added, constant, flow_of
from seqgap.kernels.interop.parts import TORCH, Parts, array, dense, positive, refuse

_SLOPE = 1e-3
_PARTS = (
    "zuko.lazy.Flow",
    "zuko.lazy.LazyComposedTransform",
    "zuko.lazy.Unconditional",
    "zuko.lazy.UnconditionalDistribution",
    "zuko.flows.autoregressive.MaskedAutoregressiveTransform",
    "zuko.flows.coupling.GeneralCouplingTransform",
    "zuko.flows.gaussianization.ElementWiseTransform",
    "zuko.nn.Linear",
    "zuko.nn.MaskedLinear",
    "zuko.transforms.MonotonicAffineTransform",
    "zuko.transforms.MonotonicRQSTransform",
    "zuko.distributions.DiagNormal",
    "torch.distributions.normal.Normal",
    "torch.nn.modules.container.ParameterList",
)


def from_zuko(flow: Any, *, check: bool = True) -> Flow:
    """The `Flow` of a trained zuko flow, in the dtype of its parameters.

    zuko.flows.MAF, NSF, NICE and RealNVP, and any zuko Flow made of MaskedAutoregressiveTransform (any order
    or adjacency), GeneralCouplingTransform and ElementWiseTransform with MonotonicAffineTransform or
    MonotonicRQSTransform (slope 1e-3), any hidden layers, ReLU, Tanh, ELU, SiLU, LeakyReLU (slope 0.01) or
    GELU (exact), without context, normalize and residual, over a standard normal base. log_prob and forward
    equal zuko's log_prob and transform.inv to rounding. Parts are known by their classes; subclasses count
    where they override nothing but how they are made and shown.

    check: compare z and log_prob with those of zuko, of a copy in float64, at 192 points: the flow is
    refused where they differ by more than 1e-8, relative to the terms that they are sums of. It takes some
    milliseconds, once the kernels are compiled. Raises TypeError for what is no zuko flow, and ValueError
    naming the part that is not supported; nothing is approximated. `flow` and the generator of PyTorch are
    left as they are.
    """
    parts = Parts(*_PARTS, *TORCH)
    if not parts.has(flow, "Flow"):
        raise TypeError(f"flow: expected a zuko Flow, got {type(flow).__name__}")
    parts.name("flow", flow, "Flow")
    return evaluation.load(
        flow, evaluation.Library("zuko", functools.partial(_read, parts), _evaluate), check
    )


def _evaluate(flow: Any, x: Any, context: Any) -> tuple[Any, Any]:
    distribution = flow(context)
    return distribution.transform(x), distribution.log_prob(x)


def _read(parts: Parts, flow: Any) -> Flow:
    dim = _dim(parts, flow.base)
    named = parts.leaves("flow.transform", flow.transform, "LazyComposedTransform", "transforms")
    return flow_of([_layer(parts, path, transform, dim) for path, transform in named], dim)


def _dim(parts: Parts, base: Any) -> int:
    parts.name("flow.base", base, "UnconditionalDistribution", "Unconditional")
    expected = "a DiagNormal of loc 0 and scale 1"
    try:
        normal = base()
    except Exception as error:  # base.f may be anything
        refuse("flow.base", expected, f"{type(error).__name__}: {error}")
    if parts.known.get(type(normal)) != "DiagNormal" or parts.known.get(type(normal.base_dist)) != "Normal":
        refuse("flow.base", expected, repr(normal))
    loc, scale = array(normal.base_dist.loc), array(normal.base_dist.scale)
    if loc.ndim != 1 or normal.event_shape != loc.shape or (loc != 0).any() or (scale != 1).any():
        refuse("flow.base", expected, repr(normal))
    parts.name("flow.base", normal, "DiagNormal")
    parts.name("flow.base.base_dist", normal.base_dist, "Normal")
    return len(loc)


def _layer(parts: Parts, path: str, transform: Any, dim: int) -> Layer:
    names = ("MaskedAutoregressiveTransform", "GeneralCouplingTransform", "ElementWiseTransform")
    name = parts.name(path, transform, *names)
    bound, outputs = _univariate(parts, path, transform)
    if name == "ElementWiseTransform":
        network = _constant(parts, path, transform, dim)
        return Layer(path, network, [], list(range(dim)), "softclip", bound)
    coupling = name == "GeneralCouplingTransform"
    kept, moved = _sides(path, transform.mask, dim) if coupling else ([], list(range(dim)))
    network = _network(
        parts, f"{path}.hyper", transform.hyper, (len(kept) or dim, len(moved), outputs), not coupling
    )
    return Layer(
        path, network, kept, moved if coupling else _order(path, transform, network), "softclip", bound
    )


def _sides(path: str, tensor: Any, dim: int) -> tuple[list[int], list[int]]:
    """Features that a mask keeps, and the others."""
    mask = array(tensor)
    if mask.dtype != np.bool_ or mask.shape != (dim,) or mask.all() or not mask.any():
        refuse(f"{path}.mask", f"bools of shape ({dim},), both True and False", f"{mask.tolist()!r:.60}")
    return np.flatnonzero(mask).tolist(), np.flatnonzero(~mask).tolist()


def _order(path: str, transform: Any, network: Network) -> list[int]:
    """Features of an autoregressive transform, first the ones that others depend on, by the masks alone."""
    dim, sees = len(network.bias_out), np.eye(network.weights[0].shape[1])
    for mask in network.masks or []:
        sees = (mask @ sees > 0).astype(FLOAT64)
    waits_for: Array = sees.reshape(dim, -1, dim).max(1)
    waits, order, passes = np.count_nonzero(waits_for, axis=1), list[int](), 0
    while (ready := np.flatnonzero(waits == 0)).size:
        order += ready.tolist()
        waits = waits - np.count_nonzero(waits_for[:, ready], axis=1)
        waits[ready] = -1
        passes += 1
    if len(order) < dim:
        refuse(path, "masks of an autoregressive network", "features that depend on each other")
    if transform.passes < passes:
        refuse(f"{path}.passes", f"at least {passes}", transform.passes)
    return order


def _constant(parts: Parts, path: str, transform: Any, dim: int) -> Network:
    """Numbers for each feature that depend on none: of units that see nothing, or the context alone."""
    if hasattr(transform, "hyper"):
        network = _network(parts, f"{path}.hyper", transform.hyper, (0, dim, int(transform.total)), False)
        assert network.context is not None
        return constant(network, dim, network.context.weights[0])
    parts.name(f"{path}.phi", transform.phi, "ParameterList")
    bias_out = np.concatenate([array(phi).reshape(dim, -1) for phi in transform.phi], axis=1)
    weights = [np.zeros((1, dim), bias_out.dtype), np.zeros((bias_out.size, 1), bias_out.dtype)]
    hidden = [np.zeros(1, bias_out.dtype)]
    return Network(weights[:1], hidden, weights[1], bias_out, "relu", False, weights)


def _univariate(parts: Parts, path: str, transform: Any) -> tuple[float | None, int]:
    """(bound, outputs for each feature), bound None for affine."""
    function: Any = transform.univariate
    options: dict[str, Any] = {}
    while type(function) is functools.partial and not function.args:
        function, options = function.func, {**function.keywords, **options}
    name = parts.known.get(function) if isinstance(function, type) else None
    expected = f"MonotonicAffineTransform or MonotonicRQSTransform of slope {_SLOPE}"
    if name not in ("MonotonicAffineTransform", "MonotonicRQSTransform"):
        refuse(f"{path}.univariate", expected, getattr(function, "__name__", type(function).__name__))
    if options.pop("slope", _SLOPE) != _SLOPE:
        refuse(f"{path}.univariate", expected, "another slope")
    spline = name == "MonotonicRQSTransform"
    bound = positive(f"{path}.univariate.bound", options.pop("bound", 5.0)) if spline else None
    if options:
        refuse(f"{path}.univariate", expected, f"{name} with {', '.join(options)}")
    shapes = [tuple(shape) for shape in transform.shapes]
    bins = int(np.prod(shapes[0])) if shapes else 0
    wanted = [(bins,), (bins,), (bins - 1,)] if spline else [(), ()]
    if shapes != wanted:
        refuse(f"{path}.shapes", wanted, shapes)
    outputs = 3 * bins - 1 if spline else 2
    if transform.total != outputs:
        refuse(f"{path}.total", outputs, transform.total)
    return bound, outputs


def _network(parts: Parts, path: str, hyper: Any, shape: tuple[int, int, int], masked: bool) -> Network:
    """A perceptron of `shape`: inputs, features and outputs of each feature. Further inputs are a context."""
    parts.name(path, hyper, "Sequential")
    columns, activation, layers = None, "", list[Any]()
    for i, module in enumerate(hyper):
        at = f"{path}[{i}]"
        if i % 2 == 0:
            parts.name(at, module, "MaskedLinear" if masked else "Linear")
            layers.append(dense(at, module, columns, masked))
            columns = len(layers[-1][0])
        elif (name := parts.activation(at, module)) != (activation := activation or name):
            refuse(at, f"{activation} as the activation before", name)
    if len(hyper) % 2 == 0:
        refuse(path, "linear layers and activations in turns", f"{len(hyper)} modules")
    if residual := len(layers) == 1:  # no hidden layer: one that a residual network passes as it is
        identity = np.eye(layers[0][0].shape[1], dtype=layers[0][0].dtype)
        layers.insert(0, (identity, np.zeros_like(identity[0]), identity))
    weights, biases, masks = (list(arrays) for arrays in zip(*layers, strict=True))
    if weights[0].shape[1] < shape[0]:
        refuse(f"{path}[0]", f"at least {shape[0]} inputs", weights[0].shape[1])
    context = _columns_of_context(weights, masks, shape[0])
    if columns != shape[1] * shape[2]:
        refuse(path, f"{shape[1] * shape[2]} outputs", columns)
    bias_out = biases.pop().reshape(shape[1:])
    activation = activation or "relu"
    return Network(
        weights[:-1], biases, weights[-1], bias_out, activation, residual, masks if masked else None, context
    )


def _columns_of_context(weights: list[Array], masks: list[Array], inputs: int) -> Context | None:
    """Of the first layer, those behind its features: taken off its weights and mask."""
    first, mask = weights[0], masks[0]
    weights[0] = np.ascontiguousarray(first[:, :inputs])
    if first.shape[1] == inputs:
        return None
    seen = first if mask is None else first * mask
    masks[0] = None if mask is None else np.ascontiguousarray(mask[:, :inputs])
    return added(np.ascontiguousarray(seen[:, inputs:]))
