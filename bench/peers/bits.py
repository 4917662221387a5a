"""Samplers of bits in NumPy, PyTorch and JAX: each draws the uniforms of a call anew, and compares them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Dtype, Setup, Thunk


def samplers(
    *,
    numpy: Callable[..., Any],
    torch: Callable[..., Any],
    jax: Callable[..., Any],
    tables: Callable[[Any], Any],
    explaining: Mapping[str, Callable[..., Any]] = {},
) -> dict[str, Setup]:
    """Set-ups of function(library, uniforms, tables of the params) that returns bits.

    explaining: more of them for NumPy, by name of the implementation.
    """

    def on_numpy(function: Callable[..., Any]) -> Setup:
        def setup(call: Call, dim: int, dtype: Dtype) -> Thunk:
            n, params, seed = call.args
            known, draw = tables(params), np.random.default_rng(seed).random
            return lambda: function(np, draw((n, dim), dtype), known)

        return setup

    def on_torch(call: Call, dim: int, dtype: Dtype) -> Thunk:
        import torch as library

        n, params, seed = call.args
        known, own = arrays.converted(tables(params), library.tensor), getattr(library, dtype.name)
        library.manual_seed(seed)
        return lambda: torch(library, library.rand((n, dim), dtype=own), known)

    def on_jax(call: Call, dim: int, dtype: Dtype) -> Thunk:
        import jax as library

        n, params, seed = call.args
        known = arrays.converted(tables(params), library.numpy.array)

        @library.jit  # type: ignore[untyped-decorator]  # jax is not followed for types
        def step(key: Any, known: Any) -> Any:
            following, own = library.random.split(key)
            return following, jax(library, library.random.uniform(own, (n, dim), dtype), known)

        key = library.random.key(np.uint64(seed))

        def thunk() -> Any:
            nonlocal key
            key, output = library.block_until_ready(step(key, known))
            return output

        return thunk

    ours = {name: on_numpy(function) for name, function in {**explaining, "numpy": numpy}.items()}
    return {**ours, "torch": on_torch, "jax": on_jax}


def uniforms(bits: Any, probability: Any) -> Any:
    """A uniform for each bit that is 1 with a probability: in [0, p) below p for a 1, else in [p, 1)."""
    v = np.random.default_rng(0).random(np.shape(bits))
    return np.where(np.asarray(bits) > 0, v * probability, probability + v * (1 - probability))
