"""The operations of a distribution, and those of a flow, derived from its two directions."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.bench.model import arrays, engines
from seqgap.bench.model.case import (
    COUNT,
    DIFFERENCES,
    DTYPES,
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Operation,
    Setup,
    Thunk,
    Tolerance,
    direct,
    rounding,
)
from seqgap.bench.model.implementation import implementation
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.normal import standard_normal

_LOG_2_PI = float(np.log(2 * np.pi))
_ROUNDING = rounding(lambda dim: dim + 16)

Function: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]  # (batch, params)
Library: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]  # (library, batch, tables)


class Verb(NamedTuple):
    """log_prob or sample of a distribution; all but the cost as in `Operation`."""

    cost: Callable[[int], Cost]
    implementations: Mapping[str, Setup] = {}
    noise: Noise | None = None
    compiled: Callable[..., Setup] | None = None


def distribution(
    stem: str,
    random_params: Callable[..., Any],
    data: Callable[[int, int, Dtype, int], Any],
    log_prob: Verb,
    sample: Verb,
    *,
    tolerance: Tolerance = _ROUNDING,
    sizes: tuple[int, ...] = (),
    dtypes: tuple[str, ...] = DTYPES,
    fit_steps: int = 0,
    before: tuple[Operation, ...] = (),
    more: tuple[Operation, ...] = (),
    sampler: str | None = None,
    matched: tuple[tuple[str, str], ...] = (),
    largest: float = 1e6,
) -> Case:
    """A case with log_prob, sample and random_params, between the operations `before` and `more`.

    random_params(dim, seed, dtype=...) is that of the kernels. data(dim, count, dtype, seed): a batch for
    log_prob. sizes, dtypes: as in `Operation`. fit_steps: of a family that has `nll` and `fit`, too. sampler,
    matched, largest: as in `Case`.
    """
    operation = functools.partial(Operation, tolerance=tolerance, sizes=sizes, dtypes=dtypes)

    def scored(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        return Call((data(dim, count, dtype, seed), random_params(dim, seed, dtype=dtype)))

    def drawn(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        dims = {"dim": dim} if "dim" in inspect.signature(case.kernel("sample")).parameters else {}
        return Call((count, random_params(dim, seed, dtype=dtype), seed), {"first_row": 0, **dims})

    def sampled(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        call = drawn(dim, count, dtype, seed)
        return Call((case.kernel("sample")(*call.args, **call.kwargs), call.args[1]))

    operations = (
        operation("log_prob", scored, rows=(0, None), **log_prob._asdict()),
        operation("sample", drawn, rows=(COUNT, None, None), **sample._asdict()),
        operation(
            "random_params",
            lambda dim, count, dtype, seed: Call((dim, seed), {"dtype": dtype}),
            lambda dim: Cost(),
            timed=False,
        ),
    )
    fits = _likelihood(sampled, log_prob.cost, fit_steps) if fit_steps else ()
    case = Case(stem, (*before, *operations, *fits, *more), sampler, matched, largest=largest)
    return case


def _likelihood(
    sampled: Callable[[int, int, Dtype, int], Call], cost: Callable[[int], Cost], steps: int
) -> tuple[Operation, Operation]:
    """`nll` and `fit` of (a sample, its params): verified, not timed."""

    def fitted(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        return Call(sampled(dim, count, dtype, seed).args[:1], {"steps": steps})

    return (
        Operation("nll", sampled, cost, _ROUNDING, timed=False, smallest_batch=1),
        Operation(
            "fit", fitted, cost, DIFFERENCES, timed=False, largest_dim=3, smallest_batch=5,
        ),
    )  # fmt: skip


class Direction(NamedTuple):
    """What one direction costs, and how users of NumPy and other libraries would write it.

    cost(dim): of a sample; its elements are filled in, D read and D + 1 written. numpy takes (batch, params),
    and so do those of `explaining`, by name of the implementation: what is measured to explain the gap of
    another, such as numpy-passes and numba-plain of a ladder. The others take the library, the batch, and
    what `tables` makes of the params: a user computes that once for a model. All return (batch, log_det).
    unrolled: as in `arrays.implementations`. models: of libraries of flows, each makes of the params a
    function of the batch alone. deployed: for the engines that networks are deployed with. argument: makes
    normals a batch of the values that this direction takes, where these are not all numbers.
    """

    cost: Callable[[int], Cost]
    numpy: Function | None = None
    torch: Library | None = None
    jax: Library | None = None
    scipy: Library | None = None
    tables: Callable[[Any, int], Any] = lambda params, dim: params
    explaining: Mapping[str, Function] = {}
    unrolled: bool = False
    models: Mapping[str, Callable[[Any], Any]] = {}
    deployed: engines.Program | None = None
    argument: Callable[[Any], Any] = lambda normals: normals

    def whole(self, dim: int) -> Cost:
        """The cost with the elements."""
        return self.cost(dim)._replace(elements=2 * dim + 1, written=dim)

    def prepare(self, call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any]:
        """Arguments of the other libraries' functions, for a call of the kernel."""
        return call.args[0], self.tables(call.args[1], dim)


def flow(
    stem: str,
    random_params: Callable[..., Any],
    forward: Direction,
    inverse: Direction,
    *,
    sampling: Direction | None = None,
    matched: tuple[str, str] | None = None,
    strategies: tuple[str, ...] = (),
    tolerance: Tolerance = _ROUNDING,
    sizes: tuple[int, ...] = (),
    fit_steps: int = 0,
    more: tuple[Operation, ...] = (),
    largest: float = 1e6,
    control: bool = False,
) -> Case:
    """A case with forward, inverse, log_prob, sample and random_params.

    random_params(dim, seed, dtype=...) is that of the kernels. sampling: forward as samples want it, where
    they do with less work without log_det. matched: as those of `Case`. strategies: of forward. control:
    whether forward and inverse are that of `Case`. Else as in `distribution`.
    """
    drawing = sampling or forward
    transform = functools.partial(Operation, rows=(0, None), tolerance=tolerance, sizes=sizes)

    def normals(dim: int, count: int, dtype: Dtype, seed: int) -> Any:
        return standard_normal(count, dim, seed, dtype=dtype)

    def batch(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        return Call((normals(dim, count, dtype, seed), random_params(dim, seed, dtype=dtype)))

    def data(dim: int, count: int, dtype: Dtype, seed: int) -> Any:
        return inverse.argument(normals(dim, count, dtype, seed))

    def observed(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        return Call((data(dim, count, dtype, seed), random_params(dim, seed, dtype=dtype)))

    def noise(output: Any, call: Call) -> Any:
        return (inverse.numpy or case.kernel("inverse"))(output, call.args[1])[0]

    def density_cost(dim: int) -> Cost:
        cost = inverse.cost(dim)
        return cost._replace(flops=cost.flops + 2 * dim + 1, elements=dim + 1, written=1)

    def sample_cost(dim: int) -> Cost:
        cost = drawing.cost(dim)
        flops = cost.flops + NORMAL_FLOPS * dim
        return cost._replace(flops=flops, normals=dim, elements=dim, written=dim)

    transforms = (
        transform(
            "forward", batch, forward.whole,
            implementations=_transforms(forward), strategies=strategies, compiled=held("forward"),
        ),
        transform(
            "inverse", observed, inverse.whole,
            implementations=_transforms(inverse), compiled=held("inverse"),
        ),
    )  # fmt: skip
    case = distribution(
        stem,
        random_params,
        data,
        Verb(density_cost, _densities(inverse), compiled=held("log_prob")),
        Verb(sample_cost, _samplers(drawing), Noise(noise), held("sample")),
        tolerance=tolerance,
        sizes=sizes,
        fit_steps=fit_steps,
        before=transforms,
        more=more,
        sampler="forward",
        matched=(matched,) if matched else (),
        largest=largest,
    )
    return replace(case, control=("forward", "inverse")) if control else case


def held(verb: str) -> Callable[..., Setup]:
    """A verb of a `Flow`, which is made in the set-up as the models of the peers are."""

    def compiled(**options: Any) -> Setup:
        def setup(call: Call, dim: int, dtype: Dtype) -> Thunk:
            first, params, *more = call.args
            method = getattr(Flow(params, dim=dim), verb)
            kwargs = {key: value for key, value in call.kwargs.items() if key != "dim"}
            return functools.partial(method, first, *more, **kwargs, **options)

        return setup

    return compiled


# (library's name, what transforms in it) -> what the operation does with the result
_Finish: TypeAlias = Callable[[str, Library], Callable[..., Any]]


def _transforms(direction: Direction) -> dict[str, Setup]:
    ours = {**direction.explaining, **({"numpy": direction.numpy} if direction.numpy else {})}
    return (
        {name: direct(function) for name, function in ours.items()}
        | _peers(direction, lambda name, function: function)
        | engines.implementations(direction.deployed, ("values", "log_det"))
    )


def _densities(inverse: Direction) -> dict[str, Setup]:
    """log_prob from the inverse."""

    def finish(name: str, function: Library) -> Callable[..., Any]:
        return lambda library, x, tables: _log_density(name, library, *function(library, x, tables))

    numpy = inverse.numpy
    ours = {"numpy": direct(lambda x, params: _log_density("numpy", np, *numpy(x, params)))} if numpy else {}
    return ours | _peers(inverse, finish) | engines.implementations(inverse.deployed, ("log_prob",))


def _log_density(name: str, library: Any, z: Any, log_det: Any) -> Any:
    constant = 0.5 * _LOG_2_PI * z.shape[1]
    if name == "torch":
        return library.add(log_det - constant, library.linalg.vecdot(z, z), alpha=-0.5)
    squares = (z * z).sum(1) if name == "jax" else np.einsum("nd,nd->n", z, z)
    return log_det - 0.5 * squares - constant


def _samplers(forward: Direction) -> dict[str, Setup]:
    """The sampler from forward; the normals come from the library's own generator."""

    def finish(name: str, function: Library) -> Callable[..., Any]:
        return lambda library, z, tables: function(library, z, tables)[0]

    def numpy_sample(call: Call, dim: int, dtype: Dtype) -> Thunk:
        n, params, seed = call.args
        draw, transform = np.random.default_rng(seed).standard_normal, forward.numpy
        assert transform is not None
        return lambda: transform(draw((n, dim), dtype=dtype), params)[0]

    ours: dict[str, Setup] = {"numpy": numpy_sample} if forward.numpy else {}
    peers = _peers(forward, finish, lambda call, dim: (call.args[0], dim))
    return ours | peers | engines.implementations(forward.deployed, ("values",), draws=True)


def _peers(direction: Direction, finish: _Finish, draw: arrays.Shape | None = None) -> dict[str, Setup]:
    """The other libraries' set-ups. draw: as in `arrays.implementations`, for the batch."""
    first = 0 if draw is None else 1  # of the arguments, those after the batch

    def setups(functions: Mapping[str, Library | None], prepare: arrays.Prepare) -> dict[str, Setup]:
        finished = {name: finish(name, f) for name, f in functions.items() if f is not None}
        return arrays.implementations(
            **finished, prepare=lambda *cell: prepare(*cell)[first:], draw=draw, unrolled=direction.unrolled
        )

    known = {"scipy": direction.scipy, "torch": direction.torch, "jax": direction.jax}
    peers = setups(known, direction.prepare)
    for name, build in direction.models.items():
        library = implementation(name).runs_in
        prepare = functools.partial(_with_model, build)
        peers[name] = setups({library: lambda library, batch, model: model(batch)}, prepare)[library]
    return peers


def _with_model(build: Callable[[Any], Any], call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any]:
    return call.args[0], build(call.args[1])
