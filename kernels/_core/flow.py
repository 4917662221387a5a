"""A flow: parameters of families one after another over a standard normal base, and its file."""

import importlib
import importlib.util
import os
import textwrap
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels._core import check, files
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import Directions, family_of
from seqgap.kernels._core.jit import isolate, jit_exact
from seqgap.kernels._core.rows import SharedRows, Step, draw, score, transform
from seqgap.kernels._core.seeds import RNG, Seed, key_of

_FORMAT = "seqgap flow 1"


class Flow:
    """Transforms of a standard normal: `Flow(*params)` takes Params of any families of flows, latent to data.

    They are checked here, once, and copied: what is done to their arrays later changes nothing. Its verbs are
    the quick way to the kernels, since they check the batch alone. All Params have one dtype, that of
    `sample`; the other verbs take the dtype of the batch, float64 for integers.

    dim: D, needed only where no Params fix it. permutation: (D,) integers; column j of the latent is then
    feature permutation[j] of what the first Params take; the identity becomes None. Raises TypeError or
    ValueError for Params that are wrong or do not fit together.
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
        return f"Flow({stems}, D={self.dim}, {self.dtype}{order})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.params, self.dim, self.permutation)

    def forward(
        self, z: ArrayLike, *, strategy: str | None = None, out: Array | None = None, threads: int = 1
    ) -> tuple[Array, Array]:
        """Latent to data: (x, log_det), shapes (N, D) and (N,), dtype of z.

        z: (N, D). strategy: of the families that have several, as in their `forward`. out: the array that x
        is written to; it may be z itself. Raises TypeError or ValueError for wrong arguments.
        """
        return self._transform(0, "z", z, strategy, out, threads)

    def inverse(self, x: ArrayLike, *, out: Array | None = None, threads: int = 1) -> tuple[Array, Array]:
        """Data to latent: (z, log_det), shapes (N, D) and (N,), dtype of x. Errors as `forward`."""
        return self._transform(1, "x", x, None, out, threads)

    def _transform(
        self, direction: int, name: str, argument: Any, strategy: str | None, out: Any, threads: int
    ) -> tuple[Array, Array]:
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
        if threads == 1 and len(steps) == 1:  # the shortest way: for one row most of the time is the call
            steps[0](source, target, log_det)
        else:
            transform(steps, source, target, log_det, check.threads(threads))
        return target, log_det

    def log_prob(self, x: ArrayLike, *, threads: int = 1) -> Array:
        """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,), dtype of x. Errors as `forward`."""
        source = self._batch("x", x)
        density = np.empty(len(source), source.dtype)
        score(self._directions(source.dtype, None).inverse, source, density, check.threads(threads))
        return density

    def sample(
        self, n: int, seed: Seed = None, *, rng: RNG = None, first_row: int = 0,
        strategy: str | None = None, out: Array | None = None, threads: int = 1,
    ) -> Array:  # fmt: skip
        """`forward` of the normals of `seed`: (n, D), dtype of the flow.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts. seed, rng: as in the
        `sample` of a family. Errors as `forward`.
        """
        n, key = check.count("n", n), key_of(seed, rng)
        row, threads = check.first_row(first_row, n), check.threads(threads)
        x = check.output(out, self.dtype, (n, self.dim))
        draw(self._directions(self.dtype, strategy).forward, x, key, row, threads)
        return x

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
        parts = [self._part(index, dtype, strategy) for index in range(len(self.params))]
        forward = [step for part in parts for step in part.forward]
        inverse = [step for part in reversed(parts) for step in part.inverse]
        if self.permutation is not None:
            forward.insert(0, Step(permuted_rows, (np.argsort(self.permutation),)))
            inverse.append(Step(permuted_rows, (self.permutation.copy(),)))
        return Directions(tuple(forward), tuple(inverse))

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

        A symbolic link stays a link. Raises OSError, or ValueError for what is no regular file.
        """
        order = np.arange(self.dim) if self.permutation is None else self.permutation
        stored: dict[str, Any] = {"format": _FORMAT, "permutation": order}
        stored["families"] = np.array([family.stem for family in self._families])
        for index, params in enumerate(self.params):
            stored |= {f"{index}.{name}": value for name, value in params._asdict().items()}
        files.write(path, stored)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Flow":
        """The flow of a file that `save` wrote. Raises OSError, or ValueError for any other file."""
        return files.read(path, "Flow.save", cls._of)

    @classmethod
    def _of(cls, stored: dict[str, Any]) -> "Flow":
        if str(stored.pop("format")) != _FORMAT:
            raise ValueError(f"expected the format {_FORMAT!r}")
        order, parts = check.integers("permutation", stored.pop("permutation"), 1), []
        for index, stem in enumerate(stored.pop("families").tolist()):
            params = _params_of(stem)
            absent = {f for f in params._field_defaults if f"{index}.{f}" not in stored}  # of older files
            values = {f: stored.pop(f"{index}.{f}") for f in params._fields if f not in absent}
            parts.append(params(**{field: v.item() if v.ndim == 0 else v for field, v in values.items()}))
        if stored:
            raise ValueError(f"expected no more fields, got {', '.join(stored)}")
        return cls(*parts, dim=order.size, permutation=order)


def _params_of(stem: str) -> Any:
    """The Params of the family in a module of the kernels, by its name."""
    known = stem.isidentifier() and not stem.startswith("_")
    spec = importlib.util.find_spec(f"seqgap.kernels.{stem}") if known else None
    params = getattr(importlib.import_module(f"seqgap.kernels.{stem}"), "Params", None) if spec else None
    if params is None:
        raise ValueError(f"expected families of seqgap.kernels, got {stem!r}")
    return family_of("families", params).params


def _own(value: Any) -> Any:
    if isinstance(value, tuple):
        items = map(_own, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return check.own(value) if isinstance(value, np.ndarray) else value


def _copied(name: str, params: Any) -> Any:
    """`params` with read-only copies of its arrays."""
    return type(params)(*(_read_only(f"{name}.{f}", v) for f, v in params._asdict().items()))


def _read_only(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
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


def _restored(params: tuple[Any, ...], dim: int, permutation: Array | None) -> Flow:
    return Flow(*params, dim=dim, permutation=permutation)


@jit_exact
def permuted_rows(lo: Any, hi: Any, source: Any, target: Any, log_det: Any, order: Any) -> None:
    """target[n, j] = source[n, order[j]]; log_det = 0."""
    isolate()
    for n in range(lo, hi):
        log_det[n] = 0
        for j in range(order.shape[0]):
            target[n, j] = source[n, order[j]]
