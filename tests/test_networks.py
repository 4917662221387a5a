"""Stacks of layers with networks of every depth, width and activation: the reference, and there and back."""

from typing import Any

import numpy as np
import pytest

from bits import assert_same_bits
from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.bench.model.registry import cases
from seqgap.kernels.normal import standard_normal

ROUNDING = {"maf": 1, "realnvp": 1, "rq_spline": 60}  # how much more than that of an affine layer
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("maf", {"layers": 1, "width": 128}),
    ("maf", {"layers": 3, "depth": 2, "width": 19, "activation": "tanh", "scale": "softplus"}),
    ("maf", {"depth": 3, "width": 7, "activation": "elu", "scale": "sigmoid", "residual": True}),
    ("maf", {"depth": 5, "width": 33, "activation": "silu", "scale": "additive", "residual": True}),
    ("maf", {"layers": 1, "depth": 1, "width": 5, "activation": "relu", "residual": True}),
    ("maf", {"depth": 2, "width": 21, "activation": "gelu"}),
    ("maf", {"depth": 3, "width": 14, "activation": "leaky_relu", "scale": "softplus", "residual": True}),
    ("maf", {"depth": 1, "width": 9, "activation": "tanh", "scale": "log3"}),
    ("maf", {"depth": 1, "width": 9, "scale": "wide"}),
    ("realnvp", {"depth": 3, "width": 12, "scale": "wide", "residual": True}),
    ("realnvp", {"depth": 2, "width": 12, "scale": "log1"}),
    ("maf", {"depth": 5, "width": 21, "activation": "silu", "residual": "direct"}),
    ("realnvp", {"depth": 3, "width": 12, "activation": "tanh", "residual": "direct"}),
    ("rq_spline", {"coupling": False, "depth": 3, "width": 18, "bins": 4, "residual": "direct"}),
    ("realnvp", {"width": 128}),
    ("realnvp", {"layers": 3, "depth": 2, "width": 19, "activation": "tanh", "scale": "sigmoid"}),
    ("realnvp", {"depth": 5, "width": 10, "activation": "elu", "scale": "softplus", "residual": True}),
    ("realnvp", {"layers": 4, "depth": 1, "width": 6, "activation": "silu", "scale": "additive"}),
    ("realnvp", {"depth": 3, "width": 11, "activation": "gelu", "scale": "sigmoid", "residual": True}),
    ("realnvp", {"depth": 2, "width": 17, "activation": "leaky_relu"}),
    ("rq_spline", {"width": 128}),
    ("rq_spline", {"layers": 3, "coupling": False, "depth": 2, "activation": "tanh", "spline": "softclip"}),
    ("rq_spline", {"coupling": False, "depth": 3, "activation": "elu", "bins": 3, "residual": True}),
    ("rq_spline", {"depth": 3, "width": 9, "activation": "silu", "bins": 5, "residual": True, "bound": 3.0}),
    ("rq_spline", {"depth": 2, "width": 12, "activation": "gelu", "bins": 4}),
    ("rq_spline", {"coupling": False, "depth": 2, "width": 8, "activation": "leaky_relu", "bins": 4}),
]


@pytest.mark.parametrize(("stem", "network"), NETWORKS, ids=str)
def test_both_directions_equal_the_reference(stem: str, network: dict[str, Any], dtype: Dtype) -> None:
    """And every strategy has the same bits."""
    case, unit = cases()[stem], ROUNDING[stem] * np.finfo(dtype).eps
    forward, inverse = case.kernel("forward"), case.kernel("inverse")
    for dim in (1, 2, 5, 33):
        params = case.kernel("random_params")(dim, 3, **{"layers": 2, "width": 16, "dtype": dtype} | network)
        x, plain = 1.5 * standard_normal(21, dim, 5, dtype=dtype), plain_value(params)
        z, log_det = inverse(x, params)
        expected = case.reference("inverse")(x.tolist(), plain)
        assert difference((z, log_det), expected, 150 * unit, dtype).used <= 1, dim
        back, log_det_back = forward(z, params)
        assert np.abs(back - x).max() < 300 * unit
        assert np.abs(log_det + log_det_back).max() < 300 * unit * max(1, np.abs(log_det).max())
        expected = case.reference("forward")(z[:2].tolist(), plain)
        assert difference((back[:2], log_det_back[:2]), expected, 300 * unit, dtype).used <= 1, dim
        for strategy in forward.__self__.strategies:
            assert_same_bits(forward(z, params, strategy=strategy), (back, log_det_back))
