"""Compiled samplers, one module a family; nothing here knows of benchmarks."""

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from seqgap.kernels._core import sources as sources  # before any kernel is read: it takes their digest


def plan(family: ModuleType, verb: str, params: Any, dim: int, dtype: Any = "float64") -> Callable[..., None]:
    """`forward` or `inverse` as run(z, x, log_det), unchecked. Deprecated: `seqgap.Flow` is quick, and safe.

    z and x must be different C-contiguous arrays (N, dim) of `dtype` and log_det one of (N,), or memory is
    corrupted. Raises TypeError or ValueError for a wrong family, verb, params, dim or dtype.
    """
    from seqgap.kernels._core import check
    from seqgap.kernels._core.family import Family

    warnings.warn("seqgap.kernels.plan: use seqgap.Flow(params).forward", DeprecationWarning, stacklevel=2)
    verbs = getattr(family, "_family", None)
    if not isinstance(verbs, Family):
        raise TypeError(f"family: expected a module with forward and inverse, got {family!r}")
    direction = check.choice("verb", verb, ("forward", "inverse"))
    (run,) = verbs.directions(params, check.dtype(dtype), check.count("dim", dim, 1))[direction]
    return run.__call__
