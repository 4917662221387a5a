"""The driver level for tight loops."""

from typing import Any

import numpy as np
import pytest

from seqgap import kernels
from seqgap.bench.model.case import Case, Dtype
from seqgap.kernels import affine_coupling, diffusion
from seqgap.kernels.normal import standard_normal


@pytest.mark.parametrize("verb", ["forward", "inverse"])
def test_a_plan_gives_the_bits_of_the_public_function(flow: Case, verb: str, dtype: Dtype) -> None:
    module: Any = __import__(f"seqgap.kernels.{flow.stem}", fromlist=["_"])
    params = module.random_params(19, 1, dtype=dtype)
    run = kernels.plan(module, verb, params, 19, dtype)
    for n in (1, 40):
        z = standard_normal(n, 19, 2, dtype=dtype)
        x, log_det = np.full_like(z, np.nan), np.full(n, np.nan, dtype)
        run(z, x, log_det)
        expected = getattr(module, verb)(z, params)
        assert x.tobytes() == expected[0].tobytes()
        assert log_det.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((diffusion, "forward", None, 4), TypeError, "family: expected a module"),
        ((affine_coupling, "sample", affine_coupling.random_params(4, 1), 4), ValueError, "verb: expected"),
        ((affine_coupling, "forward", None, 4), TypeError, "params: expected"),
        ((affine_coupling, "forward", affine_coupling.random_params(4, 1), 9), ValueError, "params.a_s"),
        ((affine_coupling, "forward", affine_coupling.random_params(4, 1), 0), ValueError, "dim: expected"),
        ((affine_coupling, "forward", affine_coupling.random_params(4, 1), 4, "int8"), TypeError, "dtype"),
    ],
)
def test_wrong_plans_are_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        kernels.plan(*arguments)
