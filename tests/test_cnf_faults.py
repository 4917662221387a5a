"""Continuous flows: faults that there were once."""

from typing import Any

import numpy as np
import pytest

from bits import assert_same_bits
from seqgap import Flow
from seqgap.kernels import cnf
from seqgap.kernels._nets.ode import ContextTable
from seqgap.kernels.normal import standard_normal


def field(dtype: Any = np.float64, depth: int = 2, **options: Any) -> cnf.Params:
    return cnf.random_params(3, 5, width=9, depth=depth, dtype=dtype)._replace(**options)


def test_a_sample_by_picard_is_forward_by_picard() -> None:
    """Its last bits are others than those of steps, which were drawn before."""
    flow, z = Flow(field(method="euler", steps=20)), standard_normal(5, 3, 4)
    x = flow.forward(z, strategy="picard")[0]
    assert not np.array_equal(x, flow.forward(z)[0])
    assert_same_bits(flow.sample(5, 4, strategy="picard"), x)


@pytest.mark.parametrize("name", ["base_at", "steps", "max_steps"])
def test_a_flow_takes_integers_of_numpy(name: str) -> None:
    params = field(method="euler")._replace(**{name: np.int64(1)})
    z = standard_normal(2, 3, 1)
    assert_same_bits(Flow(params).forward(z)[0], cnf.forward(z, params)[0])


def test_wrong_columns_are_named() -> None:
    batch, params = standard_normal(2, 4, 1), field()
    with pytest.raises(ValueError, match=r"^batch has 4 columns, params are for D = 3$"):
        cnf.solve(batch, params)
    with pytest.raises(ValueError, match=r"^x has 4 columns, params are for D = 3$"):
        cnf.estimated_log_prob(batch, params, 1)


@pytest.mark.parametrize("method", ["euler", "dopri5"])
@pytest.mark.parametrize("name", ["weight_in", "weight_hidden", "bias_hidden", "weight_out", "activation"])
def test_errors_name_the_fields_of_params(method: str, name: str) -> None:
    params = field(method=method)._replace(**{name: np.ones(2)})
    with pytest.raises((TypeError, ValueError), match=rf"^params\.{name}: "):
        cnf.forward(standard_normal(2, 3, 1), params)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", ["weight_in", "weight_out"])
def test_infinite_weights_warn_of_nothing(depth: int, name: str) -> None:
    """NumPy warned of the matrix of the trace; rows are as IEEE says."""
    params = field(depth=depth, method="euler", steps=2)
    params = params._replace(**{name: params._asdict()[name] * np.inf})
    assert not np.isfinite(Flow(params).forward(standard_normal(2, 3, 1))[1]).any()


@pytest.mark.parametrize("name", ["relative_tolerance", "absolute_tolerance"])
@pytest.mark.parametrize("value", [1e-60, 1e300])
def test_tolerances_out_of_the_range_of_float32(name: str, value: float) -> None:
    """Of a row at 0 that stays there, they were 0 or NaN."""
    params = field(np.float32, max_steps=100)._replace(**{name: value})
    params = params._replace(weight_out=0 * params.weight_out, bias_out=0 * params.bias_out)
    x, log_det = cnf.forward(np.zeros((2, 3), np.float32), params)
    assert not x.any()
    assert not log_det.any()


def test_contexts_out_of_the_range_of_float32_warn_of_nothing() -> None:
    """Their part of the first layer is inf."""
    (added,) = ContextTable(np.full((2, 1), 10, np.float32))(np.full((3, 1), 3e38, np.float32))
    assert np.isinf(added).all()
    assert added.dtype == np.float32
