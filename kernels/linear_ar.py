"""Linear autoregressive model: x_d = bias_d + sum_{k<d} W[d, k] x_k + exp(log_scale_d) z_d.

The smallest autoregressive model: `forward` needs D dependent steps, `inverse`, z_d = (x_d - bias_d -
sum_{k<d} W[d, k] x_k) exp(-log_scale_d), is one parallel pass with the same weights and as many
multiply-adds; log_det = sum_d log_scale_d, or minus it. Papamakarios, Pavlakou and Murray, "Masked
autoregressive flow for density estimation" (2017), equations 3 and 4, with a linear conditioner.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import literally
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.jit import isolate, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.simd import lanes, scratch
from seqgap.kernels._core.tiles import from_tile, to_tile
from seqgap.kernels._core.vecmath import exp
from seqgap.kernels._nets.triangular import BLOCK, lanes_block, row_block

_ALONE = 3  # up to so many rows go one by one
_LOG_SCALE_RANGE = (-4.0, 3.5)


class Params(NamedTuple):
    """Weights of the model, float64 or float32."""

    weight: Array  # (D, D), strictly lower triangular
    bias: Array  # (D,)
    log_scale: Array  # (D,)

    @property
    def dim(self) -> int:
        """D."""
        return check.shape("params.weight", self.weight, 2)[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.weight", self.weight)


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Well-conditioned parameters from normals of `seed`: weights of size 1 / (2 sqrt(D))."""
    dim, real, key = check.count("dim", dim, 1), check.dtype(dtype), key_of(seed, rng)
    weight = np.tril(standard_normal(dim, dim, key, stream=1), -1) * (0.5 / np.sqrt(dim))
    bias, log_scale = standard_normal(2, dim, key, stream=2)
    return Params(weight.astype(real), bias.astype(real), (0.3 * log_scale).astype(real))


@jit_exact
def _is_strictly_lower(weight: Any) -> Any:
    for row in range(weight.shape[0]):
        rest = weight[row, row:]
        wrong = 0
        for k in range(rest.shape[0]):
            wrong += rest[k] != 0
        if wrong:
            return False
    return True


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, ...]:
    weight = check.shaped("params.weight", params.weight, dtype, (dim, dim))
    if not _is_strictly_lower(weight):
        raise ValueError(
            "params.weight: expected a strictly lower triangular matrix, got values on or above the diagonal"
        )
    bias = check.shaped("params.bias", params.bias, dtype, (dim,))
    return weight, bias, check.shaped("params.log_scale", params.log_scale, dtype, (dim,))


@jit_exact
def _exp(values: Any) -> Any:
    result = np.empty_like(values)
    for d in range(values.shape[0]):
        result[d] = exp(values[d])
    return result


@jit_inline
def _together(lo: Any, hi: Any, source: Any, target: Any, factors: Any, vectors: Any, inverted: Any) -> None:
    """Rows lo to hi - 1, side by side in one or two vectors at a time."""
    weight, bias, rate = factors
    dim, width = source.shape[1], lanes(source)
    tile, blocks = scratch(dim + width, vectors * width, source), (dim + BLOCK - 1) // BLOCK
    for n in range(lo, hi, vectors * width):
        for v in range(vectors):
            to_tile(n + v * width, hi, source, tile, v * width)
        for index in range(blocks):
            start = (blocks - 1 - index if inverted else index) * BLOCK
            lanes_block(weight, bias, rate, tile, start, literally(vectors), literally(inverted))
        for v in range(vectors):
            from_tile(n + v * width, hi, target, tile, v * width)


@jit_inline
def _alone(n: Any, source: Any, target: Any, factors: Any, inverted: Any) -> None:
    """Row n by itself."""
    weight, bias, rate = factors
    dim, values, result = source.shape[1], source[n], target[n]
    rest = dim % BLOCK
    for d in range(0, dim - rest, BLOCK):
        row_block(weight, bias, rate, values, result, d, None, literally(inverted))
    if rest:
        row_block(weight, bias, rate, values, result, dim - rest, rest, literally(inverted))


def _rows(inverted: int) -> Any:
    """Forward, or with 1 the inverse: the same blocks and multiply-adds, in the other order."""

    @jit_exact
    def rows(
        lo: Any, hi: Any, source: Any, target: Any, log_det: Any, weight: Any, bias: Any, log_scale: Any
    ) -> None:
        isolate()
        width = lanes(source)
        factors = weight, bias, _exp(-log_scale if inverted else log_scale)
        rest = (hi - lo) % (2 * width)
        middle = hi if rest > width else hi - rest  # up to here two vectors at a time
        _together(lo, middle, source, target, factors, 2, inverted)
        if hi - middle > _ALONE:
            _together(middle, hi, source, target, factors, 1, inverted)
        else:
            for n in range(middle, hi):
                _alone(n, source, target, factors, inverted)
        total = 0.0  # in float64 whatever the dtype: it is done once for many rows
        for d in range(log_scale.shape[0]):
            total += log_scale[d]
        log_det[lo:hi] = -total if inverted else total

    return rows


_family = Family(Params, _arrays, _rows(0), _rows(1), WORTH_HEAVY)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
nll = _family.nll


def fit(x: ArrayLike, *, steps: int = 241, lr: float = 0.04) -> tuple[Params, Array]:
    """Maximum likelihood by gradient descent: (params, history), history (steps,) of the NLL.

    Start: 0.2 on the first subdiagonal of W, all else 0. Each step moves every parameter by
    -lr times the gradient of the NLL, then clamps log_scale to [-4, 3.5]; history holds the NLL
    after each. With M = mean of (1, x)(1, x)^T and residual r = A (1, x) exp(-log_scale),
    A = (-bias, I - W): d/dA = exp(-2 log_scale) A M, d/dlog_scale = 1 - mean r^2. Computed in float64,
    returned in the dtype of x.

    Raises TypeError or ValueError for a wrong x (N, D; finite), steps (at least 1) or lr (positive), and
    ValueError naming lr where the descent diverges.
    """
    data = check.batch("x", x)
    n, dim = data.shape
    check.count("x rows", n, 1)
    check.finite("x", data)
    steps, lr = check.count("steps", steps, 1), check.positive("lr", lr)
    ones = np.column_stack([np.ones(n), data.astype(FLOAT64)])
    moments = ones.T @ ones / n
    mask = np.column_stack([np.ones(dim), np.tril(np.ones((dim, dim)), -1)])
    residual = np.column_stack([np.zeros(dim), np.eye(dim) - 0.2 * np.eye(dim, k=-1)])
    log_scale = np.zeros(dim)
    history = np.empty(steps)
    for step in range(steps):
        gradient = residual @ moments
        variance = np.sum(gradient * residual, axis=1)
        precision = np.exp(-2 * log_scale)
        residual -= lr * mask * gradient * precision[:, None]
        log_scale -= lr * (1 - variance * precision)
        np.clip(log_scale, *_LOG_SCALE_RANGE, out=log_scale)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = np.sum(residual @ moments * residual, axis=1)
        nll_now = 0.5 * np.sum(variance * np.exp(-2 * log_scale) + 2 * log_scale + np.log(2 * np.pi))
        if not np.isfinite(nll_now):
            raise ValueError(f"lr: expected a rate that converges, got {lr} (NLL {nll_now}, step {step})")
        history[step] = nll_now
    weight, bias = np.tril(-residual[:, 1:], -1), -residual[:, 0]
    return Params(*(value.astype(data.dtype) for value in (weight, bias, log_scale))), history
