"""Functions that make the scale of nflows' affine transforms, known by what they make of numbers."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels.interop.parts import array, refuse

_FLOOR = 1e-3


def _log(count: int) -> Callable[[Array], Array]:
    return lambda u: np.exp(count * np.tanh(u / 2))


# By the seqgap name of the scale: its formula, and the scale of u.
_SCALES: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "sigmoid": (f"sigmoid(u + 2) + {_FLOOR}", lambda u: 1 / (1 + np.exp(-2 - u)) + _FLOOR),
    "softplus": (f"softplus(u) + {_FLOOR}", lambda u: np.logaddexp(0, u) + _FLOOR),
    "wide": (f"softplus(u) + {_FLOOR} of at most 3", lambda u: np.minimum(np.logaddexp(0, u) + _FLOOR, 3)),
    **{f"log{n}": (f"exp({2 * n} (sigmoid(u) - 0.5))", _log(n)) for n in (1, 2, 3)},
}


def scale_of(path: str, transform: Any, usual: str) -> str:
    """The name of the scale of a transform; usual: that of nflows' release, where it is no attribute.

    The attribute is of nflows' repository and of glasflow. Two functions that agree at 601 numbers from -30
    to 30 are taken for one. Raises UnsupportedError for any other function.
    """
    if not hasattr(transform, "scale_activation"):
        return usual
    function = transform.scale_activation
    numbers = np.linspace(-30, 30, 601)
    expected = ", ".join(formula for formula, _ in _SCALES.values())
    try:
        values = array(function(sys.modules["torch"].from_numpy(numbers.copy())))
    except Exception as error:  # it is the user's own: anything may come
        return str(refuse(f"{path}.scale_activation", expected, f"{type(error).__name__}: {error}"))
    for name, (_, scale) in _SCALES.items():
        if values.shape == numbers.shape and np.allclose(values, scale(numbers), 1e-8, 0):
            return name
    got = getattr(function, "__name__", type(function).__name__) + " of other values"
    return str(refuse(f"{path}.scale_activation", expected, got))
