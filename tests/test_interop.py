"""Flows of zuko and nflows, loaded: the libraries' own density and samples; files; refusals."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seqgap.bench.measure.gate import difference
from seqgap.kernels import interop, maf, realnvp, rq_spline
from seqgap.kernels._core.jit import threads_available
from seqgap.kernels.interop import Flow
from seqgap.kernels.normal import standard_normal
from torchflows import (
    LIBRARIES,
    density,
    latent,
    libraries,
    nflow,
    nflows_flows,
    resnet,
    sampled,
    trained,
    zuko_flows,
)

TWO_THREADS = pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")


def assert_equal(flow: Any, loaded: Flow, dim: int, double: bool) -> None:
    torch = libraries()[0]
    kind = np.dtype(np.float64 if double else np.float32)
    allowed = 1e-8 if double else 1e-5  # torch's softplus is the identity above 20: 2e-9 off
    batch = 1.5 * standard_normal(40, dim, 3, dtype=kind)
    with torch.no_grad():
        samples = sampled(flow, torch.tensor(batch))
        expected, again = (density(flow, torch.tensor(batch)).numpy(), samples.numpy()), latent(flow, samples)
    assert loaded.dtype == kind
    assert difference(loaded.log_prob(batch), expected[0], allowed, kind).used <= 1
    x, log_det = loaded.forward(batch)
    # Steep flows amplify the roundings of float32, ours and the library's.
    assert difference(x, expected[1], allowed if double else 3 * allowed, kind).used <= 1
    if difference(again.numpy(), batch, 100 * allowed, kind).used > 1:
        return  # so steep that the library does not find back either: batch normalisation before any training
    z, back = loaded.inverse(x)
    assert difference(z, batch, 100 * allowed, kind).used <= 1
    assert difference(-back, log_det, 100 * allowed, kind).used <= 1


@LIBRARIES
@pytest.mark.parametrize("dim", [2, 5, 16])
@pytest.mark.parametrize("library", ["zuko", "nflows"])
def test_loaded_flows_equal_the_library(library: str, dim: int) -> None:
    """Density, and samples from given noise: in float64, and to 1e-5 (3e-5) in float32, fresh and trained."""
    torch = libraries()[0]
    torch.manual_seed(dim)
    load, flows = (
        (interop.from_zuko, zuko_flows(dim))
        if library == "zuko"
        else (interop.from_nflows, nflows_flows(dim))
    )
    for name, flow in flows.items():
        for train in (False, True):
            if train:
                trained(flow, dim)
            flow.eval()
            try:
                assert_equal(flow, load(flow), dim, double=False)
                assert_equal(flow.double(), load(flow), dim, double=True)
            except AssertionError as error:
                raise AssertionError(f"{name}, trained: {train}") from error
            flow.float()


@LIBRARIES
def test_layers_of_one_architecture_are_one_step() -> None:
    assert [type(p) for p in interop.from_zuko(zuko_flows(5)["MAF, silu"]).params] == [maf.Params]
    assert [type(p) for p in interop.from_nflows(nflows_flows(5)["RealNVP"]).params] == [realnvp.Params]
    nsf = interop.from_nflows(nflows_flows(5)["NSF coupling"])
    assert [(type(p), len(p.order)) for p in nsf.params] == [(rq_spline.Params, 2)]
    assert not np.array_equal(nsf.permutation, np.arange(5))


@LIBRARIES
def test_what_is_not_supported_is_refused_by_name() -> None:
    torch, zuko, flows, t = libraries()
    nn, made = torch.nn, zuko.flows
    mask = [1, -1, 1]
    base = made.MAF(3)
    shifted = zuko.lazy.UnconditionalDistribution(
        zuko.distributions.DiagNormal, loc=torch.ones(3), scale=torch.ones(3), buffer=True
    )
    zuko_, nflows_ = interop.from_zuko, interop.from_nflows
    refused: list[tuple[Any, Any, str]] = [
        (zuko_, made.MAF(3, activation=nn.Mish), r"hyper\[1\]: expected ReLU or Tanh.*Mish"),
        (zuko_, made.MAF(3, activation=functools.partial(nn.GELU, "tanh")),
         r"hyper\[1\]: expected GELU of approximate none, got GELU\(approximate='tanh'\)"),
        (zuko_, made.MAF(3, activation=functools.partial(nn.LeakyReLU, 0.2)),
         r"hyper\[1\]: expected LeakyReLU of negative_slope 0\.01, got LeakyReLU\(negative_slope=0\.2\)"),
        (zuko_, made.MAF(3, residual=True, activation=nn.Mish), r"hyper\[1\]\[1\]: expected ReLU .*Mish"),
        (zuko_, made.NSF(3, slope=1e-2), r"univariate: expected .*, got another slope"),
        (zuko_, made.NCSF(3), r"flow\.base: expected a DiagNormal"),
        (zuko_, made.SOSPF(3), r"univariate: expected Monotonic"),
        (zuko_, made.NAF(3), r"univariate: expected Monotonic.*, got MNN"),
        (zuko_, made.RealNVP(3, normalize=True), r"hyper\[2\]: expected Linear, got LayerNorm"),
        (zuko_, zuko.lazy.Flow(base.transform.transforms, shifted), r"flow\.base: expected .* loc 0"),
        (nflows_, nflow(3, t.LeakyReLU()), "got LeakyReLU"),
        (nflows_, flows.MaskedAutoregressiveFlow(3, 8, 1, 1, activation=nn.functional.mish),
         "one of relu, tanh, elu, silu, leaky_relu, gelu, selu, softplus, sigmoid of torch, got mish"),
        (nflows_, flows.SimpleRealNVP(3, 8, 1, 1, activation=nn.GELU("tanh")), "approximate='tanh'"),
        (nflows_, flows.SimpleRealNVP(3, 8, 1, 1, activation=nn.LeakyReLU(0.2)), "negative_slope=0.2"),
        (nflows_, flows.SimpleRealNVP(3, 8, 1, 1, activation=functools.partial(
            nn.functional.gelu, approximate="tanh")), r"got functools\.partial\(.*approximate='tanh'\)"),
        (nflows_, nflow(3, t.PiecewiseRationalQuadraticCouplingTransform(mask, resnet())), "tails"),
        (nflows_, nflow(3, t.PiecewiseRationalQuadraticCouplingTransform(
            mask, resnet(), tails="linear", min_derivative=1e-2)), "min_derivative=0.001"),
    ]  # fmt: skip
    for load, flow, message in refused:
        with pytest.raises(ValueError, match=message):
            load(flow)
    for load in (interop.from_zuko, interop.from_nflows):
        for wrong in (None, 3, nn.Linear(2, 2)):
            with pytest.raises(TypeError, match="flow: expected a"):
                load(wrong)


def test_importing_loads_no_library(fresh_python: Callable[..., str]) -> None:
    program = """
import sys
import seqgap.kernels.interop
print([name for name in ("torch", "zuko", "nflows", "jax") if name in sys.modules])
"""
    assert fresh_python(program) == "[]\n"
