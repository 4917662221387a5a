"""A random walk, one step at a time and all at once: seqgap run --case examples/own_sampler.py."""

from itertools import accumulate
from typing import Any

from numpy.random import default_rng

from seqgap.bench import pair


def one_at_a_time(n: int, dim: int, seed: int) -> Any:
    """Each value is the one before plus a normal."""
    return [list(accumulate(row)) for row in default_rng(seed).standard_normal((n, dim))]


def all_at_once(n: int, dim: int, seed: int) -> Any:
    """The same by one call of NumPy."""
    return default_rng(seed).standard_normal((n, dim)).cumsum(axis=1)


CASE = pair("walk", sequential=one_at_a_time, parallel=all_at_once, reference=all_at_once)
