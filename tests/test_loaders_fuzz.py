"""Random flows of zuko and nflows, whole or with a part changed: the library's density, or a refusal."""

import functools
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgap.kernels.interop import Flow, from_nflows, from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import LIBRARIES, density, latent, libraries, nflow, resnet, sampled

Random = np.random.Generator


def chosen(rng: Random, *values: Any) -> Any:
    return values[rng.integers(len(values))]


def activations() -> tuple[Any, ...]:
    nn = libraries()[0].nn
    return nn.ReLU, nn.Tanh, nn.ELU, nn.SiLU, nn.LeakyReLU, nn.GELU


def zuko_flow(rng: Random) -> Any:
    """Of a constructor of zuko, with options that from_zuko documents."""
    torch, zuko, _, _ = libraries()
    dim = int(rng.integers(1, 9))
    hidden = tuple(int(width) for width in rng.integers(dim, 40, rng.integers(0, 4)))
    options = {"hidden_features": hidden, "activation": chosen(rng, *activations())}
    options["transforms"] = int(rng.integers(1, 5))
    name = chosen(rng, "MAF", "NSF", "NICE", "RealNVP", *(("spline coupling", "one") if dim > 1 else ()))
    if name in ("MAF", "NSF"):
        options |= {"randperm": chosen(rng, True, False), "passes": chosen(rng, None, 2, dim)}
        if chosen(rng, True, False, False):
            options["adjacency"] = adjacency(rng, dim)
        options["residual"] = bool(hidden) and chosen(rng, True, False)
        if name == "NSF":
            options["bins"] = int(rng.integers(2, 12))
        return getattr(zuko.flows, name)(dim, **options)
    if name in ("NICE", "RealNVP"):
        options |= {"randmask": chosen(rng, True, False), "bias": chosen(rng, True, True, False)}
        return getattr(zuko.flows, name)(dim, **options)
    count, bins, base = options.pop("transforms"), int(rng.integers(2, 9)), zuko.flows.MAF(dim).base
    bound = float(rng.uniform(1, 8))
    options["univariate"] = functools.partial(zuko.transforms.MonotonicRQSTransform, bound=bound)
    options["shapes"] = [(bins,), (bins,), (bins - 1,)]
    if name == "one":
        order = torch.as_tensor(rng.permutation(dim))
        return zuko.lazy.Flow(
            zuko.flows.autoregressive.MaskedAutoregressiveTransform(dim, order=order, **options), base
        )
    masks = [np.roll(np.arange(dim) < rng.integers(1, dim), rng.integers(dim)) for _ in range(count)]
    layers = [zuko.flows.coupling.GeneralCouplingTransform(dim, mask=mask, **options) for mask in masks]
    layers.insert(int(rng.integers(count + 1)), unconditional(rng, dim))
    return zuko.lazy.Flow(layers, base)


def unconditional(rng: Random, dim: int) -> Any:
    torch, zuko, _, _ = libraries()
    name = chosen(rng, "AffineTransform", "PermutationTransform", "RotationTransform", "LULinearTransform")
    if name == "PermutationTransform":
        arguments = (torch.as_tensor(rng.permutation(dim)),)
    elif name == "AffineTransform":
        arguments = (torch.zeros(dim), torch.ones(dim))
    else:
        arguments = (torch.eye(dim),)
    buffer = name == "PermutationTransform" or rng.random() < 0.5
    return zuko.lazy.UnconditionalTransform(getattr(zuko.transforms, name), *arguments, buffer=buffer)


def adjacency(rng: Random, dim: int) -> Any:
    """A random graph without cycles in which a feature depends on another."""
    order, graph = rng.permutation(dim), np.tril(rng.random((dim, dim)) < 0.5)
    graph |= np.eye(dim, dtype=bool) | np.eye(dim, k=-1, dtype=bool)
    return libraries()[0].as_tensor(graph[np.ix_(order, order)])


def nflows_activation(rng: Random) -> Any:
    torch = libraries()[0]
    f = torch.nn.functional
    functions = (f.relu, torch.relu, torch.tanh, f.elu, f.silu, f.leaky_relu, f.gelu)
    return chosen(rng, *functions, *(activation() for activation in activations()))


def nflows_layer(rng: Random, dim: int) -> Any:
    _, _, _, t = libraries()
    name = chosen(
        rng, "permutation", "norm", "linear", "affine", "spline", "coupling", "additive", "spline coupling",
        "composite",
    )  # fmt: skip
    if name == "norm":
        return t.BatchNorm(dim, eps=float(chosen(rng, 1e-5, 1e-2)))
    if name == "linear":
        layer = chosen(rng, t.LULinear, functools.partial(t.SVDLinear, num_householder=2), t.ActNorm)(dim)
        return chosen(rng, layer, t.InverseTransform(layer))
    if name == "permutation":
        return chosen(rng, t.RandomPermutation, t.ReversePermutation)(dim)
    if name == "composite":
        return t.CompositeTransform([nflows_layer(rng, dim) for _ in range(2)])
    spline = {"num_bins": int(rng.integers(2, 12)), "tail_bound": float(rng.uniform(1, 6)), "tails": "linear"}
    blocks, width, activation = int(rng.integers(0, 4)), int(rng.integers(dim, 32)), nflows_activation(rng)
    both = {
        "num_blocks": blocks,
        "activation": activation,
        "dropout_probability": float(chosen(rng, 0.0, 0.3)),
        "use_batch_norm": bool(chosen(rng, True, False, False)),
    }
    if name in ("affine", "spline"):
        residual = bool(chosen(rng, True, False))
        both |= {
            "use_residual_blocks": residual,
            "random_mask": not residual and bool(chosen(rng, True, False)),
        }
        if name == "affine":
            return t.MaskedAffineAutoregressiveTransform(dim, width, **both)
        return t.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(dim, width, **both, **spline)
    mask = np.where(rng.permutation(dim) < rng.integers(1, dim), 1, -1).tolist()
    net = resnet(width, **both)
    if name == "spline coupling":
        return t.PiecewiseRationalQuadraticCouplingTransform(mask, net, **spline)
    return (t.AffineCouplingTransform if name == "coupling" else t.AdditiveCouplingTransform)(mask, net)


def nflows_flow(rng: Random) -> Any:
    """Of nflows' flows, or of its layers, with options that from_nflows documents."""
    _, _, flows, t = libraries()
    dim, name = int(rng.integers(2, 9)), chosen(rng, "maf", "realnvp", "layers", "layers", "layers")
    sizes = (int(rng.integers(dim, 32)), int(rng.integers(1, 5)), int(rng.integers(0, 4)))
    options = {"activation": nflows_activation(rng), "dropout_probability": float(chosen(rng, 0.0, 0.2))}
    for option in ("batch_norm_within_layers", "batch_norm_between_layers"):
        options[option] = chosen(rng, True, False, False)
    if name == "maf":
        options["use_residual_blocks"] = chosen(rng, True, False)
        options["use_random_masks"] = not options["use_residual_blocks"] and chosen(rng, True, False)
        options["use_random_permutations"] = chosen(rng, True, False)
        return flows.MaskedAutoregressiveFlow(dim, *sizes, **options)
    if name == "realnvp":
        return flows.SimpleRealNVP(dim, *sizes, use_volume_preserving=chosen(rng, True, False), **options)
    layers = [nflows_layer(rng, dim) for _ in range(rng.integers(1, 4))]
    return nflow(dim, t.AffineCouplingTransform([1] + [-1] * (dim - 1), resnet(8)), *layers)


def shaken(rng: Random, flow: Any) -> Any:
    """Away from how it was initialised, at times steeply; some in float64."""
    torch = libraries()[0]
    factor = chosen(rng, 1.0, 1.0, 1.5, 3.0)
    with torch.no_grad():
        for parameter in flow.parameters():
            noise = torch.randn(parameter.shape) / max(1, parameter.shape[-1] if parameter.ndim else 1) ** 0.5
            parameter.mul_(factor).add_(0.3 * factor * noise)
        for buffer_name, buffer in flow.named_buffers():
            if buffer_name.endswith("running_var"):
                buffer.uniform_(0.2, 2)
            elif buffer_name.endswith("running_mean"):
                buffer.normal_()
            elif buffer_name.endswith("initialized"):
                buffer.fill_(True)
    flow.eval()
    return flow.double() if rng.random() < 0.5 else flow


def dim_of(flow: Any) -> int:
    return int(flow._distribution._shape[0]) if hasattr(flow, "_distribution") else len(flow.base.loc)


# changes


def other_value(rng: Random, value: Any) -> Any:
    """Another value of an attribute's type; the value itself where there is none."""
    torch = libraries()[0]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + int(chosen(rng, -1, 1, 3))
    if isinstance(value, float):
        return value * float(chosen(rng, 0.5, 1.5, -1))
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return torch.nn.Parameter(value + 0.1) if isinstance(value, torch.nn.Parameter) else value + 0.1
    if isinstance(value, torch.Tensor):
        return ~value if value.dtype == torch.bool else value.roll(1) if rng.random() < 0.5 else value * 0
    if isinstance(value, tuple | list) and value:
        return type(value)(reversed(value))
    if isinstance(value, str):
        return None
    if callable(value) and not isinstance(value, torch.nn.Module):
        return chosen(rng, torch.tanh, torch.exp, torch.nn.functional.relu, lambda *x: x[0])
    return value


def change_attribute(rng: Random, flow: Any) -> str:
    module = chosen(rng, *flow.modules())
    names = [
        n for n in vars(module) if not n.startswith(("_backward", "_forward", "_state", "_load", "_is_full"))
    ]
    names = [
        n for n in names if n not in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
    ]
    names += [*module._parameters, *module._buffers]
    name = chosen(rng, *names)
    setattr(module, name, other_value(rng, getattr(module, name)))
    return f"{type(module).__name__}.{name}"


def add_attribute(rng: Random, flow: Any) -> str:
    torch = libraries()[0]
    added = {"hidden_features": 9, "hidden_channels": 4, "use_batch_norm": True, "stack": 2, "alpha": 2.0}
    added |= {"inplace": True, "context_layer": None, "bias": None, "note": "of the user"}
    added |= {"scale_activation": torch.exp, "mask": torch.zeros(1)}
    module, name = chosen(rng, *flow.modules()), chosen(rng, *added)
    setattr(module, name, added[name])
    return f"{type(module).__name__}.{name} added"


def altered(method: Any) -> Callable[..., Any]:
    def method_of_its_own(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        if isinstance(result, tuple):
            return tuple(1.01 * r for r in result)
        return 1.01 * result if isinstance(result, int | float | libraries()[0].Tensor) else result

    return method_of_its_own


def subclassed(rng: Random, flow: Any) -> str:
    """A part of a subclass of the same name that overrides one method, or none."""
    module, own = chosen(rng, *flow.modules()), {}
    cls = type(module)
    if rng.random() < 0.6:
        methods = [
            n for n in dir(cls) if isinstance(getattr(cls, n), types.FunctionType) and n in own_names(cls)
        ]
        if methods:
            name = chosen(rng, *methods)
            own = {name: altered(getattr(cls, name))}
    module.__class__ = types.new_class(cls.__name__, (cls,), exec_body=lambda space: space.update(own))
    return f"{cls.__name__} overriding {', '.join(own) or 'nothing'}"


def own_names(cls: type) -> set[str]:
    """Methods of a library's class, those of nn.Module apart but for forward and __call__."""
    module = libraries()[0].nn.Module
    names = {n for base in cls.__mro__ if base not in module.__mro__ for n in vars(base)}
    return (names | {"forward", "__call__"}) - {"__init__", "__repr__", "__new__"}


def replaced(rng: Random, flow: Any) -> str:
    """A part replaced by another module, or hooked, or parametrized, or with a method of its own."""
    torch = libraries()[0]
    module = chosen(rng, *list(flow.modules())[1:])
    what = chosen(rng, "hook", "pre-hook", "weight norm", "new weight norm", "forward", "inner")
    if what == "hook":
        module.register_forward_hook(lambda m, a, out: out)
    elif what == "pre-hook":
        module.register_forward_pre_hook(lambda m, a: None)
    elif what.endswith("weight norm") and isinstance(getattr(module, "weight", None), torch.nn.Parameter):
        norms = torch.nn.utils if what == "weight norm" else torch.nn.utils.parametrizations
        norms.weight_norm(module)
    elif what == "forward":
        module.forward = types.MethodType(altered(type(module).forward), module)
    else:
        children = [(m, n) for m in flow.modules() for n in m._modules]
        parent, name = chosen(rng, *children)
        new = chosen(
            rng,
            torch.nn.Identity(),
            torch.nn.Tanh(),
            torch.nn.Sequential(parent._modules[name]),
            torch.nn.GELU("tanh"),
        )
        parent._modules[name] = new
    return f"{type(module).__name__}: {what}"


def assert_equal(flow: Any, load: Callable[..., Flow]) -> None:
    """z, density and samples of the library, in float64; at other points than the loader looks at."""
    torch = libraries()[0]
    flow.double().eval()
    loaded, dim = load(flow, check=False), dim_of(flow)
    normals = standard_normal(24, dim, 7)
    batch = np.concatenate([normals, 3 * normals, 30 * normals])
    with torch.no_grad():
        expected = density(flow, torch.tensor(batch)).numpy()
        z = latent(flow, torch.tensor(batch)).numpy()
        x = sampled(flow, torch.tensor(normals)).numpy()
    terms = 1 + (z**2).sum(1) / 2 + np.abs(expected)
    size = np.maximum(np.abs(z), np.abs(batch)).max(1, initial=1, keepdims=True)
    assert (np.abs(loaded.inverse(batch)[0] - z) <= 1e-8 * size).all()
    assert (np.abs(loaded.log_prob(batch) - expected) <= 1e-8 * terms).all()
    ours = loaded.forward(normals)[0]
    apart = np.abs(ours - x).max(1) / np.maximum(1, np.abs(x).max(1))
    steepness = np.abs(loaded.inverse(x)[0] - normals).max(1)  # the library's own error, in the latent
    assert (apart <= 1e-6 * (1 + 1e6 * steepness)).all()


CHANGES = (change_attribute, change_attribute, add_attribute, subclassed, subclassed, replaced)


def outcome(flow: Any, load: Callable[..., Flow], about: str) -> str:
    """Whether a flow is loaded or refused; a wrong density is an AssertionError."""
    refusal = ""
    try:
        load(flow)
    except (ValueError, TypeError) as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("flow"), f"{about}: {refusal}"
        return "refused"
    try:
        assert_equal(flow, load)
    except AssertionError as error:
        raise AssertionError(about) from error
    return "loaded"


def fuzz(seeds: range) -> Counter[str]:
    """How many are loaded and refused, whole and changed."""
    torch = libraries()[0]
    seen: Counter[str] = Counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        build, load = ((zuko_flow, from_zuko), (nflows_flow, from_nflows))[seed % 2]
        flow = shaken(rng, build(rng))
        seen[f"whole, {outcome(flow, load, f'seed {seed}')}"] += 1
        try:
            change = chosen(rng, *CHANGES)(rng, flow)
        except (TypeError, AttributeError, KeyError, RuntimeError):
            continue  # PyTorch takes no such change
        seen[f"changed, {outcome(flow, load, f'seed {seed}, {change}')}"] += 1
    return seen


@LIBRARIES
@pytest.mark.filterwarnings("ignore")  # of the libraries, about flows that are changed
@pytest.mark.parametrize("seeds", [range(30), pytest.param(range(30, 530), marks=pytest.mark.slow)], ids=str)
def test_random_flows_equal_the_library_or_are_refused(
    seeds: range, record_property: Callable[[str, object], None]
) -> None:
    seen = fuzz(seeds)
    record_property("seen", dict(seen))
    assert seen["whole, loaded"] >= 0.95 * len(seeds)
    assert seen["changed, loaded"]
    assert seen["changed, refused"]
