"""The 64 bits that everything random is keyed by: a seed, or what is drawn of NumPy's generators (SPEC 7)."""

from typing import Any, TypeAlias

import numpy as np
from numpy.random import BitGenerator, Generator, SeedSequence

from seqgap.kernels._core import check

Seed: TypeAlias = int | np.integer[Any] | None
RNG: TypeAlias = int | SeedSequence | BitGenerator | Generator | None
_SOURCES = SeedSequence, BitGenerator, Generator


def key_of(seed: Seed, rng: RNG) -> np.uint64:
    """`seed` itself, 0 <= seed < 2**64, or else 64 bits that are drawn of np.random.default_rng(rng).

    So with neither they are fresh entropy, and rng=5 is another key than seed=5.
    """
    if seed is None:
        return _generator(rng).integers(0, 2**64, dtype=np.uint64)
    if rng is not None:
        raise TypeError("seed, rng: expected one of them, got both")
    if type(seed) is not int and isinstance(seed, _SOURCES):
        raise TypeError(f"seed: expected an integer, got {check.described(seed)}; pass it as rng=")
    return np.uint64(check.integer("seed", seed, 0, 2**64 - 1))


def _generator(rng: Any) -> Generator:
    """What SPEC 7 allows, as a Generator; NumPy itself would take bools, lists and RandomState too."""
    if isinstance(rng, bool) or not isinstance(rng, RNG | np.integer):
        expected = "None, an integer, a SeedSequence, a BitGenerator or a Generator"
        raise TypeError(f"rng: expected {expected}, got {check.described(rng)}")
    if isinstance(rng, int | np.integer) and rng < 0:
        raise ValueError(f"rng: expected an integer from 0 on, got {check.described(rng)}")
    return np.random.default_rng(rng)
