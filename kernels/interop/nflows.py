"""Flows of nflows: masked autoregressive and coupling layers; affine ones between them."""

import functools
import math
from typing import Any

from numpy.typing import DTypeLike

from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop import evaluation
from seqgap.kernels.interop.affine import Affine, dtype_of, merged, undone
from seqgap.kernels.interop.embedding import Embedding
from seqgap.kernels.interop.layers import Layer, flow_of
from seqgap.kernels.interop.nflows_affine import AFFINE, affine_layer
from seqgap.kernels.interop.nflows_nets import by_feature, context_map, divided, mlp, perceptron, shift_first
from seqgap.kernels.interop.nflows_scales import scale_of
from seqgap.kernels.interop.nflows_splines import bound_of, constant_spline
from seqgap.kernels.interop.parts import TORCH, Parts, array, refuse

_FLOOR = 1e-3
_MADE = ("MaskedAffineAutoregressiveTransform", "MaskedPiecewiseRationalQuadraticAutoregressiveTransform")
_COUPLINGS = tuple(
    f"{kind}CouplingTransform" for kind in ("Affine", "Additive", "PiecewiseRationalQuadratic")
)
_FLOWS = ("nflows.flows.base.Flow", "glasflow.flows.base.Flow", "nessai.flows.base.NFlow")
_PARTS = {
    "flows.base": ("Flow",),
    "distributions.normal": ("StandardNormal",),
    "transforms.base": ("CompositeTransform", "InverseTransform"),
    "transforms.standard": ("IdentityTransform", "PointwiseAffineTransform", "AffineTransform"),
    "transforms.linear": ("NaiveLinear",),
    "transforms.lu": ("LULinear",),
    "transforms.qr": ("QRLinear",),
    "transforms.svd": ("SVDLinear",),
    "transforms.orthogonal": ("HouseholderSequence",),
    "transforms.permutations": ("Permutation",),
    "transforms.autoregressive": _MADE,
    "transforms.coupling": _COUPLINGS,
    "transforms.normalization": ("BatchNorm", "ActNorm"),
    "transforms.made": ("MADE", "MaskedLinear", "MaskedResidualBlock", "MaskedFeedforwardBlock"),
    "transforms.nonlinearities": ("PiecewiseRationalQuadraticCDF",),
    "nn.nets.resnet": ("ResidualNet", "ResidualBlock"),
}
_COPIES = ("nflows", "glasflow.nflows")  # glasflow's flows, and nessai's, are made of the second


def from_nflows(flow: Any, *, dtype: DTypeLike | None = None, check: bool = True) -> Flow:
    """The `Flow` of a trained nflows flow, in the dtype of its parameters, in evaluation.

    nflows.flows.MaskedAutoregressiveFlow and SimpleRealNVP, and any Flow made of masked autoregressive and
    coupling transforms, affine, additive or rational-quadratic with linear tails, with the networks MADE and
    ResidualNet, with BatchNorm1d or without, and the activations relu, tanh, elu, silu, leaky_relu (slope
    0.01), gelu (exact), selu, softplus and sigmoid, with a context or without, over a StandardNormal; with
    affine transforms between them, and InverseTransforms of those: permutations, PointwiseAffineTransform,
    BatchNorm and ActNorm of a trained flow, LULinear, QRLinear, SVDLinear, NaiveLinear, HouseholderSequence.
    Affine neighbours become one step. BatchNorm1d becomes part of the weights, in float64; a residual network
    of B blocks with it becomes B times as wide. Flows of glasflow and nessai count where they are made of the
    same parts, or of nessai's MLP.
    log_prob and forward equal nflows' log_prob and _transform.inverse to rounding. Parts are known by their
    classes; subclasses count where they override nothing but how they are made and shown.

    dtype: float32 or float64, which the parameters are converted to first; None: as they are. check: compare
    z and log_prob with those of nflows, of a copy in float64, at 192 points: the flow is refused where they
    differ by more than 1e-8, relative to the terms that they are sums of. It takes some milliseconds, once
    the kernels are compiled. Raises TypeError for what is no nflows flow or another dtype, and ValueError
    naming the part that is not supported; nothing is approximated. `flow` and the generator of PyTorch are
    left as they are.
    """
    own = [
        f"{copy}.{module}.{name}" for copy in _COPIES for module, names in _PARTS.items() for name in names
    ]
    torch = tuple(
        f"torch.nn.modules.{name}" for name in ("linear.Identity", "dropout.Dropout", "batchnorm.BatchNorm1d")
    )
    sbi = "sbi.neural_nets.net_builders.flow.ContextSplineMap"
    parts = Parts(*_FLOWS, *own, *torch, *TORCH, sbi, "nessai.flows.nets.MLP")
    if not parts.has(flow, "Flow", "NFlow"):
        raise TypeError(f"flow: expected an nflows Flow, got {type(flow).__name__}")
    parts.name("flow", flow, "Flow", "NFlow")
    library = evaluation.Library("nflows", functools.partial(_read, parts), _evaluate)
    loaded = evaluation.load(flow, library, check, dtype)
    if loaded.context_dim and hasattr(flow, "_embedding_net"):
        loaded.embedding = Embedding(flow._embedding_net, None, loaded.dtype)
    return loaded


def _evaluate(flow: Any, x: Any, context: Any) -> tuple[Any, Any]:
    """Past the embedding, which is no part of what is read."""
    z, log_det = flow._transform(x, context=context)
    return z, flow._distribution.log_prob(z) + log_det


def _read(parts: Parts, flow: Any) -> Flow:
    dim = _dim(parts, flow._distribution)
    named = parts.leaves("flow._transform", flow._transform, "CompositeTransform", "_transforms")
    layers = [layer for path, transform in named for layer in _layers(parts, path, transform, dim)]
    loaded = flow_of(layers, dim, dtype_of(flow))
    if hasattr(flow, "_embedding_net") and not loaded.context_dim:  # glasflow's and nessai's own have none
        parts.name("flow._embedding_net", flow._embedding_net, "Identity")
    return loaded


def _dim(parts: Parts, normal: Any) -> int:
    """D of the base; its constant is made exact, which `flow.float()` rounds."""
    parts.name("flow._distribution", normal, "StandardNormal")
    if len(normal._shape) != 1:
        refuse("flow._distribution", "a StandardNormal of one dimension", f"shape {tuple(normal._shape)}")
    dim = int(normal._shape[0])
    constant = dim / 2 * math.log(2 * math.pi)
    if not math.isclose(float(normal._log_z), constant, rel_tol=1e-6):
        refuse("flow._distribution._log_z", f"{dim} log(2 pi) / 2 = {constant}", float(normal._log_z))
    normal._log_z = normal._log_z * 0 + constant
    return dim


def _layers(parts: Parts, path: str, transform: Any, dim: int) -> list[Layer | Affine]:
    name = parts.name(path, transform, *_MADE, *_COUPLINGS, "InverseTransform", *AFFINE)
    if name in AFFINE:
        return [affine_layer(parts, path, transform, dim)]
    if name == "InverseTransform":
        return [_inverse(parts, f"{path}._transform", transform._transform, dim)]
    if getattr(transform, "features", dim) != dim:
        refuse(f"{path}.features", dim, transform.features)
    bound = bound_of(path, transform, transform.num_bins) if "Piecewise" in name else None
    if name in _MADE:
        return [_autoregressive(parts, path, transform, dim, bound)]
    layer = _coupling(parts, path, transform, dim, bound)
    if transform.unconditional_transform is None:
        return [layer]
    return [layer, constant_spline(parts, f"{path}.unconditional_transform", transform, layer)]


def _inverse(parts: Parts, path: str, transform: Any, dim: int) -> Affine:
    """The inverse of affine transforms."""
    named = parts.leaves(path, transform, "CompositeTransform", "_transforms")
    return undone(merged([affine_layer(parts, place, inner, dim) for place, inner in named]))


def _autoregressive(parts: Parts, path: str, transform: Any, dim: int, bound: float | None) -> Layer:
    net, at = transform.autoregressive_net, f"{path}.autoregressive_net"
    parts.name(at, net, "MADE")
    residual = bool(net.use_residual_blocks)
    blocks = "MaskedResidualBlock" if residual else "MaskedFeedforwardBlock"
    outputs = 2 if bound is None else 3 * transform.num_bins - 1
    network = perceptron(parts, at, net, blocks, (dim, dim, outputs))
    if bound is not None:
        return Layer(path, divided(network, net, transform.num_bins), [], list(range(dim)), "softplus", bound)
    if transform._epsilon != _FLOOR:
        refuse(f"{path}._epsilon", _FLOOR, transform._epsilon)
    kind = scale_of(path, transform, "softplus")
    return Layer(path, shift_first(network), [], list(range(dim)), kind)


def _coupling(parts: Parts, path: str, transform: Any, dim: int, bound: float | None) -> Layer:
    sides = (transform.identity_features, transform.transform_features)
    kept, moved = (array(side).tolist() for side in sides)
    if sorted(kept + moved) != list(range(dim)):
        refuse(
            path,
            f"identity_features and transform_features that share {dim} features",
            f"{kept} and {moved}",
        )
    net, at = transform.transform_net, f"{path}.transform_net"
    if not kept and bound is not None and parts.has(net, "ContextSplineMap"):
        outputs = 3 * transform.num_bins - 1
        network = divided(context_map(parts, at, net, (dim, outputs)), net, transform.num_bins)
        return Layer(path, network, [], moved, "softplus", bound)
    if not kept or not moved:
        refuse(path, f"a mask that {'transforms' if kept else 'keeps'} a feature", "none")
    name = parts.name(at, net, "ResidualNet", "MLP")
    additive = parts.has(transform, "AdditiveCouplingTransform")
    outputs = 3 * transform.num_bins - 1 if bound is not None else 2 - additive
    shape = len(kept), len(moved), outputs
    network = (
        mlp(parts, at, net, shape) if name == "MLP" else perceptron(parts, at, net, "ResidualBlock", shape)
    )
    if bound is not None:
        if hasattr(net, "hidden_channels"):
            refuse(f"{at}.hidden_channels", "none", net.hidden_channels)
        return Layer(path, divided(network, net, transform.num_bins), kept, moved, "softplus", bound)
    kind = "additive" if additive else scale_of(path, transform, "sigmoid")
    return Layer(path, by_feature(network), kept, moved, kind)
