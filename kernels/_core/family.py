"""A family, written once: its public functions are the methods here, made from its two row kernels.

A module has `Params`, `random_params`, what checks a Params, two row kernels, and
`_family = Family(Params, arrays, forward_rows, inverse_rows)`.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.rows import (
    TOGETHER,
    WORTH_LIGHT,
    FewRows,
    Step,
    draw,
    score,
    tempered,
    transform,
)
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary

_FAMILIES: dict[type, "Family"] = {}  # by the exact type of their Params; each module adds its own


class Directions(NamedTuple):
    """The row kernels of checked parameters, or of a flow of several, either way and for samples."""

    forward: tuple[Step, ...]
    inverse: tuple[Step, ...]
    drawing: tuple[Step, ...]

    @classmethod
    def of(cls, forward: Iterable[Step], inverse: Iterable[Step]) -> "Directions":
        """Those of both directions."""
        steps = tuple(forward)
        return cls(steps, tuple(inverse), tuple(step.drawing() for step in steps))


class Family:
    """forward, inverse, log_prob and sample of one family.

    params: the class of its parameters, a flat NamedTuple with the properties `dim` (D) and `dtype` (float32
    or float64, that of `sample`). arrays(params, dtype, dim): checks them and returns the arrays of the row
    kernels, which are `rows(lo, hi, source, target, log_det, *arrays)`. worth: as in `rows.Step`. tables: of
    a family whose Params may ask for contexts, tables(params, *arrays) is that of `rows.Step`. unscored: a
    third row kernel, forward without log_det, for samples.
    """

    strategies: tuple[str, ...] = ()  # of `forward`; the first is what it does unless told
    fixes_dim = True  # whether a Params goes with one D only
    together = TOGETHER  # rows, as in `rows.Step`

    def __init__(
        self,
        params: type[Any],
        arrays: Callable[..., tuple[Any, ...]],
        forward_rows: Callable[..., Any],
        inverse_rows: Callable[..., Any],
        worth: int = WORTH_LIGHT,
        few: FewRows | None = None,
        tables: Callable[..., Any] | None = None,
        *,
        unscored: Callable[..., Any] | None = None,
    ) -> None:
        self.params = params
        self._arrays = arrays
        self._rows = forward_rows, inverse_rows
        self._worth = worth
        self._few = few
        self._tables = tables
        self._unscored = unscored
        _FAMILIES[params] = self
        params.__repr__ = summary  # type: ignore[assignment]  # mypy takes it for one that is bound

    def __reduce__(self) -> tuple[Any, ...]:
        return family_of, ("params", self.params)

    @property
    def stem(self) -> str:
        """The name of its module."""
        return self.params.__module__.rpartition(".")[2]

    def forward(
        self, z: ArrayLike, params: Any, *, out: Array | None = None, threads: int = 1
    ) -> tuple[Array, Array]:
        """Latent to data: (x, log_det), shapes (N, D) and (N,), dtype of z.

        log_det is log |det dx/dz|; the module has the formula. z: (N, D), float64 or float32 (integers become
        float64). out: the array that x is written to, (N, D) of that dtype; it may be z itself. Raises
        TypeError or ValueError for wrong arguments, naming them.
        """
        return self._transform(0, "z", z, params, out, threads)

    def inverse(
        self, x: ArrayLike, params: Any, *, out: Array | None = None, threads: int = 1
    ) -> tuple[Array, Array]:
        """Data to latent: (z, log_det), shapes (N, D) and (N,), dtype of x.

        log_det is log |det dz/dx|. Arguments and errors as in `forward`.
        """
        return self._transform(1, "x", x, params, out, threads)

    def _transform(
        self, direction: int, name: str, argument: Any, params: Any, out: Any, threads: int, *options: Any
    ) -> tuple[Array, Array]:
        if out is not None and check.ready(argument, out) and check.apart(out, params):
            source, target = argument, out
        else:
            source = check.batch(name, argument)
            target, source = check.output_like(out, source, name, argument, params=params)
        if type(params) is not self.params:
            check.instance("params", params, self.params)
        self._refuse_contexts(params)
        try:
            arrays = self._arrays(params, source.dtype, source.shape[1], *options)
        except ValueError as error:
            came = f"{name} has {source.shape[1]} columns"
            raise self._explained(error, came, params, source.dtype, options) from None
        log_det = np.empty(len(source), source.dtype)
        rows = self._kernel(direction, *options)
        if threads == 1:  # the shortest way: for one row most of the time is the call
            rows(0, len(source), source, target, log_det, *arrays)
        else:
            step = Step(rows, arrays, self._worth, self.together)
            transform((step,), source, target, log_det, check.threads(threads))
        return target, log_det

    def _kernel(self, direction: int, *options: Any) -> Callable[..., Any]:
        return self._rows[direction]

    def log_prob(self, x: ArrayLike, params: Any, *, threads: int = 1) -> Array:
        """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x; errors as `forward`."""
        source = check.batch("x", x)
        self._refuse_contexts(params)
        step = self._step(1, params, source.dtype, source.shape[1], came="x has {} columns")
        density = np.empty(len(source), source.dtype)
        score((step,), source, density, check.threads(threads))
        return density

    def nll(self, x: ArrayLike, params: Any) -> float:
        """Negative log-likelihood: minus the mean of `log_prob`; N at least 1. Errors as `forward`."""
        density = self.log_prob(x, params)
        if not density.size:
            raise ValueError("x: expected at least 1 row, got none")
        return -float(np.mean(density, dtype=np.float64))

    def sample(
        self, n: int, params: Any, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
        out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """`forward` of the normals of `seed`: (n, D), the dtype of params.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. seed: 0 <= seed < 2**64.
        rng instead, as in SPEC 7: an integer, SeedSequence, BitGenerator or Generator, of which one seed is
        drawn; with neither the sample is another one each time. Errors as `forward`.
        """
        check.instance("params", params, self.params)
        return self._sample(n, params.dim, params, key_of(seed, rng), first_row, out, threads)

    def _sample(
        self, n: int, dim: int, params: Any, key: np.uint64, first_row: int, out: Any, threads: int,
        *, temperature: float = 1.0,
    ) -> Array:  # fmt: skip
        n, dtype = check.count("n", n), params.dtype or check.FLOAT64
        self._refuse_contexts(params)
        step = self._step(0, params, dtype, dim)
        row, threads = check.first_row(first_row, n), check.threads(threads)
        x = check.output(out, dtype, (n, dim), params=params)
        draw(tempered((step.drawing(),), temperature), x, key, row, threads)
        return x

    def directions(
        self, params: Any, dtype: np.dtype[Any], dim: int, strategy: str | None = None
    ) -> Directions:
        """The row kernels of a Params, checked for batches of this dtype and D."""
        options = (self._strategy(strategy),) if self.strategies else ()
        forward, inverse = (self._step(i, params, dtype, dim, *options) for i in (0, 1))
        if self._few is not None:
            few = self._few.packed(*forward.arrays)
            inverse = inverse.with_few(self._few.inverse, few)
            if options == self.strategies[:1]:
                forward = forward.with_few(self._few.forward, few)
        if self._tables is not None:
            tables = self._tables(params, *forward.arrays)
            forward, inverse = (step._replace(tables=tables) for step in (forward, inverse))
        return Directions.of((forward,), (inverse,))

    def _step(
        self, direction: int, params: Any, dtype: np.dtype[Any], dim: int, *options: Any,
        came: str = "dim is {}",
    ) -> Step:  # fmt: skip
        check.instance("params", params, self.params)
        try:
            arrays = self._arrays(params, dtype, dim, *options)
        except ValueError as error:
            raise self._explained(error, came.format(dim), params, dtype, options) from None
        rows = self._kernel(direction, *options)
        unscored = self._unscored if rows is self._rows[0] else None  # other strategies have no such kernel
        return Step(rows, arrays, self._worth, self.together, unscored=unscored)

    def _refuse_contexts(self, params: Any) -> None:
        if self._tables is None or type(params) is not self.params:
            return
        name = "context" if "context" in params._fields else "weight_context"
        value = getattr(params, name)
        if value is not None:
            came = repr(value) if isinstance(value, str) else check.described(value)
            raise ValueError(f"params.{name}: expected None, got {came}; Flow(params) takes contexts")

    def _explained(
        self, error: ValueError, came: str, params: Any, dtype: np.dtype[Any], options: tuple[Any, ...]
    ) -> ValueError:
        """`error`; or one that says which D the parameters are right for, if it is another than what came."""
        dims = []
        with contextlib.suppress(TypeError, ValueError):  # the parameters themselves are wrong
            for dim in (params.dim, params.dim + 1)[: 1 if self.fixes_dim else 2]:
                self._arrays(params, dtype, dim, *options)
                dims.append(str(dim))
        return ValueError(f"{came}, params are for D = {' or '.join(dims)}") if dims else error

    def _strategy(self, name: str | None) -> str:
        if name is not None:
            check.choice("strategy", name, self.strategies)
        return name or self.strategies[0]


class OpenFamily(Family):
    """A family whose Params leave D open, by one or altogether; `dim` is what `sample` draws, or None."""

    fixes_dim = False

    def sample(
        self, n: int, params: Any, seed: Seed = None, *, dim: int | None = None, rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """`forward` of the normals of `seed`: (n, dim), the dtype of params.

        dim: D, where the parameters leave it open. Else as in `Family.sample`: rows first_row to
        first_row + n - 1; seed or rng.
        """
        check.instance("params", params, self.params)
        dim = check.count("dim", params.dim if dim is None else dim, 1)
        return self._sample(n, dim, params, key_of(seed, rng), first_row, out, threads)


class StrategicFamily(Family):
    """A family with several strategies of `forward`; arrays takes the chosen one last."""

    def forward(
        self,
        z: ArrayLike,
        params: Any,
        *,
        strategy: str | None = None,
        out: Array | None = None,
        threads: int = 1,
    ) -> tuple[Array, Array]:
        """Latent to data by one of several strategies: (x, log_det), shapes (N, D) and (N,), dtype of z.

        strategy: the module says which there are and what they do. Else as in `Family.forward`.
        """
        return self._transform(0, "z", z, params, out, threads, self._strategy(strategy))


def family_of(name: str, params: type) -> Family:
    """The family whose Params are of exactly this class; TypeError, naming the argument, if there is none."""
    if params not in _FAMILIES:
        advice = "; pass each by itself: Flow(*params)" if params in (list, tuple) else ""
        came = f"{params.__module__}.{params.__name__}".removeprefix("builtins.")
        raise TypeError(f"{name}: expected Params of a family of flows, got {came}{advice}")
    return _FAMILIES[params]
