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
from seqgap.kernels._core.check import FLOAT64, Array
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets import maximisation, partitions
from seqgap.kernels._nets.maximisation import Components
from seqgap.kernels._nets.mixture_rows import LOG_PROB, RESPONSIBILITIES, SAMPLE, SCORE
from seqgap.kernels._nets.mixture_tables import Arrays, checked, tables


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
    full = check.flag("full", full)
    mean, log_scale = (standard_normal(components, dim, key, stream=stream) for stream in (1, 2))
    weight = np.exp(0.3 * standard_normal(1, components, key, stream=3)[0])
    scale = np.exp(0.3 * log_scale)
    if full:
        below = standard_normal(components * dim, dim, key, stream=4).reshape(components, dim, dim)
        scale = np.tril(0.5 / np.sqrt(dim) * below, -1) + scale[:, :, None] * np.eye(dim)
    return Params(*(a.astype(real) for a in (weight / weight.sum(), 3 / np.sqrt(dim) * mean, scale)))


def _components(params: Any, source: Array, name: str = "params") -> Components:
    """The fields of the params for a batch x, in its dtype; name: of the argument."""
    check.instance(name, params, Params)
    fields, dim = Components(*checked(params, source.dtype, name)), params.dim
    if source.shape[1] != dim:
        verb = "are" if name == "params" else "is"
        raise ValueError(f"x has {source.shape[1]} columns, {name} {verb} for D = {dim}")
    return fields


def _mixture(params: Any, source: Array) -> Arrays:
    """What the kernels of `log_prob` and `score` read, for a batch x."""
    return tables(_components(params, source), source.dtype)


def log_prob(x: ArrayLike, params: Params, *, threads: int = 1) -> Array:
    """log p(x) = log of the sum of w_k N(x; mean_k, L_k L_k^T), shape (N,), dtype of x.

    x: (N, D), float64 or float32 (integers become float64). -inf where |L_k^-1 (x - mean_k)|^2 overflows for
    every k. Raises TypeError or ValueError for wrong arguments, naming them.
    """
    source = check.batch("x", x)
    arrays, threads = _mixture(params, source), check.threads(threads)
    density = np.empty(len(source), source.dtype)
    nothing = np.empty((len(source), 0), source.dtype)  # a batch without columns is not written
    LOG_PROB(threads, *source.shape, source, nothing, density, *arrays)
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
    SCORE(threads, *source.shape, source, result, density, *arrays)
    return result


def responsibilities(x: ArrayLike, params: Params, *, out: Array | None = None, threads: int = 1) -> Array:
    """r_k(x) = w_k N(x; mean_k, L_k L_k^T) / p(x), shape (N, K), dtype of x; each row sums to 1.

    NaN where log p is -inf; 0 for exp(-708) of the largest, exp(-87) in float32, or less. out: the array to
    write, (N, K) of the dtype of x, apart from x. Other arguments and errors as in `log_prob`.
    """
    source = check.batch("x", x)
    arrays, threads = _mixture(params, source), check.threads(threads)
    shape = len(source), params.layout["components"]
    result = check.output(out, source.dtype, shape, x=x, params=params)
    density = np.empty(len(source), source.dtype)
    RESPONSIBILITIES(threads, *source.shape, source, result, density, *arrays)
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
    SAMPLE(threads, *x.shape, x, row, key, np.cumsum(weight), mean, factor)
    return x


class Fit(NamedTuple):
    """What `fit` found.

    history[t] is the mean of log p(x) after t steps, so that the last one is that of `params`. A component
    has collapsed if in some direction at least half of its variance is the floor: it holds rows that are
    equal there, and the likelihood says little.
    """

    params: Params
    history: Array  # (steps + 1,), float64
    steps: int
    settled: bool  # the last step changed the mean of log p(x) by less than the tolerance
    collapsed: Array  # (K,), bool


def em_step(x: ArrayLike, params: Params, *, floor: float = 1e-6, threads: int = 1) -> tuple[Params, float]:
    """One step of expectation and maximisation: (params after it, mean of log p(x) before it).

    With the responsibilities r_nk and N_k = sum over n of r_nk: w_k = N_k / N, mean_k = sum of r_nk x_n /
    N_k, L_k L_k^T = sum of r_nk (x_n - mean_k)(x_n - mean_k)^T / N_k + floor I, or the diagonal of it where
    params have diagonals. Bishop (2006), equations 9.23 to 9.27.

    x: (N, D), finite; float32 is summed in blocks of 1024 rows. The result has its dtype and does not depend
    on `threads`. Raises TypeError or ValueError for wrong arguments, ValueError for fewer rows than
    components, for a component that holds less than a thousandth of a row, and for a covariance that is
    singular or larger than Params of that dtype may have.
    """
    source = check.batch("x", x)
    fields, floor = _started(params, source, "params"), _floor(floor, source.dtype)
    threads, where = check.threads(threads), "at this step"
    found = maximisation.passed(source, fields, threads, where)
    new = maximisation.maximised(source, found, floor, threads, where)
    return _params(new, source), found.density


def fit(
    x: ArrayLike, start: Params, *, steps: int = 100, tolerance: float = 1e-3, floor: float = 1e-6,
    threads: int = 1,
) -> Fit:  # fmt: skip
    """Maximum likelihood by expectation and maximisation, from `start`: diagonal or full as its covariances.

    Steps as in `em_step`, at most so many, until one changes the mean of log p(x) by less than `tolerance`;
    with 0 all are taken. floor: what each step adds to variances, from 0 to 2.2e30 in float32, to 1.3e246 in
    float64. For a start see `start_params`;
    the best of some is `max(fits, key=lambda fit: fit.history[-1])`.

    Raises TypeError or ValueError for wrong arguments, and as `em_step`, naming component and step. A
    component that is left with equal rows alone is kept by the floor and told in `Fit.collapsed`.
    """
    source = check.batch("x", x)
    fields, steps = _started(start, source, "start"), check.count("steps", steps, 1)
    tolerance, floor = check.nonnegative("tolerance", tolerance), _floor(floor, source.dtype)
    run = maximisation.run(source, fields, (steps, tolerance, floor), check.threads(threads))
    history = np.array(run.history)
    return Fit(
        _params(run.components, source), history, len(history) - 1, run.settled,
        maximisation.collapsed(run.components, floor),
    )  # fmt: skip


def start_params(
    x: ArrayLike, components: int, seed: Seed = None, *, rng: RNG = None, full: bool = False,
    floor: float = 1e-6,
) -> Params:  # fmt: skip
    """A start for `fit` by k-means++: rows far apart, and for each the rows that are nearest to it.

    w_k and mean_k are those of these rows; all components have the mean of their covariances, weighted by
    w_k, plus floor I: so none begins on a single row. Arthur and Vassilvitskii, "k-means++: the advantages of
    careful seeding" (2007). The choice depends on x, `seed` or `rng` (as in `sample`) and nothing else.

    x: (N, D), finite; params have its dtype. Raises TypeError or ValueError for wrong arguments, also where
    components are more than the different rows of x.
    """
    source = _data(x)
    components, limits = check.count("components", components, 1), (_floor(floor, source.dtype), source.dtype)
    if components > len(source):
        raise ValueError(f"components: expected at most {len(source)}, the rows of x, got {components}")
    key, full, rows = key_of(seed, rng), check.flag("full", full), source.astype(float)
    labels = partitions.nearest_centers(rows, components, key)
    return _params(partitions.of_labels(rows, labels, full, limits, pooled=True), source)


def fit_labelled(x: ArrayLike, labels: ArrayLike, *, full: bool = False, floor: float = 1e-6) -> Params:
    """The mixture of rows whose components are known: share, mean and covariance of each label, plus floor I.

    Covariances are divided by the number of rows, as in `fit`. x: (N, D), finite; labels: (N,), integers, all
    from 0 to the largest. Params have the dtype of x. Raises TypeError or ValueError for wrong arguments, and
    ValueError for a covariance that is singular.
    """
    source = _data(x)
    limits = _floor(floor, source.dtype), source.dtype
    known, full = check.integers("labels", labels, 1), check.flag("full", full)
    if len(known) != len(source):
        raise ValueError(f"labels: expected one for each of {len(source)} rows, got {len(known)}")
    present = np.unique(known)
    if not np.array_equal(present, np.arange(len(present))):
        raise ValueError(f"labels: expected all from 0 to the largest, got {present.tolist()!r:.60}")
    return _params(partitions.of_labels(source.astype(float), known, full, limits), source)


def _data(x: ArrayLike) -> Array:
    """A batch with rows, all finite."""
    source = check.batch("x", x)
    if not len(source):
        raise ValueError(f"x: expected at least 1 row, got shape {source.shape}")
    check.finite("x", source)
    return source


def _floor(value: Any, dtype: np.dtype[Any]) -> float:
    """A floor of variances whose deviation Params of a dtype may have."""
    floor = check.nonnegative("floor", value)
    check.between(f"floor, for {dtype}", np.asarray(floor), 0, maximisation.most_floor(dtype))
    return floor


def _started(params: Any, source: Array, name: str) -> Components:
    """The fields that steps begin from, in float64, all finite, and no more components than rows."""
    fields = _components(params, source, name)
    check.finite(f"{name}.mean", fields.mean)
    check.finite(f"{name}.scale", np.tril(fields.scale) if fields.scale.ndim == 3 else fields.scale)
    if len(fields.weight) > len(source):
        expected = f"at least {len(fields.weight)} rows, the components of {name}"
        raise ValueError(f"x: expected {expected}, got {len(source)}")
    return Components(*(field.astype(FLOAT64, copy=False) for field in fields))


def _params(components: Components, source: Array) -> Params:
    """Params in the dtype of x."""
    return Params(*(field.astype(source.dtype, copy=False) for field in components))
