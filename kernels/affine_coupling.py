"""Affine coupling with element-wise conditioners (RealNVP's smallest section).

The first D - D//2 entries are kept, the rest transformed; entry j of the transformed part is conditioned on
entry j of the kept part: s_j = clamp(a_s[j] z_j + b_s[j], -5, 5), t_j = a_t[j] z_j + b_t[j], x_b = z_b exp(s)
+ t; D = 1 is the identity. Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP" (2017),
equations 4 to 8. log_det sums the clamped s, the one the map uses.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.family import OpenFamily
from seqgap.kernels._core.jit import isolate, jit, jit_exact, jit_inline
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed
from seqgap.kernels._core.simd import filled, fma, lanes, load, number, store, sum_lanes
from seqgap.kernels._core.vecmath import clamp, exp_normal

_S_LIMIT = 5.0  # s is clamped to [-5, 5]
_FIT_LIMIT = 2.5  # fit clamps a_s and b_s to [-2.5, 2.5]


class Params(NamedTuple):
    """Conditioners of the transformed entries, float64 or float32."""

    a_s: Array  # (D//2,)
    b_s: Array  # (D//2,)
    a_t: Array  # (D//2,)
    b_t: Array  # (D//2,)

    @property
    def dim(self) -> int:
        """Twice the length of a_s, at least 1: parameters of length D//2 leave D open by one."""
        return max(1, 2 * len(check.floats("params.a_s", self.a_s, 1)))

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return check.real_dtype("params.a_s", self.a_s)


def random_params(dim: int, seed: Seed = None, *, rng: RNG = None, dtype: DTypeLike = np.float64) -> Params:
    """Well-conditioned parameters from normals of `seed`: s of size 0.5, t of size 1."""
    dim, real = check.count("dim", dim, 1), check.dtype(dtype)
    a_s, b_s, a_t, b_t = standard_normal(4, dim, seed, rng=rng, stream=1)[:, : dim // 2].astype(real)
    return Params(a_s * real.type(0.4), b_s * real.type(0.3), a_t.copy(), b_t.copy())


def _arrays(params: Params, dtype: np.dtype[Any], dim: int) -> tuple[Array, ...]:
    a_s, b_s, a_t, b_t = params
    shape = (dim // 2,)
    return (
        check.shaped("params.a_s", a_s, dtype, shape),
        check.shaped("params.b_s", b_s, dtype, shape),
        check.shaped("params.a_t", a_t, dtype, shape),
        check.shaped("params.b_t", b_t, dtype, shape),
    )


def _rows(sign: int) -> Any:
    """Forward, or with -1 the inverse."""

    @jit_inline
    def block(source: Any, target: Any, row: Any, j: Any, count: Any, conditioners: Any) -> Any:
        """Entries j, j + 1, ... of both parts of the row that starts at `row`; sign s of them."""
        a_s, b_s, a_t, b_t = conditioners
        partner = row + source.shape[1] - a_s.shape[0] + j
        identity, value = load(source, row + j, count), load(source, partner, count)
        s = clamp(fma(load(a_s, j, count), identity, load(b_s, j, count)), number(source, _S_LIMIT))
        t = fma(load(a_t, j, count), identity, load(b_t, j, count))
        store(target, row + j, identity, count)
        if sign > 0:
            store(target, partner, fma(value, exp_normal(s), t), count)
            return s
        store(target, partner, (value - t) * exp_normal(-s), count)
        return -s

    @jit_exact
    def rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, *conditioners: Any) -> None:
        isolate()
        dim, half, width = source.shape[1], conditioners[0].shape[0], lanes(source)
        rest = half % width
        for n in range(lo, hi):
            row = n * dim
            total = filled(source, number(source, 0))
            for j in range(0, half - rest, width):
                total = total + block(source, target, row, j, None, conditioners)
            if rest:
                total = total + block(source, target, row, half - rest, rest, conditioners)
            if dim > 2 * half:  # the kept part is one longer
                target[n, half] = source[n, half]
            log_det[n] = sum_lanes(total)

    return rows


_family = OpenFamily(Params, _arrays, _rows(1), _rows(-1))
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
nll = _family.nll


@jit
def _gradient(x: Any, theta: Any, gradient: Any) -> Any:
    """Write d NLL / d theta, theta (4, D//2) in the order of Params; return the NLL."""
    half, n_rows = theta.shape[1], x.shape[0]
    kept = x.shape[1] - half
    gradient[:] = 0.0
    total = 0.5 * np.log(2 * np.pi) * x.shape[1] * n_rows
    for n in range(n_rows):
        for j in range(kept):
            total += 0.5 * x[n, j] * x[n, j]
        for j in range(half):
            raw = theta[0, j] * x[n, j] + theta[1, j]
            s = clamp(raw, _S_LIMIT)
            rate = exp_normal(-s)
            z = (x[n, kept + j] - theta[2, j] * x[n, j] - theta[3, j]) * rate
            total += 0.5 * z * z + s
            by_s = 1.0 - z * z if s == raw else 0.0  # the clamp passes no gradient
            gradient[0, j] += by_s * x[n, j]
            gradient[1, j] += by_s
            gradient[2, j] -= z * rate * x[n, j]
            gradient[3, j] -= z * rate
    gradient /= n_rows
    return total / n_rows


def fit(x: ArrayLike, *, steps: int = 261, lr: float = 0.03) -> tuple[Params, Array]:
    """Maximum likelihood by gradient descent: (params, history), history (steps,) of the NLL.

    Start: a_s = 0.05, a_t = 0.1, b_s = b_t = 0. Each step moves every parameter by -lr times the
    gradient of the NLL, then clamps a_s and b_s to [-2.5, 2.5]; history holds the NLL after each.
    d/ds = 1 - z_b^2 (0 where s is clamped), d/dt = -z_b exp(-s). Computed in float64, returned in
    the dtype of x.

    Raises TypeError or ValueError for a wrong x (N, D; finite), steps (at least 1) or lr (positive), and
    ValueError naming lr where the descent diverges.
    """
    batch = check.batch("x", x)
    data = batch.astype(FLOAT64)
    n, dim = data.shape
    check.count("x rows", n, 1)
    check.finite("x", data)
    steps, lr = check.count("steps", steps, 1), check.positive("lr", lr)
    theta = np.repeat([[0.05], [0.0], [0.1], [0.0]], dim // 2, axis=1)
    gradient = np.empty_like(theta)
    history = np.empty(steps)
    _gradient(data, theta, gradient)
    for step in range(steps):
        theta -= lr * gradient
        np.clip(theta[:2], -_FIT_LIMIT, _FIT_LIMIT, out=theta[:2])
        history[step] = _gradient(data, theta, gradient)
        if not np.isfinite(history[step]):
            raise ValueError(
                f"lr: expected a rate that converges, got {lr} (NLL {history[step]}, step {step})"
            )
    return Params(*theta.astype(batch.dtype)), history
