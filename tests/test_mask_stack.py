"""Mask stack: known values, the clamp, masks that keep nothing or everything."""

import numpy as np
import pytest

from seqgap.kernels import mask_stack
from seqgap.kernels.normal import standard_normal
from seqgap.reference import mask_stack as reference

THETA = [0.7, -0.1, 0.9, 0.2]
MASKS = [[True, False, True, False], [False, True, False, True]]
COMPILED = mask_stack.Params(np.array(MASKS), np.array([THETA, THETA]))
PLAIN = reference.Params(MASKS, [THETA, THETA])


def test_known_values() -> None:
    z = [0.3, -1.0, 0.8, 1.2]
    for module, params in ((mask_stack, COMPILED), (reference, PLAIN)):
        (x,), (log_det,) = module.forward([z], params)
        assert [round(float(v), 6) for v in x] == [1.429799, -0.634762, 2.2375, 2.290714]
        assert round(float(log_det), 6) == 1.529167
        (back,), (log_det_back,) = module.inverse([list(x)], params)
        assert list(back) == pytest.approx(z, abs=1e-14)
        assert round(float(log_det_back), 6) == -1.529167


def test_layers_are_undone_in_reverse_order() -> None:
    x, _ = mask_stack.forward(standard_normal(5, 4, 1), COMPILED)
    wrong = mask_stack.Params(COMPILED.masks[::-1], COMPILED.theta[::-1])
    right, _ = mask_stack.inverse(x, COMPILED)
    other, _ = mask_stack.inverse(x, wrong)
    np.testing.assert_allclose(right, standard_normal(5, 4, 1), atol=1e-13)
    assert np.abs(other - right).max() > 0.1


@pytest.mark.parametrize("b_s", [7.0, -7.0])
def test_log_det_sums_the_clamped_s_for_each_transformed_entry(b_s: float) -> None:
    limit = np.copysign(5.0, b_s)
    masks, theta = [[True, False, False]], [[0.0, b_s, 0.0, 0.0]]
    for module, params in (
        (mask_stack, mask_stack.Params(np.array(masks), np.array(theta))),
        (reference, reference.Params(masks, theta)),
    ):
        (x,), (log_det,) = module.forward([[1.0, 2.0, 3.0]], params)
        assert list(x) == pytest.approx([1.0, 2 * np.exp(limit), 3 * np.exp(limit)], rel=1e-14)
        assert log_det == 2 * limit
        assert module.inverse([[1.0, 2.0, 3.0]], params)[1][0] == -2 * limit


def test_a_layer_that_keeps_everything_is_the_identity() -> None:
    params = mask_stack.Params(np.ones((1, 3), bool), np.array([THETA]))
    z = standard_normal(4, 3, 1)
    x, log_det = mask_stack.forward(z, params)
    assert x.tobytes() == z.tobytes()
    assert not log_det.any()


def test_a_layer_that_keeps_nothing_is_conditioned_on_zero() -> None:
    params = mask_stack.Params(np.zeros((1, 2), bool), np.array([THETA]))
    x, log_det = mask_stack.forward([[1.0, -2.0]], params)
    assert x[0] == pytest.approx(np.array([1.0, -2.0]) * np.exp(-0.1) + 0.2, rel=1e-14)
    assert log_det[0] == pytest.approx(-0.2, rel=1e-14)


def test_random_masks_alternate_and_cover() -> None:
    masks = mask_stack.random_params(5, 1).masks
    assert np.array_equal(masks[0], ~masks[1])
    assert not masks.all(axis=0).any()


def test_nan_and_inf_in_a_transformed_entry_do_not_reach_the_condition() -> None:
    params = mask_stack.Params(np.array([[True, False, False]]), np.array([THETA]))
    for bad in (np.nan, np.inf):
        for verb in (mask_stack.forward, mask_stack.inverse):
            clean, log_det = verb([[1.0, 2.0, 3.0]], params)
            dirty, log_det_dirty = verb([[1.0, bad, 3.0]], params)
            assert np.isfinite(dirty[0]).tolist() == [True, False, True]
            assert dirty[0, [0, 2]].tolist() == clean[0, [0, 2]].tolist()
            assert log_det_dirty == log_det
