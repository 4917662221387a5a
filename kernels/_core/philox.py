"""Philox words and the normals made of them; seqgap.kernels.normal documents both."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from seqgap.kernels._core.compiler import generated, intrinsic
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.simd import fma
from seqgap.kernels._core.vecmath import log_normal, sincos_one_turn

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
# Rows of fewer columns make no vectors of their own: row by row 2 columns took 11 ns a normal, so 1.9.
_NARROW = {types.float64: 32, types.float32: 64, types.uint32: 64}
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


@jit_inline
def _normals32(w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    return _pair32(w0, w1) + _pair32(w2, w3)


@jit_inline
def _plain_words(w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    return w0, w1, w2, w3


@jit_inline
def _put2(values: Any, out: Any, i: Any, j: Any) -> None:
    out[i, j], out[i, j + 1] = values


@jit_inline
def _put4(values: Any, out: Any, i: Any, j: Any) -> None:
    out[i, j], out[i, j + 1], out[i, j + 2], out[i, j + 3] = values


def _by_rows(width: int, normals: Any, put: Any) -> Any:
    """Row by row; the columns of a row, a block of `width` at a time, make the vectors."""

    @jit_exact
    def by_rows(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
        blocks, rest = out.shape[1] // width, out.shape[1] % width
        for i in range(out.shape[0]):
            for block in range(blocks):
                put(normals(*_words(first_row + i, block, seed, stream)), out, i, width * block)
            if rest:
                values = normals(*_words(first_row + i, blocks, seed, stream))
                for column in range(rest):
                    out[i, width * blocks + column] = values[column]

    return by_rows


@jit_inline
def _of_rows(i: Any, first_row: Any, block: Any, seed: Any, stream: Any) -> Any:
    return _words(first_row + i, block, seed, stream)


@jit_inline
def _of_steps(i: Any, row: Any, block: Any, seed: Any, first_stream: Any) -> Any:
    return _words(row, block, seed, first_stream + np.uint32(i))


def _by_blocks(width: int, normals: Any, put: Any, words: Any = _of_rows) -> Any:
    """Block by block; the rows make the vectors, by way of a scratch column for each column."""

    @jit_exact
    def by_blocks(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
        rows, dim = out.shape
        columns = np.empty((width, _TILE_ROWS), out.dtype)
        for start in range(0, rows, _TILE_ROWS):
            count = min(_TILE_ROWS, rows - start)
            for block in range((dim + width - 1) // width):
                for i in range(count):
                    put(normals(*words(start + i, first_row, block, seed, stream)), columns.T, i, 0)
                for column in range(min(width, dim - width * block)):
                    for i in range(count):
                        out[start + i, width * block + column] = columns[column, i]

    return by_blocks


_BLOCKS = {
    types.float64: (2, _pair64, _put2),
    types.float32: (4, _normals32, _put4),
    types.uint32: (4, _plain_words, _put4),
}
_FILLS = {real: (_by_rows(*block), _by_blocks(*block)) for real, block in _BLOCKS.items()}
_STEPS = {real: _by_blocks(*block, _of_steps) for real, block in _BLOCKS.items()}


@generated
def fill(out: Any, first_row: Any, seed: Any, stream: Any) -> Any:
    """Fill `out` with the normals of rows first_row, first_row + 1, ...; uint32 with their words."""
    by_rows, by_blocks = _FILLS[out.dtype]
    narrow = _NARROW[out.dtype]

    def call(out: Any, first_row: Any, seed: Any, stream: Any) -> None:
        if out.shape[1] < narrow and out.shape[0] > 1:
            by_blocks(out, first_row, seed, stream)
        else:
            by_rows(out, first_row, seed, stream)

    return call


@generated
def fill_steps(out: Any, row: Any, seed: Any, first_stream: Any) -> Any:
    """Fill `out` (T, D) with the normals of one row, streams first_stream, first_stream + 1, ..."""
    by_columns, by_steps = _FILLS[out.dtype][0], _STEPS[out.dtype]
    narrow = _NARROW[out.dtype]

    def call(out: Any, row: Any, seed: Any, first_stream: Any) -> None:
        if out.shape[1] < narrow:
            by_steps(out, row, seed, first_stream)
        else:
            for t in range(out.shape[0]):
                by_columns(out[t : t + 1], row, seed, first_stream + np.uint32(t))

    return call


@jit_exact
def fill_words(words: Any, row: Any, block: Any, seed: Any, stream: Any) -> None:
    """The words of one row from column 4 block on; as many as fill `words`, a multiple of 4."""
    isolate()
    for c in range(words.shape[0] // 4):
        w = _words(row, block + c, seed, stream)
        words[4 * c], words[4 * c + 1], words[4 * c + 2], words[4 * c + 3] = w


@jit_exact
def fill_words_of_lanes(words: Any, rows: Any, blocks: Any, first: Any, seed: Any, stream: Any) -> None:
    """Column b of `words` (4 C, L): the words of row rows[b] from column 4 (blocks[b] + first) on."""
    isolate()
    for c in range(words.shape[0] // 4):
        for b in range(words.shape[1]):
            w = _words(rows[b], blocks[b] + first + c, seed, stream)
            words[4 * c, b], words[4 * c + 1, b], words[4 * c + 2, b], words[4 * c + 3, b] = w
