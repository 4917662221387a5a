"""Gaussian mixture: p(x) = sum over k of w_k N(x; mean_k, L_k L_k^T), with diagonal or full covariances.

`log_prob` is a log-sum-exp, right where every density underflows; `score` is its gradient, the sum of
r_k(x) S_k^-1 (mean_k - x), S_k = L_k L_k^T, with the responsibilities r_k(x) = w_k N(x; mean_k, S_k) / p(x).
`sample` takes for each row a component, the first k with u < w_0 + ... + w_k for one uniform u of that row,
and then x = mean_k + L_k z with the row's standard normals z; rows come as they are drawn, not sorted by
component. Bishop, "Pattern recognition and machine learning" (2006), sections 2.3.9 and 9.2.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets.blocks import block_rows
from seqgap.kernels._nets.components import sample_rows
from seqgap.kernels._nets.dense import address
from seqgap.kernels._nets.mixtures import (
    Arrays,
    checked,
    diagonal_arrays,
    evaluate,
    full_arrays,
    log_density,
    mixture_of,
    scratch_rows,
)


class Params(NamedTuple):
    """K components of D features, float64 or float32.

    scale: standard deviations (K, D) of diagonal covariances, or lower Cholesky factors (K, D, D) of full
    ones, with positive diagonals; what lies above a diagonal is not read. Weights sum to 1 to within 1e-6,
    and are divided by their sum.
    """

    weight: Array  # (K,), above 0
    mean: Array  # (K, D)
    scale: Array  # (K, D) or (K, D, D)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.mean", self.mean, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.mean", self.mean)

    @property
    def layout(self) -> dict[str, int]:
        """The number of components."""
        return {"components": check.shape("params.mean", self.mean, 2)[0]}


Params.__repr__ = summary  # type: ignore[method-assign]  # mypy takes it for one that is bound


def random_params(
    dim: int, seed: Seed = None, *, rng: RNG = None, components: int = 3, full: bool = False,
    dtype: DTypeLike = np.float64,
) -> Params:  # fmt: skip
    """Components that overlap a little, from normals of `seed`: means about 4 standard deviations apart.

    full: Cholesky factors whose entries below the diagonal are about 1 / (2 sqrt(D)), instead of diagonal
    covariances. Raises TypeError or ValueError for a wrong dim, seed, rng, components, full, dtype.
    """
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), key_of(seed, rng)
    components = check.count("components", components, 1)
    if not isinstance(full, bool | np.bool_):
        raise TypeError(f"full: expected True or False, got {check.described(full)}")
    mean, log_scale = (standard_normal(components, dim, key, stream=stream) for stream in (1, 2))
    weight = np.exp(0.3 * standard_normal(1, components, key, stream=3)[0])
    scale = np.exp(0.3 * log_scale)
    if full:
        below = standard_normal(components * dim, dim, key, stream=4).reshape(components, dim, dim)
        scale = np.tril(0.5 / np.sqrt(dim) * below, -1) + scale[:, :, None] * np.eye(dim)
    return Params(*(a.astype(real) for a in (weight / weight.sum(), 3 / np.sqrt(dim) * mean, scale)))


def _mixture(params: Any, source: Array) -> Arrays:
    """What the kernels of `log_prob` and `score` read, for a batch x."""
    check.instance("params", params, Params)
    arrays, dim = _arrays(params, source.dtype), params.dim
    if source.shape[1] != dim:
        raise ValueError(f"x has {source.shape[1]} columns, params are for D = {dim}")
    return arrays


def _arrays(params: Any, dtype: np.dtype[Any]) -> Arrays:
    """What the kernels read in a dtype."""
    weight, mean, scale = checked(params, dtype)
    return diagonal_arrays(weight, mean, scale) if scale.ndim == 2 else full_arrays(weight, mean, scale)


@jit_inline
def _log_prob_block(work: Any, arrays: Any) -> None:
    mixture, pitch = mixture_of(arrays), work.first.shape[1]
    log_density(mixture, address(work.first, 0), address(work.sums, 0), address(work.sums, pitch), pitch)


@jit_inline
def _score_block(work: Any, arrays: Any) -> None:
    mixture, pitch = mixture_of(arrays), work.first.shape[1]
    tile, score, density = address(work.first, 0), address(work.second, 0), address(work.sums, 0)
    evaluate(mixture, tile, score, density, address(work.sums, pitch), pitch)


_sums = jit_inline(lambda arrays: scratch_rows(mixture_of(arrays)))
_log_prob = RowKernel(block_rows(_log_prob_block, _sums), WORTH_HEAVY)
_score = RowKernel(block_rows(_score_block, _sums, in_place=False), WORTH_HEAVY)
_sample = RowKernel(sample_rows, WORTH_HEAVY)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log of the sum of w_k N(x; mean_k, L_k L_k^T), shape (N,), dtype of x.

    x: (N, D), float64 or float32 (integers become float64). -inf where |L_k^-1 (x - mean_k)|^2 overflows for
    every k. Raises TypeError or ValueError for wrong arguments, naming them.
    """
    source = check.batch("x", x)
    arrays, threads = _mixture(params, source), check.threads(threads)
    density = np.empty(len(source), source.dtype)
    nothing = np.empty((len(source), 0), source.dtype)  # a batch without columns is not written
    _log_prob(threads, *source.shape, source, nothing, density, *arrays)
    return density


def score(x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1) -> Array:
    """The gradient of log p at x, sum of r_k(x) S_k^-1 (mean_k - x), shape (N, D), dtype of x.

    NaN where log p is -inf. out: the array to write, (N, D) of the dtype of x; it may be x itself. Other
    arguments and errors as in `log_prob`.
    """
    source = check.batch("x", x)
    arrays, threads = _mixture(params, source), check.threads(threads)
    result, source = check.output_like(out, source, "x", x, params=params)
    density = np.empty(len(source), source.dtype)
    _score(threads, *source.shape, source, result, density, *arrays)
    return result


def sample(
    n: int, params: Params, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
    out: Array | None = None, threads: int = 1,
) -> Array:  # fmt: skip
    """Independent rows of the mixture in the order in which they are drawn: (n, D), the dtype of params.

    Rows first_row to first_row + n - 1, so that a sample can be drawn in parts: a row depends on its number
    and `seed` alone. z are its normals, as in `normal.standard_normal`; u = i / 2**53, i the top 53 bits of
    the first two Philox words of that row of stream 2**32 - 1, for both dtypes. seed: 0 <= seed < 2**64. rng
    instead, as in SPEC 7: an integer, SeedSequence, BitGenerator or Generator, of which one seed is drawn;
    with neither the sample is another one each time. Raises TypeError or ValueError for wrong arguments.
    """
    check.instance("params", params, Params)
    n, dtype, key = check.count("n", n), params.dtype, key_of(seed, rng)
    weight, mean, scale = checked(params, dtype)
    row, threads = check.first_row(first_row, n), check.threads(threads)
    x = check.output(out, dtype, (n, mean.shape[1]), params=params)
    factor = np.ascontiguousarray(np.tril(scale).swapaxes(1, 2)) if scale.ndim == 3 else scale
    _sample(threads, *x.shape, x, row, key, np.cumsum(weight), mean, factor)
    return x
