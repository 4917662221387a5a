"""What parameters and flows show of themselves: one line, no weights."""

import pickle

import numpy as np
import pytest

from seqgap import Flow
from seqgap.bench.model.case import Case, Dtype
from seqgap.kernels import ar_process, diffusion, linear_ar, maf


@pytest.mark.dims(6)
def test_params(flow: Case, dtype: Dtype, dim: int) -> None:
    _, params = flow.operation("forward").inputs(dim, 1, dtype, 1).args
    size = "any D" if params.dim is None else f"D={dim}"
    assert repr(params).startswith(f"{flow.stem}.Params({size}, {dtype}")
    assert len(repr(params)) < 80
    assert repr(pickle.loads(pickle.dumps(params))) == f"{params}" == repr(params)


def test_params_say_their_layout() -> None:
    params = maf.random_params(4, 1, layers=2, depth=3, width=8)
    assert repr(params) == "maf.Params(D=4, float64, layers=2, depth=3, width=8)"
    assert repr(ar_process.random_params(4, 1)) == "ar_process.Params(any D, float64, order=2)"
    assert repr(diffusion.Schedule([0.1, 0.2])) == "diffusion.Schedule(T=2)"


def test_wrong_params_say_what_is_wrong() -> None:
    for weight in (None, np.zeros(3), "a"):
        params = linear_ar.random_params(3, 1)._replace(weight=weight)
        assert repr(params).startswith("linear_ar.Params(params.weight: expected")


def test_flows() -> None:
    first, second = linear_ar.random_params(4, 1), maf.random_params(4, 1, width=8)
    assert repr(Flow(first, second)) == "Flow(linear_ar, maf, D=4, float64)"
    assert repr(Flow(first, permutation=[3, 2, 1, 0])) == "Flow(linear_ar, D=4, float64, permuted)"
    many = repr(Flow(*[first] * 50))
    assert many.endswith(" ..., D=4, float64)")
    assert len(many) < 100
