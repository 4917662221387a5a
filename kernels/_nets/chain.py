"""Chains of steps x <- a x + b f(x, t) + c eps: their tables, and what users hold of one.

Noise is counter-based: the eps of row i at a step are row i of one stream of normals of the seed, the same
numbers however a batch is cut.
"""

import inspect
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.llvm import VECTOR_BYTES
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._core.rows import TOGETHER, WORTH_HEAVY, in_parts
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._nets.chain_plan import Bound
from seqgap.kernels._nets.chain_series import Tables
from seqgap.kernels._nets.coalescence import Blocks, Forgetting, Series, forgetting_of, in_blocks
from seqgap.kernels._nets.scan import scan_rows

STRATEGIES = ("steps", "blocks", "picard", "scan")

FAMILIES: dict[type, Any] = {}  # `chain_family.ChainFamily` by the exact type of its Params; each adds itself


class Chain:
    """A sampler with its steps and its model checked and laid out once; its verbs draw, run and record.

    `Chain(params, steps=50)` takes Params of a family of chains, which is found by their exact type, and the
    options that the module of that family lists. What is done to the arrays of params later changes nothing.
    Rows have the same bits for every batch, thread count and `first_row`. Raises TypeError or ValueError for
    params or options that are wrong.
    """

    def __init__(self, params: Any, **options: Any) -> None:
        if type(params) not in FAMILIES:
            raise TypeError(f"params: expected Params of a family of chains, got {check.described(params)}")
        plan = FAMILIES[type(params)].plan
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

        strategy: steps, one after the other; blocks, as in `trajectory`; picard, as that verb; scan, one pass
        for a linear model without a limit, the same to rounding. out: the array that the result is written
        to; it may be x itself.
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
        elif strategy == "blocks" and self._pays(source):
            for n, start in enumerate(target):
                path = np.empty((self.length, self.dim), source.dtype)
                self._path(start, path, (key, row + n), threads)
                start[:] = path[-1]
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
        self, x: ArrayLike, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, threads: int = 1,
    ) -> Array:  # fmt: skip
        """The states of `run`: (T + 1, N, D), the first x, the last its result.

        strategy: steps; or blocks, which cuts a long chain that forgets its start into blocks that run side
        by side, and has the same bits: for a density as target and steps of one size. Batches that fill the
        lanes, short chains and those that do not forget go step by step.
        """
        check.choice("strategy", strategy, ("steps", "blocks"))
        self._refuse_unless_able(strategy)
        source = self._batch(x)
        key, row = key_of(seed, rng), int(check.first_row(first_row, len(source)))
        states = check.output(None, source.dtype, (self.length + 1, *source.shape))
        states[0] = source
        threads = check.threads(threads)
        if strategy == "blocks" and self._pays(source):
            for n, start in enumerate(source):
                self._path(start, states[1:, n], (key, row + n), threads)
        else:
            self._go(source.copy(), states, key, row, threads)
        return states

    def forgetting(
        self, x: ArrayLike, seed: Seed = None, *, rng: RNG = None, first_row: int = 0, threads: int = 1
    ) -> Forgetting:
        """How one chain, from a state x (1, D), goes in blocks, beside the law of how long it remembers."""
        self._refuse_unless_able("blocks")
        source = self._batch(x)
        if len(source) != 1:
            raise ValueError(f"x: expected one state, shape (1, {self.dim}), got {source.shape}")
        key, row = key_of(seed, rng), int(check.first_row(first_row, 1))
        path = np.empty((self.length, self.dim), source.dtype)
        return forgetting_of(self._path(source[0], path, (key, row), check.threads(threads)), source.dtype)

    def _pays(self, source: Array) -> bool:
        return in_blocks(len(source), self.length * self.dim, source.dtype)

    def _path(self, start: Array, path: Array, noise: tuple[np.uint64, int], threads: int) -> Blocks:
        """Write the states after each step from one (D,), path (T, D); how its blocks were made.

        noise: the key and the number of the row.
        """
        (table, streams, *_), field, _ = self._bound(start.dtype)
        (key, row), rows = noise, self._plan.rows
        tables = Tables(start.copy(), table[:1], field, self.dim + rows.uniforms, np.int64(row), key)
        series: Series = rows.blocks
        states = np.ascontiguousarray(path)
        blocks = series.run(streams, states.reshape(-1), tables, threads)
        if states is not path:
            path[:] = states
        return blocks

    def _refuse_unless_able(self, strategy: str) -> None:
        """Before anything is written: TypeError or ValueError for a strategy that does not fit the chain."""
        check.choice("strategy", strategy, STRATEGIES)
        rows, single = self._plan.rows, len(self.steps.tableau.weights) == 1
        if strategy == "picard" and not (rows.picard and single):
            raise ValueError("picard: expected a Perceptron as model and a method of one stage, got others")
        if strategy == "scan" and not (rows.composed and single and np.isinf(self.steps.limit)):
            needed = "a Gaussian as model, no limit, no adjustment and a method of one stage"
            raise ValueError(f"strategy: scan needs {needed}")
        if strategy == "blocks" and not (self._plan.alike and rows.blocks):
            raise ValueError("strategy: blocks needs a density as target and steps of one size")

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
