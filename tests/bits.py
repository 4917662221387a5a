"""Results compared bit by bit, but for the sign and payload of a NaN: those differ between processors."""

from typing import Any

import numpy as np


def bits(array: Any) -> bytes:
    """The bytes of an array, with one NaN in place of all."""
    values = np.array(array)
    if values.dtype.kind == "f":
        values[np.isnan(values)] = np.nan
    return values.tobytes()


def assert_same_bits(actual: Any, expected: Any) -> None:
    """Of two arrays, or of tuples of arrays."""
    pairs = zip(*(x if isinstance(x, tuple) else (x,) for x in (actual, expected)), strict=True)
    for left, right in pairs:
        assert left.dtype == right.dtype
        assert bits(left) == bits(right)
