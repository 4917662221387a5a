"""Continuous flows of zuko: its own density and samples, to tolerances; files; refusals by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgap.bench.model.case import Dtype
from seqgap.kernels import cnf
from seqgap.kernels.interop import Flow, from_zuko
from seqgap.kernels.interop.parts import UnsupportedError
from seqgap.kernels.normal import standard_normal

torch = pytest.importorskip("torch", reason="without PyTorch")
zuko = pytest.importorskip("zuko", reason="without zuko")
torch.set_num_threads(1)  # more wait for each other in loops, on cores that other tests use

SMOOTH = ("Tanh", "SiLU", "GELU", "Softplus", "Sigmoid")
BENT = ("ELU", "ReLU", "LeakyReLU", "SELU")  # the trace bends or jumps, so that no solver is exact


def continuous(dim: int, activation: str = "Tanh", *, gain: float = 1.3, **options: Any) -> Any:
    """A CNF of weights that are drawn, in evaluation and float64."""
    torch.manual_seed(dim)
    flow = zuko.flows.CNF(dim, activation=getattr(torch.nn, activation), **options)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.mul_(gain)
    return flow.double().eval()


def tightened(flow: Any, tolerance: float = 1e-11) -> Any:
    for module in flow.modules():
        if isinstance(module, zuko.flows.FFJTransform):
            module.atol = module.rtol = tolerance
    return flow


def by_zuko(flow: Any, x: Any, context: Any = None) -> tuple[Any, Any, Any]:
    """(z, log_prob) of x, and the data of x as a latent."""
    columns = None if context is None else torch.from_numpy(context)
    with torch.no_grad():
        law, batch = flow(columns), torch.from_numpy(x)
        return (law.transform(batch).numpy(), law.log_prob(batch).numpy(), law.transform.inv(batch).numpy())


def assert_equal(loaded: Flow, flow: Any, x: Any, *, allowed: float, context: Any = None) -> None:
    z, log_prob, data = by_zuko(flow, x, context)
    assert loaded.dtype == x.dtype
    for value, truth in (
        (loaded.inverse(x, context=context)[0], z),
        (loaded.log_prob(x, context=context), log_prob),
        (loaded.forward(x, context=context)[0], data),
    ):
        np.testing.assert_allclose(value, truth, rtol=allowed, atol=allowed)


@pytest.mark.parametrize("widths", [(9,), (12, 7), (5, 11, 8), (6, 6, 6, 9)])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_loaded_flows_equal_zuko_at_tight_tolerances(dim: int, widths: tuple[int, ...]) -> None:
    flow = tightened(continuous(dim, hidden_features=widths))
    assert_equal(from_zuko(flow), flow, standard_normal(12, dim, 3), allowed=1e-8)


@pytest.mark.parametrize("activation", SMOOTH)
def test_smooth_activations(activation: str) -> None:
    flow = tightened(continuous(3, activation, hidden_features=(10, 14)))
    assert_equal(from_zuko(flow), flow, standard_normal(12, 3, 3), allowed=1e-8)


@pytest.mark.parametrize("activation", BENT)
def test_activations_with_a_bend(activation: str) -> None:
    """As near as solvers come across bends of the trace; the check of the load itself is exact."""
    flow = tightened(continuous(3, activation, hidden_features=(8, 6)), 1e-7)
    assert_equal(from_zuko(flow), flow, standard_normal(6, 3, 3), allowed=1e-3)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_default_tolerances_are_those_of_zuko(dim: int, dtype: Dtype) -> None:
    flow = continuous(dim, "ELU", gain=1.0).to(getattr(torch, np.dtype(dtype).name))
    loaded = from_zuko(flow)
    (params,) = loaded.params
    assert (params.method, params.base_at, params.embedding) == ("dopri5", 1, "waves")
    assert (params.absolute_tolerance, params.relative_tolerance) == (1e-6, 1e-5)
    x = standard_normal(20, dim, 3, dtype=np.dtype(dtype))
    assert_equal(loaded, flow, x, allowed=3e-4)  # that zuko's log_det is off by is a hundred tolerances


def test_without_frequencies() -> None:
    flow = tightened(continuous(2, freqs=0, hidden_features=(8,)))
    loaded = from_zuko(flow)
    assert loaded.params[0].embedding == "none"
    assert_equal(loaded, flow, standard_normal(12, 2, 3), allowed=1e-8)


def test_an_estimate_of_the_trace_becomes_exact_and_the_generator_stays() -> None:
    flow = tightened(continuous(3, hidden_features=(8,), exact=False))
    state = torch.get_rng_state()
    loaded = from_zuko(flow)
    assert torch.equal(torch.get_rng_state(), state)
    assert not flow.transform.exact
    assert flow.transform.atol == 1e-11
    flow.transform.exact = True
    assert_equal(loaded, flow, standard_normal(12, 3, 3), allowed=1e-8)


def among_others(dim: int) -> Any:
    """Between permutations, an affine layer, a spline flow and another continuous step."""
    lazy, t = zuko.lazy, zuko.transforms
    torch.manual_seed(1)

    def permuted() -> Any:
        return lazy.UnconditionalTransform(t.PermutationTransform, torch.randperm(dim), buffer=True)

    own = [
        zuko.flows.FFJTransform(dim, hidden_features=(w, 9), activation=torch.nn.Tanh) for w in (6, 12, 12)
    ]
    scaled = lazy.UnconditionalTransform(t.AffineTransform, torch.randn(dim), torch.rand(dim) + 0.5)
    spline = zuko.flows.NSF(dim, transforms=1, hidden_features=(8,)).transform.transforms[0]
    inner = lazy.LazyComposedTransform(own[1], own[2])
    layers = [permuted(), own[0], permuted(), scaled, spline, permuted(), inner, permuted()]
    return lazy.Flow(layers, zuko.flows.MAF(dim).base).double().eval()


@pytest.mark.parametrize("dim", [2, 5])
def test_among_other_layers(dim: int) -> None:
    flow = tightened(among_others(dim))
    loaded = from_zuko(flow)
    assert sum(isinstance(params, cnf.Params) for params in loaded.params) == 3
    assert_equal(loaded, flow, standard_normal(12, dim, 3), allowed=1e-7)


def test_files(tmp_path: Path) -> None:
    loaded, x = from_zuko(among_others(3)), standard_normal(12, 3, 3)
    loaded.save(tmp_path / "flow.npz")
    again = Flow.load(tmp_path / "flow.npz")
    np.testing.assert_array_equal(again.log_prob(x), loaded.log_prob(x))
    np.testing.assert_array_equal(again.sample(7, 1), loaded.sample(7, 1))


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_contexts_are_the_columns_behind_x(dim: int) -> None:
    flow = tightened(continuous(dim, context=3, hidden_features=(9, 7)))
    loaded = from_zuko(flow)
    assert loaded.context_dim == 3
    x, context = standard_normal(12, dim, 3), standard_normal(12, 3, 4)
    assert_equal(loaded, flow, x, allowed=1e-8, context=context)
    one = loaded.condition(context[0])
    np.testing.assert_array_equal(one.log_prob(x[:1]), loaded.log_prob(x[:1], context=context[:1]))


def moons(count: int) -> Any:
    """Two half circles with noise, float32."""
    generator = np.random.default_rng(0)
    angle, upper = np.pi * generator.random(count), generator.random(count) < 0.5
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.column_stack([x, y]) + 0.1 * generator.standard_normal((count, 2))
    return points.astype(np.float32)


def trained(flow: Any, data: Any, steps: int) -> Any:
    optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
    for step in range(steps):
        optimizer.zero_grad()
        batch = torch.from_numpy(data[(64 * step) % (len(data) - 64) :][:64])
        (-flow().log_prob(batch).mean()).backward()
        optimizer.step()
    return flow.eval()


def test_trained_on_two_moons() -> None:
    torch.manual_seed(0)
    data = moons(512)
    flow = trained(zuko.flows.CNF(2, hidden_features=(32, 32), activation=torch.nn.SiLU), data, 30)
    assert_equal(from_zuko(flow), flow, data[:40], allowed=1e-3)
    flow = tightened(flow.double())
    assert_equal(from_zuko(flow), flow, data[:12].astype(float), allowed=1e-8)


@pytest.mark.slow
def test_trained_on_the_digits() -> None:
    """D = 64."""
    datasets = pytest.importorskip("sklearn.datasets", reason="without scikit-learn")
    pixels = datasets.load_digits().data / 8 - 1
    noise = standard_normal(*pixels.shape, 5) / 16
    data = (pixels + noise).astype(np.float32)
    torch.manual_seed(0)
    flow = zuko.flows.CNF(64, exact=False, activation=torch.nn.SiLU)
    flow = trained(flow, data, 30)
    flow.transform.exact = True
    assert_equal(from_zuko(flow), flow, data[:20], allowed=3e-3)
    flow = tightened(flow.double())
    assert_equal(from_zuko(flow), flow, data[:6].astype(float), allowed=1e-7)


def changed(change: Callable[[Any], Any], **options: Any) -> Callable[[], Any]:
    """A CNF of two features whose FFJTransform is changed."""

    def make() -> Any:
        flow = zuko.flows.CNF(2, hidden_features=(6, 6), **options)
        with torch.no_grad():
            change(flow.transform)
        return flow

    return make


def with_attribute(name: str, value: Any) -> Callable[[], Any]:
    return changed(lambda transform: setattr(transform, name, value))


def subclassed(name: str, part: str = "") -> Callable[[], Any]:
    """The FFJTransform, or a part of it, of a subclass that overrides a method."""

    def change(transform: Any) -> None:
        module = transform.get_submodule(part)
        kind = type(module)

        def twice(self: Any, *arguments: Any) -> Any:
            return getattr(kind, name)(self, *arguments)

        module.__class__ = type("Own", (kind,), {name: twice})

    return changed(change)


def network(*layers: Any) -> Callable[[], Any]:
    return with_attribute("ode", torch.nn.Sequential(*layers))


def plain(**options: Any) -> Callable[[], Any]:
    return lambda: zuko.flows.CNF(2, **options)


def linear(inputs: int, outputs: int) -> Any:
    return zuko.nn.Linear(inputs, outputs)


def inverted() -> Any:
    flow = zuko.flows.CNF(2)
    return zuko.lazy.Flow([flow.transform.inv], flow.base)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no hidden layer": (plain(hidden_features=()), r"flow\.transform\.ode: expected 1 to 4 hidden .*, got 0"),
    "five": (plain(hidden_features=(3,) * 5), r"flow\.transform\.ode: expected 1 to 4 hidden layers, got 5"),
    "normalize": (plain(normalize=True), r"flow\.transform\.ode\[2\]: expected Linear, got LayerNorm"),
    "residual": (
        network(linear(8, 6), zuko.nn.Residual(linear(6, 6)), linear(6, 2)),
        r"flow\.transform\.ode\[1\]: expected ReLU .*, got Residual",
    ),
    "mish": (plain(activation=torch.nn.Mish), r"flow\.transform\.ode\[1\]: expected ReLU .*, got Mish"),
    "stack": (plain(stack=2), r"ode\[0\]\.weight: expected 2 dimensions, without stack"),
    "no network": (with_attribute("ode", linear(8, 2)), r"\.ode: expected Sequential, got Linear"),
    "few inputs": (
        network(linear(7, 6), torch.nn.ELU(), linear(6, 2)), r"\.ode\[0\]: expected at least 8 inputs, got 7"
    ),
    "outputs": (network(linear(8, 6), torch.nn.ELU(), linear(6, 3)), r"\.ode: expected 2 outputs, got 3"),
    "times": (changed(lambda t: t.times.mul_(2)), r"flow\.transform\.times: expected 0 and 1, got \[0\.0, 2"),
    "three times": (with_attribute("times", torch.arange(3.0)), r"\.times: expected 0 and 1, got \[0\.0, 1"),
    "no time": (with_attribute("times", torch.tensor([0.0, np.nan])), r"\.times: expected 0 and 1, got"),
    "frequency": (changed(lambda t: t.freqs.fill_(np.inf)), r"flow\.transform\.freqs: expected finite"),
    "frequencies": (changed(lambda t: t.freqs.resize_(3, 1)), r"\.freqs: .* in one dimension"),
    "more frequencies": (
        with_attribute("freqs", torch.arange(4.0)), r"\.ode\[0\]: expected at least 10 inputs, got 8"
    ),
    "weights": (
        changed(lambda t: t.ode[2].weight.fill_(np.nan)), r"\.ode: expected finite weights .*, got NaN or inf"
    ),
    "bias": (changed(lambda t: t.ode[0].bias.fill_(np.inf)), r"\.ode: expected finite weights and biases"),
    "atol": (with_attribute("atol", 0.0), r"flow\.transform\.atol: expected a positive finite number, got 0"),
    "rtol": (with_attribute("rtol", -1e-5), r"flow\.transform\.rtol: expected a positive finite number"),
    "tensor": (with_attribute("atol", torch.tensor(1e-6)), r"\.atol: expected a positive finite number"),
    "no rtol": (with_attribute("rtol", None), r"\.rtol: expected a positive finite number, got None"),
    "NaN": (with_attribute("rtol", float("nan")), r"\.rtol: expected a positive finite number, got nan"),
    "lost": (changed(lambda t: delattr(t, "atol")), r"expected one as zuko makes them, got AttributeError"),
    "own f": (with_attribute("f", lambda t, x, c=None: x), r"transform: .*got FFJTransform that overrides f"),
    "own forward": (with_attribute("forward", lambda c=None: None), r"FFJTransform that overrides forward"),
    "other f": (subclassed("f"), r"flow\.transform: expected FFJTransform .*, got Own that overrides f"),
    "other forward": (subclassed("forward"), r"flow\.transform: .*, got Own that overrides forward"),
    "other network": (subclassed("forward", "ode"), r"transform\.ode: .*, got Own that overrides forward"),
    "other layer": (subclassed("forward", "ode.2"), r"\.ode\[2\]: .*, got Own that overrides forward"),
    "inverse": (inverted, r"flow\.transform\.transforms\[0\]\.transform: expected Uncon.*, got FFJTransform"),
    "other base": (
        lambda: zuko.lazy.Flow([zuko.flows.CNF(3).transform], zuko.flows.CNF(2).base),
        r"\.ode: expected 2 outputs, got 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_part(name: str) -> None:
    make, message = REFUSED[name]
    for check in (True, False):
        with pytest.raises(UnsupportedError, match=message):
            from_zuko(make(), check=check)


def test_a_network_that_overflows_ends_in_a_refusal() -> None:
    """zuko itself halves its step for ever."""
    flow = continuous(2, "ReLU", gain=1e8).float()
    with pytest.raises(UnsupportedError, match=r"zuko evaluates, got OverflowError: a step of the equation"):
        from_zuko(flow)
    assert isinstance(from_zuko(flow, check=False), Flow)


def test_a_stiff_network_is_loaded() -> None:
    """Slopes of some hundreds; only one step of it is compared."""
    assert isinstance(from_zuko(continuous(5, gain=30.0)), Flow)


@pytest.mark.parametrize("name", ["f", "times", "trace"])
def test_what_differs_from_zuko_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Errors of the velocity, of the direction of time and of the trace; all are of 1e-5 or more."""
    kind, own = zuko.flows.FFJTransform, zuko.transforms.FreeFormJacobianTransform

    def longer(self: Any, x: Any) -> Any:
        z, log_det = call(self, x)
        return z, log_det * (1 + 1e-4)

    f, call = kind.f, own.call_and_ladj
    if name == "f":
        monkeypatch.setattr(kind, "f", lambda self, t, x, c=None: f(self, t, x, c) * (1 + 1e-4))
    elif name == "times":
        monkeypatch.setattr(kind, "f", lambda self, t, x, c=None: f(self, 1 - t, x, c))
    else:
        monkeypatch.setattr(own, "call_and_ladj", longer)
    flow = continuous(3)
    with pytest.raises(UnsupportedError, match=r"flow: expected z and log_prob of zuko to 1e-08"):
        from_zuko(flow)
    assert isinstance(from_zuko(flow, check=False), Flow)


def test_loading_leaves_the_flow_as_it_is() -> None:
    flow, x = continuous(2), standard_normal(5, 2, 1)
    before = by_zuko(flow, x)
    attributes = set(vars(flow.transform))
    from_zuko(flow, dtype="float32")
    assert set(vars(flow.transform)) == attributes
    for value, truth in zip(by_zuko(flow, x), before, strict=True):
        np.testing.assert_array_equal(value, truth)
    assert from_zuko(flow, dtype="float32").dtype == np.float32


def test_a_flow_in_training_is_loaded() -> None:
    flow = tightened(continuous(2, hidden_features=(6,))).train()
    assert_equal(from_zuko(flow), flow, standard_normal(5, 2, 1), allowed=1e-8)


def test_flows_are_loaded_in_inference_mode() -> None:
    """zuko takes the trace from gradients, which that mode forbids."""
    flow = zuko.flows.CNF(2).eval()
    x = standard_normal(5, 2, 1)
    with torch.inference_mode():
        loaded = from_zuko(flow)
    np.testing.assert_array_equal(loaded.log_prob(x), from_zuko(flow).log_prob(x))
