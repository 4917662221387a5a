"""Masked and inverse autoregressive flows: more networks, strategies, what depends on what."""

from typing import Any

import numpy as np

from seqgap.bench.measure.gate import difference
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.bench.model.registry import cases
from seqgap.kernels import iaf, maf
from seqgap.kernels.normal import standard_normal

NETWORKS: list[dict[str, Any]] = [  # test_networks.py has more
    {"layers": 3, "depth": 2, "width": 19, "activation": "tanh", "scale": "softplus"},
    {"layers": 2, "depth": 3, "width": 7, "activation": "elu", "scale": "sigmoid", "residual": True},
]


def example(dim: int, dtype: Dtype, network: dict[str, Any]) -> tuple[Any, Any]:
    return maf.random_params(dim, 3, dtype=dtype, **network), standard_normal(21, dim, 5, dtype=dtype)


def by_values(params: Any, x: Any) -> tuple[Any, Any]:
    """The inverse by the reference, which knows no order of units and masks what a unit does not see."""
    z, log_det = cases()["maf"].reference("inverse")(x.tolist(), plain_value(params))
    return np.array(z), np.array(log_det)


def test_units_may_come_in_any_order(dtype: Dtype) -> None:
    for network in NETWORKS:
        params, x = example(9, dtype, network)
        degrees = np.random.default_rng(1).permuted(params.degrees, axis=2)
        if params.residual:
            degrees[:] = degrees[:, :1]
        params = params._replace(degrees=degrees)
        right = by_values(params, x)
        assert difference(maf.inverse(x, params), right, 150 * np.finfo(dtype).eps, dtype).used <= 1
        back, _ = maf.forward(maf.inverse(x, params)[0], params)
        assert np.abs(back - x).max() < 300 * np.finfo(dtype).eps
        assert np.array_equal(params.degrees, degrees)


def test_any_degrees_and_orders() -> None:
    """Units that see nothing or everything, layers in random order."""
    rng = np.random.default_rng(2)
    params, x = example(8, np.dtype(np.float64), {"layers": 3, "depth": 2, "width": 16})
    degrees = np.sort(rng.integers(0, 9, params.degrees.shape), axis=2)
    params = params._replace(degrees=degrees, order=rng.permuted(params.order, axis=1))
    z, _ = maf.inverse(x, params)
    np.testing.assert_allclose(z, by_values(params, x)[0], atol=1e-13)
    np.testing.assert_allclose(maf.forward(z, params)[0], x, atol=1e-13)


def test_hidden_weights_are_not_read(dtype: Dtype) -> None:
    params, x = example(12, dtype, NETWORKS[0])
    degrees, last = params.degrees, params.degrees[:, -1]
    unseen = np.arange(12) >= degrees[:, 0, :, None]
    unseen_hidden = degrees[:, :-1, None, :] > degrees[:, 1:, :, None]
    unseen_out = last[:, None, None, :] > np.arange(12)[:, None, None]
    assert unseen.any()
    assert unseen_hidden.any()
    dirty = params._replace(
        weight_in=np.where(unseen, np.nan, params.weight_in).astype(dtype),
        weight_hidden=np.where(unseen_hidden, np.nan, params.weight_hidden).astype(dtype),
        weight_out=np.where(unseen_out, np.nan, params.weight_out).astype(dtype),
    )
    for strategy in ("incremental", "naive"):
        clean = maf.forward(x, params, strategy=strategy)[0]
        assert maf.forward(x, dirty, strategy=strategy)[0].tobytes() == clean.tobytes()
    assert maf.inverse(x, dirty)[0].tobytes() == maf.inverse(x, params)[0].tobytes()


def test_a_feature_depends_on_those_before_it_alone() -> None:
    params, z = example(7, np.dtype(np.float64), {"width": 64})
    order = np.array([[3, 0, 6, 1, 5, 2, 4]])
    params = params._replace(order=order)
    x, _ = maf.forward(z, params)
    for place, feature in enumerate(order[0]):
        moved = z.copy()
        moved[0, feature] += 0.5
        changed = (maf.forward(moved, params)[0] != x)[0, order[0]]
        assert not changed[:place].any()
        assert changed[place]
        assert changed[place:].sum() > (7 - place) / 2


def test_the_inverse_flow_is_the_same_flow_the_other_way() -> None:
    params, z = example(6, np.dtype(np.float64), NETWORKS[0])
    drawn = iaf.random_params(6, 3, **NETWORKS[0])
    assert all(np.array_equal(a, b) for a, b in zip(drawn, params, strict=True))
    for one, two in ((iaf.forward, maf.inverse), (iaf.inverse, maf.forward)):
        for left, right in zip(one(z, drawn), two(z, params), strict=True):
            assert left.tobytes() == right.tobytes()


def test_read_only_params_and_batches_are_taken(dtype: Dtype) -> None:
    params, z = example(6, dtype, {})
    expected = maf.forward(z, params)[0]
    for array in (z, *params[:7]):
        array.flags.writeable = False
    assert maf.forward(z, params)[0].tobytes() == expected.tobytes()
