"""Batches of bits, checked, and the words that bits are drawn with.

Bit d of a row is 1 where its word w, one for each row and column, is below 2**32 p: with a probability that
is p to within 2**-32, and exactly where p is 0 or 1.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline

UINT8 = np.dtype(np.uint8)
STREAM = np.uint32(0)  # of the words


def batch_of_bits(name: str, value: Any, dim: int | None = None) -> Array:
    """`value`, integers or bools that are 0 or 1, as a plain (N, D) array of uint8; dim: D of the params."""
    array = check.asarray(name, value)
    if array.size and array.dtype.kind not in "biu":
        came = check.described(value) if array.dtype.kind in "OSU" else f"dtype {array.dtype}"
        raise TypeError(f"{name}: expected integers or bools that are 0 or 1, got {came}")
    if array.ndim != 2:
        advice = f"; for one row pass {name}[None]" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected 2 dimensions (N, D), got shape {array.shape}{advice}")
    if not array.shape[1]:
        raise ValueError(f"{name}: expected at least 1 column, got shape {array.shape}")
    if dim is not None and array.shape[1] != dim:
        raise ValueError(f"{name} has {array.shape[1]} columns, params are for D = {dim}")
    signed = array.dtype.kind == "i"
    if array.size and (array.max() > 1 or (signed and array.min() < 0)):
        raise ValueError(f"{name}: expected 0 or 1, got {array.min()} to {array.max()}")
    return check.own(np.array(array, UINT8, order="C", copy=None))


@jit_inline
def rows_at_a_time(count: Any, dim: Any) -> Any:
    """How many of so many rows of D numbers go together: 64, or more that fit a first-level cache."""
    return max(1, min(count, 64 * max(1, 64 // dim)))


@jit_exact
def to_uniforms(words: Any, uniforms: Any) -> None:
    """w / 2**32 in the dtype of `uniforms`, rounded down: below each of its numbers that w / 2**32 is below.

    Rounding to the nearest rounds down without the first of the bits that float32 has no room for.
    """
    isolate()
    for i in range(words.shape[0]):
        word = words[i] & ~(words[i] >> np.uint32(24)) if uniforms.itemsize == 4 else words[i]
        uniforms[i] = uniforms.dtype.type(np.uint32(word)) * uniforms.dtype.type(2.0**-32)
