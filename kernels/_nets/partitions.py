"""Mixtures of Gaussians of rows whose components are known, and the partition of k-means++.

Each component is one step of a mixture of that one component.
"""

import math
from typing import Any

import numpy as np

from seqgap.kernels._core.check import Array
from seqgap.kernels._nets.components import fill_uniforms
from seqgap.kernels._nets.maximisation import Components, factors, spread_of

_STREAM = np.uint32(2**32 - 2)  # of the uniforms that choose centres


def of_labels(
    x: Array, labels: Array, full: bool, limits: tuple[float, np.dtype[Any]], pooled: bool = False
) -> Components:
    """The mixture of rows of each label, 0 to K - 1; pooled: all have the mean of the covariances.

    limits: (floor, dtype), as in `factors`.
    """
    groups = [x[labels == k] for k in range(int(labels.max()) + 1)]
    spreads = [spread_of(rows, full) for rows in groups]
    weight = np.array([len(rows) / len(x) for rows in groups])
    mean = np.stack([mean for mean, _ in spreads])
    covariance = np.stack([covariance for _, covariance in spreads])
    if pooled:
        covariance[:] = np.tensordot(weight, covariance, 1)
    return Components(weight, mean, factors(covariance, mean, limits, "of these rows"))


def nearest_centers(x: Array, count: int, key: np.uint64) -> Array:
    """(N,): the nearest of `count` rows that k-means++ chooses for each row of x.

    Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding" (2007), section 2.2: the first
    center is any row, each further one x_n with a probability that is proportional to its squared distance
    from the nearest so far. Center k takes the uniform of row k of stream 2**32 - 2. Distances are those of x
    over a power of two, so that no square over- or underflows. Raises ValueError where there are fewer
    different rows.
    """
    x = np.ldexp(x, -math.frexp(np.max(np.abs(x)))[1])
    uniforms, labels, nearest = np.empty(count), np.zeros(len(x), np.int64), np.ones(len(x))
    fill_uniforms(uniforms, np.int64(0), key, _STREAM)
    for k, uniform in enumerate(uniforms):
        center = _chosen(nearest, uniform, k, count)
        square = np.einsum("nd,nd->n", x - x[center], x - x[center])
        closer = square < nearest if k else np.ones(len(x), np.bool_)
        labels[closer], nearest = k, np.where(closer, square, nearest)
    return labels


def _chosen(nearest: Array, uniform: float, k: int, count: int) -> int:
    """The row that center k is, of the squared distances from those before."""
    cumulative = np.cumsum(nearest)
    total = float(cumulative[-1])
    if total == 0:
        raise ValueError(f"components: expected at most {k}, the different rows of x, got {count}")
    row = np.searchsorted(cumulative, uniform * total, side="right")
    return int(min(row, np.flatnonzero(nearest)[-1]))
