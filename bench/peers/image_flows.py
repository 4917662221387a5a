"""Flows over images in NumPy, PyTorch and JAX: one program for the three, each with its own convolutions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.peers.images import convolve


class Operations(NamedTuple):
    """What a library calls things."""

    convolve: Callable[[Any, Any, Any], Any]  # (images, weight, bias), padded with zeros
    join: Callable[[list[Any]], Any]  # along the channels
    reorder: Callable[[Any, tuple[int, ...]], Any]  # the axes
    positive: Callable[[Any], Any]  # ReLU
    log_sigmoid: Callable[[Any], Any]
    exp: Callable[[Any], Any]


def of_numpy() -> Operations:
    """Convolutions as matrix products over sliding windows."""
    return Operations(
        lambda images, weight, bias: convolve(np, images, weight, bias),
        lambda parts: np.concatenate(parts, 1),
        np.transpose,
        lambda x: np.maximum(x, 0),
        lambda x: -np.logaddexp(0, -x),
        np.exp,
    )


def of_torch(torch: Any) -> Operations:
    """oneDNN's convolutions."""
    functional = torch.nn.functional

    def convolution(images: Any, weight: Any, bias: Any) -> Any:
        return functional.conv2d(images, weight, bias, padding=weight.shape[-1] // 2)

    return Operations(
        convolution, lambda parts: torch.cat(parts, 1), lambda x, axes: x.permute(axes), torch.relu,
        functional.logsigmoid, torch.exp,
    )  # fmt: skip


def of_jax(jax: Any) -> Operations:
    """XLA's convolutions."""

    def convolution(images: Any, weight: Any, bias: Any) -> Any:
        return jax.lax.conv_general_dilated(images, weight, (1, 1), "SAME") + bias[:, None, None]

    return Operations(
        convolution, lambda parts: jax.numpy.concatenate(parts, 1), jax.numpy.transpose, jax.nn.relu,
        jax.nn.log_sigmoid, jax.numpy.exp,
    )  # fmt: skip


def squeezed(own: Operations, images: Any) -> Any:
    """(N, C, H, W) to (N, 4 C, H / 2, W / 2), channel-major."""
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels, height // 2, 2, width // 2, 2)
    return own.reorder(squares, (0, 1, 3, 5, 2, 4)).reshape(count, 4 * channels, height // 2, width // 2)


def unsqueezed(own: Operations, images: Any) -> Any:
    """Undo `squeezed`."""
    count, channels, height, width = images.shape
    squares = images.reshape(count, channels // 4, 2, 2, height, width)
    return own.reorder(squares, (0, 1, 4, 2, 5, 3)).reshape(count, channels // 4, 2 * height, 2 * width)


def halves(images: Any) -> tuple[Any, Any]:
    """The channels of the first and of the second half."""
    middle = images.shape[1] // 2
    return images[:, :middle], images[:, middle:]


def outputs(own: Operations, images: Any, layers: Any) -> tuple[Any, Any]:
    """Outputs 2 k of a conditioner, and outputs 2 k + 1; layers: (weight, bias) of each."""
    *hidden, last = layers
    for weight, bias in hidden:
        images = own.positive(own.convolve(images, weight, bias))
    numbers = own.convolve(images, *last)
    return numbers[:, 0::2], numbers[:, 1::2]


def summed(values: Any) -> Any:
    """Over channels and pixels."""
    return values.sum((1, 2, 3))
