"""Chains of steps x <- a x + b f(x, t) + c eps: their tables, and what users hold of one.

Noise is counter-based: the eps of row i at a step are row i of one stream of normals of the seed, the same
numbers however a batch is cut.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import TOGETHER, WORTH_HEAVY, in_parts
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets.scan import scan_rows

STRATEGIES = ("steps", "picard", "scan")


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method of S stages (Hairer, Norsett and Wanner, 1993, section II.1)."""

    nodes: Array  # (S,): at which part of a step each stage is
    stages: Array  # (S, S), strictly lower: what earlier stages count for in the input of each
    weights: Array  # (S,): what each counts for in the step


EULER = Tableau(np.zeros(1), np.zeros((1, 1)), np.ones(1))


class Steps(NamedTuple):
    """T steps of a chain, in the order in which they are done; float64 until they are bound to a dtype.

    clean = clean_x x + clean_f f, clipped to [-limit, limit], and then
    x <- keep x + pull clean + push f + noise eps, where f is the weighted mean of the stages' values and each
    stage is evaluated at x + push (stages @ values). Without a limit, pull is 0.
    """

    table: Array  # (T, 6): clean_x, clean_f, keep, pull, push, noise
    streams: Array  # (T,) uint32: of the normals of each step
    tableau: Tableau = EULER
    limit: float = np.inf


class Rows(NamedTuple):
    """The row kernels of chains with one kind of f; `chain_rows.rows_of` makes them."""

    many: Callable[..., None]
    few: Callable[..., None]
    most: Callable[[int], int] = lambda lanes: 3 * lanes // 8  # rows that `few` does faster
    picard: Callable[..., None] | None = None  # as `picard.picard_rows` makes it
    composed: Callable[..., Any] | None = None  # (steps, field) -> (gain, offset), weights of the noise
    work: Callable[[Any], int] = lambda field: 0  # of f for a row, in normals that take as long


class Bound(NamedTuple):
    """A chain in one dtype."""

    steps: tuple[Any, ...]
    field: Any  # what the row kernels read of f
    most: int  # rows that are done one by one


class Plan(NamedTuple):
    """What a family makes of its Params and of the options of its chains."""

    rows: Rows
    field: Callable[[np.dtype[Any]], Any]  # what the row kernels read of f in a dtype
    steps: Steps


class Chain:
    """A sampler with its steps and its model checked and laid out once; its verbs draw, run and record.

    `Chain(params, steps=50)` takes Params of a family of chains, which is found by their exact type, and the
    options that the module of that family lists. What is done to the arrays of params later changes nothing.
    Rows have the same bits for every batch, thread count and `first_row`. Raises TypeError or ValueError for
    params or options that are wrong.
    """

    def __init__(self, params: Any, **options: Any) -> None:
        if type(params) not in _FAMILIES:
            raise TypeError(f"params: expected Params of a family of chains, got {check.described(params)}")
        plan = _FAMILIES[type(params)].plan
        _, *known = inspect.signature(plan).parameters
        if unknown := [name for name in options if name not in known]:
            raise TypeError(f"options: expected of {', '.join(known)}, got {', '.join(unknown)}")
        self._plan = plan(_copied(params), **options)
        self.dim, self.dtype = params.dim, params.dtype
        self.steps = self._plan.steps
        self.length = len(self.steps.table)
        self._known: dict[np.dtype[Any], Bound] = {}
        self._scans: dict[np.dtype[Any], tuple[Array, Array, Array]] = {}
        self._work = self.length * (self.dim + self._plan.rows.work(self.field(self.dtype)))  # of a row

    def __repr__(self) -> str:
        return f"Chain({self.length} steps, D={self.dim}, {self.dtype})"

    def _bound(self, dtype: np.dtype[Any]) -> Bound:
        if dtype not in self._known:
            steps = self.steps
            tableau = tuple(np.ascontiguousarray(a, dtype) for a in steps.tableau[1:])
            table = np.ascontiguousarray(steps.table, dtype)
            most = self._plan.rows.most(VECTOR_BYTES // dtype.itemsize)
            arrays = table, np.asarray(steps.streams, np.uint32), *tableau, dtype.type(steps.limit)
            self._known[dtype] = Bound(arrays, self._plan.field(dtype), most)
        return self._known[dtype]

    def field(self, dtype: np.dtype[Any]) -> Any:
        """What the kernels read of the model in a dtype."""
        return self._bound(dtype).field

    def sample(
        self, n: int, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None, first_row: int = 0,
        out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """`run` from standard normals, stream 0 of the same seed: (n, D), dtype of the chain.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. seed, rng: as in the
        `sample` of a family. strategy: as in `run`. Raises TypeError or ValueError for wrong arguments.
        """
        self._refuse_unless_able(strategy)
        key = key_of(seed, rng)
        x = standard_normal(
            n, self.dim, int(key), first_row=first_row, dtype=self.dtype, out=out, threads=threads
        )
        if strategy != "steps":
            return self.run(x, int(key), strategy=strategy, first_row=first_row, out=x, threads=threads)
        self._go(x, None, key, first_row, threads)
        return x

    def run(
        self, x: ArrayLike, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """All steps from the states x (N, D); the result has their shape and dtype. Else as `sample`.

        strategy: steps, one after the other; picard, as that verb; scan, one pass for a linear model without
        a limit, the same to rounding. out: the array that the result is written to; it may be x itself.
        """
        self._refuse_unless_able(strategy)
        if strategy == "picard":
            return self.picard(x, seed, rng=rng, first_row=first_row, out=out, threads=threads)[0]
        source = self._batch(x)
        key, row = key_of(seed, rng), int(check.first_row(first_row, len(source)))
        target, source = check.output_like(out, source, "x", x)
        target[:] = source
        threads = check.threads(threads)
        if strategy == "scan":
            self._scan(target, key, row, threads)
        else:
            self._go(target, None, key, row, threads)
        return target

    def picard(
        self, x: ArrayLike, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
        tolerance: float | None = None, out: Array | None = None, threads: int = 1,
    ) -> tuple[Array, Array]:  # fmt: skip
        """`run` in sweeps over windows of 64 steps of float32 or 32 of float64: (states, sweeps of each row).

        f is evaluated at all steps of a window at once, and the window moves on past the first step and those
        after it that a sweep changes by at most tolerance max(1, |x|); 64 roundings of the dtype by default.
        At most T sweeps. Only for networks, and methods of one stage: else ValueError.
        """
        self._refuse_unless_able("picard")
        source, rows = self._batch(x), self._plan.rows.picard
        assert rows is not None
        key, row = key_of(seed, rng), check.first_row(first_row, len(source))
        limit = 64 * float(np.finfo(source.dtype).eps)
        limit = limit if tolerance is None else check.positive("tolerance", tolerance)
        states, source = check.output_like(out, source, "x", x)
        states[:] = source
        sweeps = np.empty(len(source), np.int64)
        steps, field, _ = self._bound(source.dtype)

        def part(lo: int, hi: int) -> None:
            rows(lo, hi, states, sweeps, (row, key), (steps, limit), field)

        in_parts(part, check.threads(threads), (len(source), self._work), WORTH_HEAVY, together=1)
        return states, sweeps

    def _composed(self, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
        """The chain as one affine map in a dtype: streams and weights of its noise, (gain, offset)."""
        if dtype not in self._scans:
            composed = self._plan.rows.composed
            assert composed is not None
            affine, weights = composed(self.steps.table, self.field(np.dtype(np.float64)))
            drawing = self.steps.table[:, 5] != 0
            streams = np.asarray(self.steps.streams, np.uint32)[drawing]
            tables = (np.ascontiguousarray(table, dtype) for table in (weights[drawing], affine))
            self._scans[dtype] = (streams, *tables)
        return self._scans[dtype]

    def _scan(self, x: Array, key: np.uint64, first_row: int, threads: int) -> None:
        arrays = self._composed(x.dtype)

        def part(lo: int, hi: int) -> None:
            scan_rows(lo, hi, x, (np.int64(first_row), key), *arrays)

        in_parts(part, threads, (len(x), self._work), WORTH_HEAVY)

    def trajectory(
        self, x: ArrayLike, seed: Seed = None, *, rng: RNG = None, first_row: int = 0, threads: int = 1
    ) -> Array:
        """The states of `run`: (T + 1, N, D), the first x, the last its result."""
        source = self._batch(x)
        key, row = key_of(seed, rng), int(check.first_row(first_row, len(source)))
        states = check.output(None, source.dtype, (self.length + 1, *source.shape))
        states[0] = source
        self._go(source.copy(), states, key, row, check.threads(threads))
        return states

    def _refuse_unless_able(self, strategy: str) -> None:
        """Before anything is written: TypeError or ValueError for a strategy that does not fit the chain."""
        check.choice("strategy", strategy, STRATEGIES)
        rows, single = self._plan.rows, len(self.steps.tableau.weights) == 1
        if strategy == "picard" and not (rows.picard and single):
            raise ValueError("picard: expected a Perceptron as model and a method of one stage, got others")
        if strategy == "scan" and not (rows.composed and single and np.isinf(self.steps.limit)):
            needed = "a Gaussian as model, no limit, no adjustment and a method of one stage"
            raise ValueError(f"strategy: scan needs {needed}")

    def _batch(self, x: Any) -> Array:
        source = check.batch("x", x)
        if source.shape[1] != self.dim:
            raise ValueError(f"x has {source.shape[1]} columns, the chain is for D = {self.dim}")
        return source

    def _go(self, x: Array, states: Array | None, key: np.uint64, first_row: int, threads: int) -> None:
        steps, field, most = self._bound(x.dtype)
        record = np.empty((0, 0, 0), x.dtype) if states is None else states
        one_by_one = len(x) <= most
        rows = self._plan.rows.few if one_by_one else self._plan.rows.many

        def part(lo: int, hi: int) -> None:
            rows(lo, hi, x, record, (np.int64(first_row), key), steps, field)

        if threads == 1:
            part(0, len(x))
        else:
            together = 1 if one_by_one else TOGETHER
            in_parts(part, threads, (len(x), self._work), WORTH_HEAVY, together)


def _copied(value: Any) -> Any:
    """Params with arrays that are nobody else's, those of the models in them too."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_copied, value))
    return value.copy() if isinstance(value, np.ndarray) else value


class ChainFamily:
    """sample, run and trajectory of one family of chains.

    params: the class of its parameters, which has `dim` and `dtype`. plan(params, **options) checks both.
    """

    def __init__(self, params: type[Any], plan: Callable[..., Plan]) -> None:
        self.params, self.plan = params, plan
        _FAMILIES[params] = self
        params.__repr__ = summary  # type: ignore[assignment]  # mypy takes it for one that is bound

    def sample(
        self, n: int, params: Any, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """n states after all steps from standard normals: (n, D), dtype of params.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts; seed, rng: as in the
        `sample` of a flow. strategy: steps, picard or scan, as in `Chain.run`. options: those of the module;
        `Chain(params, **options)` prepares them once. Raises TypeError or ValueError for wrong arguments.
        """
        check.instance("params", params, self.params)
        draw = Chain(params, **options).sample
        return draw(n, seed, strategy=strategy, rng=rng, first_row=first_row, out=out, threads=threads)

    def run(
        self, x: ArrayLike, params: Any, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """The states after all steps from x: (N, D), dtype of x. out may be x itself. Else as `sample`.

        strategy: steps, picard or scan, as in `Chain.run`.
        """
        check.instance("params", params, self.params)
        run = Chain(params, **options).run
        return run(x, seed, strategy=strategy, rng=rng, first_row=first_row, out=out, threads=threads)

    def trajectory(
        self, x: ArrayLike, params: Any, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
        threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """The states from x (N, D) on: (T + 1, N, D), dtype of x. Else as `sample`."""
        check.instance("params", params, self.params)
        return Chain(params, **options).trajectory(x, seed, rng=rng, first_row=first_row, threads=threads)


_FAMILIES: dict[type, ChainFamily] = {}  # by the exact type of their Params; each module adds its own
