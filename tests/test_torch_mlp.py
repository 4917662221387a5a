"""Perceptrons of PyTorch and torchcfm, loaded: PyTorch's own numbers, or a refusal that names the part."""

import importlib.util
import itertools
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from seqgap.kernels import ddpm
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.mlp import ACTIVATIONS
from seqgap.kernels._nets.perceptron import Perceptron
from seqgap.kernels.interop import from_torch_mlp, torch_mlp
from seqgap.kernels.interop.parts import UnsupportedError
from seqgap.kernels.normal import standard_normal

HAS_TORCH, HAS_TORCHCFM = (importlib.util.find_spec(name) is not None for name in ("torch", "torchcfm"))
pytestmark = pytest.mark.skipif(not HAS_TORCH, reason="pip install 'seqgap[peers]' for torch")
TORCHCFM = pytest.mark.skipif(not HAS_TORCHCFM, reason="pip install 'seqgap[peers]' for torchcfm")
Array = np.ndarray[Any, np.dtype[Any]]
TIMES = np.array([0.0, 0.37, 12.0])
WAVES = np.array([1.0, 0.5, 0.03])
MODULES = {
    "relu": "ReLU", "tanh": "Tanh", "elu": "ELU", "silu": "SiLU", "leaky_relu": "LeakyReLU", "gelu": "GELU",
    "selu": "SELU", "softplus": "Softplus", "sigmoid": "Sigmoid",
}  # fmt: skip
FORMULAS: dict[str, Callable[[Array], Array]] = {  # with the constants of PyTorch's documentation
    "relu": lambda u: np.maximum(u, 0),
    "tanh": np.tanh,
    "elu": lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))),
    "silu": lambda u: u * special.expit(u),
    "leaky_relu": lambda u: np.where(u > 0, u, 0.01 * u),
    "gelu": lambda u: u * special.ndtr(u),
    "selu": lambda u: 1.0507009873554804934193349852946 * np.where(
        u > 0, u, 1.6732632423543772848170429916717 * np.expm1(np.minimum(u, 0))
    ),
    "softplus": lambda u: np.where(u > 20, u, np.logaddexp(0, u)),
    "sigmoid": special.expit,
}  # fmt: skip


def torch() -> Any:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    return torch


def cfm(*arguments: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is its own affair
        from torchcfm.models.models import MLP
    torch()
    return MLP(*arguments, **options)


def sequential(*widths: int, name: str = "SiLU", bias: bool = True, **options: Any) -> Any:
    nn, modules = torch().nn, list[Any]()
    for inputs, outputs in itertools.pairwise(widths):
        modules += [nn.Linear(inputs, outputs, bias=bias), getattr(nn, name)(**options)]
    return nn.Sequential(*modules[:-1])


def by_torch(module: Any, *columns: Array) -> Array:
    """Of the columns side by side, some of them one row."""
    rows = [np.broadcast_to(c, (len(columns[0]), c.shape[-1])) for c in columns]
    with torch().no_grad():
        return np.asarray(module(torch().from_numpy(np.column_stack(rows))).numpy())


def by_chain(model: Perceptron, x: Array, time: float, context: Array | None = None) -> Array:
    """A diffusion of one step, of a model that predicts x_0, ends with what the model says."""
    params = ddpm.Params(model, np.array([0.5]), np.array([time]), "x0")
    return Chain(params, context=context).run(x)


def by_numpy(model: Perceptron, *columns: Array) -> Array:
    h = np.column_stack([np.broadcast_to(c, (len(columns[0]), c.shape[-1])) for c in columns])
    for weight, bias in zip([model.weight_in, *model.weight_hidden], model.bias_hidden, strict=True):
        h = FORMULAS[model.activation](h @ weight.T + bias)
    return np.asarray(h @ model.weight_out.T + model.bias_out)


def assert_equal(module: Any, dim: int, *constants: Array, **options: Any) -> Perceptron:
    """In float64; constants: what the first layer sees after x, and their last are the context."""
    module.double()
    model, x = from_torch_mlp(module, **options), 3 * standard_normal(50, dim, 2)
    expected = by_torch(module, x, *constants)
    np.testing.assert_allclose(by_numpy(model, x, *constants), expected, rtol=1e-12, atol=1e-12)
    return model


def test_every_activation_has_a_module() -> None:
    assert set(ACTIVATIONS) == set(MODULES) == set(FORMULAS)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", MODULES)
def test_every_activation(activation: str, bias: bool) -> None:
    """With layers of three widths: what narrower ones are filled up with is not seen, though a(0) may be."""
    module = sequential(3, 9, 5, 7, 3, name=MODULES[activation], bias=bias)
    model, x = assert_equal(module, 3), 3 * standard_normal(50, 3, 2)
    assert (model.activation, model.embedding, model.bias_hidden.shape) == (activation, "none", (3, 9))
    np.testing.assert_allclose(by_chain(model, x, 0), by_torch(module, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("widths", [(4,), (4, 6), (2, 3, 4), (8, 1, 3, 2)], ids=str)
@pytest.mark.parametrize("dim", [1, 5])
def test_one_to_four_hidden_layers(dim: int, widths: tuple[int, ...]) -> None:
    module = sequential(dim, *widths, dim, name="Softplus")
    model = assert_equal(module, dim)
    assert model.weight_hidden.shape == (len(widths) - 1, max(widths), max(widths))
    x = standard_normal(1, dim, 5)
    np.testing.assert_allclose(by_chain(model, x, 0), by_torch(module, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("context", [np.empty(0), np.array([0.3, -2.0])], ids=["", "context"])
def test_time_and_context_are_the_columns_after_x(time: float, context: Array) -> None:
    x = standard_normal(20, 3, 4)
    for known, options in (
        (np.array([time]), {"embedding": "time"}),
        (np.concatenate([np.sin(WAVES * time), np.cos(WAVES * time)]), {"frequencies": WAVES}),
        (np.empty(0), {"embedding": "none"}),
    ):
        module = sequential(3 + known.size + context.size, 16, 16, 3).double()
        model = assert_equal(module, 3, known, context, context=context.size, **options)
        expected = by_torch(module, x, known, context)
        np.testing.assert_allclose(by_chain(model, x, time, context), expected, rtol=1e-12, atol=1e-12)


@TORCHCFM
@pytest.mark.parametrize("time", TIMES)
def test_torchcfm_sees_the_time_in_its_last_column(time: float) -> None:
    module = cfm(dim=2, time_varying=True)
    model, x = assert_equal(module, 2, np.array([time])), standard_normal(20, 2, 4)
    assert (model.activation, model.embedding) == ("selu", "time")
    expected = by_torch(module, x, np.array([time]))
    np.testing.assert_allclose(by_chain(model, x, time), expected, rtol=1e-12, atol=1e-12)


@TORCHCFM
def test_torchcfm_without_time_or_with_what_the_caller_says() -> None:
    assert assert_equal(cfm(dim=3), 3).embedding == "none"
    assert assert_equal(cfm(4, 3, 8), 3, np.array([0.2]), embedding="time").embedding == "time"
    assert assert_equal(cfm(5, 3, 8), 3, np.array([0.2, 0.7]), context=2).embedding == "none"


@TORCHCFM
def test_torchcfm_is_refused_where_its_time_is_not_the_column_after_x() -> None:
    for options in ({"embedding": "none"}, {"frequencies": [1.0]}, {"context": 1}):
        with pytest.raises(UnsupportedError, match="module: expected t after x and nothing else"):
            from_torch_mlp(cfm(2, time_varying=True), **options)
    module = cfm(2, time_varying=True)
    module.net = torch().nn.Identity()
    with pytest.raises(UnsupportedError, match=r"module\.net: expected Sequential, got Identity"):
        from_torch_mlp(module)

    class Halved(type(module)):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return self.net(x) / 2

    with pytest.raises(UnsupportedError, match="got Halved that overrides forward"):
        from_torch_mlp(Halved(2))


def test_float32_stays_float32() -> None:
    module = sequential(3 + 2 * WAVES.size, 32, 16, 3, name="GELU")
    model, x = from_torch_mlp(module, frequencies=WAVES), standard_normal(50, 3, 2, dtype=np.float32)
    assert {a.dtype for a in model[:5]} == {np.dtype(np.float32)}
    known = np.float32(np.concatenate([np.sin(2 * WAVES), np.cos(2 * WAVES)]))
    result = by_chain(model, x, 2.0)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, by_torch(module, x, known), rtol=1e-5, atol=1e-6)


def test_the_module_is_left_as_it_is_and_shares_nothing() -> None:
    module = sequential(2, 4, 2).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    model, x = from_torch_mlp(module), standard_normal(8, 2, 1, dtype=np.float32)
    assert module.training
    for name, value in module.state_dict().items():
        assert value.dtype == torch().float32
        assert torch().equal(value, before[name])
    kept = by_chain(model, x, 0)
    with torch().no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(by_chain(model, x, 0), kept)


def test_what_does_not_change_the_numbers_is_loaded() -> None:
    nn = torch().nn
    assert_equal(sequential(2, 4, 4, 2, name="ReLU", inplace=True), 2)

    class Named(nn.Sequential):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))

    assert_equal(Named(), 2)
    normalised = sequential(2, 4, 2)
    nn.utils.parametrizations.weight_norm(normalised[0])
    assert_equal(normalised, 2)
    shared, silu = nn.Linear(2, 2), nn.SiLU()
    assert_equal(nn.Sequential(shared, silu, shared, silu, shared), 2)
    assert_equal(sequential(2, 4, 2)[:], 2)
    silent = sequential(2, 4, 2)
    nn.init.zeros_(silent[2].weight)
    nn.init.zeros_(silent[2].bias)
    assert_equal(silent, 2)


def refusals() -> dict[str, tuple[Callable[[], Any], str]]:
    """What makes a module, and what the refusal says."""

    def changed(change: Callable[[Any], Any]) -> Callable[[], Any]:
        def make() -> Any:
            module = sequential(2, 4, 2)
            change(module)
            return module

        return make

    def of(*parts: Callable[[Any], Any]) -> Callable[[], Any]:
        return lambda: torch().nn.Sequential(*(part(torch().nn) for part in parts))

    def linear(inputs: int, outputs: int) -> Callable[[Any], Any]:
        return lambda nn: nn.Linear(inputs, outputs)

    def derived(base: str) -> Any:
        kind = getattr(torch().nn, base)
        return type("Own", (kind,), {"forward": lambda self, x: kind.forward(self, x) + 1})

    return {
        "other module": (lambda: torch().nn.LSTM(2, 2), r"module: expected Sequential or MLP, got LSTM"),
        "list": (
            lambda: torch().nn.ModuleList(sequential(2, 4, 2)), r"expected Sequential or MLP, got ModuleList"
        ),
        "one layer": (of(linear(2, 2)), r"module: expected 1 to 4 hidden layers, got 0"),
        "five hidden": (lambda: sequential(2, 3, 3, 3, 3, 3, 2), r"expected 1 to 4 hidden layers, got 5"),
        "nothing": (of(), r"module: expected a Linear layer last, got 0 modules"),
        "activation last": (of(linear(2, 2), lambda nn: nn.ReLU()), r"expected a Linear layer last, got 2"),
        "activation first": (of(lambda nn: nn.ReLU(), linear(2, 2)), r"\[0\]: expected Linear, got ReLU"),
        "two activations": (
            of(linear(2, 4), lambda nn: nn.ReLU(), linear(4, 4), lambda nn: nn.ELU(), linear(4, 2)),
            r"module\[3\]: expected relu as the activation before, got elu",
        ),
        "no activation": (of(linear(2, 4), linear(4, 2)), r"module\[1\]: expected ReLU or .*, got Linear"),
        "dropout": (
            of(linear(2, 4), lambda nn: nn.ReLU(), lambda nn: nn.Dropout().eval(), linear(4, 2)),
            r"module\[2\]: expected Linear, got Dropout",
        ),
        "normalisation": (
            of(linear(2, 4), lambda nn: nn.LayerNorm(4), linear(4, 2)), r"\[1\]: .*, got LayerNorm"
        ),
        "nested": (
            of(linear(2, 4), lambda nn: nn.ReLU(), lambda nn: sequential(4, 4, 2)),
            r"module\[2\]: expected Linear, got Sequential",
        ),
        "mish": (lambda: sequential(2, 4, 2, name="Mish"), r"module\[1\]: .*, got Mish"),
        "elu 2": (lambda: sequential(2, 4, 2, name="ELU", alpha=2.0), r"\[1\]: expected ELU of alpha 1"),
        "softplus 2": (lambda: sequential(2, 4, 2, name="Softplus", beta=2.0), r"Softplus of beta 1"),
        "softplus 5": (lambda: sequential(2, 4, 2, name="Softplus", threshold=5), r"of threshold 20"),
        "leaky 0.2": (lambda: sequential(2, 4, 2, name="LeakyReLU", negative_slope=0.2), r"slope 0\.01"),
        "gelu tanh": (lambda: sequential(2, 4, 2, name="GELU", approximate="tanh"), r"approximate none"),
        "more outputs": (lambda: sequential(2, 4, 3), r"module\[0\]: expected 3 inputs \(3 of x.*got 2"),
        "more inputs": (lambda: sequential(3, 4, 2), r"\[0\]: expected 2 inputs .*embedding.*got 3"),
        "sizes": (of(linear(2, 4), lambda nn: nn.ReLU(), linear(5, 2)), r"\[2\]: expected 4 inputs.* got 5"),
        "half": (lambda: sequential(2, 4, 2).bfloat16(), r"module\[0\]\.weight: expected float32 or float64"),
        "two dtypes": (changed(lambda m: m[2].double()), r"\[2\]\.weight: expected float32 as .*got float64"),
        "meta": (lambda: sequential(2, 4, 2).to("meta"), r"numbers, got a tensor of the device meta"),
        "hook": (
            changed(lambda m: m[0].register_forward_hook(lambda *_: None)), r"\[0\]: expected no forward h"
        ),
        "pre-hook": (
            changed(lambda m: m.register_forward_pre_hook(lambda *_: None)), r"module: expected no forward h"
        ),
        "own forward": (
            changed(lambda m: setattr(m, "forward", m[0].forward)), r"Sequential that overrides forward"
        ),
        "own Sequential": (
            lambda: derived("Sequential")(*sequential(2, 4, 2)), r"module: .*got Own that overrides forward"
        ),
        "own Linear": (
            of(linear(2, 4), lambda nn: nn.ReLU(), lambda nn: derived("Linear")(4, 2)),
            r"module\[2\]: expected Linear as the library has it, got Own that overrides forward",
        ),
        "own ReLU": (of(linear(2, 4), lambda nn: derived("ReLU")(), linear(4, 2)), r"\[1\]: .*got Own that"),
        "lost": (changed(lambda m: delattr(m[0], "bias")), r"expected one as PyTorch makes them, got Attrib"),
    }  # fmt: skip


@pytest.mark.parametrize("name", refusals() if HAS_TORCH else [])
def test_refusals(name: str) -> None:
    make, text = refusals()[name]
    module = make()
    for check in (True, False):
        with pytest.raises(UnsupportedError, match=text):
            from_torch_mlp(module, check=check)


@pytest.mark.parametrize("double", [True, False])
def test_a_network_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch, double: bool) -> None:
    """The comparison sees another activation, and weights that are lost in float32 alone."""
    module, read = sequential(2, 8, 2), torch_mlp._read
    module = module.double() if double else module

    def other(*arguments: Any) -> Perceptron:
        return read(*arguments)._replace(activation="gelu")

    def rough(*arguments: Any) -> Perceptron:
        model = read(*arguments)
        return model._replace(bias_out=model.bias_out + (model.dtype == np.float32) * np.float32(1e-4))

    monkeypatch.setattr(torch_mlp, "_read", other)
    with pytest.raises(
        UnsupportedError, match=r"^module: expected f of PyTorch to 1e-08 in float64, got a diff"
    ):
        from_torch_mlp(module)
    assert from_torch_mlp(module, check=False).activation == "gelu"
    monkeypatch.setattr(torch_mlp, "_read", rough)
    if double:
        from_torch_mlp(module)
    else:
        with pytest.raises(UnsupportedError, match=r"^module: expected errors in float32 of at most twice"):
            from_torch_mlp(module)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"embedding": "fourier"}, ValueError, "embedding: expected one of none, time, waves"),
        ({"embedding": 3}, TypeError, "embedding: expected one of none, time, waves"),
        ({"embedding": "waves"}, ValueError, "expected at least 1 with embedding 'waves', got 0"),
        ({"frequencies": []}, ValueError, "frequencies: expected at least 1"),
        ({"embedding": "time", "frequencies": [1.0]}, ValueError, "frequencies: expected none with"),
        ({"frequencies": [[1.0]]}, ValueError, "frequencies"),
        ({"frequencies": [np.inf]}, ValueError, "frequencies"),
        ({"context": -1}, ValueError, "context"),
        ({"context": 1.0}, TypeError, "context"),
    ],
)  # fmt: skip
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        from_torch_mlp(sequential(2, 4, 2), **options)


def test_what_is_no_module_is_a_type_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, np.ones((2, 2)), torch().nn.Linear):
        with pytest.raises(TypeError, match="module: expected a module of PyTorch, got"):
            from_torch_mlp(value)
    module = sequential(2, 4, 2)
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(TypeError, match="module: expected a module of PyTorch"):
        from_torch_mlp(module)
