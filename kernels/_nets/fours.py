"""Four vectors side by side, a row of the widest tile: as many sums as hide the latency of multiply-adds."""

from typing import Any

from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.simd import fma, lanes
from seqgap.kernels._nets.dense import read, write


@jit_inline
def four_of(vector: Any) -> Any:
    """A vector four times."""
    return vector, vector, vector, vector


@jit_inline
def read_four(base: Any) -> Any:
    """The four vectors from an address on."""
    width = lanes(base)
    return read(base, 0), read(base, width), read(base, 2 * width), read(base, 3 * width)


@jit_inline
def write_four(base: Any, vectors: Any) -> None:
    """Undo `read_four`."""
    width = lanes(base)
    write(base, 0, vectors[0])
    write(base, width, vectors[1])
    write(base, 2 * width, vectors[2])
    write(base, 3 * width, vectors[3])


@jit_inline
def add_four(a: Any, b: Any, c: Any) -> Any:
    """a b + c, each of them four vectors."""
    return fma(a[0], b[0], c[0]), fma(a[1], b[1], c[1]), fma(a[2], b[2], c[2]), fma(a[3], b[3], c[3])


@jit_inline
def minus_four(a: Any, vector: Any) -> Any:
    """a less one vector, four vectors."""
    return a[0] - vector, a[1] - vector, a[2] - vector, a[3] - vector


@jit_inline
def times_four(a: Any, b: Any) -> Any:
    """a b, both four vectors."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]


@jit_inline
def dot_four(a: Any, b: Any, start: Any) -> Any:
    """start + a_0 b_0 + ... + a_3 b_3, one vector."""
    return fma(a[3], b[3], fma(a[2], b[2], fma(a[1], b[1], fma(a[0], b[0], start))))


@jit_inline
def add_up(a: Any, start: Any) -> Any:
    """start + a_0 + ... + a_3, one vector."""
    return start + a[0] + a[1] + a[2] + a[3]
