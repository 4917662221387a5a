"""Glow models of normflows: the library's own densities and samples to rounding, or a refusal by name."""

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqgap.kernels import glow
from seqgap.kernels.interop import Flow, evaluation, from_normflows
from seqgap.kernels.normal import standard_normal

MISSING = [name for name in ("torch", "normflows") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"pip install 'seqgap[peers]' for {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore:torch.lu is deprecated"),  # normflows calls it
]
SIDE = 8
REFUSALS = dict[str, tuple[str, Callable[[Any, Any], Any]]]()  # by a name: what is refused, what makes it


def libraries() -> tuple[Any, Any]:
    import normflows
    import torch

    torch.set_num_threads(1)
    return torch, normflows


def built(channels: int = 3, levels: int = 2, base: str = "DiagGaussian", **options: Any) -> Any:
    """As the example of normflows' README has it."""
    _, nf = libraries()
    q0, flows, merges = [], [], []
    for i in range(levels):
        blocks = [nf.flows.GlowBlock(channels * 2 ** (levels + 1 - i), 5, **options) for _ in range(2)]
        flows += [[*blocks, nf.flows.Squeeze()]]
        side = SIDE // 2 ** (levels - i)
        if i > 0:
            merges += [nf.flows.Merge()]
            shape = channels * 2 ** (levels - i), side, side
        else:
            shape = channels * 2 ** (levels + 1), SIDE // 2**levels, SIDE // 2**levels
        q0 += [getattr(nf.distributions, base)(shape)]
    return nf.MultiscaleFlow(q0, flows, merges, class_cond=False)


def moved(model: Any, size: float = 0.05) -> Any:
    """All parameters away from where they start, in float64."""
    torch, nf = libraries()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, nf.flows.ActNorm):
                module.data_dep_init_done.fill_(1.0)
    return model.double()


def model_of(**options: Any) -> Any:
    libraries()[0].manual_seed(1)
    return moved(built(**options))


def entries(model: Any, channels: int) -> list[Any]:
    """Of the latents of each level, the numbers of their pixels, by the library's squeezes."""
    torch, _ = libraries()
    numbers = torch.arange(channels * SIDE**2, dtype=torch.float64).reshape(1, channels, SIDE, SIDE)
    found = []
    for i in reversed(range(len(model.flows))):
        numbers, _ = model.flows[i][-1].inverse(numbers)
        if i:
            numbers, leaving = numbers.chunk(2, 1)
            found.append(leaving)
    return [one.long() for one in (numbers, *found[::-1])]


def moments(model: Any) -> list[Any]:
    """Means and deviations of the latents of each level."""
    if not hasattr(model.q0[0], "loc_logs"):
        return [(base.loc, base.log_scale.exp()) for base in model.q0]
    return [
        (base.loc * (3 * base.loc_logs).exp(), (base.log_scale * (3 * base.log_scale_logs).exp()).exp())
        for base in model.q0
    ]


def of_library(model: Any, latent: Any, data: Any, channels: int) -> dict[str, Any]:
    """x of latents, z and log_prob of data, in rows and the dtype of the model."""
    torch, _ = libraries()
    batch, image = (torch.tensor(rows).to(model.q0[0].loc.dtype) for rows in (latent, data))
    image, places, numbers = image.reshape(-1, channels, SIDE, SIDE), entries(model, channels), moments(model)
    with torch.no_grad():
        latents = [m + s * batch[:, at[0]] for at, (m, s) in zip(places, numbers, strict=True)]
        x, _ = model.forward_and_log_det(latents)
        own, z = model.inverse_and_log_det(image)[0], torch.zeros_like(batch)
        for value, at, (m, s) in zip(own, places, numbers, strict=True):
            z[:, at.ravel()] = ((value - m) / s).flatten(1)
        log_prob = model.log_prob(image, None)
    return {"forward": x.flatten(1).numpy(), "inverse": z.numpy(), "log_prob": log_prob.numpy()}


def of_flow(flow: Flow, latent: Any, data: Any) -> dict[str, Any]:
    forward, (inverse, _) = flow.forward(latent)[0], flow.inverse(data)
    return {"forward": forward, "inverse": inverse, "log_prob": flow.log_prob(data)}


def relative(value: Any, truth: Any) -> Any:
    """The error of each row."""
    value, truth = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (value, truth))
    error: Any = np.abs(value - truth).max(1) / np.maximum(1, np.abs(truth).max(1))
    return error


@pytest.mark.parametrize(
    ("channels", "levels", "base", "options"),
    [
        (3, 1, "DiagGaussian", {}),
        (3, 2, "GlowBase", {}),
        (3, 3, "DiagGaussian", {"use_lu": False}),
        (3, 2, "DiagGaussian", {"scale_map": "exp"}),
        (6, 2, "DiagGaussian", {"scale_map": "exp", "use_lu": False}),
        (6, 3, "GlowBase", {}),
        (1, 2, "DiagGaussian", {"scale": False}),
    ],
)
def test_models_equal_the_library(channels: int, levels: int, base: str, options: dict[str, Any]) -> None:
    """To 1e-10 in float64; in float32 samples err at most twice as much as the library's."""
    model = model_of(channels=channels, levels=levels, base=base, **options)
    normals = standard_normal(30, channels * SIDE**2, 3, dtype=np.dtype(np.float32))
    double = from_normflows(model)
    data = double.sample(30, 4).astype(np.float32)
    truth = of_library(model, normals, data, channels)
    for name, value in of_flow(double, normals.astype(np.float64), data.astype(np.float64)).items():
        assert relative(value, truth[name]).max() < 1e-10, name
    model.float()
    single, theirs = from_normflows(model), of_library(model, normals, data, channels)
    assert single.dtype == np.float32
    truth = of_library(model.double(), normals, data, channels)  # of weights that were rounded
    own = evaluation.Library("normflows", lambda flow: flow, lambda flow, x: x)
    for name, value in of_flow(single, normals, data).items():
        evaluation.check_float32(relative(value, truth[name]), relative(theirs[name], truth[name]), own)


def test_a_model_becomes_one_glow_that_a_file_holds(tmp_path: Path) -> None:
    model = model_of()
    flow = from_normflows(model)
    assert [type(params).__module__.rpartition(".")[2] for params in flow.params] == ["elementwise", "glow"]
    assert tuple(flow.params[1].image_shape) == (3, SIDE, SIDE)
    assert [level.shift.shape for level in flow.params[1].levels] == [(2, 12), (2, 24)]
    flow.save(tmp_path / "glow.npz")
    x = flow.sample(5, 1, temperature=0.7)
    np.testing.assert_array_equal(Flow.load(tmp_path / "glow.npz").sample(5, 1, temperature=0.7), x)
    np.testing.assert_allclose(flow.inverse(x)[0], 0.7 * standard_normal(5, flow.dim, 1), atol=1e-9)


def test_a_base_that_is_a_standard_normal_is_no_part() -> None:
    torch, _ = libraries()
    model = model_of()
    with torch.no_grad():
        for base in model.q0:
            base.loc.zero_()
            base.log_scale.zero_()
    assert [type(params) for params in from_normflows(model).params] == [glow.Params]


def test_dtype_converts_first_and_the_model_stays_as_it_is() -> None:
    torch, _ = libraries()
    model = model_of().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert from_normflows(model, dtype=np.float32).dtype == np.float32
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("real", ["float64", "float32"])
@pytest.mark.parametrize("squeezed", [False, True])
def test_blocks_one_after_another(squeezed: bool, real: str) -> None:
    torch, nf = libraries()
    torch.manual_seed(2)
    blocks = [
        nf.flows.GlowBlock(8, 6, scale_map=scale, use_lu=lu)
        for scale, lu in (("sigmoid", True), ("exp", False))
    ]
    flows = [blocks[0], nf.flows.Squeeze(), nf.flows.GlowBlock(2, 3)] if squeezed else blocks
    model = moved(nf.NormalizingFlow(nf.distributions.DiagGaussian((8, 4, 6)), flows), 0.1)
    model.to(getattr(torch, real))
    flow, rows = from_normflows(model), standard_normal(20, 192, 4, dtype=np.dtype(real))
    data = flow.sample(20, 5)
    batch = torch.tensor(data).reshape(-1, *((2, 8, 12) if squeezed else (8, 4, 6)))
    with torch.no_grad():
        z = (model.inverse(batch) - model.q0.loc) / model.q0.log_scale.exp()
        x = model.forward(model.q0.loc + model.q0.log_scale.exp() * torch.tensor(rows).reshape(-1, 8, 4, 6))
        truth = {"forward": x, "inverse": z, "log_prob": model.log_prob(batch)}
    for name, value in of_flow(flow, rows, data).items():
        assert relative(value, truth[name].numpy()).max() < (1e-10 if real == "float64" else 2e-5), name


def test_the_other_order_of_squeezes_is_a_permutation_of_channels() -> None:
    """position_major, which normflows lacks, by its parts."""
    torch, _ = libraries()
    model, channels = model_of(), 3
    own = from_normflows(model)
    flow = Flow(own.params[1]._replace(order="position_major"))
    rows = standard_normal(10, own.dim, 5)
    image, leaving = torch.tensor(rows).reshape(-1, channels, SIDE, SIDE), []
    with torch.no_grad():
        for i in (1, 0):
            image = positions_first(model.flows[i][-1].inverse(image)[0])
            for block in reversed(model.flows[i][:-1]):
                image, _ = block.inverse(image)
            if i:
                image, other = image.chunk(2, 1)
                leaving.append(other)
        for i in (0, 1):
            image = torch.cat([image, leaving.pop()], 1) if i else image
            image, _ = model.flows[i][-1].forward(channels_first(image))
    np.testing.assert_allclose(flow.inverse(rows)[0], image.flatten(1), rtol=1e-10, atol=1e-10)


def positions_first(image: Any) -> Any:
    """Channels 4 c + p as p C + c."""
    return image.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2)


def channels_first(image: Any) -> Any:
    """Channels p C + c as 4 c + p."""
    return image.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)


def refused(message: str) -> Callable[[Any], Any]:
    """What the function makes of (a sound model, normflows) is refused with a message that begins so."""

    def register(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        REFUSALS[make.__name__.strip("_")] = message, make
        return make

    return register


@refused("flow.transform: expected None")
def _transform(model: Any, nf: Any) -> Any:
    model.transform = nf.transforms.Logit()


@refused("flow.q0[1]: expected DiagGaussian or GlowBase, got ClassCondDiagGaussian")
def _classes(model: Any, nf: Any) -> Any:
    model.q0[1] = nf.distributions.ClassCondDiagGaussian((6, 4, 4), 3)


@refused("flow.q0[0].num_classes: expected None, got 3")
def _classes_of_glow(model: Any, nf: Any) -> Any:
    model.q0[0] = nf.distributions.GlowBase((24, 2, 2), num_classes=3)


@refused("flow.q0[1].temperature: expected None, got 0.5")
def _temperature(model: Any, nf: Any) -> Any:
    model.q0[1].temperature = 0.5


@refused("flow.q0[1].shape: expected (6, 4, 4), got (6, 4, 2)")
def _shape(model: Any, nf: Any) -> Any:
    model.q0[1] = nf.distributions.DiagGaussian((6, 4, 2))


@refused("flow: expected as many q0 as flows, and one of merges less, got 2, 2, 0")
def _no_merge(model: Any, nf: Any) -> Any:
    del model.merges[0]


@refused("flow.merges[0].mode: expected channel, got checkerboard")
def _merge(model: Any, nf: Any) -> Any:
    model.merges[0] = nf.flows.Merge("checkerboard")


@refused("flow.flows[0][2]: expected Squeeze, got GlowBlock")
def _no_squeeze(model: Any, nf: Any) -> Any:
    model.flows[0][2] = model.flows[0][1]


@refused("flow.flows[0]: expected GlowBlocks and a Squeeze, got 1 modules")
def _no_block(model: Any, nf: Any) -> Any:
    del model.flows[0][:2]


@refused("flow.flows[0][0]: expected GlowBlock, got LULinearPermute")
def _another_part(model: Any, nf: Any) -> Any:
    model.flows[0][0] = nf.flows.LULinearPermute(24)


def block(model: Any, nf: Any, level: int = 0, **options: Any) -> None:
    """Another first block."""
    model.flows[level][0] = moved(nf.flows.GlowBlock((24, 12)[level], options.pop("hidden", 5), **options))


@refused("flow.flows[0][0].flows[0].flows[0].mode: expected channel, got checkerboard")
def _split(model: Any, nf: Any) -> Any:
    block(model, nf, split_mode="checkerboard")


@refused("flow.flows[0][0].flows[0].flows[0].mode: expected channel, got channel_inv")
def _other_half(model: Any, nf: Any) -> Any:
    block(model, nf, split_mode="channel_inv")


@refused("flow.flows[1][0].flows[0].flows[1].scale_map: expected sigmoid or exp, got sigmoid_inv")
def _scale_map(model: Any, nf: Any) -> Any:
    block(model, nf, 1, scale_map="sigmoid_inv")


@refused("flow.flows[0][1], scale_map: expected exp, as in the blocks before, got sigmoid")
def _mixed_scales(model: Any, nf: Any) -> Any:
    block(model, nf, scale_map="exp")


@refused("flow.flows[0][1], hidden channels: expected 7, as in the blocks before, got 5")
def _mixed_widths(model: Any, nf: Any) -> Any:
    block(model, nf, hidden=7)


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net[1].negative_slope: expected 0, got 0.1")
def _leaky(model: Any, nf: Any) -> Any:
    block(model, nf, leaky=0.1)


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net: expected 5 modules, got 7")
def _normalised_network(model: Any, nf: Any) -> Any:
    block(model, nf, net_actnorm=True)


@refused("flow.flows[1][0].flows[2].data_dep_init_done: expected 1")
def _untrained(model: Any, nf: Any) -> Any:
    model.flows[1][0] = nf.flows.GlowBlock(12, 5).double()


@refused("flow.flows[1][0].flows[2].s: expected shape (1, 12, 1, 1), got shape (1, 12, 4, 4)")
def _pixels(model: Any, nf: Any) -> Any:
    model.flows[1][0].flows[2] = moved(nf.flows.ActNorm((12, 4, 4)))


@refused("flow.flows[1][0].flows[1].W: expected a regular matrix, got a singular one")
def _singular(model: Any, nf: Any) -> Any:
    block(model, nf, 1, use_lu=False)
    model.flows[1][0].flows[1].W.data.zero_()


@refused("flow.q0[0]: expected finite means, and finite deviations above 0, got others")
def _endless(model: Any, nf: Any) -> Any:
    model.q0[0].log_scale.data.fill_(math.inf)


@refused("flow.flows[1][0].flows[1].P: expected a matrix that permutes, got another one")
def _no_permutation(model: Any, nf: Any) -> Any:
    model.flows[1][0].flows[1].P.fill_(1.0)


@refused("flow.flows[1][0].flows[1].eye: expected the identity, got another matrix")
def _no_identity(model: Any, nf: Any) -> Any:
    model.flows[1][0].flows[1].eye.fill_(1.0)


@refused("flow: params[1]: params.levels.0.sign")
def _sign(model: Any, nf: Any) -> Any:
    model.flows[1][0].flows[1].sign_S.fill_(0.5)


def convolution(model: Any) -> Any:
    return model.flows[0][0].flows[0].flows[1].param_map.net[2]


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net[2].padding_mode: expected zeros, got circular")
def _padding_mode(model: Any, nf: Any) -> Any:
    convolution(model).padding_mode = "circular"


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net[2].padding: expected half of the filters' (1, 1)")
def _padding(model: Any, nf: Any) -> Any:
    convolution(model).padding = (1, 1)


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net[2].bias: expected shape (5,), got None")
def _no_bias(model: Any, nf: Any) -> Any:
    convolution(model).bias = None


@refused("flow.flows[0][0].flows[0].flows[1].param_map.net[2]: expected no forward hooks")
def _hook(model: Any, nf: Any) -> Any:
    convolution(model).register_forward_hook(lambda module, inputs, output: 2 * output)


@refused("flow.flows[0][0]: expected GlowBlock as the library makes it, got one with extra beside")
def _extra(model: Any, nf: Any) -> Any:
    torch, _ = libraries()
    model.flows[0][0].extra = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))


@refused("flow.flows[0][2]: expected Squeeze as the library has it, got Other")
def _subclass(model: Any, nf: Any) -> Any:
    class Other(nf.flows.Squeeze):  # type: ignore[misc,name-defined]
        def forward(self, z: Any) -> Any:
            return super().forward(z.flip(1))

    model.flows[0][2] = Other()


@refused("flow: expected MultiscaleFlow as the library has it, got Other that overrides log_prob")
def _subclass_of_the_model(model: Any, nf: Any) -> Any:
    class Other(nf.MultiscaleFlow):  # type: ignore[misc,name-defined]
        def log_prob(self, x: Any, y: Any) -> Any:
            return 2 * super().log_prob(x, y)

    model.__class__ = Other


@refused("flow.flows[0]: expected an even number of channels, got 3")
def _odd(model: Any, nf: Any) -> Any:
    return moved(nf.NormalizingFlow(nf.distributions.DiagGaussian((3, 4, 4)), [nf.flows.GlowBlock(3, 4)]))


@refused("flow.q0.shape: expected that of an image, got (4,)")
def _vector(model: Any, nf: Any) -> Any:
    return moved(nf.NormalizingFlow(nf.distributions.DiagGaussian(4), [nf.flows.Planar(4)]))


@refused("flow.flows[0]: expected GlowBlock or Squeeze, got ActNorm")
def _norm_alone(model: Any, nf: Any) -> Any:
    return moved(nf.NormalizingFlow(nf.distributions.DiagGaussian((4, 2, 2)), [nf.flows.ActNorm((4, 1, 1))]))


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_what_is_not_supported_is_refused_by_name_in_one_line(name: str) -> None:
    message, make = REFUSALS[name]
    model = model_of()
    other = make(model, libraries()[1])
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - its message is what is asked below
        from_normflows((model if other is None else other).double())
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_what_is_no_model_is_a_type_error() -> None:
    torch, nf = libraries()
    for wrong in (torch.nn.Linear(2, 2), nf.flows.GlowBlock(4, 4), None, "glow.pt"):
        with pytest.raises(
            TypeError, match="flow: expected a normflows MultiscaleFlow or NormalizingFlow, got"
        ):
            from_normflows(wrong)
    with pytest.raises(TypeError, match="dtype"):
        from_normflows(model_of(), dtype=np.int64)
