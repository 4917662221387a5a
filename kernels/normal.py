"""Standard normals from a counter: element (i, j) depends on seed, stream, row and column alone.

Words: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11). The key
is the seed (low word first), the counter (column block, row low, row high, stream). Normals:
Box and Muller, "A note on the generation of random normal deviates" (1958), in turns:
sqrt(-2 log u) (cos, sin)(2 pi v).

float64: a block is 2 columns; u = (k + 1) / 2**53 and v = l / 2**53, k the top 53 bits of words 0
and 1, l those of words 2 and 3. float32: a block is 4 columns; u = float32(w) / 2**32 + 2**-33 in
one rounding and v = float32(w' as signed) / 2**32, from words 0 and 1, then 2 and 3.
"""

from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_exact
from seqgap.kernels._core.normals import standard_normal as standard_normal
from seqgap.kernels._core.philox import philox


@jit_exact
def _philox_rows(counter: Any, key: Any, out: Any) -> None:
    for i in range(counter.shape[0]):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox(
            counter[i, 0], counter[i, 1], counter[i, 2], counter[i, 3], key[0], key[1]
        )


def philox4x32(counter: Any, key: Any) -> Array:
    """The words of Philox4x32-10 for each row of `counter` (M, 4) under `key` (2,), shape (M, 4).

    All are 32-bit words; the result is uint32. Salmon et al. (SC11), section 3.3; equal to the known
    answers of Random123. Raises TypeError or ValueError for words that are not integers below 2**32
    or for another shape.
    """
    words, keys = _words("counter", counter, 2), _words("key", key, 1)
    if words.shape[1] != 4:
        raise ValueError(f"counter: expected shape (M, 4), got {words.shape}")
    if keys.shape != (2,):
        raise ValueError(f"key: expected shape (2,), got {keys.shape}")
    result = np.empty(words.shape, np.uint32)
    _philox_rows(words, keys, result)
    return result


def _words(name: str, value: Any, ndim: int) -> Array:
    array = check.asarray(name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected 32-bit words, got dtype {array.dtype}")
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimensions, got shape {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() < 2**32):
        raise ValueError(f"{name}: expected words from 0 to 2**32 - 1, got others")
    return np.ascontiguousarray(array, np.uint32)
