"""Every Numba flag of the project, and the one way to run a kernel on several threads.

A row kernel is a jitted `rows(lo, hi, *arrays)` that does rows lo to hi - 1 of a batch and
calls `isolate()` first. `RowKernel` runs it over the whole batch, serially or in fixed chunks.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numba import njit, prange, types

from seqgap.kernels._core import cache
from seqgap.kernels._core.compiler import Compiler, intrinsic

# Without reassoc a sum over a row does not vectorise. nnan and ninf stay out: NaN and inf are data.
# A loop that sums nothing takes jit_exact and writes the fma: the same speed, with a defined rounding.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}
_CHUNK_ELEMENTS = 16384  # about 2 to 50 microseconds of work for each chunk of a parallel run
# Fewer elements stay serial: on two threads the coupling takes 0.8 of its time at 65536 elements but 1.15
# times at 49152, where a call costs 5 microseconds more; kernels that do more for each say so.
SMALL = 65536
SMALL_FOR_HEAVY = 32768  # normals take 0.65 of their time here, linear_ar (D = 64) 0.88
_WORKER_ELEMENTS = 32768  # of a heavy kernel, that are worth a thread of their own: 120 microseconds or more
_BLOCK_ROWS = 64  # that heavy kernels take side by side
_LANES = 32  # rows that kernels take side by side at most: chunks and tiles are multiples of it


class _Pool:
    """Threads of Numba and of Python, and what must hold before a parallel region may run."""

    lock = threading.Lock()  # Numba's workqueue layer aborts on concurrent parallel regions
    started = False
    forked = False  # from a process whose pool had started: GNU OpenMP would abort this one
    python: ThreadPoolExecutor | None = None  # kept, since to start a thread takes 90 microseconds

    @classmethod
    def after_fork(cls) -> None:
        """In the child: the lock may have been held, and the threads are gone."""
        cls.lock = threading.Lock()
        cls.forked = cls.started
        cls.python = None

    @classmethod
    def workers(cls) -> ThreadPoolExecutor:
        """The threads of `HeavyKernel`."""
        cls.python = cls.python or ThreadPoolExecutor(threads_available())
        return cls.python


os.register_at_fork(after_in_child=_Pool.after_fork)


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    dispatcher = njit(error_model="numpy", pipeline_class=Compiler, **options)(function)
    cache.enable(dispatcher)
    compiled: Callable[..., Any] = dispatcher
    return compiled


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` with the fast-math subset: sums may be reordered, NaN and inf hold."""
    return _compiled(function, fastmath=_FAST, nogil=True)


def jit_exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` without fast-math: each operation rounds as written, in every context.

    fastmath=False is not the default, nor is forceinline=False: without them Numba hands on the flags of
    whichever caller is compiled first, and the bits depend on what else the process has run.
    """
    return _compiled(function, fastmath=False, forceinline=False, nogil=True)


def jit_inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """`jit_exact`, and part of its callers: a call that passes arrays costs as much as 50 entries."""
    return _compiled(function, fastmath=False, forceinline=True, nogil=True)


@intrinsic
def isolate(typing_context: Any) -> Any:
    """Say of the calling kernel what Numba has no word for.

    It stays one function in every driver, so that its bits are the same in all: inlined into a
    serial, a parallel and a fused driver, the optimiser could sum a row in three different orders.
    And no array that it writes overlaps another: the public functions see to that. Without it a loop
    that stores is guarded by a check of addresses, and the scalar loop behind it sums in another
    order, so that bits would depend on where arrays lie.
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.function
        function.attributes.add("noinline")
        for argument in function.args:
            if _is_array_data(argument, function):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), codegen


def _is_array_data(argument: Any, function: Any) -> bool:
    """Whether an argument is the data pointer of an array: its fifth field, before the shape."""
    stem, _, field = argument.name.rpartition(".")
    return field == "4" and f"{stem}.5.0" in {argument.name for argument in function.args}


@jit
def tile_rows(dim: Any) -> Any:
    """Rows of a scratch tile: in the first-level cache, or for long rows in the second."""
    return _LANES * max(1, 1024 // (_LANES * dim))


class RowKernel:
    """Runs `rows(lo, hi, *arrays)` over a batch; the result does not depend on `threads`."""

    def __init__(self, rows: Callable[..., Any], small: int = SMALL) -> None:
        self.rows = rows
        self._small = small
        self._parallel = _parallel_driver(rows)

    def __call__(self, threads: int, count: int, dim: int, *arrays: Any) -> None:
        """Do rows 0 to count - 1 of width `dim` on at most `threads` threads.

        On one where there are fewer elements than `small`, and in a process forked from one that has
        used several: there is no pool to be had.
        """
        if threads == 1 or count * dim < self._small or _Pool.forked:  # never starts the thread pool
            self.rows(0, count, *arrays)
            return
        chunk = _LANES * max(1, _CHUNK_ELEMENTS // (_LANES * dim))
        with _Pool.lock:
            _Pool.started = True
            before = numba.get_num_threads()
            numba.set_num_threads(threads)
            try:
                self._parallel(count, chunk, arrays)
            finally:
                numba.set_num_threads(before)


class HeavyKernel(RowKernel):
    """As `RowKernel`, for kernels of which each row is much work, and which take seconds to compile.

    Python's threads run parts of the batch: to wake one takes 50 microseconds, but there is no driver to
    compile for them, with the kernel in it once more.
    """

    def __init__(self, rows: Callable[..., Any]) -> None:
        self.rows = rows

    def __call__(self, threads: int, count: int, dim: int, *arrays: Any) -> None:
        """Do rows 0 to count - 1 of width `dim` on at most `threads` threads, each with
        `_WORKER_ELEMENTS` at least.
        """
        workers = min(threads, count * dim // _WORKER_ELEMENTS)
        if workers < 2:
            self.rows(0, count, *arrays)
            return
        size = max(1, -(-count // (workers * _BLOCK_ROWS))) * _BLOCK_ROWS
        cuts = [(lo, min(lo + size, count)) for lo in range(size, count, size)]
        parts = [_Pool.workers().submit(self.rows, *cut, *arrays) for cut in cuts]
        self.rows(0, min(size, count), *arrays)
        for part in parts:
            part.result()


def _parallel_driver(rows: Callable[..., Any]) -> Callable[..., Any]:
    def parallel(count: Any, chunk: Any, arrays: Any) -> None:
        for index in prange((count + chunk - 1) // chunk):
            lo = np.int64(index) * chunk  # prange indices are unsigned
            rows(lo, min(lo + chunk, count), *arrays)

    return _compiled(parallel, parallel=True)


def threads_available() -> int:
    """The largest `threads` that the kernels take: fixed when Numba starts."""
    return int(numba.config.NUMBA_NUM_THREADS)
