"""The density of x = W z + b + sigma eps, z and eps standard normals: factor analysis with one variance.

Tipping and Bishop, "Probabilistic principal component analysis" (1999), equation 4.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.simd import filled, fma, lanes, number
from seqgap.kernels._nets.blocks import block_rows
from seqgap.kernels._nets.dense import address, product, read, spread, write


class Density(NamedTuple):
    """N(b, W W^T + sigma^2 I) by the singular values S of W and their M directions U, M <= min(D, K).

    Neither W W^T nor W^T W is formed: their condition is that of W squared. With y = R U^T (x - b),
    R = (S^2 + sigma^2)^-1/2, the exponent is |y|^2 + |x - b - U R^-1 y|^2 / sigma^2, two sums of squares that
    cannot cancel; where M = D the latter is 0, and left out.
    """

    center: Any  # (D,): b
    project: Any  # (M, D): R U^T
    back: Any  # (D, M): U R^-1; (D, 0) where M = D
    zeros: Any  # (D,)
    seen: Any  # (2, D): D and M
    numbers: Any  # (2,): log density at the mean, 1 / sigma^2


def density(weight: Array, bias: Array, sigma: float, dtype: np.dtype[Any]) -> Density:
    """From finite arrays of float64, checked before."""
    dim = len(weight)
    directions, sizes, _ = np.linalg.svd(weight, full_matrices=False)
    roots = np.hypot(sizes, sigma)
    constant = -np.log(roots).sum() - (dim - roots.size) * np.log(sigma) - 0.5 * dim * np.log(2 * np.pi)
    back = directions * roots if roots.size < dim else np.empty((dim, 0))
    arrays = bias, (directions / roots).T, back, np.zeros(dim), np.array([constant, sigma**-2])
    center, project, back, zeros, numbers = (np.array(array, dtype, order="C") for array in arrays)
    return Density(center, project, back, zeros, np.repeat([[dim], [roots.size]], dim, axis=1), numbers)


@jit_inline
def _log_prob_block(work: Any, arrays: Any) -> None:
    net = Density(*arrays)
    (size, dim), pitch, zeros = net.project.shape, work.first.shape[1], address(net.zeros, 0)
    offset, rest, whitened = address(work.first, 0), address(work.second, 0), address(work.sums, pitch)
    _subtract(dim, address(net.center, 0), offset, pitch)
    product(address(net.project, 0), dim, zeros, address(net.seen, 0), offset, whitened, pitch, size)
    left = 0 if net.back.shape[1] == 0 else dim
    product(address(net.back, 0), size, zeros, address(net.seen, dim), whitened, rest, pitch, left)
    squares = (size, whitened), (left, offset, rest)
    _log_density(squares, address(net.numbers, 0), address(work.sums, 0), pitch)


@jit_exact
def _subtract(dim: Any, center: Any, tile: Any, pitch: Any) -> None:
    """Rows of a tile less the numbers of `center`."""
    isolate()
    for d in range(dim):
        for at in range(d * pitch, (d + 1) * pitch, lanes(tile)):
            write(tile, at, read(tile, at) - spread(center, d))


@jit_exact
def _log_density(squares: Any, numbers: Any, result: Any, pitch: Any) -> None:
    """result = numbers[0] - (|y|^2 + numbers[1] |offset - rest|^2) / 2."""
    isolate()
    (size, whitened), (left, offset, rest) = squares
    for at in range(0, pitch, lanes(result)):
        inner = filled(result, number(result, 0))
        outer = inner
        for d in range(at, at + size * pitch, pitch):
            inner = fma(read(whitened, d), read(whitened, d), inner)
        for d in range(at, at + left * pitch, pitch):
            error = read(offset, d) - read(rest, d)
            outer = fma(error, error, outer)
        total = fma(spread(numbers, 1), outer, inner)
        write(result, at, fma(number(result, -0.5), total, spread(numbers, 0)))


_sums = jit_inline(lambda arrays: arrays[1].shape[0])
log_prob = RowKernel(block_rows(_log_prob_block, _sums), WORTH_HEAVY)
