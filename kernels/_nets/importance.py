"""Densities that are integrals over latents, by importance sampling.

log p(x) is estimated by the log of the mean of w_s = p(x | z_s) p(z_s) / q(z_s) over draws z_s of q, with
p(z) and q Gaussians of independent entries and p(x | z) = N(f(z), sigma^2 I). Burda, Grosse and
Salakhutdinov, "Importance weighted autoencoders" (2016), section 3.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array


def estimates(
    x: Array, eps: Array, decode: Callable[[Array], Array], sigma: float, proposal: tuple[Array, Array] | None
) -> Array:
    """(2, N), float64: estimates for rows of x and their standard errors, from normals eps (S, K)."""
    found = np.empty((2, len(x)))
    with np.errstate(over="ignore", invalid="ignore"):  # far rows have weights of 0, and NaN stays NaN
        for row, (means, ratio) in enumerate(_draws(len(x), eps, decode, proposal)):
            squares = np.square(x[row].astype(float) - means).sum(1)
            found[:, row] = _log_mean(ratio - 0.5 * squares / sigma**2)
    found[0] -= x.shape[1] * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
    return found


def checked(proposal: Any, dtype: np.dtype[Any], shape: tuple[int, int]) -> tuple[Array, Array]:
    """(mean, deviation), TypeError or ValueError for what is not that."""
    if not isinstance(proposal, tuple) or len(proposal) != 2:
        raise TypeError(f"proposal: expected (mean, deviation), got {check.described(proposal)}")
    mean, deviation = (check.shaped("proposal", part, dtype, shape) for part in proposal)
    check.finite("proposal", mean)
    if not np.all((deviation > 0) & np.isfinite(deviation)):
        raise ValueError("proposal: expected positive finite deviations, got others")
    return mean, deviation


def _draws(
    count: int, eps: Array, decode: Callable[[Array], Array], proposal: tuple[Array, Array] | None
) -> Iterator[tuple[Array, Any]]:
    """For each row f(z_s), (S, D), and log p(z_s) / q(z_s), in float64; the prior's are decoded once."""
    if proposal is None:
        means = decode(eps).astype(float)
        yield from ((means, 0.0) for _ in range(count))
        return
    for mean, deviation in zip(*proposal, strict=True):
        z = mean + deviation * eps
        squares = np.square(eps.astype(float)) - np.square(z.astype(float))
        yield decode(z).astype(float), (0.5 * squares + np.log(deviation.astype(float))).sum(1)


def _log_mean(logs: Array) -> tuple[Any, Any]:
    """The log of the mean of exp(logs), and its standard error by the delta method."""
    largest = logs.max()
    if largest == -np.inf:
        return largest, np.inf
    weights = np.exp(logs - largest)
    mean = weights.mean()
    return largest + np.log(mean), weights.std(ddof=1) / mean / np.sqrt(logs.size)
