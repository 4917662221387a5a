"""Perceptrons of libraries made Params: hidden layers that are all as wide as the widest."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels.interop.layers import to_shape

DEEPEST = 4  # hidden layers


def filled_up(weights: Sequence[Array], biases: Sequence[Array]) -> dict[str, Any]:
    """Fields of Params, of the weights and the biases of all layers; the last ones are the outputs.

    What is filled up has no weight in the layer behind it, so that a(0), which need not be 0, is not seen.
    """
    width, (first, *hidden, last) = max(map(len, biases[:-1])), weights
    square = [to_shape(weight, (width, width)) for weight in hidden]
    return {
        "weight_in": to_shape(first, (width, first.shape[1])),
        "weight_hidden": np.array(square, first.dtype).reshape(len(hidden), width, width),
        "weight_out": to_shape(last, (len(last), width)),
        "bias_hidden": np.stack([to_shape(bias, (width,)) for bias in biases[:-1]]),
        "bias_out": biases[-1],
    }
