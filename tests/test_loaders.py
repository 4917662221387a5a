"""What a loader must never take in silence: the library's own density, or a refusal that names the part."""

import functools
import importlib
import math
import shutil
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgap.kernels.interop import Flow, evaluation, from_nflows, from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import LIBRARIES, density, libraries, nflow, nflows_flows, resnet, sampled, zuko_flows

pytestmark = LIBRARIES
MASK = [1, -1]


def zeroed(flow: Any) -> Any:
    """All parameters 0, in float64 and evaluation: densities by hand."""
    torch = libraries()[0]
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.zero_()
    return flow.double().eval()


def at_ones(flow: Any) -> float:
    """The library's density at (1, 1)."""
    torch = libraries()[0]
    with torch.no_grad():
        return float(density(flow, torch.ones(1, 2, dtype=torch.float64)))


def assert_loads_equal(load: Callable[[Any], Flow], flow: Any, dim: int) -> None:
    torch = libraries()[0]
    flow.double().eval()
    loaded, batch = load(flow), 2.0 * standard_normal(40, dim, 3)
    with torch.no_grad():
        expected = density(flow, torch.tensor(batch)).numpy()
        samples = sampled(flow, torch.tensor(batch)).numpy()
    np.testing.assert_allclose(loaded.log_prob(batch), expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(loaded.forward(batch)[0], samples, rtol=1e-7, atol=1e-7)


def coupling(base: type | None = None, **options: Any) -> Any:
    _, _, _, t = libraries()
    return (base or t.AffineCouplingTransform)(MASK, resnet(4), **options)


def masked(dim: int = 2, **options: Any) -> Any:
    _, _, _, t = libraries()
    return t.MaskedAffineAutoregressiveTransform(dim, 6, **options)


# the scale of a coupling: nflows' repository has an attribute that its release lacks


@pytest.fixture
def repository_scale(monkeypatch: pytest.MonkeyPatch) -> Any:
    """nflows' coupling as its repository has it, under the same version."""
    torch, _, _, t = libraries()

    def scale_and_shift(self: Any, params: Any) -> tuple[Any, Any]:
        moved = self.num_transform_features
        return self.scale_activation(params[:, moved:]), params[:, :moved]

    monkeypatch.setattr(t.AffineCouplingTransform, "_scale_and_shift", scale_and_shift)

    def build(function: Any) -> Any:
        torch.manual_seed(1)
        layer = t.AffineCouplingTransform([1, -1, 1], resnet())
        layer.scale_activation = function
        return nflow(3, layer)

    return build


def test_a_scale_activation_other_than_the_default_is_refused(repository_scale: Any) -> None:
    torch = libraries()[0]
    for function in (
        torch.exp,
        lambda u: (torch.nn.functional.softplus(u) + 1e-3).clamp(0, 4),
        lambda u: torch.exp(3 * (torch.sigmoid(u) - 0.5)),
        lambda u: u.sum(),
        lambda: 0,
    ):
        with pytest.raises(ValueError, match=r"_transforms\[0\]\.scale_activation: expected sigmoid"):
            from_nflows(repository_scale(function))


def test_scale_activations_are_known_by_their_values(repository_scale: Any) -> None:
    """The default of nflows' repository, the one that it calls general, and glasflow's others."""
    torch = libraries()[0]
    functions = {
        "sigmoid": lambda u: torch.sigmoid(u + 2) + 1e-3,
        "softplus": lambda u: torch.nn.functional.softplus(u) + 1e-3,
        "wide": lambda u: (torch.nn.functional.softplus(u) + 1e-3).clamp(0, 3),
        "log1": lambda u: torch.exp(2 * (torch.sigmoid(u) - 0.5)),
        "log2": lambda u: torch.exp(4 * (torch.sigmoid(u) - 0.5)),
        "log3": lambda u: torch.exp(6 * (torch.sigmoid(u) - 0.5)),
    }
    for name, function in functions.items():
        flow = repository_scale(function)
        final = flow._transform._transforms[0].transform_net.final_layer
        final.weight.data *= 50  # as far as where wide is cut off
        assert_loads_equal(from_nflows, flow, 3)
        assert from_nflows(flow).params[0].scale == name


# classes: identity, never a name


def test_a_coupling_of_another_library_with_the_same_name_is_refused() -> None:
    """As glasflow's: its scale at u = 0 is ln 2 + 1e-3, not sigmoid(2) + 1e-3."""
    torch, _, _, t = libraries()

    class AffineCouplingTransform(t.AffineCouplingTransform):  # type: ignore[misc,name-defined]
        def _scale_and_shift(self, params: Any) -> tuple[Any, Any]:
            moved = self.num_transform_features
            scale = (torch.nn.functional.softplus(params[:, moved:]) + 1e-3).clamp(0, 3)
            return scale, params[:, :moved]

    flow = zeroed(nflow(2, coupling(AffineCouplingTransform)))
    assert at_ones(flow) == pytest.approx(-2.943868485774427, abs=1e-14)  # mpmath
    with pytest.raises(ValueError, match=r"_transforms\[0\]: .*AffineCouplingTransform.*_scale_and_shift"):
        from_nflows(flow)


def test_an_activation_that_only_has_the_name_is_refused() -> None:
    torch, zuko, _, _ = libraries()

    class ReLU(torch.nn.ReLU):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return 2 * super().forward(x)

    class Tanh(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x

    def relu(x: Any) -> Any:
        return x

    relu.__module__ = "torch.nn.functional"
    for activation in (ReLU, Tanh):
        with pytest.raises(ValueError, match=rf"hyper\[1\]: expected .*, got {activation.__name__}"):
            from_zuko(zuko.flows.MAF(2, activation=activation))
        with pytest.raises(ValueError, match=rf"activation: expected .*, got {activation.__name__}"):
            from_nflows(nflow(2, masked(activation=activation())))
    with pytest.raises(ValueError, match=r"activation: expected .*, got relu"):
        from_nflows(nflow(2, masked(activation=relu)))


def subclass(part: Any, **own: Any) -> None:
    """The part is then of a subclass, of the same name, with its own attributes."""
    part.__class__ = types.new_class(
        type(part).__name__, (type(part),), exec_body=lambda space: space.update(own)
    )


def twice(self: Any, *args: Any, **kwargs: Any) -> Any:
    result = type(self).__mro__[1].forward(self, *args, **kwargs)
    return tuple(2 * r for r in result) if isinstance(result, tuple) else result


MADE = "_transform._transforms.1.autoregressive_net"
PARTS = [
    *(
        ("zuko", name)
        for name in ("transform", "transform.transforms.0", "transform.transforms.0.hyper", "base")
    ),
    *(("zuko", f"transform.transforms.0.hyper.{i}") for i in range(2)),
    *(("nflows", name) for name in ("_transform", "_distribution", "_embedding_net", MADE)),
    *(("nflows", f"_transform._transforms.{i}") for i in range(2)),
    *(("nflows", f"{MADE}.{name}") for name in ("initial_layer", "final_layer", "blocks.0")),
    *(("nflows", f"{MADE}.blocks.0.{name}") for name in ("dropout", "linear_layers.0")),
]


@pytest.mark.parametrize(("library", "name"), PARTS)
def test_any_part_that_overrides_a_method_is_refused_and_one_that_does_not_is_loaded(
    library: str, name: str
) -> None:
    flows = zuko_flows(3) if library == "zuko" else nflows_flows(3)
    load = from_zuko if library == "zuko" else from_nflows
    place = name.replace(".0", "[0]").replace(".1", "[1]").replace("[0].hyper.", "[0].hyper")
    flow = flows["MAF"]
    subclass(flow.get_submodule(name), fit=lambda self: None, extra_repr=lambda self: "")
    assert_loads_equal(load, flow, 3)
    subclass(flow.get_submodule(name), forward=twice)
    with pytest.raises(ValueError, match=rf"flow\.{name.split('.')[0]}.*overrides forward") as refusal:
        load(flow)
    assert str(refusal.value).startswith(f"flow.{place}: expected ")


@pytest.mark.parametrize("where", ["flow", "part"])
def test_a_method_of_one_object_alone_is_refused(where: str) -> None:
    flow = zuko_flows(3)["MAF"]
    part = flow if where == "flow" else flow.transform.transforms[1]
    part.forward = types.MethodType(twice, part)
    with pytest.raises(ValueError, match="overrides forward"):
        from_zuko(flow)


# subclasses of the flow itself


def test_flows_that_override_what_they_do_are_refused() -> None:
    torch, zuko, flows, _ = libraries()

    class Standardised(zuko.flows.MAF):  # type: ignore[misc,name-defined]
        def forward(self, c: Any = None) -> Any:
            made = super().forward(c)
            shift = torch.distributions.AffineTransform(1.0, 2.0)
            made.transform = zuko.transforms.ComposedTransform(shift, made.transform)
            return made

    class Half(flows.Flow):  # type: ignore[misc,name-defined]
        def _log_prob(self, inputs: Any, context: Any) -> Any:
            return super()._log_prob(inputs, context) - 1

    class Fewer(flows.MaskedAutoregressiveFlow):  # type: ignore[misc,name-defined]
        def _sample(self, num_samples: int, context: Any) -> Any:
            return super()._sample(num_samples, context) * 0

    with pytest.raises(ValueError, match=r"flow: .*Standardised that overrides forward"):
        from_zuko(Standardised(3))
    plain = zeroed(nflow(2, masked()))
    half = Half(plain._transform, plain._distribution)
    assert at_ones(half) == pytest.approx(-4.049859905139508, abs=1e-14)  # by hand
    with pytest.raises(ValueError, match=r"flow: .*Half that overrides _log_prob"):
        from_nflows(half)
    with pytest.raises(ValueError, match=r"flow: .*Fewer that overrides _sample"):
        from_nflows(Fewer(3, 8, 1, 1))


def test_a_mixin_that_comes_before_the_library_is_refused_for_what_it_overrides() -> None:
    torch, zuko, _, _ = libraries()

    class Loud(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __call__(self, *args: Any) -> Any:
            return super().__call__(*args)

    class Mixed(zuko.flows.MAF, Loud):  # type: ignore[misc,name-defined]
        pass

    with pytest.raises(ValueError, match=r"flow: .*Mixed that overrides __call__"):
        from_zuko(Mixed(3))


def test_flows_that_only_build_themselves_are_loaded() -> None:
    _, zuko, flows, _ = libraries()

    class Small(zuko.flows.NSF):  # type: ignore[misc,name-defined]
        """Sizes of a project, and a method of its own."""

        size = 3

        def __init__(self) -> None:
            super().__init__(3, bins=4, hidden_features=(8,))
            self.losses: list[float] = []

        def fit(self) -> None: ...

    class Own(flows.MaskedAutoregressiveFlow):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(3, 8, 2, 1)

    assert_loads_equal(from_zuko, Small(), 3)
    assert_loads_equal(from_nflows, Own(), 3)


# bundled copies of nflows


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """nflows as glasflow has it: a copy below glasflow.nflows."""
    libraries()
    import nflows

    source = Path(nflows.__file__).parent
    target = tmp_path / "glasflow" / "nflows"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.rglob("*.py"):
        text = path.read_text(encoding="utf-8").replace("from nflows", "from glasflow.nflows")
        path.write_text(text.replace("import nflows.", "import glasflow.nflows."), encoding="utf-8")
    (tmp_path / "glasflow" / "__init__.py").write_text("")
    own = {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "glasflow"}
    monkeypatch.syspath_prepend(str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = importlib.import_module("glasflow.nflows.flows")
        importlib.import_module("glasflow.nflows.nn.nets")
    yield copy
    for name in [name for name in sys.modules if name.split(".")[0] == "glasflow"]:
        del sys.modules[name]
    sys.modules.update(own)


def test_a_bundled_copy_is_known_by_its_own_classes(bundled: Any) -> None:
    copied = bundled.MaskedAutoregressiveFlow(3, 8, 2, 1)
    assert not isinstance(copied, libraries()[2].Flow)
    assert_loads_equal(from_nflows, copied, 3)
    layer = copied._transform._transforms[1]
    layer.scale_activation = lambda u: u.exp()  # as glasflow's autoregressive layers may have
    with pytest.raises(ValueError, match=r"scale_activation: expected sigmoid.*, softplus\(u\) \+ 0\.001"):
        from_nflows(copied)
    layer.scale_activation = lambda u: libraries()[0].nn.functional.softplus(u) + 1e-3
    assert_loads_equal(from_nflows, copied, 3)


def test_a_module_that_only_has_the_names_of_a_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, zuko, _, t = libraries()
    fake = type("MaskedAffineAutoregressiveTransform", (t.base.Transform,), {"__module__": t.__name__})
    with pytest.raises(ValueError, match=r"_transforms\[0\]: expected .*, got MaskedAffine"):
        from_nflows(nflow(2, fake()))
    with pytest.raises(TypeError, match="flow: expected a zuko Flow, got Flow"):
        from_zuko(type("Flow", (), {"__module__": zuko.lazy.__name__})())


# weights that hooks remake, and hooks


def hooked(flow: Any, linear: Any) -> dict[str, Callable[[], Any]]:
    torch = libraries()[0]
    import torch.nn.utils.prune as prune

    utils = torch.nn.utils
    return {
        "WeightNorm": lambda: utils.weight_norm(linear),
        "SpectralNorm": lambda: utils.spectral_norm(linear),
        "L1Unstructured": lambda: prune.l1_unstructured(linear, "weight", amount=0.3),
        "after": lambda: linear.register_forward_hook(after),
        "before": lambda: flow.register_forward_pre_hook(before),
    }


def after(module: Any, args: Any, output: Any) -> Any:
    return 2 * output


def before(module: Any, args: Any) -> None: ...


@pytest.mark.parametrize("name", ["WeightNorm", "SpectralNorm", "L1Unstructured", "after", "before"])
@pytest.mark.parametrize("library", ["zuko", "nflows"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_hooks_and_weights_that_hooks_remake_are_refused_by_module(library: str, name: str) -> None:
    flow = zuko_flows(3)["RealNVP"] if library == "zuko" else nflows_flows(3)["RealNVP"]
    linear = flow.get_submodule(
        "transform.transforms.1.hyper.2"
        if library == "zuko"
        else "_transform._transforms.1.transform_net.final_layer"
    )
    hooked(flow, linear)[name]()
    place = r"flow: " if name == "before" else r"flow\..*transforms\[1\]\..*(hyper\[2\]|final_layer): "
    with pytest.raises(ValueError, match=rf"^{place}expected no forward hooks .*, got {name}"):
        (from_zuko if library == "zuko" else from_nflows)(flow)


@pytest.mark.parametrize("library", ["zuko", "nflows"])
def test_parametrized_weights_are_evaluated(library: str) -> None:
    """The new weight_norm and spectral_norm, in training mode too, without a step of the power iteration."""
    torch = libraries()[0]
    norms = torch.nn.utils.parametrizations
    flow = zuko_flows(3)["RealNVP"] if library == "zuko" else nflows_flows(3)["RealNVP"]
    load = from_zuko if library == "zuko" else from_nflows
    linears = [m for m in flow.modules() if isinstance(m, torch.nn.Linear) or hasattr(m, "out_features")]
    linears = [m for m in linears if hasattr(m, "weight")]
    norms.weight_norm(linears[0])
    norms.spectral_norm(linears[1])
    with torch.no_grad():
        linears[0].parametrizations.weight.original0.mul_(3)
    flow.train()
    before_loading = {name: value.clone() for name, value in flow.state_dict().items()}
    load(flow)
    assert all(torch.equal(value, before_loading[name]) for name, value in flow.state_dict().items())
    assert_loads_equal(load, flow, 3)


# attributes that the library reads


def test_a_block_with_its_own_activation_is_refused() -> None:
    torch, _, _, _ = libraries()
    for residual in (True, False):
        for layer in (masked(use_residual_blocks=residual), coupling()):
            net = getattr(layer, "autoregressive_net", None) or layer.transform_net
            net.blocks[1].activation = torch.tanh
            with pytest.raises(ValueError, match=r"blocks\[1\]\.activation: expected relu as .*, got tanh"):
                from_nflows(nflow(2, layer))
    layer = masked(use_residual_blocks=False)
    layer.autoregressive_net.activation = torch.tanh  # after the initial layer
    with pytest.raises(ValueError, match=r"activation: expected tanh as .*, got relu"):
        from_nflows(nflow(2, layer))


def test_the_activation_of_residual_blocks_counts_and_not_that_of_their_net() -> None:
    torch, _, _, _ = libraries()
    layer = masked()
    for block in layer.autoregressive_net.blocks:
        block.activation = torch.tanh
    assert_loads_equal(from_nflows, nflow(2, layer), 2)


def test_residual_networks_of_zuko_have_the_widths_and_masks_that_count() -> None:
    torch, zuko, _, _ = libraries()
    for build, widths in (
        (zuko.flows.MAF, (12, 20, 20, 9)),
        (zuko.flows.NSF, (7,)),
        (zuko.flows.MAF, (5, 5)),
    ):
        flow = build(4, hidden_features=widths, residual=True, transforms=2)
        assert_loads_equal(from_zuko, flow, 4)
        params = from_zuko(flow).params[0]
        assert params.residual == "direct"
        assert params.bias_hidden.shape[1:] == (1 + 2 * len(widths), 41 if len(widths) == 4 else widths[0])
    hyper = flow.transform.transforms[0].hyper
    hyper[1][0].mask.fill_(True)
    with pytest.raises(ValueError, match=r"\.hyper: expected masks of an autoregressive network, got blocks"):
        from_zuko(flow)
    hyper[1][1] = torch.nn.Tanh()
    with pytest.raises(
        ValueError, match=r"hyper\[2\]\[1\]: expected tanh as the activation before, got relu"
    ):
        from_zuko(flow)
    hyper[1].append(torch.nn.ReLU())
    with pytest.raises(ValueError, match=r"hyper\[1\]: expected a linear layer, .*, got 4 modules"):
        from_zuko(flow)


def test_an_activation_that_works_in_place_is_refused_in_residual_blocks() -> None:
    torch, _, _, _ = libraries()
    for activation in (torch.nn.ReLU(inplace=True), torch.relu_):
        with pytest.raises(ValueError, match=r"activation: expected .*, got "):
            from_nflows(nflow(2, masked(activation=activation)))


def test_another_epsilon_is_refused() -> None:
    layer = masked()
    layer._epsilon = 0.1
    flow = zeroed(nflow(2, layer))
    scale = math.log(2) + 0.1
    assert at_ones(flow) == pytest.approx(-math.log(2 * math.pi) - scale**2 + 2 * math.log(scale), abs=1e-14)
    with pytest.raises(ValueError, match=r"_transforms\[0\]\._epsilon: expected 0.001, got 0.1"):
        from_nflows(flow)


def test_hidden_features_of_a_made_divide_its_logits() -> None:
    _, _, _, t = libraries()
    layer = t.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(3, 8, tails="linear", num_bins=5)
    layer.autoregressive_net.hidden_features = 400
    assert_loads_equal(from_nflows, nflow(3, layer), 3)


def nflows_layer(name: str) -> tuple[Any, Any]:
    """A flow and its first layer that has a network."""
    flow = nflow(2, masked()) if name == "masked" else nflows_flows(3)[name]
    return flow, next(layer for layer in flow._transform._transforms if not hasattr(layer, "_permutation"))


def zuko_layer(name: str) -> tuple[Any, Any]:
    flow = zuko_flows(3)[name]
    return flow, flow.transform.transforms[0]


def add_linear(layer: Any) -> None:
    layer.autoregressive_net.blocks[0].linear_layers.append(libraries()[0].nn.Linear(6, 6))


def mask_hyper(layer: Any) -> None:
    torch, zuko, _, _ = libraries()
    layer.hyper = zuko.nn.MaskedMLP(torch.ones(2, 2, dtype=bool), (4,))


def feedforward(layer: Any) -> None:
    layer.autoregressive_net.use_residual_blocks = False


ATTRIBUTES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "use_residual_blocks": ("masked", feedforward, r"blocks\[0\]: expected MaskedFeedforwardBlock"),
    "linear_layers": ("masked", add_linear, r"linear_layers: expected 2 layers, got 3"),
    "features": (
        "RealNVP",
        lambda layer: layer.transform_features.zero_(),
        r"\]: expected .* share 3 features",
    ),
    "number of features": (
        "masked",
        lambda layer: setattr(layer, "features", 4),
        r"features: expected 2, got 4",
    ),
    "num_bins": (
        "NSF",
        lambda layer: setattr(layer, "num_bins", 5),
        r"final_layer: expected 42 outputs, got 51",
    ),
    "mask": ("RealNVP of zuko", lambda layer: layer.mask.zero_(), r"\[0\]\.mask: expected bools"),
    "passes": (
        "MAF of zuko",
        lambda layer: setattr(layer, "passes", 2),
        r"passes: expected at least 3, got 2",
    ),
    "shapes": (
        "MAF of zuko",
        lambda layer: setattr(layer, "shapes", ((1,), (1,))),
        r"\[0\]\.shapes: expected",
    ),
    "total": ("MAF of zuko", lambda layer: setattr(layer, "total", 1), r"\[0\]\.total: expected 2, got 1"),
    "masks": (
        "MAF of zuko",
        lambda layer: [m.mask.fill_(True) for m in layer.hyper if hasattr(m, "mask")],
        r"\[0\]: expected masks of an autoregressive network, got features that depend on each other",
    ),
    "hyper": ("RealNVP of zuko", mask_hyper, r"hyper\[0\]: expected Linear, got MaskedLinear"),
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_that_the_library_reads_is_used_or_refused(name: str) -> None:
    build, change, message = ATTRIBUTES[name]
    zuko = build.endswith(" of zuko")
    flow, layer = zuko_layer(build.removesuffix(" of zuko")) if zuko else nflows_layer(build)
    change(layer)
    with pytest.raises(ValueError, match=message):
        (from_zuko if zuko else from_nflows)(flow)


def test_buffers_that_are_no_longer_the_library_s_are_refused() -> None:
    flow = nflows_flows(3)["MAF"]
    flow._transform._transforms[0]._permutation.zero_()
    with pytest.raises(ValueError, match=r"_transforms\[0\]\._permutation: expected a permutation"):
        from_nflows(flow)
    flow = nflows_flows(3)["RealNVP"]
    flow._distribution._log_z.add_(1)
    with pytest.raises(ValueError, match=r"_distribution\._log_z: expected 3 log\(2 pi\) / 2"):
        from_nflows(flow)


def test_more_bins_than_nflows_evaluates_are_refused() -> None:
    _, _, _, t = libraries()
    layer = t.PiecewiseRationalQuadraticCouplingTransform(MASK, resnet(4), tails="linear", num_bins=1500)
    with pytest.raises(ValueError, match=r"_transforms\[0\]\.num_bins: expected at most 1000, got 1500"):
        from_nflows(nflow(2, layer))


# refusals that name the part


def test_refusals_name_the_part() -> None:
    with pytest.raises(ValueError, match=r"hyper\[0\]\.weight: expected 2 dimensions, without stack, got"):
        from_zuko(libraries()[1].flows.RealNVP(3, stack=2))
    torch, zuko, _, t = libraries()
    layer = masked()
    layer.autoregressive_net.final_layer = torch.nn.Sequential(layer.autoregressive_net.final_layer)
    with pytest.raises(ValueError, match=r"final_layer: expected MaskedLinear, got Sequential"):
        from_nflows(nflow(2, layer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch: a layer without outputs
        none = nflow(2, t.AffineCouplingTransform([-1, -1], resnet(4)))
    with pytest.raises(ValueError, match=r"_transforms\[0\]: expected a mask that transforms a feature"):
        from_nflows(none)
    with pytest.raises(ValueError, match=r"flow: expected a layer"):
        from_nflows(nflow(2, t.ReversePermutation(2)))
    for load, flow in ((from_zuko, zuko.flows.MAF(3)), (from_nflows, nflow(3, masked(3)))):
        with pytest.raises(
            ValueError, match=r"(hyper\[0\]|initial_layer)\.weight: expected float32 or float64, got float16"
        ):
            load(flow.half())
        flow.float()
        [module for module in flow.modules() if hasattr(module, "bias")][-1].double()
        with pytest.raises(ValueError, match=r": expected float32 as the parameters before, got float64"):
            load(flow)
        flow.float()
        with pytest.raises(ValueError, match=r"^flow\..*: expected numbers, got a tensor of the device meta"):
            load(flow.to("meta"))


def test_a_batch_of_torch_that_has_no_numbers_is_refused_by_name() -> None:
    torch = libraries()[0]
    loaded = from_zuko(zuko_flows(3)["MAF"])
    for batch in (torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, device="meta")):
        with pytest.raises(TypeError, match="x: expected "):
            loaded.log_prob(batch)


# the check after loading


def test_what_no_look_at_the_parts_can_see_is_refused_by_its_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, zuko, _, _ = libraries()
    flow = zuko_flows(3)["MAF"]
    own = zuko.transforms.MonotonicAffineTransform._call
    monkeypatch.setattr(
        zuko.transforms.MonotonicAffineTransform, "_call", lambda self, x: own(self, x) + 1e-6
    )
    with pytest.raises(
        ValueError, match=r"flow: expected .* of zuko to 1e-08 in float64, got a difference of \d"
    ):
        from_zuko(flow)
    assert isinstance(from_zuko(flow, check=False), Flow)


@pytest.mark.parametrize("library", ["zuko", "nflows"])
def test_loading_leaves_the_flow_the_generator_and_the_gradients_alone(library: str) -> None:
    torch = libraries()[0]
    flow = zuko_flows(3)["NSF"] if library == "zuko" else nflows_flows(3)["NSF coupling"]
    load = from_zuko if library == "zuko" else from_nflows
    flow.train()
    weights = {name: value.clone() for name, value in flow.state_dict().items()}
    state = torch.get_rng_state()
    load(flow)
    assert torch.equal(torch.get_rng_state(), state)
    assert flow.training
    assert all(module.training for module in flow.modules())
    assert torch.is_grad_enabled()
    assert all(p.requires_grad and p.grad is None and p.dtype == torch.float32 for p in flow.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in flow.state_dict().items())


def test_flows_in_training_are_refused_where_it_matters() -> None:
    """Dropout and batch normalisation compute something else there, and are named."""
    _, _, flows, _ = libraries()
    size = (3, 8, 2, 1)
    for option, name in (
        ({"batch_norm_within_layers": True}, "BatchNorm1d"),
        ({"batch_norm_between_layers": True}, "BatchNorm"),
    ):
        with pytest.raises(ValueError, match=rf"expected evaluation, .*, got {name} in training"):
            from_nflows(flows.MaskedAutoregressiveFlow(*size, **option))
    flow = flows.MaskedAutoregressiveFlow(*size, dropout_probability=0.5)
    with pytest.raises(
        ValueError, match=r"flow._transform.*dropout: expected evaluation, .*, got Dropout in training"
    ):
        from_nflows(flow)
    loaded = from_nflows(flow.eval())
    batch = standard_normal(5, 3, 1, dtype=np.dtype(np.float32))
    with libraries()[0].no_grad():
        expected = flow.log_prob(libraries()[0].tensor(batch)).numpy()
    np.testing.assert_allclose(loaded.log_prob(batch), expected, rtol=1e-5, atol=1e-5)


def normalised(name: str) -> tuple[Any, Any]:
    """A flow with batch normalisation, and one of its layers of it."""
    flow = nflows_flows(3)[name]
    classes = (libraries()[0].nn.BatchNorm1d, libraries()[3].BatchNorm)
    return flow, next(module for module in flow.modules() if isinstance(module, classes))


@pytest.mark.parametrize("name", ["MAF, normalised", "MAF, feedforward, normalised", "RealNVP, normalised"])
def test_batch_normalisation_counts_with_its_own_numbers(name: str) -> None:
    torch = libraries()[0]
    flow, norm = normalised(name)
    for module in flow.modules():
        if isinstance(module, type(norm)):
            module.eps = 0.3
            module.weight = torch.nn.Parameter(torch.linspace(-1.5, 2, len(module.bias)))
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_()
    assert_loads_equal(from_nflows, flow, 3)
    norm.weight = norm.bias = None
    assert_loads_equal(from_nflows, flow, 3)


def test_batch_normalisation_that_cannot_be_undone_or_is_of_the_batch_is_refused() -> None:
    flow, norm = normalised("MAF, normalised")
    norm.weight.data[3] = 0
    with pytest.raises(ValueError, match=r"blocks\[0\]\.batch_norm_layers\[0\]\.weight: expected no zeros"):
        from_nflows(flow)
    flow, norm = normalised("MAF, feedforward, normalised")
    norm.running_mean = norm.running_var = None
    with pytest.raises(ValueError, match=r"blocks\[0\]\.batch_norm: expected running statistics, got none"):
        from_nflows(flow)
    flow, norm = normalised("MAF, normalised between")
    norm.bias.data = norm.bias.data[:2]
    with pytest.raises(ValueError, match=r"_transforms\[2\]\.bias: expected shape \(3,\), got \(2,\)"):
        from_nflows(flow)


def test_one_feature_is_a_layer_of_its_own_numbers() -> None:
    _, zuko, _, _ = libraries()
    for build in (zuko.flows.MAF, zuko.flows.NSF, zuko.flows.RealNVP):
        assert_loads_equal(from_zuko, build(1), 1)


def test_the_order_of_a_masked_layer_is_that_of_its_masks() -> None:
    """zuko reads the attribute `order` only when it makes the layer."""
    flow = zuko_flows(4)["MAF"]
    for layer in flow.transform.transforms:
        layer.order.copy_(layer.order.flip(0))
    assert_loads_equal(from_zuko, flow, 4)


def test_a_flow_that_cannot_be_copied_or_evaluated_is_refused() -> None:
    flow = zuko_flows(3)["MAF"]
    flow.worker = sys.stdout  # say
    with pytest.raises(ValueError, match=r"flow: expected a flow that copy\.deepcopy copies, got TypeError"):
        from_zuko(flow)


@pytest.mark.parametrize("library", ["zuko", "nflows"])
def test_what_the_library_raises_is_a_refusal(library: str) -> None:
    _, zuko, _, _ = libraries()
    load, flow = (from_zuko, zuko.flows.MAF(3)) if library == "zuko" else (from_nflows, nflow(2, masked()))
    layer = flow.transform.transforms[0] if library == "zuko" else flow._transform._transforms[0]
    del layer.__dict__["passes" if library == "zuko" else "_epsilon"]
    with pytest.raises(ValueError, match=r"^flow: expected one as .* makes them, got AttributeError"):
        load(flow)


def test_a_flow_within_itself_or_with_a_bound_beyond_floats_is_refused() -> None:
    _, zuko, _, _ = libraries()
    flow = zuko.flows.MAF(3)
    flow.transform.transforms.append(flow.transform)
    with pytest.raises(ValueError, match="RecursionError"):
        from_zuko(flow)
    flow = zuko.flows.NSF(3)
    univariate = flow.transform.transforms[0].univariate
    flow.transform.transforms[0].univariate = functools.partial(univariate.func, bound=10**400)
    with pytest.raises(ValueError, match=r"^flow.*OverflowError|^flow.*bound"):
        from_zuko(flow, check=False)


def test_global_hooks_are_refused() -> None:
    torch, zuko, _, _ = libraries()
    flow = zuko.flows.MAF(3)
    for register in ("register_module_forward_hook", "register_module_forward_pre_hook"):
        handle = getattr(torch.nn.modules.module, register)(lambda *arguments: None)
        try:
            with pytest.raises(ValueError, match="expected no global forward hooks"):
                from_zuko(flow)
        finally:
            handle.remove()
    assert from_zuko(flow).dim == 3


def test_a_flow_whose_copy_or_base_is_another_is_refused() -> None:
    torch, zuko, _, _ = libraries()

    class Copied(zuko.flows.MAF):  # type: ignore[misc]
        def __deepcopy__(self, memo: Any) -> Any:
            return zuko.flows.MAF(3)

    with pytest.raises(ValueError, match=r"got Copied\.__deepcopy__"):
        from_zuko(Copied(3))

    def halved(loc: Any, scale: Any) -> Any:
        normal = zuko.distributions.DiagNormal(loc, scale)
        normal.rsample = lambda shape: torch.zeros(*shape, 3)
        return normal

    base = zuko.lazy.UnconditionalDistribution(halved, torch.zeros(3), torch.ones(3), buffer=True)
    with pytest.raises(ValueError, match=r"^flow\.base: expected .* that overrides rsample"):
        from_zuko(zuko.flows.Flow(zuko.flows.MAF(3).transform, base))


def test_float32_may_err_by_chance_and_not_twice_as_much() -> None:
    """One steep point says nothing, of 6 or of 192; where the library overflows nothing is asked."""
    library = evaluation.Library("nflows", lambda flow: flow, lambda flow, x: (x, x))
    for count in (6, 192):
        theirs = np.linspace(1e-6, 8e-6, count)
        steep = np.append(theirs[:-1], 1e-4)
        overflows = np.full(20, np.inf)
        evaluation.check_float32(steep, theirs, library)
        evaluation.check_float32(np.append(steep, overflows), np.append(theirs, overflows), library)
        for ours in (4 * theirs, np.append(theirs[:-1], np.inf)):
            with pytest.raises(ValueError, match=r"at most twice those of nflows.*, got .* times"):
                evaluation.check_float32(ours, theirs, library)
    evaluation.check_float32(overflows, overflows, library)
