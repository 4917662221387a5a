"""Flows of glasflow and nessai, by their own constructors: the libraries' own density and samples."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from builders import flow_of
from seqgap.kernels.interop import from_nflows
from seqgap.kernels.normal import standard_normal
from torchflows import libraries, moved

MISSING = [name for name in ("torch", "glasflow", "nessai") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"without {', '.join(MISSING)}")

LU, SVD, PERMUTED = ({"linear_transform": name} for name in ("lu", "svd", "permutation"))
ACTNORM = {"linear_transform": None, "batch_norm_between_layers": False, "actnorm": True}
NORMALISED = {"batch_norm_between_transforms": True, "batch_norm_within_blocks": True}
NESSAI: list[tuple[str, dict[str, Any]]] = [
    ("realnvp.RealNVP", {}),
    ("realnvp.RealNVP", SVD),
    ("realnvp.RealNVP", ACTNORM),
    ("realnvp.RealNVP", {"use_volume_preserving": True, "batch_norm_within_layers": True}),
    ("realnvp.RealNVP", {"pre_transform": "batch_norm", "dropout_probability": 0.1}),
    ("realnvp.RealNVP", {"net": "mlp"}),
    ("realnvp.RealNVP", {"net": "mlp", "use_volume_preserving": True}),
    ("nsf.NeuralSplineFlow", {}),
    ("nsf.NeuralSplineFlow", {"apply_unconditional_transform": True}),
    ("nsf.NeuralSplineFlow", LU | {"batch_norm_between_layers": True}),
    ("maf.MaskedAutoregressiveFlow", {}),
    ("maf.MaskedAutoregressiveFlow", {"use_residual_blocks": False, "batch_norm_between_layers": True}),
]
GLASFLOW: list[tuple[str, dict[str, Any]]] = [
    ("realnvp.RealNVP", {}),
    ("realnvp.RealNVP", LU),
    ("realnvp.RealNVP", NORMALISED | PERMUTED),
    ("realnvp.RealNVP", {"volume_preserving": True}),
    *(("realnvp.RealNVP", {"scale_activation": name}) for name in ("nflows", "wide", "log1", "log2", "log3")),
    ("nsf.CouplingNSF", {}),
    ("nsf.CouplingNSF", SVD | {"num_bins": 8}),
    ("nsf.CouplingNSF", LU | {"apply_unconditional_transform": True}),
    ("autoregressive.MaskedAffineAutoregressiveFlow", {}),
    ("autoregressive.MaskedAffineAutoregressiveFlow", {"scale_activation": "nflows_general"}),
    ("autoregressive.MaskedPiecewiseRationalQuadraticAutoregressiveFlow", {"tails": "linear"}),
]


def assert_equal(flow: Any, dim: int) -> None:
    """z, density and samples to 1e-10, relative to the largest of a row."""
    torch = libraries()[0]
    moved(flow, 0.1).eval()
    single = from_nflows(flow)
    flow.double().train().eval()
    loaded, x = from_nflows(flow), 1.5 * standard_normal(40, dim, 3)
    batch = torch.tensor(x)
    with torch.no_grad():
        (z, log_det), samples = flow._transform(batch), flow._transform.inverse(batch)[0]
        pairs = (
            (loaded.inverse(x)[0], z),
            (loaded.inverse(x)[1], log_det),
            (loaded.log_prob(x), flow.log_prob(batch)),
            (loaded.forward(x)[0], samples),
        )
        for ours, theirs in pairs:
            truth = theirs.numpy()
            assert np.abs(ours - truth).max() < 1e-10 * max(1, np.abs(truth).max())
        assert single.dtype == np.float32


@pytest.mark.parametrize("dim", [2, 5, 15])
@pytest.mark.parametrize(("name", "options"), NESSAI, ids=str)
def test_flows_of_nessai(name: str, options: dict[str, Any], dim: int) -> None:
    assert_equal(flow_of("nessai", name, dim, **options), dim)


@pytest.mark.parametrize("dim", [1, 2, 5, 15])
@pytest.mark.parametrize(("name", "options"), GLASFLOW, ids=str)
def test_flows_of_glasflow(name: str, options: dict[str, Any], dim: int) -> None:
    flow = flow_of("glasflow", name, dim, **options)
    if dim == 1 and not name.startswith("autoregressive"):
        with pytest.raises(ValueError, match="expected a mask that transforms a feature, got none"):
            from_nflows(moved(flow))
        return
    assert_equal(flow, dim)


def test_what_is_not_supported_is_refused_by_name() -> None:
    refused: list[tuple[str, str, dict[str, Any], str]] = [
        (
            "glasflow",
            "realnvp.RealNVP",
            {"scale_activation": "log0.5"},
            r"\.scale_activation: expected sigmoid",
        ),
        (
            "glasflow",
            "nsf.CouplingNSF",
            {"distribution": "uniform"},
            r"_distribution: expected StandardNormal",
        ),
        (
            "nessai",
            "nsf.NeuralSplineFlow",
            {"min_bin_width": 1e-2},
            r"_transforms\[1\]: expected min_bin_width=0\.001",
        ),
    ]
    for library, name, options, message in refused:
        with pytest.raises(ValueError, match=message):
            from_nflows(flow_of(library, name, 3, **options))


def test_a_default_flow_of_nessai_has_one_affine_step_between_couplings() -> None:
    flow = from_nflows(moved(flow_of("nessai", "realnvp.RealNVP", 4)))
    kinds = [type(params).__module__.rpartition(".")[2] for params in flow.params]
    assert kinds == ["elementwise", *["realnvp", "affine"] * 4]
