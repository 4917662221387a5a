"""RealNVP: other networks than the case's, any masks, NICE."""

import numpy as np

from seqgap.bench.model.case import plain_value
from seqgap.bench.model.registry import cases
from seqgap.kernels import realnvp
from seqgap.kernels.normal import standard_normal


def test_any_masks() -> None:
    masks = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]], bool)
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
