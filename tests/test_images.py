"""Flows over images: known figures, Jacobians, SciPy's correlation and the parts as second methods."""

import importlib
from typing import Any

import numpy as np
import pytest
from images import (
    BITS,
    IMAGE,
    LATENT,
    LOG_DET,
    LOG_PROB,
    MASKS,
    ORDERS,
    SCALES,
    known_step,
    latent_places,
    multi_scale,
    network,
    part,
    parts_of,
)  # fmt: skip
from scipy import ndimage

from seqgap import Flow
from seqgap.bench.model.case import Dtype, plain_value
from seqgap.kernels import actnorm, conv1x1, conv_coupling, glow, realnvp_image, split, squeeze
from seqgap.kernels.normal import standard_normal

PARTS = [
    (actnorm, (3, 3, 5)), (actnorm, (1, 1, 1)), (conv1x1, (6, 2, 3)), (conv1x1, (1, 4, 4)),
    (split, (6, 3, 4)), (conv_coupling, (6, 5, 2)), (squeeze, (3, 6, 4)),
]  # fmt: skip
WHOLE = [(glow, (1, 4, 8)), (glow, (3, 8, 4)), (glow, (6, 4, 4)), (realnvp_image, (1, 2, 6))]
WHOLE += [(realnvp_image, (3, 4, 2)), (realnvp_image, (6, 4, 4))]


def rows(n: int, params: Any, dtype: Any = np.float64) -> Any:
    return standard_normal(n, params.dim, 7, dtype=dtype)


def assert_equals_reference(family: Any, params: Any) -> None:
    """Both directions and the density, in float64."""
    reference = importlib.import_module(f"seqgap.reference.{family.__name__.rpartition('.')[2]}")
    batch, plain = rows(2, params), plain_value(params)
    for verb in ("forward", "inverse"):
        actual, expected = (
            getattr(family, verb)(batch, params),
            getattr(reference, verb)(batch.tolist(), plain),
        )
        for one, other in zip(actual, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        family.log_prob(batch, params), reference.log_prob(batch.tolist(), plain), 1e-12
    )


def test_known_step_of_parts() -> None:
    flow = Flow(*parts_of(glow.Params((known_step(),), np.array([1, 4, 4]))))
    z, log_det = flow.inverse(IMAGE.reshape(1, 16))
    np.testing.assert_allclose(z, LATENT.reshape(1, 16), atol=1e-9)
    assert log_det[0] == pytest.approx(LOG_DET, abs=1e-11)
    assert flow.log_prob(IMAGE.reshape(1, 16))[0] == pytest.approx(LOG_PROB, abs=1e-10)
    np.testing.assert_allclose(flow.forward(LATENT.reshape(1, 16))[0], IMAGE.reshape(1, 16), atol=1e-8)


def test_known_step_of_glow() -> None:
    """The latent of a pixel is where the pixel was."""
    params, x = glow.Params((known_step(),), np.array([1, 4, 4])), IMAGE.reshape(1, 16)
    z, log_det = glow.inverse(x, params)
    squares = z.reshape(2, 2, 2, 2).transpose(1, 3, 0, 2)  # rows and columns of pixels in two
    np.testing.assert_allclose(squares.reshape(4, 2, 2), LATENT, atol=1e-9)
    assert log_det[0] == pytest.approx(LOG_DET, abs=1e-11)
    assert glow.log_prob(x, params)[0] == pytest.approx(LOG_PROB, abs=1e-10)
    assert glow.bits_per_dim(x, params, bins=1)[0] == pytest.approx(BITS, abs=1e-11)
    assert glow.bits_per_dim(x, params)[0] == pytest.approx(BITS + 8, abs=1e-11)
    assert glow.bits_per_dim(x, params, bins=32)[0] == pytest.approx(BITS + 5, abs=1e-11)


@pytest.mark.parametrize(
    ("order", "expected"),
    [(ORDERS[0], [0, 1, 10, 11, 100, 101, 110, 111]), (ORDERS[1], [0, 100, 1, 101, 10, 110, 11, 111])],
)
def test_known_squeezes(order: str, expected: list[int]) -> None:
    params, x = squeeze.Params(np.array([2, 2, 2]), order), [[0, 1, 10, 11, 100, 101, 110, 111]]
    z, log_det = squeeze.inverse(x, params)
    np.testing.assert_array_equal(z, [expected])
    np.testing.assert_array_equal(log_det, [0])
    np.testing.assert_array_equal(squeeze.forward(z, params)[0], x)


def test_actnorm_takes_the_population_deviation() -> None:
    data = np.array([[0.5, 1.5, -1, 0], [-0.2, 2, 3, 1]])  # two channels of two pixels
    params = actnorm.from_data(data, [2, 1, 2])
    np.testing.assert_allclose(params.shift, [-0.95, -0.75], rtol=1e-15)
    expected = -np.log([0.855862138431 + 1e-6, 1.47901994577 + 1e-6])
    np.testing.assert_allclose(params.log_scale, expected, atol=1e-11)
    z = actnorm.inverse(data, params)[0].reshape(2, 2, 2)
    np.testing.assert_allclose(z.mean(axis=(0, 2)), 0, atol=1e-15)
    np.testing.assert_allclose(z.std(axis=(0, 2)), 1, atol=2e-6)


@pytest.mark.parametrize("dim", [48, 192])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("family", [glow, realnvp_image])
def test_log_det_is_that_of_the_jacobian(family: Any, order: str, dim: int) -> None:
    params = family.random_params(dim, 4, hidden=7)._replace(order=order)
    x, h = rows(1, params)[0], 1e-5
    steps = h * np.eye(dim)
    jacobian = (family.inverse(x + steps, params)[0] - family.inverse(x - steps, params)[0]) / (2 * h)
    log_det = family.inverse(x[None], params)[1][0]
    assert np.linalg.slogdet(jacobian).logabsdet == pytest.approx(log_det, abs=1e-6)
    back = (family.forward(x + steps, params)[0] - family.forward(x - steps, params)[0]) / (2 * h)
    log_det = family.forward(x[None], params)[1][0]
    assert np.linalg.slogdet(back).logabsdet == pytest.approx(log_det, abs=1e-6)


def assert_round_trips(family: Any, params: Any, dtype: Dtype) -> None:
    unit = 1e-5 if dtype == np.float32 else 1e-11
    for first, second in (("forward", "inverse"), ("inverse", "forward")):
        start = rows(20, params, dtype)
        middle, log_det = getattr(family, first)(start, params)
        back, log_det_back = getattr(family, second)(middle, params)
        assert back.dtype == log_det.dtype == dtype
        assert np.abs(back - start).max() < unit * max(1, np.abs(middle).max())
        np.testing.assert_allclose(log_det, -log_det_back, rtol=10 * unit, atol=10 * unit)


@pytest.mark.parametrize(("family", "shape"), PARTS)
def test_parts_return_and_equal_their_references(family: Any, shape: Any, dtype: Dtype) -> None:
    params = part(family, shape)
    assert_round_trips(family, params, dtype)
    assert_equals_reference(family, params)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("family", "shape"), WHOLE)
def test_whole_flows_return_and_equal_their_references(
    family: Any, shape: Any, order: str, dtype: Dtype
) -> None:
    params = multi_scale(family, shape, order)
    assert_round_trips(family, params, dtype)
    assert_equals_reference(family, params)


@pytest.mark.parametrize("family", [glow, realnvp_image])
@pytest.mark.parametrize("levels", [1, 3])
def test_other_numbers_of_levels(family: Any, levels: int) -> None:
    params = multi_scale(family, (1, 8, 8), levels=levels)
    assert len(params.levels) == levels
    assert_round_trips(family, params, np.dtype(np.float64))
    assert_equals_reference(family, params)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("order", ORDERS)
def test_glow_is_its_parts(order: str, scale: str) -> None:
    """Two levels and a split with a prior of its own, up to the order of the latents."""
    params = multi_scale(glow, (3, 4, 8), order, steps=2)._replace(scale=scale)
    assert params.levels[0].prior_weight is not None
    flow, x, places = Flow(*parts_of(params)), rows(6, params), latent_places((3, 4, 8), 2, order)
    z, log_det = glow.inverse(x, params)
    expected, expected_log_det = flow.inverse(x)
    np.testing.assert_allclose(z, expected[:, places], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(log_det, expected_log_det, rtol=1e-12)
    np.testing.assert_allclose(flow.forward(expected)[0], x, rtol=1e-10, atol=1e-10)


def correlated(image: Any, weight: Any, bias: Any) -> Any:
    """A convolution of one image by SciPy."""
    return np.array(
        [
            b + sum(ndimage.correlate(c, k, mode="constant") for c, k in zip(image, kernels, strict=True))
            for kernels, b in zip(weight, bias, strict=True)
        ]
    )


def passing(shape: tuple[int, int, int], mask: str) -> Any:
    """Which entries pass, (C, H, W)."""
    channel, row, column = np.indices(shape)
    first = channel < shape[0] // 2 if mask.startswith("channel") else (row + column) % 2 == 0
    return ~first if mask.endswith("reversed") else first


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sizes", [(3, 1, 3), (1, 5, 7)])
@pytest.mark.parametrize("pixels", [(5, 4), (1, 2), (3, 3)])
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_couplings_by_scipy(channels: int, pixels: Any, sizes: Any, mask: str, scale: str) -> None:
    shape = (channels if mask.startswith("checker") else 2 * channels, *pixels)
    params, keep = network(shape, mask, scale, sizes), passing(shape, mask)
    x = rows(3, params)
    z, log_det = conv_coupling.inverse(x, params)
    for row, image, added in zip(z, x.reshape(-1, *shape), log_det, strict=True):
        seen = np.where(keep, image, 0) if mask.startswith("checker") else image[keep[:, 0, 0]]
        hidden = np.maximum(correlated(seen, *params[:2]), 0)
        numbers = correlated(np.maximum(correlated(hidden, *params[2:4]), 0), *params[4:6])
        t, u = (np.zeros(shape) for _ in range(2))
        changed = np.ones(shape[0], bool) if mask.startswith("checker") else ~keep[:, 0, 0]
        t[changed], u[changed] = numbers[0::2], numbers[1::2]
        s = 1 / (1 + np.exp(-u - 2)) if scale == "sigmoid" else np.exp(u)
        expected = image * s + t if scale == "exp_shift" else (image + t) * s
        np.testing.assert_allclose(
            row.reshape(shape), np.where(keep, image, expected), rtol=1e-12, atol=1e-12
        )
        np.testing.assert_array_equal(row.reshape(shape)[keep], image[keep])
        assert added == pytest.approx(np.log(s[~keep]).sum(), abs=1e-11)
    assert_round_trips(conv_coupling, params, np.dtype(np.float64))
    assert_equals_reference(conv_coupling, params)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_splits_by_scipy(size: int) -> None:
    rng, shape = np.random.default_rng(3), (6, 3, 4)
    weight, bias = 0.2 * rng.standard_normal((6, 3, size, size)), rng.standard_normal(6)
    params = split.Params(weight, bias, np.array(shape))
    x = rows(2, params)
    z, log_det = split.inverse(x, params)
    for row, image, added in zip(z.reshape(-1, *shape), x.reshape(-1, *shape), log_det, strict=True):
        numbers = correlated(image[:3], weight, bias)
        np.testing.assert_array_equal(row[:3], image[:3])
        np.testing.assert_allclose(row[3:], (image[3:] - numbers[0::2]) / np.exp(numbers[1::2]), rtol=1e-12)
        assert added == pytest.approx(-numbers[1::2].sum(), abs=1e-12)


@pytest.mark.parametrize(("family", "shape"), PARTS)
def test_what_left_passes(family: Any, shape: Any) -> None:
    params = part(family, shape)
    x = rows(3, params)
    x[0, -5:] = [np.nan, np.inf, -0.0, 1e300, 5e-324]
    without, whole = params._replace(factored_out=0), (family.inverse(x, params), family.forward(x, params))
    for (changed, log_det), verb in zip(whole, (family.inverse, family.forward), strict=True):
        np.testing.assert_array_equal(changed[:, -5:], x[:, -5:])
        image, alone = verb(x[:, :-5], without)
        np.testing.assert_array_equal(changed[:, :-5], image)
        np.testing.assert_array_equal(log_det, alone)


@pytest.mark.parametrize("family", [conv1x1, conv_coupling, split, glow, realnvp_image])
@pytest.mark.parametrize("temperature", [0, 0.7, 1.0])
def test_a_temperature_scales_the_normals(family: Any, temperature: float, dtype: Dtype) -> None:
    channels = 4 if family in (conv_coupling, split) else 3
    params = family.random_params(16 * channels, 2, dtype=dtype)
    z = standard_normal(9, 16 * channels, 5, first_row=3, dtype=dtype)
    expected, _ = family.forward((temperature * z).astype(dtype), params)
    drawn = family.sample(9, params, 5, temperature=temperature, first_row=3)
    np.testing.assert_array_equal(drawn, expected)
    np.testing.assert_array_equal(Flow(params).sample(9, 5, temperature=temperature, first_row=3), expected)
    reference = importlib.import_module(f"seqgap.reference.{family.__name__.rpartition('.')[2]}")
    plain = reference.sample(
        1, plain_value(params), 5, temperature=temperature, first_row=3, dtype=dtype.name
    )
    np.testing.assert_allclose(
        drawn[:1], plain, rtol=1e3 * np.finfo(dtype).eps, atol=1e3 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("family", [glow, realnvp_image])
def test_bits_per_dim_equal_the_reference(family: Any) -> None:
    params = multi_scale(family, (1, 4, 4))
    reference = importlib.import_module(f"seqgap.reference.{family.__name__.rpartition('.')[2]}")
    x = rows(3, params)
    for options in ({}, {"bins": 1}, {"bins": 32}):
        plain = reference.bits_per_dim(x.tolist(), plain_value(params), **options)
        np.testing.assert_allclose(family.bits_per_dim(x, params, **options), plain, rtol=1e-12)
