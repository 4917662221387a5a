"""The operations of a family with the four verbs, derived from its two directions."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    COUNT,
    DIFFERENCES,
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Operation,
    Setup,
    Thunk,
    direct,
    rounding,
)
from seqgap.bench.model.implementation import implementation
from seqgap.kernels.normal import standard_normal

_LOG_2_PI = float(np.log(2 * np.pi))


Library: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]


class Direction(NamedTuple):
    """What one direction costs, and how users of NumPy and other libraries would write it.

    cost(dim): of a sample; its elements are filled in, D read and D + 1 written. numpy takes (batch, params),
    and so do two that explain its gap to the kernel (`bench/plan/rungs.py`): passes, NumPy as samplers of
    masked flows go, and plain, compiled loops as one would first write them. The others take the library,
    the batch, and what `tables` makes of the params: a user computes that once for a model. All return
    (batch, log_det). unrolled: as in `arrays.implementations`. models: of libraries of flows, each makes of
    the params a function of the batch alone.
    """

    cost: Callable[[int], Cost]
    numpy: Callable[[Any, Any], tuple[Any, Any]]
    torch: Library | None = None
    jax: Library | None = None
    scipy: Library | None = None
    tables: Callable[[Any, int], Any] = lambda params, dim: params
    passes: Callable[[Any, Any], tuple[Any, Any]] | None = None
    plain: Callable[[Any, Any], tuple[Any, Any]] | None = None
    unrolled: bool = False
    models: Mapping[str, Callable[[Any], Any]] = {}

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
    matched: str | None = None,
    strategies: tuple[str, ...] = (),
    steps: Callable[[int], float] = lambda dim: dim + 16,
    more: tuple[Operation, ...] = (),
) -> Case:
    """A case with forward, inverse, log_prob, sample and random_params.

    random_params(dim, seed, dtype=...) is that of the kernels. matched: the operation, here or
    stem.operation, that is the parallel direction of forward. strategies: of forward. steps(dim): operations
    on the longest path of a value, for the tolerance.
    """
    allowed = rounding(steps)

    def batch(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        params = random_params(dim, seed, dtype=dtype)
        return Call((standard_normal(count, dim, seed, dtype=dtype), params))

    def draw(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        sizes = {"dim": dim} if "dim" in inspect.signature(case.kernel("sample")).parameters else {}
        return Call((count, random_params(dim, seed, dtype=dtype), seed), {"first_row": 0, **sizes})

    def numpy_log_prob(x: Any, params: Any) -> Any:
        z, log_det = inverse.numpy(x, params)
        return log_det - 0.5 * np.einsum("nd,nd->n", z, z) - 0.5 * _LOG_2_PI * z.shape[1]

    def numpy_sample(call: Call, dim: int, dtype: Dtype) -> Thunk:
        n, params, seed = call.args
        draw_normals = np.random.default_rng(seed).standard_normal
        return lambda: forward.numpy(draw_normals((n, dim), dtype=dtype), params)[0]

    def noise(output: Any, call: Call) -> Any:
        return inverse.numpy(output, call.args[1])[0]

    def density_cost(dim: int) -> Cost:
        cost = inverse.cost(dim)
        return cost._replace(flops=cost.flops + 2 * dim + 1, elements=dim + 1, written=1)

    def sample_cost(dim: int) -> Cost:
        cost = forward.cost(dim)
        flops = cost.flops + NORMAL_FLOPS * dim
        return cost._replace(flops=flops, normals=dim, elements=dim, written=dim)

    operations = (
        Operation(
            "forward", batch, forward.whole, allowed,
            rows=(0, None), implementations=_transforms(forward), strategies=strategies,
        ),
        Operation(
            "inverse", batch, inverse.whole, allowed,
            rows=(0, None), implementations=_transforms(inverse),
        ),
        Operation(
            "log_prob", batch, density_cost, allowed,
            rows=(0, None), implementations={"numpy": direct(numpy_log_prob)} | _densities(inverse),
        ),
        Operation(
            "sample", draw, sample_cost, allowed,
            rows=(COUNT, None, None), implementations={"numpy": numpy_sample} | _samplers(forward),
            noise=noise,
        ),
        Operation(
            "random_params", lambda dim, count, dtype, seed: Call((dim, seed), {"dtype": dtype}),
            lambda dim: Cost(parameters=dim), allowed, timed=False,
        ),
        *more,
    )  # fmt: skip
    case = Case(stem, operations, "forward", (("forward", matched),) if matched else ())
    return case


Finish: TypeAlias = Callable[[Library], Callable[..., Any]]


def _transforms(direction: Direction) -> dict[str, Setup]:
    ours = {"numpy-passes": direction.passes, "numpy": direction.numpy, "numba-plain": direction.plain}
    found = {name: direct(function) for name, function in ours.items() if function}
    return found | _peers(direction, scipy=_same, torch=_same, jax=_same)


def _peers(
    direction: Direction,
    draw: arrays.Shape | None = None,
    **finish: Finish,
) -> dict[str, Setup]:
    """The other libraries' set-ups; finish[library](transform) is what the operation does with its result.

    draw: as in `arrays.implementations`, for the batch.
    """
    first = 0 if draw is None else 1  # of the arguments, those after the batch

    def setups(functions: Mapping[str, Library | None], prepare: arrays.Prepare) -> dict[str, Setup]:
        made = {library: finish[library](f) for library, f in functions.items() if f is not None}
        return arrays.implementations(
            scipy=made.get("scipy"), torch=made.get("torch"), jax=made.get("jax"),
            prepare=lambda *cell: prepare(*cell)[first:], draw=draw, unrolled=direction.unrolled,
        )  # fmt: skip

    functions = {"scipy": direction.scipy, "torch": direction.torch, "jax": direction.jax}
    found = setups(functions, direction.prepare)
    for name, build in direction.models.items():
        library = implementation(name).built_on
        prepare = functools.partial(_with_model, build)
        found[name] = setups({library: lambda library, batch, model: model(batch)}, prepare)[library]
    return found


def _with_model(build: Callable[[Any], Any], call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any]:
    return call.args[0], build(call.args[1])


def _same(function: Library) -> Library:
    return function


def _densities(inverse: Direction) -> dict[str, Setup]:
    """log_prob from the inverse."""

    def scipy(function: Library) -> Callable[..., Any]:
        def log_prob(scipy: Any, x: Any, tables: Any) -> Any:
            z, log_det = function(scipy, x, tables)
            return log_det - 0.5 * np.einsum("nd,nd->n", z, z) - 0.5 * _LOG_2_PI * z.shape[1]

        return log_prob

    def torch(function: Library) -> Callable[..., Any]:
        def log_prob(torch: Any, x: Any, tables: Any) -> Any:
            z, log_det = function(torch, x, tables)
            constant = -0.5 * _LOG_2_PI * z.shape[1]
            return torch.add(log_det + constant, torch.linalg.vecdot(z, z), alpha=-0.5)

        return log_prob

    def jax(function: Library) -> Callable[..., Any]:
        def log_prob(jax: Any, x: Any, tables: Any) -> Any:
            z, log_det = function(jax, x, tables)
            return log_det - 0.5 * (z * z).sum(1) - 0.5 * _LOG_2_PI * z.shape[1]

        return log_prob

    return _peers(inverse, scipy=scipy, torch=torch, jax=jax)


def _samplers(forward: Direction) -> dict[str, Setup]:
    """The sampler from forward; the normals come from the library's own generator."""

    def of(function: Library) -> Callable[..., Any]:
        return lambda library, z, tables: function(library, z, tables)[0]

    return _peers(forward, lambda call, dim: (call.args[0], dim), scipy=of, torch=of, jax=of)


def likelihood(
    random_params: Callable[..., Any],
    samples: Callable[..., Any],
    *,
    steps: int,
    flops: Callable[[int], float],
) -> tuple[Operation, Operation]:
    """`nll` and `fit` of a family that has them: verified, not timed.

    samples(params, dim, seed, count): data to fit. flops(dim): of nll, for each sample.
    """

    def scored(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        params = random_params(dim, seed, dtype=dtype)
        return Call((samples(params, dim, seed, count), params))

    def fitted(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        return Call(scored(dim, count, dtype, seed).args[:1], {"steps": steps})

    return (
        Operation(
            "nll", scored, lambda dim: Cost(1, flops(dim), dim),
            rounding(lambda dim: dim + 16), timed=False, smallest_batch=1,
        ),
        Operation(
            "fit", fitted, lambda dim: Cost(steps, steps * flops(dim), dim),
            DIFFERENCES, timed=False, largest_dim=3, smallest_batch=5,
        ),
    )  # fmt: skip
