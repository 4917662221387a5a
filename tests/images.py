"""Flows over images for tests: parameters of any shape, one known step, places of latents."""

from typing import Any

import numpy as np

from seqgap.kernels import actnorm, conv1x1, conv_coupling, glow, split, squeeze

ORDERS = ("channel_major", "position_major")
MASKS = ("channel", "channel_reversed", "checkerboard", "checkerboard_reversed")
SCALES = ("sigmoid", "exp", "exp_shift")

# One step on an image of 4 x 4 pixels, squeezed to 4 channels of 2 x 2; figures of an independent program.
IMAGE = np.array(
    [[0.041, 0.465, -0.461, 0.353], [0.926, 0.411, 1.562, -0.885], [0.067, -0.705, -0.784, -0.184],
     [0.221, 0.419, 0.508, 2.234]]
)  # fmt: skip
LATENT = np.array(
    [[[0.2926814762, 0.3473127151], [0.7322723458, -0.1365258343]],
     [[1.097952365, -0.3030991383], [0.5819889382, 2.702454102]],
     [[-0.007560563842, -0.6256189289], [0.1220308148, -1.372632482]],
     [[2.015257475, 2.855620672], [0.6787144404, 2.465500278]]]
)  # fmt: skip
LOG_DET, LOG_PROB, BITS = 1.59378208634, -28.4823010037, 2.56820465069


def known_step() -> glow.Level:
    """The step, its conditioner linear: ReLU of values and of their negatives."""
    lower = [[1, 0, 0, 0], [0.5, 1, 0, 0], [-0.3, 0.2, 1, 0], [0.1, -0.4, 0.25, 1]]
    upper = [[0, 0.3, -0.2, 0.1], [0, 0, 0.4, -0.1], [0, 0, 0, 0.2], [0, 0, 0, 0]]
    linear, both = np.array([[0.3, -0.2], [0.1, 0.4], [-0.5, 0.2], [0.25, 0.15]]), np.eye(2)
    weights = np.vstack([both, -both]), np.eye(4), np.hstack([linear, -linear])
    fields = (
        [0.1, -0.2, 0.05, 0.3], [0.2, -0.1, 0.3, 0.05], np.argsort([2, 0, 3, 1]), lower, upper,
        [1.0, -1, 1, 1], [0.1, -0.2, 0.3, -0.05], weights[0][..., None, None], np.zeros(4),
        weights[1][..., None, None], np.zeros(4), weights[2][..., None, None], [0.05, -0.1, 0.2, 0.0],
    )  # fmt: skip
    return glow.Level(*(np.asarray(field)[None] for field in fields))


def part(stem: Any, shape: tuple[int, int, int], **options: Any) -> Any:
    """Random parameters of a part for images of any shape, and 5 entries that left before."""
    square = stem.random_params(64 * shape[0], 3, channels=shape[0], **options)
    return square._replace(image_shape=np.array(shape), factored_out=5)


def multi_scale(stem: Any, shape: tuple[int, int, int], order: str = ORDERS[0], **options: Any) -> Any:
    """Random parameters of a whole flow, small networks, for images of any shape."""
    square = stem.random_params(64 * shape[0], 3, channels=shape[0], hidden=5, **options)
    return square._replace(image_shape=np.array(shape), order=order)


def network(shape: tuple[int, int, int], mask: str, scale: str, sizes: tuple[int, int, int]) -> Any:
    """A coupling with filters of these sizes."""
    rng, width = np.random.default_rng(5), shape[0] if mask.startswith("checker") else shape[0] // 2
    channels = (width, 4, 4, 2 * width)
    fields: list[Any] = []
    for inputs, outputs, size in zip(channels, channels[1:], sizes, strict=False):
        fields += [
            0.3 * rng.standard_normal((outputs, inputs, size, size)),
            0.3 * rng.standard_normal(outputs),
        ]
    return conv_coupling.Params(*fields, np.array(shape), mask, scale)


def parts_of(params: glow.Params) -> list[Any]:
    """What a glow is made of, latent to data, as a `Flow` takes it."""
    (channels, height, width), dim, parts = params.image_shape, params.dim, []
    for level in params.levels:
        before = np.array([channels, height, width])
        channels, height, width = 4 * channels, height // 2, width // 2
        image, out = np.array([channels, height, width]), dim - channels * height * width
        parts.append(squeeze.Params(before, params.order, out))
        for k in range(len(level.shift)):
            fields = [field[k] for field in level[:13]]
            parts.append(actnorm.Params(*fields[:2], image, out))
            parts.append(conv1x1.Params(*fields[2:7], image, out))
            parts.append(conv_coupling.Params(*fields[7:], image, "channel", params.scale, out))
        if level.prior_weight is not None:
            parts.append(split.Params(level.prior_weight, level.prior_bias, image, out))
        channels //= 2
    return parts[::-1]


def squeezed_place(entry: int, shape: tuple[int, int, int], order: str) -> int:
    """Where a squeeze moves an entry of a row."""
    channels, height, width = shape
    (c, y), x = divmod(entry // width, height), entry % width
    corner = 2 * (y % 2) + x % 2
    channel = 4 * c + corner if order == ORDERS[0] else corner * channels + c
    return int((channel * (height // 2) + y // 2) * (width // 2) + x // 2)


def latent_places(shape: tuple[int, int, int], levels: int, order: str) -> list[int]:
    """For each pixel where its latent is in a row after all squeezes and splits."""
    (channels, height, width), dim = shape, int(np.prod(shape))
    places = list(range(dim))
    for _ in range(levels):
        inside = channels * height * width
        places = [squeezed_place(p, (channels, height, width), order) if p < inside else p for p in places]
        channels, height, width = 2 * channels, height // 2, width // 2
    return places
