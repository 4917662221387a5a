"""The compiled probes of `seqgap machine`: each does one thing, as often as it is told, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqgap.bench.machine.processor import vector_bytes
from seqgap.kernels._core.jit import jit, jit_exact
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import RowKernel
from seqgap.kernels._core.simd import fma
from seqgap.kernels._core.vecmath import exp

READ, WRITE, COPY, TRIAD = range(4)
ARRAYS = {READ: 1, WRITE: 1, COPY: 2, TRIAD: 3}  # arrays that one pass reads or writes
CHAINS = 12  # two units times a latency of 4 need 8; with their two factors they fit 16 registers


@intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
def _widest(typing_context: Any) -> Any:
    """Let the calling function use the widest vectors: LLVM prefers half of them on some machines."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')  # add() knows few names
        return context.get_dummy_value()

    return types.void(), codegen


@jit
def _stream_rows(lo: Any, hi: Any, kind: Any, words: Any, a: Any, b: Any, c: Any, sink: Any) -> None:
    """One pass over row n modulo the rows there are, for each n; words: the bits of a as int64."""
    _widest()
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

    @intrinsic  # type: ignore[untyped-decorator]  # numba is not followed for types
    def run(typing_context: Any, steps: Any, x: Any, a: Any, b: Any) -> Any:
        lanes = 8 * width // x.bitwidth

        def spread(builder: Any, value: Any) -> Any:
            vector = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
            for lane in range(lanes):
                vector = builder.insert_element(vector, value, ir.IntType(32)(lane))
            return vector

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            start, factor, shift = (spread(builder, value) for value in arguments[1:])
            kind = ir.FunctionType(start.type, [start.type] * 3)
            name = f"llvm.fma.v{lanes}f{x.bitwidth}"
            step = cgutils.get_or_insert_function(builder.module, kind, name)
            places = [cgutils.alloca_once_value(builder, start) for _ in range(chains)]
            with cgutils.for_range(builder, arguments[0]):
                for place in places:
                    builder.store(builder.call(step, [builder.load(place), factor, shift]), place)
            total = builder.load(places[0])
            for place in places[1:]:
                total = builder.fadd(total, builder.load(place))
            return builder.extract_element(total, ir.IntType(32)(0))

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
    _widest()
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
