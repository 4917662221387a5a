"""Flows of zuko: masked autoregressive, coupling and continuous layers; affine ones between them."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop import evaluation
from seqgap.kernels.interop.affine import Affine, dtype_of, merged, undone
from seqgap.kernels.interop.layers import Layer, Stepwise, flow_of
from seqgap.kernels.interop.parts import TORCH, Parts, array, positive, refuse
from seqgap.kernels.interop.zuko_affine import AFFINE, unconditional
from seqgap.kernels.interop.zuko_continuous import continuous, in_one_step, solve_in_one_step
from seqgap.kernels.interop.zuko_nets import constant, network_of, order_of

_SLOPE = 1e-3
_PARTS = (
    "zuko.lazy.Flow",
    "zuko.lazy.LazyComposedTransform",
    "zuko.lazy.LazyInverse",
    "zuko.lazy.Unconditional",
    "zuko.lazy.UnconditionalDistribution",
    "zuko.lazy.UnconditionalTransform",
    "zuko.flows.continuous.FFJTransform",
    "zuko.flows.autoregressive.MaskedAutoregressiveTransform",
    "zuko.flows.coupling.GeneralCouplingTransform",
    "zuko.flows.gaussianization.ElementWiseTransform",
    "zuko.nn.Linear",
    "zuko.nn.MaskedLinear",
    "zuko.nn.Residual",
    *(f"zuko.transforms.{name}" for name in AFFINE),
    "zuko.transforms.MonotonicRQSTransform",
    "zuko.transforms.SoftclipTransform",
    "sbi.utils.sbiutils.CallableTransform",
    *(
        f"torch.distributions.transforms.{name}"
        for name in ("_InverseTransform", "IndependentTransform", "ComposeTransform", "SigmoidTransform")
    ),
    "zuko.distributions.DiagNormal",
    "torch.distributions.normal.Normal",
    "torch.nn.modules.container.ParameterList",
)


def from_zuko(flow: Any, *, dtype: DTypeLike | None = None, check: bool = True) -> Flow:
    """The `Flow` of a trained zuko flow, in the dtype of its parameters.

    zuko.flows.MAF, NSF, NICE and RealNVP, and any zuko Flow made of MaskedAutoregressiveTransform (any order
    or adjacency), GeneralCouplingTransform and ElementWiseTransform with MonotonicAffineTransform or
    MonotonicRQSTransform (slope 1e-3), any hidden layers, ReLU, Tanh, ELU, SiLU, LeakyReLU (slope 0.01), GELU
    (exact), SELU, Softplus or Sigmoid, residual or not, with a context or without, without normalize, over a
    standard normal base; zuko.flows.CNF and FFJTransforms, of 1 to 4 hidden layers of these activations,
    solved to the same tolerances, each row in steps of its own, always with the exact trace (exact=False is
    an estimate of it); with affine transforms between them, and LazyInverses of those:
    UnconditionalTransforms of AffineTransform, PermutationTransform, RotationTransform, LULinearTransform and
    their like. Affine neighbours become one step. SoftclipTransform, and sbi's logit of a box, are steps of
    their own. log_prob and forward equal zuko's log_prob and transform.inv to rounding, those of
    continuous flows to tolerances. Parts are known by
    their classes; subclasses count where they override nothing but how they are made and shown.

    dtype: float32 or float64, which the parameters are converted to first; None: as they are. check: compare
    z and log_prob with those of zuko, of a copy in float64, at 192 points: the flow is refused where they
    differ by more than 1e-8, relative to the terms that they are sums of; continuous flows are compared in
    one step of both solvers, of a sixteenth of the velocity. It takes some milliseconds, once
    the kernels are compiled. Raises TypeError for what is no zuko flow or another dtype, and ValueError
    naming the part that is not supported; nothing is approximated. `flow` and the generator of PyTorch are
    left as they are.
    """
    parts = Parts(*_PARTS, *TORCH)
    if not parts.has(flow, "Flow"):
        raise TypeError(f"flow: expected a zuko Flow, got {type(flow).__name__}")
    parts.name("flow", flow, "Flow")
    library = evaluation.Library("zuko", functools.partial(_read, parts), _evaluate, in_one_step)
    return evaluation.load(flow, library, check, dtype)


def _evaluate(flow: Any, x: Any, context: Any) -> tuple[Any, Any]:
    distribution = flow(context)
    solve_in_one_step(distribution.transform)
    return distribution.transform(x), distribution.log_prob(x)


def _read(parts: Parts, flow: Any) -> Flow:
    dim = _dim(parts, flow.base)
    named = parts.leaves("flow.transform", flow.transform, "LazyComposedTransform", "transforms")
    layers = [layer for path, transform in named for layer in _layers(parts, path, transform, dim)]
    return flow_of(layers, dim, dtype_of(flow))


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


def _layers(parts: Parts, path: str, transform: Any, dim: int) -> Sequence[Affine | Stepwise]:
    names = ("MaskedAutoregressiveTransform", "GeneralCouplingTransform", "ElementWiseTransform")
    name = parts.name(path, transform, *names, "FFJTransform", "UnconditionalTransform", "LazyInverse")
    if name == "FFJTransform":
        return [continuous(parts, path, transform, dim)]
    if name == "UnconditionalTransform":
        return unconditional(parts, path, transform, dim)
    if name == "LazyInverse":
        return [_inverse(parts, f"{path}.transform", transform.transform, dim)]
    return [_layer(parts, path, transform, dim, name)]


def _layer(parts: Parts, path: str, transform: Any, dim: int, name: str) -> Layer:
    bound, outputs = _univariate(parts, path, transform)
    if name == "ElementWiseTransform":
        network = constant(parts, path, transform, dim)
        return Layer(path, network, [], list(range(dim)), "softclip", bound)
    coupling = name == "GeneralCouplingTransform"
    kept, moved = _sides(path, transform.mask, dim) if coupling else ([], list(range(dim)))
    network = network_of(
        parts, f"{path}.hyper", transform.hyper, (len(kept) or dim, len(moved), outputs), not coupling
    )
    return Layer(
        path, network, kept, moved if coupling else order_of(path, transform, network), "softclip", bound
    )


def _inverse(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    """The inverse of affine transforms."""
    named = parts.leaves(path, transform, "LazyComposedTransform", "transforms")
    layers = [layer for place, inner in named for layer in unconditional(parts, place, inner, dim)]
    affine = [layer for layer in layers if isinstance(layer, Affine)]
    if len(affine) < len(layers):
        refuse(path, "affine transforms", "others")
    return undone(merged(affine))


def _sides(path: str, tensor: Any, dim: int) -> tuple[list[int], list[int]]:
    """Features that a mask keeps, and the others."""
    mask = array(tensor)
    if mask.dtype != np.bool_ or mask.shape != (dim,) or mask.all() or not mask.any():
        refuse(f"{path}.mask", f"bools of shape ({dim},), both True and False", f"{mask.tolist()!r:.60}")
    return np.flatnonzero(mask).tolist(), np.flatnonzero(~mask).tolist()


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
