"""Conditional flows of zuko, nflows, lampe and glasflow: their densities and samples, context by context."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgap.kernels.interop import Flow, from_nflows, from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import LIBRARIES, libraries, nflow

pytestmark = LIBRARIES
WIDTHS = (21, 21)


def resnet(context: int, blocks: int = 2, **options: Any) -> Callable[[int, int], Any]:
    from nflows.nn.nets import ResidualNet

    return lambda columns, outputs: ResidualNet(
        columns, outputs, hidden_features=21, context_features=context, num_blocks=blocks, **options
    )


def zuko_flows(dim: int, context: int) -> dict[str, Any]:
    torch, zuko, _, _ = libraries()
    flows, options = zuko.flows, {"hidden_features": WIDTHS}
    residual = {"residual": True} if dim > 1 else {}  # zuko itself makes none of one feature
    return {
        "MAF, residual": flows.MAF(dim, context, hidden_features=(16, 16, 24), **residual),
        "MAF": flows.MAF(dim, context, **options),
        "MAF, tanh": flows.MAF(dim, context, activation=torch.nn.Tanh, transforms=2, randperm=True),
        "MAF, sigmoid": flows.MAF(dim, context, activation=torch.nn.Sigmoid, **options),
        "MAF, no hidden layer": flows.MAF(dim, context, hidden_features=()),
        "NSF": flows.NSF(dim, context, **options),
        "NICE": flows.NICE(dim, context, **options),
        "RealNVP": flows.RealNVP(dim, context, **options),
    }


def nflows_flows(dim: int, context: int) -> dict[str, Any]:
    torch, _, _, t = libraries()
    affine = t.MaskedAffineAutoregressiveTransform
    spline = t.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    seen = {"context_features": context}
    bins: dict[str, Any] = {"tails": "linear", "tail_bound": 3.0, "num_bins": 6}
    plain = {"use_residual_blocks": False, "activation": torch.tanh}
    flows = {
        "MAF": nflow(dim, *(affine(dim, 21, **seen, **plain) for _ in range(2))),
        "MAF, random masks": nflow(dim, affine(dim, 21, random_mask=True, **seen, **plain)),
        "MAF, sigmoid": nflow(dim, affine(dim, 21, **seen, **plain | {"activation": torch.sigmoid})),
        "MAF, residual": nflow(dim, *(affine(dim, 21, **seen) for _ in range(2))),
        "MAF, normalised": nflow(dim, affine(dim, 21, use_batch_norm=True, **seen, **plain)),
        "spline": nflow(dim, spline(dim, 21, **seen, **plain, **bins)),
        "spline, residual": nflow(dim, spline(dim, 21, num_blocks=1, **seen, **bins)),
        "MAF, no block": nflow(dim, affine(dim, 21, num_blocks=0, **seen)),
    }
    if dim > 1:
        mask = [(-1) ** d for d in range(dim)]
        flows["RealNVP"] = nflow(dim, t.AffineCouplingTransform(mask, resnet(context)), t.LULinear(dim))
        normed = resnet(context, 3, use_batch_norm=True)
        flows["RealNVP, normalised"] = nflow(dim, t.AffineCouplingTransform(mask, normed))
        flows["NICE, no block"] = nflow(dim, t.AdditiveCouplingTransform(mask, resnet(context, 0)))
        coupling = t.PiecewiseRationalQuadraticCouplingTransform
        flows["spline coupling"] = nflow(dim, coupling(mask, resnet(context), **bins))
    return flows


def moved(flow: Any) -> Any:
    """Weights away from where they start, in evaluation and float64."""
    torch, _, _, _ = libraries()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in flow.parameters():
            width = parameter.shape[-1] if parameter.ndim else 1
            parameter.add_(0.3 * torch.randn_like(parameter) / max(1, width) ** 0.5)
        for norm in (module for module in flow.modules() if isinstance(module, torch.nn.BatchNorm1d)):
            norm.running_var.uniform_(0.5, 2)
            norm.running_mean.normal_()
    return flow.double().eval()


def assert_equal(loaded: Flow, flow: Any, dim: int, context: int) -> None:
    """log_prob, inverse and forward at rows of contexts of their own."""
    torch, _, _, _ = libraries()
    assert (loaded.dim, loaded.context_dim) == (dim, context)
    x, c = standard_normal(40, dim, 3), standard_normal(40, context, 4)
    tensors = torch.from_numpy(x), torch.from_numpy(c)
    with torch.no_grad():
        if hasattr(flow, "_transform"):
            density, (z, _) = flow.log_prob(*tensors), flow._transform(*tensors)
            samples = flow._transform.inverse(*tensors)[0]
        else:
            law = flow(tensors[1])
            density, z, samples = (
                law.log_prob(tensors[0]),
                law.transform(tensors[0]),
                law.transform.inv(tensors[0]),
            )
    np.testing.assert_allclose(loaded.log_prob(x, context=c), density.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(loaded.inverse(x, context=c)[0], z.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(loaded.forward(x, context=c)[0], samples.numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("context", [1, 20])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_flows_of_zuko(dim: int, context: int) -> None:
    for flow in zuko_flows(dim, context).values():
        assert_equal(from_zuko(moved(flow)), flow, dim, context)


@pytest.mark.filterwarnings("ignore:torch.triangular_solve")
@pytest.mark.parametrize("context", [1, 20])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_flows_of_nflows(dim: int, context: int) -> None:
    for flow in nflows_flows(dim, context).values():
        assert_equal(from_nflows(moved(flow)), flow, dim, context)


def test_large_ones() -> None:
    """D = 15, C = 200, with the widths that sbi has."""
    _, zuko, _, t = libraries()
    flow = moved(zuko.flows.NSF(15, 200, hidden_features=[50] * 5))
    assert_equal(from_zuko(flow), flow, 15, 200)
    flow = moved(nflow(15, t.MaskedAffineAutoregressiveTransform(15, 50, context_features=200)))
    assert_equal(from_nflows(flow), flow, 15, 200)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("lampe") is None, reason="pip install 'seqgap[sbi]' for lampe")
def test_lampe() -> None:
    from lampe.inference import NPE

    flow = moved(NPE(3, 4, transforms=2).flow)
    assert_equal(from_zuko(flow), flow, 3, 4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("glasflow") is None, reason="pip install glasflow")
def test_glasflow() -> None:
    import glasflow

    for build in (glasflow.RealNVP, glasflow.CouplingNSF):
        flow = moved(build(n_inputs=4, n_transforms=2, n_conditional_inputs=3))
        loaded = from_nflows(flow)
        assert loaded.context_dim == 3
        x, c = standard_normal(20, 4, 1), standard_normal(20, 3, 2)
        torch, _, _, _ = libraries()
        with torch.no_grad():
            density = flow.log_prob(torch.from_numpy(x), torch.from_numpy(c)).numpy()
        np.testing.assert_allclose(loaded.log_prob(x, context=c), density, rtol=1e-9)


def test_embedding_nets_stay_in_pytorch() -> None:
    torch, _, flows, t = libraries()
    from nflows.distributions.normal import StandardNormal

    net = torch.nn.Sequential(torch.nn.Linear(6, 2), torch.nn.Tanh())
    affine = t.MaskedAffineAutoregressiveTransform(3, 9, context_features=2)
    flow = moved(flows.Flow(t.CompositeTransform([affine]), StandardNormal([3]), net))
    loaded, x, seen = from_nflows(flow), standard_normal(7, 3, 1), standard_normal(7, 6, 2)
    with torch.no_grad():
        expected = flow.log_prob(torch.from_numpy(x), torch.from_numpy(seen)).numpy()
    np.testing.assert_allclose(loaded.log_prob(x, context=loaded.embed(seen)), expected, rtol=1e-10)
    with pytest.raises(ValueError, match="embed: expected a flow loaded with an embedding net"):
        Flow(*loaded.params).embed(seen)


def test_what_is_refused() -> None:
    _, zuko, _, t = libraries()
    affine = t.MaskedAffineAutoregressiveTransform
    normalised = nflow(3, affine(3, 9, context_features=2, use_batch_norm=True)).eval()
    with pytest.raises(
        ValueError, match="expected no batch normalisation in masked residual blocks with a context"
    ):
        from_nflows(normalised)
    sizes = nflow(3, affine(3, 9, context_features=2), affine(3, 9, context_features=4))
    with pytest.raises(ValueError, match="expected one context"):
        from_nflows(sizes)
    flow = zuko.flows.NICE(3, 2, normalize=True)
    with pytest.raises(ValueError, match="LayerNorm"):
        from_zuko(flow)


def test_tensors_are_returned_where_they_are_passed() -> None:
    """By each verb; arrays give arrays, of the same numbers."""
    torch, zuko, _, _ = libraries()
    flow = from_zuko(zuko.flows.MAF(3, 2, hidden_features=(16,)))
    array, seen = standard_normal(4, 3, 1, dtype=np.float32), standard_normal(4, 2, 2, dtype=np.float32)
    batch, context = torch.from_numpy(array), torch.from_numpy(seen)
    calls: list[Callable[[Any, Any], tuple[Any, ...]]] = [
        lambda x, c: flow.forward(x, context=c),
        lambda x, c: flow.inverse(x, context=c),
        lambda x, c: (flow.log_prob(x, context=c),),
        lambda x, c: (flow.condition(c[0]).log_prob(x),),
        lambda x, c: (flow.sample(5, 1, context=c),),
        lambda x, c: flow.sample_within(-9, 9, 5, 1, context=c[0]),
    ]
    for call in calls:
        for tensor, expected in zip(call(batch, context), call(array, seen), strict=True):
            assert isinstance(tensor, torch.Tensor)
            assert isinstance(expected, np.ndarray | np.number)
            np.testing.assert_array_equal(tensor.numpy(), expected)


def test_tensors_with_a_gradient_are_refused() -> None:
    """By the name of the argument."""
    torch, zuko, _, _ = libraries()
    flow = from_zuko(zuko.flows.MAF(3, 2, hidden_features=(16,)))
    for x, context, name in ((1, 0, "x"), (0, 1, "context")):
        arguments = (torch.zeros(4, 3, requires_grad=bool(x)), torch.zeros(2, requires_grad=bool(context)))
        with pytest.raises(TypeError, match=f"{name}: expected .*requires.grad"):
            flow.log_prob(arguments[0], context=arguments[1])


def test_flows_in_another_dtype_than_they_were_trained_in() -> None:
    """float64 is the library's own double; both are of the dtype asked for, and nothing else is one."""
    torch, zuko, _, _ = libraries()
    made = zuko.flows.NSF(3, 2, hidden_features=(16,))
    loaded, narrow = from_zuko(made, dtype="float64"), from_zuko(made.double(), dtype=np.float32)
    assert (loaded.dtype, narrow.dtype) == (np.float64, np.float32)
    x, context = standard_normal(9, 3, 1), standard_normal(9, 2, 2)
    with torch.no_grad():
        expected = made(torch.from_numpy(context)).log_prob(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(loaded.log_prob(x, context=context), expected, rtol=1e-12)
    with pytest.raises(TypeError, match="dtype: expected float32 or float64, got str 'float16'"):
        from_zuko(made, dtype="float16")
