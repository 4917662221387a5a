"""Flows of zuko and nflows for the tests of the loaders; skipped where the libraries are not installed."""

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import pytest

MISSING = [name for name in ("torch", "zuko", "nflows") if importlib.util.find_spec(name) is None]
LIBRARIES = pytest.mark.skipif(bool(MISSING), reason=f"pip install 'seqgap[peers]' for {', '.join(MISSING)}")


def libraries() -> tuple[Any, Any, Any, Any]:
    """torch, zuko, and the flows and transforms of nflows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they themselves use is their own affair
        import nflows.flows
        import nflows.nn.nets
        import nflows.transforms
        import torch
        import zuko
    torch.set_num_threads(1)  # more wait for each other in loops, on cores that other tests use
    return torch, zuko, nflows.flows, nflows.transforms


def nflow(dim: int, *transforms: Any) -> Any:
    from nflows.distributions.normal import StandardNormal

    _, _, flows, t = libraries()
    return flows.Flow(t.CompositeTransform(list(transforms)), StandardNormal([dim]))


def resnet(width: int = 16, **options: Any) -> Callable[[int, int], Any]:
    from nflows.nn.nets import ResidualNet

    return lambda columns, outputs: ResidualNet(columns, outputs, hidden_features=width, **options)


def zuko_flows(dim: int) -> dict[str, Any]:
    torch, zuko, _, _ = libraries()
    flows, nn = zuko.flows, torch.nn
    coupling = zuko.flows.coupling.GeneralCouplingTransform
    spline = zuko.transforms.MonotonicRQSTransform
    normal = flows.MAF(dim).base
    couplings = [
        coupling(
            dim, mask=[(d + k) % 2 == 0 for d in range(dim)], univariate=spline, shapes=[(6,), (6,), (5,)]
        )
        for k in range(2)
    ]
    chain = torch.eye(dim, dtype=bool)  # feature 2 waits for 0, 3 for 1, and so on, and 0 for the last one
    chain |= torch.diag(torch.ones(dim - 2, dtype=bool), -2)
    chain[0, -1] = dim % 2 == 0
    return {
        "MAF": flows.MAF(dim),
        "MAF, tanh": flows.MAF(dim, transforms=2, hidden_features=(32,), activation=nn.Tanh, randperm=True),
        "MAF, elu": flows.MAF(dim, hidden_features=(24, 16, 20), activation=nn.ELU, passes=2),
        "MAF, silu": flows.MAF(dim, hidden_features=(16, 40), activation=nn.SiLU, transforms=5),
        "MAF, gelu": flows.MAF(dim, hidden_features=(20, 20), activation=nn.GELU),
        "MAF, leaky": flows.MAF(dim, hidden_features=(20, 20), activation=nn.LeakyReLU),
        "MAF, adjacency": flows.MAF(dim, adjacency=chain.flipud().fliplr()),
        "MAF, no hidden layer": flows.MAF(dim, hidden_features=(), transforms=2),
        "MAF, residual": flows.MAF(dim, hidden_features=(16, 16, 16), residual=True, activation=nn.SiLU),
        "NSF, residual of other widths": flows.NSF(
            dim, hidden_features=(9, 14, 14, 6), residual=True, randperm=True, transforms=2, bins=4
        ),
        "NSF": flows.NSF(dim, hidden_features=(20, 20)),
        "NSF, 5 bins": flows.NSF(dim, bins=5, transforms=2, randperm=True, hidden_features=(20,)),
        "NSF, passes": flows.NSF(dim, bins=4, passes=2, hidden_features=(20,)),
        "RealNVP": flows.RealNVP(dim, hidden_features=(20, 20)),
        "RealNVP, random": flows.RealNVP(dim, randmask=True, transforms=4, activation=nn.SiLU),
        "RealNVP, gelu": flows.RealNVP(dim, hidden_features=(18,), activation=nn.GELU),
        "NICE, leaky": flows.NICE(dim, hidden_features=(18, 12), activation=nn.LeakyReLU),
        "NSF, gelu": flows.NSF(dim, hidden_features=(18,), activation=nn.GELU, bins=4),
        "RealNVP, no hidden layer": flows.RealNVP(dim, hidden_features=()),
        "NSF coupling": zuko.lazy.Flow(couplings, normal),
        "element-wise": zuko.lazy.Flow(
            [
                flows.MAF(dim).transform.transforms[0],
                zuko.flows.ElementWiseTransform(dim),
                zuko.flows.ElementWiseTransform(dim, univariate=spline, shapes=[(6,), (6,), (5,)]),
            ],
            normal,
        ),
    }


def nflows_flows(dim: int) -> dict[str, Any]:
    torch, _, flows, t = libraries()
    mask = [1 if d % 2 else -1 for d in range(dim)]
    other = [-m for m in mask]
    spline = {"tails": "linear", "num_bins": 6, "tail_bound": 3.0}
    masked_spline = t.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
    spline_coupling = t.PiecewiseRationalQuadraticCouplingTransform
    tanh = {"activation": torch.tanh}
    within, between = {"batch_norm_within_layers": True}, {"batch_norm_between_layers": True}
    built = {
        "MAF": flows.MaskedAutoregressiveFlow(dim, 24, 3, 2),
        "MAF, random": flows.MaskedAutoregressiveFlow(dim, 24, 2, 1, use_random_permutations=True, **tanh),
        "MAF, feedforward": flows.MaskedAutoregressiveFlow(
            dim, 16, 3, 2, use_residual_blocks=False, use_random_masks=True
        ),
        "MAF, no block": nflow(dim, t.MaskedAffineAutoregressiveTransform(dim, 9, num_blocks=0)),
        "MAF, one normalised block": flows.MaskedAutoregressiveFlow(dim, 24, 2, 1, **within),
        "MAF, normalised": flows.MaskedAutoregressiveFlow(dim, 20, 3, 3, **within, **between, **tanh),
        "MAF, normalised between": flows.MaskedAutoregressiveFlow(
            dim, 16, 2, 2, use_random_permutations=True, **between
        ),
        "MAF, feedforward, normalised": flows.MaskedAutoregressiveFlow(
            dim, 16, 2, 2, use_residual_blocks=False, use_random_masks=True, dropout_probability=0.2, **within
        ),
        "RealNVP, normalised": flows.SimpleRealNVP(
            dim, 16, 3, 2, dropout_probability=0.2, **within, **between
        ),
        "NICE, normalised": flows.SimpleRealNVP(dim, 16, 2, 1, use_volume_preserving=True, **within),
        "RealNVP": flows.SimpleRealNVP(dim, 16, 4, 2),
        "MAF, gelu": flows.MaskedAutoregressiveFlow(dim, 20, 2, 2, activation=torch.nn.functional.gelu),
        "MAF, leaky": flows.MaskedAutoregressiveFlow(
            dim, 20, 2, 1, use_residual_blocks=False, activation=torch.nn.functional.leaky_relu
        ),
        "RealNVP, gelu": flows.SimpleRealNVP(dim, 16, 3, 2, activation=torch.nn.GELU(), **between),
        "RealNVP, leaky": flows.SimpleRealNVP(dim, 16, 3, 2, activation=torch.nn.functional.leaky_relu),
        "NICE": flows.SimpleRealNVP(
            dim, 16, 3, 1, use_volume_preserving=True, activation=torch.nn.functional.elu
        ),
        "NSF": nflow(
            dim, t.ReversePermutation(dim), masked_spline(dim, 16, **spline),
            t.RandomPermutation(dim),
            masked_spline(dim, 16, num_blocks=1, use_residual_blocks=False, **spline),
            masked_spline(dim, 16, num_blocks=2, use_batch_norm=True, **spline),
        ),
        "NSF coupling": nflow(
            dim, t.RandomPermutation(dim), spline_coupling(mask, resnet(), **spline),
            t.RandomPermutation(dim), spline_coupling(other, resnet(), **spline),
        ),
        "RealNVP, permuted": nflow(
            dim, t.AffineCouplingTransform(mask, resnet()), t.RandomPermutation(dim),
            t.CompositeTransform([t.AffineCouplingTransform(other, resnet()), t.ReversePermutation(dim)]),
        ),
    }  # fmt: skip
    return {name: begun(flow) for name, flow in built.items()}


def begun(flow: Any) -> Any:
    """In evaluation, with statistics of a first batch in its BatchNorm and ActNorm, which start without."""
    for module in flow.modules():
        if hasattr(module, "unconstrained_weight"):
            module.running_var.uniform_(0.5, 2)
            module.running_mean.normal_()
        if hasattr(module, "initialized"):
            module.initialized.fill_(True)
    flow.eval()
    return flow


def moved(flow: Any, size: float = 0.3) -> Any:
    """Parameters away from where they start, as `begun`."""
    torch = libraries()[0]
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(size * torch.randn_like(parameter))
    return begun(flow)


def density(flow: Any, x: Any) -> Any:
    return flow().log_prob(x) if hasattr(flow, "transform") else flow.log_prob(x)


def sampled(flow: Any, z: Any) -> Any:
    return flow.transform().inv(z) if hasattr(flow, "transform") else flow._transform.inverse(z)[0]


def latent(flow: Any, x: Any) -> Any:
    return flow().transform(x) if hasattr(flow, "transform") else flow._transform(x)[0]


def trained(flow: Any, dim: int) -> None:
    """Some steps away from how it was initialised."""
    torch = libraries()[0]
    flow.train()
    steps = torch.optim.Adam(flow.parameters(), lr=3e-3)
    data = torch.randn(64, dim) @ torch.randn(dim, dim) / dim + 0.5
    for _ in range(8):
        steps.zero_grad()
        (-density(flow, data).mean()).backward()
        steps.step()
