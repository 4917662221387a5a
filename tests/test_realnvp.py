"""RealNVP: other networks than the case's, any masks, NICE."""

from typing import Any

import numpy as np
import pytest

from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.bench.model.registry import cases
from seqgap.kernels import realnvp
from seqgap.kernels.normal import standard_normal

NETWORKS: list[dict[str, Any]] = [
    {},
    {"layers": 3, "depth": 2, "width": 19, "activation": "tanh", "scale": "sigmoid"},
    {"layers": 2, "depth": 5, "width": 10, "activation": "elu", "scale": "softplus", "residual": True},
    {"layers": 4, "depth": 1, "width": 6, "activation": "silu", "scale": "additive"},
]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_both_directions_equal_the_reference(network: dict[str, Any], dtype: Dtype) -> None:
    case = cases()["realnvp"]
    for dim in (1, 2, 5, 32):
        params = realnvp.random_params(dim, 3, dtype=dtype, **network)
        x = standard_normal(20, dim, 5, dtype=dtype)
        z, log_det = realnvp.inverse(x, params)
        plain = plain_value(params)
        expected = case.reference("inverse")(x.tolist(), plain)
        assert difference((z, log_det), expected, 150 * np.finfo(dtype).eps, dtype).used <= 1, dim
        back, log_det_back = realnvp.forward(z, params)
        assert np.abs(back - x).max() < 300 * np.finfo(dtype).eps
        assert np.abs(log_det + log_det_back).max() < 300 * np.finfo(dtype).eps * max(
            1, np.abs(log_det).max()
        )
        expected = case.reference("forward")(z[:2].tolist(), plain)
        assert difference((back[:2], log_det_back[:2]), expected, 300 * np.finfo(dtype).eps, dtype).used <= 1


def test_any_masks() -> None:
    masks = np.array(
        [[True, True, False, True], [False, False, False, False], [True] * 4, [False, True, True, True]]
    )
    params = realnvp.random_params(4, 1, layers=4)
    rng = np.random.default_rng(1)
    params = params._replace(
        masks=masks,
        weight_in=rng.normal(size=(4, 128, 4)) / 2,
        weight_out=rng.normal(size=(4, 4, 2, 128)) / 30,
        bias_out=rng.normal(size=(4, 4, 2)) / 3,
    )
    x = standard_normal(9, 4, 2)
    z, log_det = realnvp.inverse(x, params)
    expected, expected_log_det = cases()["realnvp"].reference("inverse")(x.tolist(), plain_value(params))
    np.testing.assert_allclose(z, expected, atol=1e-13)
    np.testing.assert_allclose(log_det, expected_log_det, atol=1e-13)
    np.testing.assert_allclose(realnvp.forward(z, params)[0], x, atol=1e-13)


def test_nice_keeps_volumes_and_kept_features_pass() -> None:
    params = realnvp.random_params(6, 1, layers=1, scale="additive")
    assert params.bias_out.shape[2] == 1
    z = standard_normal(9, 6, 2)
    x, log_det = realnvp.forward(z, params)
    assert not log_det.any()
    assert x[:, params.masks[0]].tobytes() == z[:, params.masks[0]].tobytes()
    shift = z - x
    doubled, _ = realnvp.forward(np.where(params.masks[0], z, 2 * z), params)
    np.testing.assert_allclose(np.where(params.masks[0], z, 2 * z) - doubled, shift, atol=1e-14)
