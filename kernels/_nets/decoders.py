"""Rows of latents through a map to data: given ones, or normals of a seed.

A map is `evaluate(net, 0, source, result, space, pitch)` with `space(net, pitch)`, as those of `perceptron`:
one on tiles, one on single rows in which features lie side by side; a row has the same bits by either.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.philox import fill
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.simd import filled, fma, lanes, load, number, scratch, store
from seqgap.kernels._nets import perceptron
from seqgap.kernels._nets.blocks import load_block, piece
from seqgap.kernels._nets.chain_rows import unload_block
from seqgap.kernels._nets.columns import add_all_columns
from seqgap.kernels._nets.dense import address, entry, product, put, read, write
from seqgap.kernels._nets.packed import aligned, in_vectors, padded

LATENTS, NOISE = np.uint32(0), np.uint32(1)  # streams of normals


class Affine(NamedTuple):
    """What the kernels read of x = W z + b, D of K."""

    weight: Any  # (D, K)
    bias: Any  # (1, F): the D outputs in whole vectors
    columns: Any  # (K, F)
    seen: Any  # (D,): K


def affine(weight: Array, bias: Array) -> Affine:
    """The map of arrays of one dtype, checked before."""
    step = VECTOR_BYTES // weight.dtype.itemsize
    whole = (padded(matrix, step) for matrix in (bias[None], weight.T))
    bias_rows, columns = (aligned(rows).reshape(rows.shape) for rows in whole)
    return Affine(weight, bias_rows, columns, np.full(len(weight), weight.shape[1]))


@jit_inline
def _affine_on_tile(net: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    dim, inputs = net.weight.shape
    bias, seen = address(net.bias, 0), address(net.seen, 0)
    product(address(net.weight, 0), inputs, bias, seen, source, result, pitch, dim)


@jit_inline
def _affine_on_row(net: Any, at: Any, source: Any, result: Any, space: Any, pitch: Any) -> None:
    inputs, outputs = net.columns.shape
    bias = address(net.bias, 0)
    for unit in range(0, outputs, lanes(result)):
        write(result, unit, read(bias, unit))
    add_all_columns(address(net.columns, 0), outputs, inputs, source, result, outputs)


@jit_inline
def _no_space(net: Any, pitch: Any) -> Any:
    return 0


def _decode_rows(tile: Any, row: Any) -> Any:
    """The row kernel that decodes z (N, K) to x (N, D); for few rows one by one."""
    (on_tile, tile_space), (on_row, row_space) = tile, row

    @jit_exact
    def few(lo: Any, hi: Any, z: Any, x: Any, net: Any) -> None:
        isolate()
        inputs = z.shape[1]
        first, second = scratch(1, in_vectors(inputs, z), z), scratch(1, in_vectors(x.shape[1], z), z)
        room = scratch(1, row_space(net, 0), z)
        for n in range(lo, hi):
            source, result = address(first, 0), address(second, 0)
            for k in range(first.shape[1]):
                put(source, k, z[n, k] if k < inputs else number(z, 0))
            on_row(net, 0, source, result, address(room, 0), 0)
            for d in range(x.shape[1]):
                x[n, d] = entry(result, d)

    @jit_exact
    def block(lo: Any, hi: Any, pitch: Any, z: Any, x: Any, net: Any) -> None:
        isolate()
        first, second = scratch(z.shape[1] + lanes(z), pitch, z), scratch(x.shape[1] + lanes(z), pitch, z)
        room = scratch(1, tile_space(net, pitch), z)
        for n in range(lo, hi, pitch):
            load_block(n, hi, z, first)
            on_tile(net, 0, address(first, 0), address(second, 0), address(room, 0), pitch)
            unload_block(n, hi, x, second)

    @jit_exact
    def rows(lo: Any, hi: Any, z: Any, x: Any, net: Any) -> None:
        isolate()
        start = lo
        if hi - lo <= 3 * lanes(z) // 8:
            few(lo, hi, z, x, net)
            start = hi
        while start < hi:
            pitch, stop = piece(start, hi, lanes(z))
            block(start, stop, pitch, z, x, net)
            start = stop

    return rows


def _sample_rows(decode: Any) -> Any:
    """The row kernel of x = decode(z) + sigma eps, both from normals of a key."""

    @jit_exact
    def rows(lo: Any, hi: Any, x: Any, latents: Any, noise: Any, sigma: Any, net: Any) -> None:
        isolate()
        first_row, key = noise
        dim, size = x.shape[1], 64 * max(1, 1024 // (64 * x.shape[1]))  # as `components.sample_rows`
        z, eps = scratch(size, latents, x), scratch(size, dim, x)
        for start in range(lo, hi, size):
            stop = min(start + size, hi)
            count = stop - start
            fill(z[:count], first_row + start, key, LATENTS)
            decode(np.int64(0), count, z[:count], x[start:stop], net)  # a literal 0 is a type of its own
            if sigma > 0:
                fill(eps[:count], first_row + start, key, NOISE)
                _add(sigma, eps, x, start * dim, count * dim)

    return rows


@jit_inline
def _add(factor: Any, source: Any, target: Any, start: Any, count: Any) -> None:
    """target += factor source, for so many entries of target from `start` on."""
    for at in range(0, count, lanes(target)):
        left = min(lanes(target), count - at)
        value = fma(filled(target, factor), load(source, at, left), load(target, start + at, left))
        store(target, start + at, value, left)


class Maps(NamedTuple):
    """The row kernels of one kind of map."""

    decode: RowKernel
    sample: RowKernel


def _maps(tile: Any, row: Any) -> Maps:
    decode = _decode_rows(tile, row)
    return Maps(RowKernel(decode, WORTH_HEAVY), RowKernel(_sample_rows(decode), WORTH_HEAVY))


LINEAR = _maps((_affine_on_tile, _no_space), (_affine_on_row, _no_space))
NETWORK = _maps((perceptron.on_tile, perceptron.tile_space), (perceptron.on_row, perceptron.row_space))
