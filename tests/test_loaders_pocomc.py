"""Flows of pocomc, by its own constructor: zuko's density and samples."""

import importlib.util

import numpy as np
import pytest

from builders import flow_of
from seqgap.kernels.interop import from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import libraries, moved

MISSING = [name for name in ("torch", "zuko", "pocomc") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"without {', '.join(MISSING)}")


@pytest.mark.parametrize("dim", [1, 2, 5, 15])
@pytest.mark.parametrize("name", ["nsf6", "nsf3", "maf3", "maf6"])
def test_flows_of_pocomc(name: str, dim: int) -> None:
    """To 1e-10 in float64, relative to the largest of a batch."""
    torch = libraries()[0]
    flow = moved(flow_of("pocomc", name, dim), 0.05)
    assert from_zuko(flow).dtype == np.float32
    loaded, x = from_zuko(flow.double()), 1.5 * standard_normal(40, dim, 3)
    batch = torch.tensor(x)
    with torch.no_grad():
        pairs = (
            (loaded.inverse(x)[0], flow.transform()(batch)),
            (loaded.log_prob(x), flow().log_prob(batch)),
            (loaded.forward(x)[0], flow.transform().inv(batch)),
        )
        for ours, theirs in pairs:
            truth = theirs.numpy()
            assert np.abs(ours - truth).max() < 1e-10 * max(1, np.abs(truth).max())
