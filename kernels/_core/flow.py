"""A flow: parameters of families one after another over a standard normal base, and its file."""

import os
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check, contexts, files, flow_files
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.contexts import Contexts, Noise
from seqgap.kernels._core.family import Directions, family_of
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.rows import SharedRows, Step, draw, score, tempered, transform
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.tensors import as_passed
from seqgap.kernels._core.within import Within, acceptance, draw_within


class Flow:
    """Transforms of a standard normal: `Flow(*params)` takes Params of any families of flows, latent to data.

    They are checked here, once, and copied: what is done to their arrays later changes nothing. Its verbs are
    the quick way to the kernels, since they check the batch alone. All Params have one dtype, that of
    `sample`; the other verbs take the dtype of the batch, float64 for integers.

    dim: D, needed only where no Params fix it. permutation: (D,) integers; column j of the latent is then
    feature permutation[j] of what the first Params take; the identity becomes None. Raises TypeError or
    ValueError for Params that are wrong or do not fit together.

    context_dim: C, the numbers of a context that the networks see; 0 for a flow without. Else the verbs take
    `context`, and `condition` makes a flow of one. embedding: what makes contexts of observations, where the
    flow was loaded with it. What a row becomes depends on its values, its context and the seed alone: not on
    what else is in the call.

    Tensors of PyTorch are taken as arrays are, unless they require a gradient; results are tensors where the
    batch is one, or the context of a sample.
    """

    def __init__(self, *params: Any, dim: int | None = None, permutation: ArrayLike | None = None) -> None:
        if not params:
            raise ValueError("params: expected at least 1, got none")
        self._families = [family_of(f"params[{i}]", type(p)) for i, p in enumerate(params)]
        self.params = tuple(_copied(f"params[{i}]", p) for i, p in enumerate(params))
        self.dim = self._dim(dim)
        dtypes = {f"params[{i}]": p.dtype for i, p in enumerate(self.params)}
        self.dtype: np.dtype[Any] = _common("dtype", dtypes)
        self.permutation: Array | None = None
        if permutation is not None:
            order = check.permutation("permutation", permutation, self.dim)
            if not np.array_equal(order, np.arange(self.dim)):
                self.permutation = _read_only("permutation", order)
        self.context_dim = _context_dim(self.params)
        self._whole: tuple[Flow, Array] | None = None  # the flow and the context that this was made of
        self.embedding: Callable[[str, Any], Array] | None = None
        self._strategies = tuple(dict.fromkeys(s for family in self._families for s in family.strategies))
        self._known: dict[tuple[np.dtype[Any], str | None], Directions] = {}
        self._own = self._bound(self.dtype, None)

    def _dim(self, dim: int | None) -> int:
        """D: as asked for, as the Params fix it, or else as those that leave it open take it to be."""
        dims: dict[bool, dict[str, Any]] = {True: {"dim": dim}, False: {}}
        for index, (family, params) in enumerate(zip(self._families, self.params, strict=True)):
            dims[family.fixes_dim][f"params[{index}]"] = params.dim
        known = dims[True] if any(dims[True].values()) else dims[False]
        return check.count("dim", _common("dim", known), 1)

    def __repr__(self) -> str:
        stems = textwrap.shorten(", ".join(family.stem for family in self._families), 70, placeholder=" ...")
        order = "" if self.permutation is None else ", permuted"
        context = f", C={self.context_dim}" if self.context_dim else ""
        return f"Flow({stems}, D={self.dim}{context}, {self.dtype}{order})"

    def __reduce__(self) -> tuple[Any, ...]:
        context = None if self._whole is None else self._whole[1]
        return _restored, (self.params, self.dim, self.permutation, context)

    def embed(self, observations: Any) -> Any:
        """Contexts (B, C) of observations, by the embedding net that the flow was trained with.

        It stays in PyTorch, and files of flows do not hold it. Raises ValueError for a flow without one.
        """
        if self.embedding is None:
            raise ValueError(f"embed: expected a flow loaded with an embedding net, got {self!r}")
        return as_passed(observations, self.embedding("observations", observations))

    def condition(self, context: ArrayLike) -> "Flow":
        """The flow of one context, (C,): its verbs take none, and have the bits of those of this one.

        It takes some microseconds, since only the table of biases and gates is made. Raises TypeError or
        ValueError for a context that does not fit.
        """
        self._refuse_plain(context)
        value = contexts.checked(context, self.context_dim, check.real_dtype("context", context))
        if np.ndim(context) != 1:
            raise ValueError(f"context: expected shape ({self.context_dim},), got {np.shape(context)}")
        flow = Flow.__new__(Flow)  # copy.copy would check all Params again
        vars(flow).update(vars(self))
        flow._whole, flow.context_dim, flow._known = (self, value[0].copy()), 0, {}
        flow._own = flow._bound(self.dtype, None)
        return flow

    def forward(
        self, z: ArrayLike, *, context: ArrayLike | None = None, index: ArrayLike | None = None,
        strategy: str | None = None, out: Array | None = None, threads: int = 1,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Latent to data: (x, log_det), shapes (N, D) and (N,), dtype of z.

        z: (N, D). context: of a flow that takes one, (C,) for all rows or (N, C), one for each; with index,
        (N,) integers, a table (B, C) of which row n has row index[n]. strategy: of the families that have
        several, as in their `forward`. out: the array that x is written to; it may be z itself. Raises
        TypeError or ValueError for wrong arguments.
        """
        return self._transform(0, ("z", z), (context, index), strategy, out, threads)

    def inverse(
        self, x: ArrayLike, *, context: ArrayLike | None = None, index: ArrayLike | None = None,
        out: Array | None = None, threads: int = 1,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Data to latent: (z, log_det), shapes (N, D) and (N,), dtype of x. Else as `forward`."""
        return self._transform(1, ("x", x), (context, index), None, out, threads)

    def _transform(
        self, direction: int, batch: tuple[str, Any], context: tuple[Any, Any], strategy: str | None,
        out: Any, threads: int,
    ) -> tuple[Any, Any]:  # fmt: skip
        name, argument = batch
        if out is None:
            source = check.batch(name, argument)
            target = np.empty(source.shape, source.dtype)
        elif check.ready(argument, out):
            source, target = argument, out
        else:
            source = check.batch(name, argument)
            target, source = check.output_like(out, source, name, argument)
        if source.shape[1] != self.dim:
            raise ValueError(f"{name} has {source.shape[1]} columns, the flow is for D = {self.dim}")
        usual = source.dtype is self.dtype and strategy is None
        steps = (self._own if usual else self._directions(source.dtype, strategy))[direction]
        log_det = np.empty(len(source), source.dtype)
        if self.context_dim or context[0] is not None or context[1] is not None:
            own = self._contexts(context, source)
            if out is not None:
                check.separate(out, context=context[0], index=context[1])
            contexts.transform(steps, own, source, target, log_det, check.threads(threads))
        elif threads == 1 and len(steps) == 1:  # the shortest way: for one row most of the time is the call
            steps[0](source, target, log_det)
        else:
            transform(steps, source, target, log_det, check.threads(threads))
        if type(argument) is np.ndarray:
            return target, log_det
        return as_passed(argument, target), as_passed(argument, log_det)

    def log_prob(
        self, x: ArrayLike, *, context: ArrayLike | None = None, index: ArrayLike | None = None,
        threads: int = 1,
    ) -> Any:  # fmt: skip
        """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x. Else as `forward`."""
        source, threads = self._batch("x", x), check.threads(threads)
        density, steps = np.empty(len(source), source.dtype), self._directions(source.dtype, None).inverse
        if self.context_dim or context is not None or index is not None:
            contexts.score(steps, self._contexts((context, index), source), source, density, threads)
        else:
            score(steps, source, density, threads)
        return density if type(x) is np.ndarray else as_passed(x, density)

    def _contexts(self, given: tuple[Any, Any], source: Array) -> Contexts:
        """(context, index) of the rows of a batch, checked."""
        self._refuse_plain(given[0])
        return contexts.contexts_of(*given, len(source), self.context_dim, source.dtype)

    def _refuse_plain(self, context: Any) -> None:
        if not self.context_dim:
            came = check.described(context)
            raise ValueError(f"context: expected None, since the flow takes no context, got {came}")

    def sample(
        self, n: int, seed: Seed = None, *, context: ArrayLike | None = None, first_context: int = 0,
        temperature: float = 1.0, rng: RNG = None, first_row: int = 0, strategy: str | None = None,
        out: Array | None = None, threads: int = 1,
    ) -> Any:  # fmt: skip
        """`forward` of temperature times the normals of `seed`: (n, D), dtype of the flow.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. context: (C,), or (B, C)
        for n rows of each, (B, n, D); context b has the normals of stream first_context + b, and a flow that
        `condition` made those of stream 0. temperature: of the normals, at least 0. seed, rng: as in
        the `sample` of a family. Errors as `forward`.
        """
        n, key = check.count("n", n), key_of(seed, rng)
        row, threads = check.first_row(first_row, n), check.threads(threads)
        heat = check.nonnegative("temperature", temperature)
        steps = tempered(self._directions(self.dtype, strategy).drawing, heat)
        if not self.context_dim and context is None:
            x = check.output(out, self.dtype, (n, self.dim))
            draw(steps, x, key, row, threads)
            return x
        values, noise = self._streams(context, first_context, key, row)
        x = check.output(out, self.dtype, (*_batch_shape(context), n, self.dim), context=context)
        contexts.draw(steps, Contexts(values, None, max(1, n)), x.reshape(-1, self.dim), noise, threads)
        return as_passed(context, x)

    def _streams(self, context: Any, first: Any, key: np.uint64, row: np.int64) -> tuple[Array, Noise]:
        """Checked contexts (B, C), and which normals their rows are made of."""
        if not self.context_dim:
            self._refuse_plain(context)
        values = contexts.checked(context, self.context_dim, self.dtype)
        number = check.integer("first_context", first, 0, 2**32 - len(values))
        return values, Noise(key, row, np.int64(number))

    def sample_within(
        self, low: ArrayLike, high: ArrayLike, n: int, seed: Seed = None, *, context: ArrayLike | None = None,
        first_context: int = 0, rng: RNG = None, max_tries: int = 10_000, partial: bool = False,
        threads: int = 1,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Rows of `sample` with low <= x <= high: (x, acceptance).

        Shapes (n, D) and (), or (B, n, D) and (B,) for contexts (B, C). low, high: numbers or (D,), infinite
        where there is no bound. A row that is outside is drawn again, up to `max_tries` times: try t of row r
        has the normals of row r + 2**40 t, so that no row depends on others, and the first try is that of
        `sample`. acceptance: rows within over tries, of each context; the density within the bounds is that
        of `log_prob` over it. Raises ValueError, naming the contexts, where tries were too few; with
        partial=True such rows are NaN. Else as `sample`.
        """
        n, key = check.integer("n", n, 1, 2**40), key_of(seed, rng)
        box = Within.of(low, high, self.dim, self.dtype, max_tries)
        x, tries = self.accepted(
            box, np.arange(n), key, context=context, first_context=first_context, threads=threads
        )
        shape = _batch_shape(context)
        rates = acceptance(tries, box.tries, check.flag("partial", partial))
        x, rates = x.reshape(*shape, n, self.dim), rates.reshape(shape)
        return as_passed(context, x), as_passed(context, rates)

    def accepted(
        self, within: Any, rows: Array, key: np.uint64, *, context: Any = None, first_context: int = 0,
        threads: int = 1,
    ) -> tuple[Array, Array]:  # fmt: skip
        """(x (B, n, D), tries (B, n)) of rows with numbers (n,), as `within.draw_within` draws them."""
        values, noise = None, Noise(key, np.int64(0), np.int64(0))
        if self.context_dim or context is not None:
            values, noise = self._streams(context, first_context, key, np.int64(0))
        steps = self._directions(self.dtype, None).drawing
        x, tries = draw_within(steps, values, rows, noise, within, check.threads(threads))
        many = 1 if values is None else len(values)
        return x.reshape(many, len(rows), self.dim), tries.reshape(many, len(rows))

    def forgetting(self, z: ArrayLike, *, threads: int = 1) -> Any:
        """What the blocks of one series take, z (1, D): a `Forgetting`, whose fields its docstring explains.

        Only for a flow of one family with the strategy blocks; else ValueError. z as in `forward`.
        """
        source, (family, *more) = self._batch("z", z), self._families
        if more or self.permutation is not None or "blocks" not in family.strategies:
            raise ValueError(f"forgetting: expected a flow of one family that goes in blocks, got {self!r}")
        if len(source) != 1:
            raise ValueError(f"z: expected one row, got {len(source)}")
        (step,) = self._directions(source.dtype, "blocks").forward
        assert isinstance(step.rows, SharedRows)
        return step.rows.forgetting(check.threads(threads), source[0], *step.arrays)

    def _batch(self, name: str, value: Any) -> Array:
        source = check.batch(name, value)
        if source.shape[1] != self.dim:
            raise ValueError(f"{name} has {source.shape[1]} columns, the flow is for D = {self.dim}")
        return source

    def _directions(self, dtype: np.dtype[Any], strategy: str | None) -> Directions:
        """The steps of both directions in a dtype; made when they are first asked for."""
        if dtype is self.dtype and strategy is None:
            return self._own
        if strategy is not None:
            check.choice("strategy", strategy, self._strategies)
        if (dtype, strategy) not in self._known:
            self._known[dtype, strategy] = self._bound(dtype, strategy)
        return self._known[dtype, strategy]

    def _bound(self, dtype: np.dtype[Any], strategy: str | None) -> Directions:
        if self._whole is not None:
            whole, context = self._whole
            (own,) = contexts.checked(context, len(context), dtype)
            return Directions(*contexts.folded(whole._directions(dtype, strategy), own))
        parts = [self._part(index, dtype, strategy) for index in range(len(self.params))]
        forward = [step for part in parts for step in part.forward]
        inverse = [step for part in reversed(parts) for step in part.inverse]
        if self.permutation is not None:
            forward.insert(0, Step(permuted_rows, (np.argsort(self.permutation),)))
            inverse.append(Step(permuted_rows, (self.permutation.copy(),)))
        return Directions.of(forward, inverse)

    def _part(self, index: int, dtype: np.dtype[Any], strategy: str | None) -> Directions:
        """Those of one family, with arrays that are nobody else's and writeable: kernels know no others."""
        family = self._families[index]
        own_strategy = strategy if strategy in family.strategies else None
        try:
            both = family.directions(self.params[index], dtype, self.dim, own_strategy)
        except (TypeError, ValueError) as error:
            raise type(error)(f"params[{index}]: {error}") from None
        return Directions(*(tuple(s._replace(arrays=_own(s.arrays)) for s in steps) for steps in both))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the flow to a file of NumPy's npz format, whole or not at all; no pickle in it.

        A context that was folded in is part of it. A symbolic link stays a link. Raises OSError, or
        ValueError for what is no regular file.
        """
        order = np.arange(self.dim) if self.permutation is None else self.permutation
        stems = [family.stem for family in self._families]
        context = None if self._whole is None else self._whole[1]
        files.write(path, flow_files.stored(stems, self.params, order, context))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Flow":
        """The flow of a file that `save` wrote. Raises OSError, or ValueError for any other file."""
        return files.read(path, "Flow.save", cls._of)

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> "Flow":
        params, order, context = flow_files.restored(fields)
        return _restored(tuple(params), order.size, order, context)


def _batch_shape(context: Any) -> tuple[int, ...]:
    """(B,) of contexts (B, C), else ()."""
    return () if context is None else np.shape(context)[:-1]


def _context_dim(params: tuple[Any, ...]) -> int:
    """C, which all that take a context have in common."""
    fields = {f"params[{i}]": getattr(p, "weight_context", None) for i, p in enumerate(params)}
    columns = {
        f"{name}.weight_context": check.shape(f"{name}.weight_context", value, np.ndim(value) or 2)[-1]
        for name, value in fields.items()
        if value is not None
    }
    return int(_common("context", columns)) if columns else 0


def _own(value: Any) -> Any:
    if isinstance(value, tuple):
        items = map(_own, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return check.own(value) if isinstance(value, np.ndarray) else value


def _copied(name: str, params: Any) -> Any:
    """`params` with read-only copies of its arrays."""
    return type(params)(*(_read_only(f"{name}.{f}", v) for f, v in params._asdict().items()))


def _read_only(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list) and all(hasattr(item, "_fields") for item in value):
        return tuple(_copied(f"{name}.{i}", item) for i, item in enumerate(value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.integer):  # a count: an array of no dimensions is none
        return int(value)
    array = np.array(check.asarray(name, value))
    array.flags.writeable = False
    return array


def _common(name: str, values: dict[str, Any]) -> Any:
    """What all arguments agree on, those apart that leave it open."""
    known: dict[Any, str] = {}
    for argument, value in values.items():
        if value is not None:
            known.setdefault(value, argument)
    if not known:
        raise ValueError(f"{name}: expected one, since no Params fix it, got none")
    if len(known) > 1:
        came = " and ".join(f"{value} ({argument})" for value, argument in known.items())
        raise ValueError(f"params: expected one {name}, got {came}")
    return next(iter(known))


def _restored(
    params: tuple[Any, ...], dim: int, permutation: Array | None, context: Array | None = None
) -> Flow:
    flow = Flow(*params, dim=dim, permutation=permutation)
    return flow if context is None else flow.condition(context)


@jit_exact
def permuted_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, order: Any) -> None:
    """target[n, j] = source[n, order[j]]; log_det = 0."""
    isolate()
    for n in range(lo, hi):
        log_det[n] = 0
        for j in range(order.shape[0]):
            target[n, j] = source[n, order[j]]
