"""Flows over images: what is refused, and which argument the message names."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from images import multi_scale, network, part

from seqgap import Flow
from seqgap.kernels import actnorm, conv1x1, conv_coupling, glow, realnvp_image, split, squeeze

NORM, MIXING = part(actnorm, (3, 2, 2)), part(conv1x1, (3, 2, 2))
COUPLING, LEAVING = network((4, 3, 3), "channel", "sigmoid", (3, 1, 3)), part(split, (4, 2, 3))
GLOW, REALNVP = (multi_scale(family, (1, 4, 4)) for family in (glow, realnvp_image))


def with_level(params: Any, index: int, **fields: Any) -> Any:
    levels = list(params.levels)
    levels[index] = levels[index]._replace(**fields)
    return params._replace(levels=tuple(levels))


def replaced(array: Any, index: Any, value: Any) -> Any:
    copy = array.copy()
    copy[index] = value
    return copy


# (family, its parameters, how the message begins)
WRONG: list[tuple[Any, Any, str]] = [
    (
        squeeze,
        squeeze.Params(np.array([2, 3, 4]), precision="float32"),
        "params.image_shape: expected even H and W",
    ),
    (
        squeeze,
        squeeze.Params(np.array([2, 4, 3]), precision="float32"),
        "params.image_shape: expected even H and W",
    ),
    (squeeze, squeeze.Params(np.array([2, 4, 4]), "row_major", precision="float64"), "params.order"),
    (squeeze, squeeze.Params(np.array([2, 4])), "params.image_shape: expected (C, H, W)"),
    (squeeze, squeeze.Params(np.array([2, 0, 4])), "params.image_shape: expected (C, H, W)"),
    (squeeze, squeeze.Params(np.array([2, 4, 4]), factored_out=-1), "params.factored_out"),
    (actnorm, NORM._replace(shift=np.zeros(4)), "params.shift"),
    (actnorm, NORM._replace(log_scale=np.zeros(2)), "params.log_scale"),
    (actnorm, NORM._replace(log_scale=np.array([0, np.inf, 0])), "params.log_scale"),
    (conv1x1, MIXING._replace(sign=np.array([1, 0.5, 1])), "params.sign: expected 1 or -1"),
    (conv1x1, MIXING._replace(sign=np.array([1, 0.0, 1])), "params.sign: expected 1 or -1"),
    (conv1x1, MIXING._replace(log_diagonal=np.array([0, np.inf, 0])), "params.log_diagonal"),
    (conv1x1, MIXING._replace(log_diagonal=np.array([0, -np.inf, 0])), "params.log_diagonal"),
    (conv1x1, MIXING._replace(log_diagonal=np.array([0, np.nan, 0])), "params.log_diagonal"),
    (conv1x1, MIXING._replace(log_diagonal=np.zeros(2)), "params.log_diagonal"),
    (conv1x1, MIXING._replace(permutation=np.array([0, 1, 1])), "params.permutation"),
    (conv1x1, MIXING._replace(permutation=np.array([0, 1, 3])), "params.permutation"),
    (conv1x1, MIXING._replace(lower=np.zeros((3, 2))), "params.lower"),
    (conv1x1, MIXING._replace(upper=np.zeros((4, 4))), "params.upper"),
    (
        conv_coupling,
        COUPLING._replace(image_shape=np.array([3, 4, 3])),
        "params.image_shape: expected an even",
    ),
    (conv_coupling, COUPLING._replace(mask="odd"), "params.mask"),
    (conv_coupling, COUPLING._replace(scale="softplus"), "params.scale"),
    (conv_coupling, COUPLING._replace(scale="prior"), "params.scale"),
    (conv_coupling, COUPLING._replace(weight_in=np.zeros((4, 2, 2, 2))), "params.weight_in: expected square"),
    (conv_coupling, COUPLING._replace(weight_in=np.zeros((4, 2, 3, 1))), "params.weight_in: expected square"),
    (conv_coupling, COUPLING._replace(weight_in=np.zeros((4, 2, 0, 0))), "params.weight_in"),
    (conv_coupling, COUPLING._replace(weight_in=np.zeros((4, 3, 3, 3))), "params.weight_in"),
    (conv_coupling, COUPLING._replace(weight_in=np.zeros((4, 2, 3))), "params.weight_in"),
    (conv_coupling, COUPLING._replace(weight_hidden=np.zeros((4, 5, 1, 1))), "params.weight_hidden"),
    (conv_coupling, COUPLING._replace(bias_hidden=np.zeros(5)), "params.bias_hidden"),
    (conv_coupling, COUPLING._replace(weight_out=np.zeros((2, 4, 3, 3))), "params.weight_out"),
    (conv_coupling, COUPLING._replace(bias_out=np.zeros(3)), "params.bias_out"),
    (split, LEAVING._replace(image_shape=np.array([3, 2, 4])), "params.image_shape: expected an even"),
    (split, LEAVING._replace(weight=np.zeros((4, 2, 4, 4))), "params.weight: expected square"),
    (split, LEAVING._replace(weight=np.zeros((4, 4, 3, 3))), "params.weight"),
    (split, LEAVING._replace(bias=np.zeros(2)), "params.bias"),
    (glow, GLOW._replace(image_shape=np.array([1, 8, 2])), "params.image_shape: expected even H and W"),
    (glow, GLOW._replace(order="row_major"), "params.order"),
    (glow, GLOW._replace(scale="softplus"), "params.scale"),
    (glow, GLOW._replace(levels=()), "params.levels"),
    (glow, with_level(GLOW, 0, shift=np.zeros((4, 5))), "params.levels.0.shift[0]"),
    (glow, with_level(GLOW, 1, sign=replaced(GLOW.levels[1].sign, (2, 0), 0)), "params.levels.1.sign[2]"),
    (glow, with_level(GLOW, 1, lower=GLOW.levels[1].lower[:3]), "params.levels.1.lower"),
    (glow, with_level(GLOW, 0, weight_in=np.zeros((4, 5, 2, 2, 2))), "params.levels.0.weight_in[0]"),
    (glow, with_level(GLOW, 0, prior_weight=np.zeros((4, 2, 2, 2))), "params.levels.0.prior_weight"),
    (glow, with_level(GLOW, 0, prior_bias=np.zeros(3)), "params.levels.0.prior_bias"),
    (glow, with_level(GLOW, 1, prior_bias=np.zeros(8)), "params.levels.1.prior_"),
    (realnvp_image, REALNVP._replace(image_shape=np.array([1, 16, 1])), "params.image_shape: expected even"),
    (realnvp_image, REALNVP._replace(order=""), "params.order"),
    (
        realnvp_image,
        with_level(REALNVP, 0, checkerboard_weight_out=np.zeros((3, 4, 5, 3, 3))),
        "params.levels.0.checkerboard_weight_out[0]",
    ),
    (
        realnvp_image,
        with_level(REALNVP, 0, channel_bias_in=REALNVP.levels[0].channel_bias_in[:2]),
        "params.levels.0.channel_bias_in",
    ),
    (realnvp_image, with_level(REALNVP, 1, channel_bias_in=np.zeros((3, 5))), "params.levels.1.channel_"),
]


@pytest.mark.parametrize(("family", "params", "message"), WRONG)
def test_wrong_parameters(family: Any, params: Any, message: str) -> None:
    dim = 2
    shape = np.asarray(params.image_shape)
    if shape.shape == (3,):
        dim = max(1, int(shape.prod()) + getattr(params, "factored_out", 0))
    for use in (family.forward, family.inverse, family.log_prob):
        with pytest.raises(ValueError, match="^" + re.escape(message)):
            use(np.zeros((2, dim)), params)
    with pytest.raises(ValueError, match=re.escape(message)):
        Flow(params)


@pytest.mark.parametrize(
    ("params", "index", "fields"),
    [
        (GLOW, 0, {"prior_bias": None}),
        (GLOW, 0, {"prior_weight": None}),
        (REALNVP, 0, {"channel_bias_out": None}),
    ],
)
def test_half_of_what_belongs_together(params: Any, index: int, fields: dict[str, Any]) -> None:
    """None has no shape, or no type that arrays can have."""
    family, (name,) = glow if params is GLOW else realnvp_image, fields
    with pytest.raises((TypeError, ValueError), match=rf"^params\.levels\.{index}\.{name}"):
        family.log_prob(np.zeros((1, 16)), with_level(params, index, **fields))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: squeeze.random_params(27, 1), "dim: expected even"),
        (lambda: squeeze.random_params(13, 1), "dim: expected 3 times a square"),
        (lambda: actnorm.random_params(12, 1, channels=0), "channels"),
        (lambda: conv1x1.random_params(10, 1), "dim: expected 3 times a square"),
        (lambda: conv_coupling.random_params(12, 1, channels=3), "channels: expected an even"),
        (lambda: conv_coupling.random_params(16, 1, mask="odd"), "mask"),
        (lambda: conv_coupling.random_params(16, 1, scale="odd"), "scale"),
        (lambda: conv_coupling.random_params(16, 1, hidden=0), "hidden"),
        (lambda: split.random_params(12, 1, channels=3), "channels: expected an even"),
        (lambda: glow.random_params(3 * 36, 1), "dim: expected even"),
        (lambda: glow.random_params(48, 1, levels=0), "levels"),
        (lambda: glow.random_params(48, 1, steps=0), "steps"),
        (lambda: realnvp_image.random_params(27, 1), "dim: expected even"),
        (lambda: realnvp_image.random_params(12, 1, hidden=0), "hidden"),
        (lambda: actnorm.from_data(np.zeros((3, 11)), [3, 2, 2]), "x: expected shape"),
        (lambda: actnorm.from_data(np.zeros((0, 12)), [3, 2, 2]), "x: expected shape"),
        (lambda: actnorm.from_data(np.full((1, 12), np.nan), [3, 2, 2]), "x"),
        (lambda: actnorm.from_data(np.zeros((3, 12)), [3, 4]), "image_shape"),
        (lambda: glow.bits_per_dim(np.zeros((2, 16)), GLOW, bins=0), "bins"),
        (lambda: glow.sample(2, GLOW, 1, temperature=-0.1), "temperature"),
        (lambda: glow.sample(2, GLOW, 1, temperature=np.nan), "temperature"),
        (lambda: Flow(GLOW).sample(2, 1, temperature=-0.1), "temperature"),
    ],
)
def test_wrong_arguments(draw: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        draw()


@pytest.mark.parametrize(
    ("family", "params"), [(actnorm, NORM), (conv_coupling, COUPLING), (glow, GLOW), (realnvp_image, REALNVP)]
)
def test_another_number_of_columns(family: Any, params: Any) -> None:
    wrong = params.dim + 1
    with pytest.raises(ValueError, match=rf"^z has {wrong} columns, params are for D = {params.dim}"):
        family.forward(np.zeros((2, wrong)), params)


def test_levels_are_of_their_family() -> None:
    with pytest.raises(TypeError, match=r"^params\.levels\.0: expected glow\.Level"):
        glow.log_prob(np.zeros((1, 16)), GLOW._replace(levels=REALNVP.levels))
    with pytest.raises(TypeError, match=r"^params\.levels: expected a tuple"):
        glow.log_prob(np.zeros((1, 16)), GLOW._replace(levels=GLOW.levels[0]))


def test_triangles_are_read_on_their_side_alone() -> None:
    lower = MIXING.lower + np.triu(np.full((3, 3), 9.0))
    upper = MIXING.upper + np.tril(np.full((3, 3), 9.0))
    full = MIXING._replace(lower=lower, upper=upper)
    assert conv1x1.sample(4, full, 1).tobytes() == conv1x1.sample(4, MIXING, 1).tobytes()


STEEP = np.array([[0, 0, 0], [1e200, 0, 0], [0, 1e200, 0]])
UPPER = np.triu(np.full((3, 3), 1e300), 1)


@pytest.mark.parametrize("real", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("family", "params", "message"),
    [
        (conv1x1, MIXING._replace(lower=STEEP), "params.upper: expected a map"),
        (conv1x1, MIXING._replace(upper=UPPER), "params.upper: expected a map"),
        (
            actnorm,
            NORM._replace(shift=np.full(3, 1e308), log_scale=np.full(3, 9.0)),
            "params.shift: expected",
        ),
        (
            glow,
            with_level(GLOW, 0, upper=np.triu(np.full((4, 4, 4), 1e300), 1)),
            "params.levels.0.upper[0]: expected a map",
        ),
    ],
)
def test_maps_that_no_dtype_holds(family: Any, params: Any, message: str, real: Any) -> None:
    """Factors that are regular, but whose product or inverse overflows: no error or warning of NumPy."""
    with pytest.raises(ValueError, match="^" + re.escape(message)) as error:
        family.inverse(np.zeros((2, params.dim), real), params)
    assert type(error.value) is ValueError


def test_maps_that_float32_does_not_hold() -> None:
    large = MIXING._replace(upper=np.triu(np.full((3, 3), 1e60), 1))
    assert np.isfinite(conv1x1.inverse(np.ones((2, 17)), large)[0]).all()
    with pytest.raises(ValueError, match=r"^params\.upper: expected a map that float32 holds"):
        conv1x1.inverse(np.ones((2, 17), np.float32), large)


def test_a_list_of_levels_beside_out() -> None:
    x, listed = np.ones((2, 16)), GLOW._replace(levels=list(GLOW.levels))
    result = np.empty_like(x)
    glow.forward(x, listed, out=result)
    assert result.tobytes() == glow.forward(x, GLOW)[0].tobytes()
    shift = GLOW.levels[0].shift.copy()
    levels = [GLOW.levels[0]._replace(shift=shift), GLOW.levels[1]]
    with pytest.raises(ValueError, match=r"^out: expected no overlap with params\.levels\.0\.shift"):
        glow.forward(x[:1], GLOW._replace(levels=levels), out=shift.reshape(1, 16))


def test_ragged_fields_beside_out() -> None:
    with pytest.raises(ValueError, match=r"^params\.shift: expected a regular array"):
        actnorm.forward(np.zeros((2, 17)), NORM._replace(shift=[[1], [1, 2]]), out=np.empty((2, 17)))


@pytest.mark.parametrize("shape", [(1, 2**31, 2**31), (2**62, 2, 2), (2**40, 2**40, 2**40)])
def test_images_larger_than_memory(shape: tuple[int, int, int]) -> None:
    for family, params in ((conv1x1, MIXING), (glow, GLOW), (realnvp_image, REALNVP)):
        huge = params._replace(image_shape=np.array(shape))
        for use in (lambda huge=huge: Flow(huge), lambda huge=huge, own=family: own.sample(0, huge, 1)):
            with pytest.raises(ValueError, match=r"^params\.image_shape: expected at most"):
                use()
    with pytest.raises(ValueError, match=r"^params\.factored_out: expected an integer"):
        Flow(MIXING._replace(factored_out=2**62))


@pytest.mark.parametrize(("precision", "error"), [("x", ValueError), (1.5, TypeError), ("f2", ValueError)])
def test_precision_of_a_squeeze(precision: Any, error: type[Exception]) -> None:
    wrong = squeeze.Params(np.array([2, 4, 4]), precision=precision)
    for use in (lambda: squeeze.forward(np.zeros((1, 32)), wrong), lambda: squeeze.sample(1, wrong, 1)):
        with pytest.raises(error, match=r"^params\.precision: expected one of"):
            use()


def test_data_whose_variance_overflows() -> None:
    with pytest.raises(ValueError, match=r"^x: expected numbers whose squares"):
        actnorm.from_data(np.full((2, 12), 1e308), [3, 2, 2])
