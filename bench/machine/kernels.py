"""The compiled probes of `seqgap machine`: each does one thing, as often as it is told, and nothing else."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import cgutils

from seqgap.bench.machine.processor import vector_bytes
from seqgap.kernels._core.compiler import intrinsic
from seqgap.kernels._core.jit import jit, jit_exact
from seqgap.kernels._core.llvm import call_fma, lane, splat
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import RowKernel
from seqgap.kernels._core.simd import fma
from seqgap.kernels._core.vecmath import exp

READ, WRITE, COPY, TRIAD = range(4)
ARRAYS = {READ: 1, WRITE: 1, COPY: 2, TRIAD: 3}  # arrays that one pass reads or writes
CHAINS = 12  # two units times a latency of 4 need 8; with their two factors they fit 16 registers


@jit
def _stream_rows(lo: Any, hi: Any, kind: Any, words: Any, a: Any, b: Any, c: Any, sink: Any) -> None:
    """One pass over row n modulo the rows there are, for each n; words: the bits of a as int64."""
    for n in range(lo, hi):
        row = n % a.shape[0]
        if kind == READ:
            # Integer sums have one cycle of latency, so the loads are the limit; two places at a time
            # keep the prefetchers busy beyond L2.
            low, high, half = 0, 0, words.shape[1] // 2
            for j in range(half):
                low += words[row, j]
                high += words[row, half + j]
            sink[row] = low + high
        elif kind == WRITE:
            value = np.float64(n)
            for j in range(a.shape[1]):
                a[row, j] = value
        elif kind == COPY:
            for j in range(a.shape[1]):
                a[row, j] = b[row, j]
        else:
            for j in range(a.shape[1]):
                a[row, j] = fma(c[row, j], 3.0, b[row, j])


stream = RowKernel(_stream_rows, worth=1)


def _fma_chains(chains: int, width: int) -> Callable[..., Any]:
    """run(steps, x, a, b): `steps` times v = v * a + b in so many vectors of `width` bytes, in registers.

    The instructions are written out, for no optimiser can be trusted to keep the vectors there.
    """

    @intrinsic
    def run(typing_context: Any, steps: Any, x: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = 8 * width // x.bitwidth
            start, factor, shift = (splat(builder, value, lanes) for value in arguments[1:])
            registers = [cgutils.alloca_once_value(builder, start) for _ in range(chains)]
            with cgutils.for_range(builder, arguments[0]):
                for register in registers:
                    builder.store(call_fma(builder, builder.load(register), factor, shift), register)
            total = functools.reduce(builder.fadd, map(builder.load, registers))
            return lane(builder, total, 0)

        return x(steps, x, a, b), codegen

    @jit_exact
    def probe(steps: Any, x: Any, a: Any, b: Any) -> Any:
        return run(steps, x, a, b)

    return probe


fma_chain = _fma_chains(1, 16)
fma_vectors = _fma_chains(CHAINS, vector_bytes())


@jit
def exp_passes(passes: Any, x: Any, out: Any) -> None:
    """out = exp(x), so many times."""
    for _ in range(passes):
        for j in range(x.shape[0]):
            out[j] = exp(x[j])


@jit_exact
def normal_passes(passes: Any, out: Any, seed: Any, stream: Any) -> None:
    """Fill out with normals, so many times."""
    for n in range(passes):
        fill(out, n, seed, stream)


@jit_exact
def empty() -> None:
    """Nothing, called with nothing."""


@jit_exact
def empty_arrays(lo: Any, hi: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any) -> None:
    """Nothing, called as the row kernels are: a range and seven arrays."""


@jit_exact
def _empty_rows(lo: Any, hi: Any, a: Any) -> None:
    """Nothing, on each thread of a parallel region."""


empty_region = RowKernel(_empty_rows, worth=1)
