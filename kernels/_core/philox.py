"""Philox words and the normals made of them; seqgap.kernels.normal documents both."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from seqgap.kernels._core.compiler import generated, intrinsic
from seqgap.kernels._core.jit import jit_exact, jit_inline
from seqgap.kernels._core.simd import fma
from seqgap.kernels._core.vecmath import log_normal, sincos_one_turn

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
# Rows of fewer columns make no vectors of their own: row by row 2 columns took 11 ns a normal, so 1.9.
_NARROW64, _NARROW32 = 32, 64
_TILE_ROWS = 64  # rows at a time then: the scratch columns stay in the first-level cache
_32, _21, _11 = np.uint64(32), np.uint64(21), np.uint64(11)


@intrinsic
def philox(typing_context: Any, c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Ten rounds on uint32 words, written out: a loop of rounds keeps callers from vectorising."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, keys = list(arguments[:4]), list(arguments[4:])
        word, wide = words[0].type, ir.IntType(64)
        for _ in range(10):
            left, right = (
                builder.mul(builder.zext(value, wide), wide(factor))
                for value, factor in zip(words[::2], _MULTIPLIERS, strict=True)
            )
            high = [builder.trunc(builder.lshr(x, wide(32)), word) for x in (right, left)]
            mixed = [builder.xor(builder.xor(high[i], words[2 * i + 1]), keys[i]) for i in (0, 1)]
            words = [mixed[0], builder.trunc(right, word), mixed[1], builder.trunc(left, word)]
            keys = [builder.add(key, word(step)) for key, step in zip(keys, _WEYL, strict=True)]
        return context.make_tuple(builder, signature.return_type, words)

    return types.UniTuple(types.uint32, 4)(*[types.uint32] * 6), codegen


@jit_exact
def _uniforms64(high: Any, low: Any) -> Any:
    bits = (np.uint64(high) << _21) | (np.uint64(low) >> _11)
    return np.float64(np.int64(bits)) * np.float64(2.0**-53)


@jit_exact
def _pair64(w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    u = _uniforms64(w0, w1) + np.float64(2.0**-53)
    sine, cosine = sincos_one_turn(_uniforms64(w2, w3))
    radius = np.sqrt(np.float64(-2.0) * log_normal(u))
    return radius * cosine, radius * sine


@jit_exact
def _pair32(w0: Any, w1: Any) -> Any:
    u = fma(np.float32(w0), np.float32(2.0**-32), np.float32(2.0**-33))
    sine, cosine = sincos_one_turn(np.float32(np.int32(w1)) * np.float32(2.0**-32))
    radius = np.sqrt(np.float32(-2.0) * log_normal(u))
    return radius * cosine, radius * sine


@jit_inline
def _words(row: Any, block: Any, seed: Any, stream: Any) -> Any:
    r0, r1 = np.uint32(np.uint64(row)), np.uint32(np.uint64(row) >> _32)
    return philox(np.uint32(block), r0, r1, stream, np.uint32(seed), np.uint32(seed >> _32))


@jit_exact
def _wide64(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """Row by row; the columns of a row make the vectors."""
    dim = out.shape[1]
    for i in range(out.shape[0]):
        for block in range(dim // 2):
            w0, w1, w2, w3 = _words(first_row + i, block, seed, stream)
            out[i, 2 * block], out[i, 2 * block + 1] = _pair64(w0, w1, w2, w3)
        if dim % 2:
            w0, w1, w2, w3 = _words(first_row + i, dim // 2, seed, stream)
            out[i, dim - 1] = _pair64(w0, w1, w2, w3)[0]


@jit_exact
def _narrow64(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """Block by block; the rows make the vectors, by way of a scratch column for each column."""
    rows, dim = out.shape
    columns = np.empty((2, _TILE_ROWS), out.dtype)
    for start in range(0, rows, _TILE_ROWS):
        count = min(_TILE_ROWS, rows - start)
        for block in range((dim + 1) // 2):
            for i in range(count):
                w0, w1, w2, w3 = _words(first_row + start + i, block, seed, stream)
                columns[0, i], columns[1, i] = _pair64(w0, w1, w2, w3)
            for column in range(min(2, dim - 2 * block)):
                for i in range(count):
                    out[start + i, 2 * block + column] = columns[column, i]


@jit_exact
def _wide32(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """As `_wide64`."""
    dim = out.shape[1]
    for i in range(out.shape[0]):
        for block in range(dim // 4):
            w0, w1, w2, w3 = _words(first_row + i, block, seed, stream)
            out[i, 4 * block], out[i, 4 * block + 1] = _pair32(w0, w1)
            out[i, 4 * block + 2], out[i, 4 * block + 3] = _pair32(w2, w3)
        if dim % 4:
            w0, w1, w2, w3 = _words(first_row + i, dim // 4, seed, stream)
            rest = _pair32(w0, w1) + _pair32(w2, w3)
            for column in range(dim % 4):
                out[i, dim - dim % 4 + column] = rest[column]


@jit_exact
def _narrow32(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    """As `_narrow64`."""
    rows, dim = out.shape
    columns = np.empty((4, _TILE_ROWS), out.dtype)
    for start in range(0, rows, _TILE_ROWS):
        count = min(_TILE_ROWS, rows - start)
        for block in range((dim + 3) // 4):
            for i in range(count):
                w0, w1, w2, w3 = _words(first_row + start + i, block, seed, stream)
                columns[0, i], columns[1, i] = _pair32(w0, w1)
                columns[2, i], columns[3, i] = _pair32(w2, w3)
            for column in range(min(4, dim - 4 * block)):
                for i in range(count):
                    out[start + i, 4 * block + column] = columns[column, i]


@jit_exact
def _fill64(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    if out.shape[1] < _NARROW64 and out.shape[0] > 1:
        _narrow64(out, first_row, seed, stream)
    else:
        _wide64(out, first_row, seed, stream)


@jit_exact
def _fill32(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
    if out.shape[1] < _NARROW32 and out.shape[0] > 1:
        _narrow32(out, first_row, seed, stream)
    else:
        _wide32(out, first_row, seed, stream)


@generated
def fill(out: Any, first_row: Any, seed: Any, stream: Any) -> Any:
    """Fill `out` with the normals of rows first_row, first_row + 1, ..."""
    function = {types.float64: _fill64, types.float32: _fill32}[out.dtype]

    def call(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
        function(out, first_row, seed, stream)

    return call
