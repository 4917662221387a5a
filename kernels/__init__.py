"""Compiled samplers, one module a family; nothing here knows of benchmarks."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from seqgap.kernels._core import sources as sources  # before any kernel is read: it takes their digest


def plan(family: ModuleType, verb: str, params: Any, dim: int, dtype: Any = "float64") -> Callable[..., None]:
    """`forward` or `inverse` of a family for tight loops: run(z, x, log_det), its parameters checked once.

    For one row of 64 `run` takes 0.3 to 0.5 of the time of the public function, since
    nothing is checked or allocated: z and x must be different C-contiguous arrays (N, dim) of `dtype`
    and log_det one of (N,), or memory is corrupted. It writes x and log_det, on one thread. Later
    changes to the arrays in `params` may or may not be seen.

    Raises TypeError or ValueError for a wrong family, verb, params, dim or dtype.
    """
    from seqgap.kernels._core import check
    from seqgap.kernels._core.family import Verbs

    verbs = getattr(family, "_verbs", None)
    if not isinstance(verbs, Verbs):
        raise TypeError(f"family: expected a module with forward and inverse, got {family!r}")
    if verb not in ("forward", "inverse"):
        raise ValueError(f"verb: expected forward or inverse, got {verb!r}")
    return verbs.plan(verb, params, check.count("dim", dim, 1), check.dtype(dtype))
