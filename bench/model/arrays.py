"""Implementations in the libraries that users would pick instead: SciPy, PyTorch and JAX.

A case writes one function for each library, with the library as its first argument, so that a case
loads without it: function(library, *arrays) where the arrays are the library's own. The set-ups here
convert the arguments once, draw normals where the operation draws its own, and return the callable
to time: no transfer, no compilation and no Python conversion is left in it.
"""

import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from seqgap.bench.model.case import Call, Dtype, Setup, Thunk
from seqgap.bench.model.implementation import implementation

Prepare: TypeAlias = Callable[[Call, int, Dtype], tuple[Any, ...]]
Shape: TypeAlias = Callable[[Call, int], tuple[int, ...]]

_JAX_THREADS: list[int] = []  # of JAX's client, once there is one


def implementations(
    *,
    numpy: Callable[..., Any] | None = None,
    scipy: Callable[..., Any] | None = None,
    torch: Callable[..., Any] | None = None,
    jax: Callable[..., Any] | None = None,
    prepare: Prepare = lambda call, dim, dtype: call.args,
    draw: Shape | None = None,
    unrolled: bool = False,
) -> dict[str, Setup]:
    """The set-ups of the functions that are given, by name of the implementation.

    prepare(call, dim, dtype): arguments of the functions, with what a user of the library computes
    once for a model. draw(call, dim): shape of the normals to draw anew in each call, which come
    before the arguments; their seed is the last argument of the call. unrolled: the function loops over D,
    which torch.compile would unroll, for minutes, so that implementation is left out.
    """
    starts: dict[str, tuple[Any, Callable[..., Thunk]]] = {
        "numpy": (numpy, functools.partial(_on_arrays, "numpy")),
        "scipy": (scipy, functools.partial(_on_arrays, "scipy")),
        "torch": (torch, _torch),
        "torch-compile": (None if unrolled else torch, functools.partial(_torch, compiled=True)),
        "jax": (jax, _jax),
    }

    def prepared(start: Callable[..., Thunk], function: Any, call: Call, dim: int, dtype: Dtype) -> Thunk:
        shape = None if draw is None else draw(call, dim)
        return start(function, prepare(call, dim, dtype), shape, dtype, call.args[-1])

    return {
        name: functools.partial(prepared, start, function)
        for name, (function, start) in starts.items()
        if function is not None
    }


def _on_arrays(library: str, function: Any, args: Any, shape: Any, dtype: Dtype, seed: int) -> Thunk:
    run = functools.partial(function, importlib.import_module(library))
    if shape is None:
        return functools.partial(run, *args)
    normals = np.random.default_rng(seed).standard_normal
    return lambda: run(normals(shape, dtype), *args)


def _torch(function: Any, args: Any, shape: Any, dtype: Dtype, seed: int, compiled: bool = False) -> Thunk:
    import torch

    run: Callable[..., Any] = functools.partial(function, torch)
    if compiled:
        torch.compiler.reset()  # it compiles a function for 8 sizes only
        run = torch.compile(run, dynamic=False, fullgraph=True)
    args = converted(args, torch.tensor)
    if shape is None:
        return functools.partial(run, *args)
    torch.manual_seed(seed)
    own = getattr(torch, dtype.name)
    # Drawn outside the compiled part, whose own generator took twice as long.
    return lambda: run(torch.randn(shape, dtype=own), *args)


def _jax(function: Any, args: Any, shape: Any, dtype: Dtype, seed: int) -> Thunk:
    import jax

    wait = jax.block_until_ready
    args = converted(args, jax.numpy.array)
    if shape is None:
        run = jax.jit(functools.partial(function, jax))
        return lambda: wait(run(*args))

    @jax.jit  # type: ignore[untyped-decorator]  # jax is not followed for types
    def step(key: Any, *args: Any) -> Any:
        following, own = jax.random.split(key)
        return following, function(jax, jax.random.normal(own, shape, dtype), *args)

    # The default generator: XLA's own ("rbg") took three times as long on a CPU.
    key = jax.random.key(np.uint64(seed))

    def thunk() -> Any:
        nonlocal key
        key, output = wait(step(key, *args))
        return output

    return thunk


def converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    """`value` with its arrays converted, in tuples too."""
    if isinstance(value, np.ndarray | np.generic):
        return convert(np.asarray(value))
    if isinstance(value, tuple):
        items = (converted(item, convert) for item in value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def settings(name: str, threads: int) -> AbstractContextManager[None]:
    """A library's settings for a cell, undone at the end: threads, float64, no gradients."""
    known = {"torch": _torch_settings, "jax": _jax_settings}.get(implementation(name).runs_in)
    return known(threads) if known else nullcontext()


@contextmanager
def _torch_settings(threads: int) -> Iterator[None]:
    import torch

    with torch.inference_mode(), _torch_threads(threads):
        yield


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """So many threads of PyTorch; its generator is what it was at the end."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _jax_settings(threads: int) -> Iterator[None]:
    import jax

    if [threads] != _JAX_THREADS:
        _start_jax(threads)
    with jax.default_device(jax.devices("cpu")[0]), jax.enable_x64(True):
        yield


@contextmanager
def settings_outside(threads: int) -> Iterator[None]:
    """Those for a cell of a sampler from outside: threads of Numba and PyTorch, and no gradients.

    It may take gradients where it asks for them. JAX keeps the threads that it started with.
    """
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        if "torch" not in sys.modules:
            yield
            return
        import torch

        with torch.no_grad(), _torch_threads(threads):
            yield
    finally:
        numba.set_num_threads(before)


def finished(thunk: Thunk) -> Thunk:
    """The callable, which waits for the result where JAX is loaded: its functions return before they end."""
    if "jax" not in sys.modules:
        return thunk
    import jax

    return lambda: jax.block_until_ready(thunk())


def _start_jax(threads: int) -> None:
    """A CPU client with that many threads, in place of the one before.

    It reads NPROC when it starts; with --xla_cpu_multi_thread_eigen=false JAX 0.10 still used all.
    """
    import jax
    from jax.extend.backend import clear_backends

    clear_backends()
    with variables(NPROC=str(threads)):
        jax.devices("cpu")
    _JAX_THREADS[:] = [threads]


@contextmanager
def variables(**wanted: str | None) -> Iterator[None]:
    """These variables of the environment, None where there is to be none, undone at the end."""
    before = {name: os.environ.pop(name, None) for name in wanted}
    try:
        os.environ.update({name: value for name, value in wanted.items() if value is not None})
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
