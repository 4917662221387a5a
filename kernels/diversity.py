"""Metrics of a sample: how much of it differs, and how it covers data, a space, or known modes.

`prdc` compares a sample with data by balls around points, of the radius of the k-th nearest neighbour of its
own kind, the point itself left out: Kynkaanniemi et al., "Improved precision and recall metric for assessing
generative models" (2019); Naeem et al., "Reliable fidelity and diversity metrics for generative models"
(2020). A unique ratio says little alone, since it hangs on N: set it beside what N uniform draws would have,
`expected_unique_ratio`. Of a collapsed generator it is 1 / N.

With N data x_i, M samples y_j, and the balls B of either kind:

    precision = mean over j of [y_j in some B(x_i)]
    recall = mean over i of [x_i in some B(y_j)]
    density = sum over i, j of [y_j in B(x_i)] / (k M)
    coverage = mean over i of [some y_j in B(x_i)]
"""

import math
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel, in_parts
from seqgap.kernels._nets.neighbours import cross_rows, radius_rows

_radii = RowKernel(radius_rows, WORTH_HEAVY)
_MODE_RADIUS = 3  # standard deviations
_MOST_MET = 2**24  # states of `probability_of_all`, whose steps are at least their square
_MOST_BITS = 900  # of entries of `modes_covered`: no difference or norm of such overflows
_ROUNDING = 2.0**-56  # what changes no chance that is near 1


class Scores(NamedTuple):
    """What `prdc` finds."""

    precision: float  # the part of fake rows that are in a ball of the real ones
    recall: float  # the part of real rows that are in a ball of the fake ones
    density: float  # balls of real rows that a fake row is in, on average, over k; it may exceed 1
    coverage: float  # the part of real rows that have a fake one in their ball


class Modes(NamedTuple):
    """What `modes_covered` finds."""

    covered: int  # modes that some row belongs to
    share: float  # of the rows, those that belong to a mode
    counts: Array  # (K,): rows that belong to each mode


def prdc(real: ArrayLike, fake: ArrayLike, k: int, *, threads: int = 1) -> Scores:
    """Precision, recall, density and coverage, as the package prdc 0.2 defines them: a ball is open.

    real: (N, D), fake: (M, D), float64 or float32 (float64 if either is); finite, N and M above k. Distances
    are sums of squared differences in that dtype, so data may lie anywhere; no more than O((N + M) D + k) of
    them is kept. Rounding can matter only where a distance equals a radius to rounding; differences of less
    than 1e-300 of the largest value, 1e-35 in float32, count as none. The time grows with N M D. Raises
    TypeError or ValueError for wrong arguments, naming them.
    """
    x, y = _scaled(_finite("real", real), _finite("fake", fake))
    for name, batch in (("real", x), ("fake", y)):
        if len(batch) < 2:
            raise ValueError(f"{name}: expected at least 2 rows, got {len(batch)}")
    rank = check.integer("k", k, 1, min(len(x), len(y)) - 1)
    threads = check.threads(threads)
    x_radii, y_radii = (_squared_radii(batch, rank, threads) for batch in (x, y))
    nearest, reached, inside = _crossed(x, y, x_radii, y_radii, threads)
    return Scores(
        precision=float(np.mean(inside > 0)),
        recall=float(np.mean(reached > 0)),
        density=float(np.mean(inside)) / rank,
        coverage=float(np.mean(nearest < x_radii)),
    )


def _finite(name: str, value: ArrayLike) -> Array:
    batch = check.batch(name, value)
    check.finite(name, batch)
    return batch


def _scaled(real: Array, fake: Array) -> tuple[Array, Array]:
    """Both in one dtype and times one power of two, which is exact: as large as sums of squares allow."""
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"fake: expected {real.shape[1]} columns, as real has, got {fake.shape[1]}")
    dtype = np.result_type(real, fake)
    highest = (np.finfo(dtype).maxexp - 3 - real.shape[1].bit_length()) // 2  # D (2 2**highest)**2 is finite
    exponent = highest - _exponent(real, fake)
    return np.ldexp(real.astype(dtype), exponent), np.ldexp(fake.astype(dtype), exponent)


def _exponent(*batches: Array) -> int:
    """The power of two that is above all entries."""
    return math.frexp(max(float(np.max(np.abs(batch), initial=0)) for batch in batches))[1]


def _squared_radii(batch: Array, rank: int, threads: int) -> Array:
    radii = np.empty(len(batch), batch.dtype)
    _radii(threads, len(batch), batch.size, batch, rank, radii)
    return radii


def _crossed(x: Array, y: Array, x_radii: Array, y_radii: Array, threads: int) -> tuple[Array, Array, Array]:
    """(least squared distance of each x to y, whether it is in a ball of y, balls of x that each y is in)."""
    found, inside, lock = np.empty((2, len(x)), x.dtype), np.zeros(len(y), np.int64), threading.Lock()

    def part(lo: int, hi: int) -> None:
        counts = np.zeros(len(y), np.int64)
        cross_rows(lo, hi, x, y, x_radii, y_radii, found, counts)
        with lock:
            np.add(inside, counts, out=inside)

    in_parts(part, threads, (len(x), y.size), WORTH_HEAVY)
    return found[0], found[1], inside


def unique_ratio(x: ArrayLike, *, decimals: int) -> float:
    """Different rows over rows of x (N, D), after x is rounded to multiples of 10**-decimals.

    Rounding comes first, half to even, in float64; so 0.0 and -0.0 are one value. Integers up to 2**53 are
    exact. decimals: -300 to 300. Raises TypeError or ValueError for wrong arguments, NaN and no rows among
    them, and for values that overflow times 10**decimals.
    """
    batch = _rows(x)
    return _distinct(batch, decimals) / len(batch)


def coverage(x: ArrayLike, states: int, *, decimals: int = 0) -> float:
    """Different rows of x over all states of the space: 2**D of bits, S**T of T tokens. Else `unique_ratio`.

    Raises ValueError where there are more different rows than states, too.
    """
    batch = _rows(x)
    found, most = _distinct(batch, decimals), _states("states", states)
    if found > most:
        raise ValueError(f"states: expected at least the {found} different rows of x, got {most}")
    return found / most


def _rows(x: ArrayLike) -> Array:
    batch = _finite("x", x)
    if not len(batch):
        raise ValueError(f"x: expected at least 1 row, got shape {batch.shape}")
    return batch


def _distinct(batch: Array, decimals: int) -> int:
    """How many rows differ when they are rounded."""
    factor = 10.0 ** check.integer("decimals", decimals, -300, 300)
    with np.errstate(over="ignore"):
        cells = np.rint(batch.astype(np.float64) * factor)
    if not np.all(np.isfinite(cells)):
        raise ValueError(f"x: expected values that 10**{decimals} leaves finite, got larger ones")
    cells += 0.0  # -0.0 becomes 0.0: what follows compares bytes
    return len({row.tobytes() for row in cells})


def _states(name: str, value: Any) -> int:
    """A number of states, which may be beyond 2**63."""
    return check.integer(name, value, 1, 10**300)


def expected_unique_ratio(n: int, k: int) -> float:
    """K (1 - (1 - 1/K)^N) / N: the mean of `unique_ratio` of N uniform draws from K states.

    Raises TypeError or ValueError for an n or k that is not an integer from 1 on.
    """
    return min(1.0, expected_coverage(n, k) * int(k) / int(n))  # rounding is above 1


def expected_coverage(n: int, k: int) -> float:
    """1 - (1 - 1/K)^N: the mean of `coverage` of N uniform draws. Errors as in `expected_unique_ratio`."""
    draws, states = check.count("n", n, 1), _states("k", k)
    return -math.expm1(draws * math.log1p(-1 / states)) if states > 1 else 1.0


def probability_of_all(n: int, k: int) -> float:
    """The probability that N uniform draws meet all K states; errors as in `expected_unique_ratio`.

    By the chance to have met each number of states so far, from one draw to the next: sums of positive terms,
    where inclusion and exclusion cancel. It takes N K steps, but no more than about 40 K draws of them, from
    which on the chance is 1 to rounding.
    """
    draws, states = check.count("n", n, 1), check.count("k", k, 1)
    if draws < states:
        return 0.0
    met = np.zeros(check.integer("k", states, 1, _MOST_MET) + 1)
    met[0] = 1
    known = np.arange(states + 1) / states
    new = 1 - known[:-1]
    for _ in range(draws):
        met[1:] = met[1:] * known[1:] + met[:-1] * new
        met[0] = 0
        if met[:-1].sum() < _ROUNDING:
            break
    return float(met[-1])


def modes_covered(x: ArrayLike, means: ArrayLike, scales: ArrayLike) -> Modes:
    """Which modes rows of x (N, D) belong to: the nearest mean (K, D), if within 3 standard deviations of it.

    The rule of VEEGAN (Srivastava et al., 2017) and PacGAN (Lin et al., 2018) for rings and grids of
    Gaussians in the plane. scales: standard deviations, one for all or (K,). Of two means that are equally
    near the first counts. The rule is one for few dimensions: the norm of D normals is about sqrt(D), so of a
    perfect sample .989 are within at D = 2, .47 at D = 10. Data may have any scale. Raises TypeError or
    ValueError for wrong arguments.
    """
    batch, centres = _rows(x).astype(np.float64), _finite("means", means).astype(np.float64)
    if centres.shape[1] != batch.shape[1] or not len(centres):
        raise ValueError(f"means: expected shape (K, {batch.shape[1]}), K at least 1, got {centres.shape}")
    deviations = _deviations(scales, len(centres))
    less = min(0, _MOST_BITS - _exponent(batch, centres))
    batch, centres, deviations = (np.ldexp(array, less) for array in (batch, centres, deviations))
    mode, distance = np.zeros(len(batch), np.int64), np.full(len(batch), np.inf)
    for index, centre in enumerate(centres):
        offset = _norms(batch - centre)
        nearer = offset < distance
        mode[nearer], distance[nearer] = index, offset[nearer]
    with np.errstate(over="ignore"):  # a radius of inf holds all
        near = distance <= _MODE_RADIUS * deviations[mode]
    counts = np.bincount(mode[near], minlength=len(centres))
    return Modes(int(np.count_nonzero(counts)), float(np.mean(near)), counts)


def _norms(rows: Array) -> Array:
    """Norms of rows, each over a power of two, which is exact: no square over- or underflows."""
    exponents = np.frexp(np.abs(rows).max(1))[1]
    norms: Array = np.linalg.norm(np.ldexp(rows, -exponents[:, None]), axis=1)
    return np.asarray(np.ldexp(norms, exponents))


def _deviations(scales: ArrayLike, count: int) -> Array:
    """Standard deviations of `count` modes."""
    array = check.floats("scales", scales, np.ndim(scales)).astype(np.float64)
    if array.shape not in ((), (count,)):
        raise ValueError(f"scales: expected a number or shape ({count},), got {array.shape}")
    if not np.all((array > 0) & np.isfinite(array)):
        raise ValueError("scales: expected positive finite numbers, got others")
    return np.broadcast_to(array, (count,))
