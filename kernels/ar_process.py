"""Autoregressive process of order p: x_t = bias + sum_{i=1..p} c_i x_{t-i} + scale z_t.

A row is one series of length D; the values before x_0 are 0. Box and Jenkins, "Time series
analysis" (1970), chapter 3.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels import _check
from seqgap.kernels._check import FLOAT32, FLOAT64, Array
from seqgap.kernels._jit import fma, isolate, jit_exact
from seqgap.kernels._vecmath import log
from seqgap.kernels._verbs import Verbs
from seqgap.kernels.normal import standard_normal


class Params(NamedTuple):
    """Coefficients shared by all steps."""

    coefficients: Array  # (p,), c_1 (of the step before) first
    bias: float
    scale: float  # above 0


def random_params(dim: int, seed: int, *, dtype: DTypeLike = np.float64) -> Params:
    """A stationary process of order 2, from partial autocorrelations tanh(z / 2) of normals of `seed`.

    `dim` is only checked: the parameters do not depend on the length of the series.
    """
    _check.count("dim", dim, 1)
    kind = _check.dtype(dtype)
    first, second, bias, log_scale = standard_normal(1, 4, seed, stream=1)[0]
    first, second = np.tanh(first / 2), np.tanh(second / 2)
    coefficients = np.array([first * (1 - second), second]).astype(kind)
    return Params(coefficients, float(0.1 * bias), float(np.exp(0.3 * log_scale)))


# What keeps its digits in a dtype, and whose reciprocal does: inverse multiplies by it.
_SCALES = {d: (float(np.finfo(d).tiny), float(1 / np.finfo(d).tiny)) for d in (FLOAT64, FLOAT32)}


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Any, ...]:
    _check.instance("params", params, Params)
    order = _check.floats("params.coefficients", params.coefficients, 1).size
    if order == 0:
        raise ValueError("params.coefficients: expected at least 1 coefficient, got none")
    coefficients = _check.shaped("params.coefficients", params.coefficients, dtype, (order,))
    bias, scale = _check.number("params.bias", params.bias), _check.positive("params.scale", params.scale)
    low, high = _SCALES[dtype]
    if not low <= scale <= high:
        raise ValueError(f"params.scale: expected {low:.3g} to {high:.3g} for {dtype}, got {scale}")
    # An array, since a NumPy scalar costs a microsecond to hand to compiled code.
    return coefficients, np.array((bias, scale), dtype)


@jit_exact
def _forward_rows(lo: Any, hi: Any, z: Any, x: Any, log_det: Any, coefficients: Any, affine: Any) -> None:
    isolate()
    bias, scale = affine[0], affine[1]
    order, dim = coefficients.shape[0], z.shape[1]
    for n in range(lo, hi):
        previous = z.dtype.type(0)
        for t in range(dim):
            value = fma(scale, z[n, t], bias)
            for i in range(min(order, t) - 1, 0, -1):
                value = fma(coefficients[i], x[n, t - 1 - i], value)
            # The lag of one step comes last and from a register: 4 cycles a step, not a store and load.
            previous = fma(coefficients[0], previous, value)
            x[n, t] = previous
        log_det[n] = log(scale) * z.dtype.type(dim)


@jit_exact
def _inverse_rows(lo: Any, hi: Any, x: Any, z: Any, log_det: Any, coefficients: Any, affine: Any) -> None:
    isolate()
    bias, scale = affine[0], affine[1]
    dim = x.shape[1]
    rate = x.dtype.type(1) / scale
    for n in range(lo, hi):
        for t in range(dim):
            z[n, t] = x[n, t] - bias
        for i in range(coefficients.shape[0]):
            c = -coefficients[i]
            for t in range(i + 1, dim):
                z[n, t] = fma(c, x[n, t - 1 - i], z[n, t])
        for t in range(dim):
            z[n, t] *= rate
        log_det[n] = -log(scale) * x.dtype.type(dim)


_verbs = Verbs(_arrays, _forward_rows, _inverse_rows)


def forward(
    z: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Latent to data, D dependent steps: (x, log_det), shapes (N, D) and (N,), dtype of z.

    x_t = bias + sum_i c_i x_{t-i} + scale z_t; log_det = D log(scale). z: (N, D), float64 or float32
    (integers become float64). Raises TypeError or ValueError for wrong arguments.
    """
    return _verbs.forward(z, params, out, threads)


def inverse(
    x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """Data to latent, one parallel pass: (z, log_det), shapes (N, D) and (N,), dtype of x.

    z_t = (x_t - bias - sum_i c_i x_{t-i}) / scale; log_det = -D log(scale). Errors as `forward`.
    """
    return _verbs.inverse(x, params, out, threads)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x; errors as `forward`."""
    return _verbs.log_prob(x, params, threads)


def sample(
    n: int,
    params: Params,
    seed: int,
    *,
    dim: int,
    first_row: int = 0,
    out: Array | None = None,
    threads: int = 1,
) -> Array:
    """`forward` of the normals of `seed`, drawn on the way: (n, dim), dtype of params.coefficients.

    `dim` is the length of each series, which the parameters do not fix. Rows first_row to
    first_row + n - 1, so that a sample can be drawn in parts. Errors as `forward`.
    """
    _check.instance("params", params, Params)
    dtype = _check.floats("params.coefficients", params.coefficients, 1).dtype
    return _verbs.sample(n, _check.count("dim", dim, 1), dtype, params, seed, first_row, out, threads)
