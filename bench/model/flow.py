"""The operations of a family with the four verbs, derived from its two directions."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seqgap.bench.model import implementation as peers
from seqgap.bench.model.registry import (
    COUNT,
    DIFFERENCES,
    NORMAL_FLOPS,
    Call,
    Case,
    Dtype,
    Operation,
    Setup,
    Thunk,
    direct,
    rounding,
)
from seqgap.kernels.normal import standard_normal

_LOG_2_PI = float(np.log(2 * np.pi))


Library: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]


class Direction(NamedTuple):
    """Cost of one direction for each sample, and how users of NumPy and other libraries would write it.

    numpy takes (batch, params), and so do two that explain its gap to the kernel (`bench/ladder.py`):
    passes, NumPy as samplers of masked flows go, and plain, compiled loops as one would first write them.
    The others take the library, the batch, and what `tables` makes of the params: a user computes that
    once for a model. All return (batch, log_det). unrolled: as in `peers.implementations`. models: of
    libraries of flows, each makes of the params a function of the batch alone.
    """

    depth: Callable[[int], float]
    flops: Callable[[int], float]
    numpy: Callable[[Any, Any], tuple[Any, Any]]
    torch: Library | None = None
    jax: Library | None = None
    scipy: Library | None = None
    tables: Callable[[Any, int], Any] = lambda params, dim: params
    exps: Callable[[int], float] = lambda dim: 0  # exp evaluations among the flops
    passes: Callable[[Any, Any], tuple[Any, Any]] | None = None
    plain: Callable[[Any, Any], tuple[Any, Any]] | None = None
    unrolled: bool = False
    models: Mapping[str, Callable[[Any], Any]] = {}

    def prepare(self, call: Call, dim: int, dtype: Dtype) -> tuple[Any, Any]:
        """Arguments of the other libraries' functions, for a call of the kernel."""
        return call.args[0], self.tables(call.args[1], dim)


def flow(
    stem: str,
    random_params: Callable[..., Any],
    forward: Direction,
    inverse: Direction,
    *,
    takes_dim: bool = False,
    matched: str | None = None,
    strategies: tuple[str, ...] = (),
    parameters: Callable[[int], float] = lambda dim: 4 * dim,
    weights: Callable[[int], float] = lambda dim: 0,
    steps: Callable[[int], float] = lambda dim: dim + 16,
    more: tuple[Operation, ...] = (),
) -> Case:
    """A case with forward, inverse, log_prob, sample and random_params.

    random_params(dim, seed, dtype=...) is that of the kernels. takes_dim: `sample` needs dim, because
    Params do not fix it. matched: the operation, here or stem.operation, that
    is the parallel direction of forward. strategies: of forward.
    parameters(dim): how many numbers Params hold, weights(dim): how many of them every call must read.
    steps(dim): operations on the longest path of a value, for the tolerance.
    """
    allowed = rounding(steps)

    def batch(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        params = random_params(dim, seed, dtype=dtype)
        return Call((standard_normal(count, dim, seed, dtype=dtype), params))

    def draw(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
        kwargs = {"first_row": 0, **({"dim": dim} if takes_dim else {})}
        return Call((count, random_params(dim, seed, dtype=dtype), seed), kwargs)

    def numpy_log_prob(x: Any, params: Any) -> Any:
        z, log_det = inverse.numpy(x, params)
        return log_det - 0.5 * np.einsum("nd,nd->n", z, z) - 0.5 * _LOG_2_PI * z.shape[1]

    def numpy_sample(call: Call, dim: int, dtype: Dtype) -> Thunk:
        n, params, seed = call.args
        draw_normals = np.random.default_rng(seed).standard_normal
        return lambda: forward.numpy(draw_normals((n, dim), dtype=dtype), params)[0]

    def noise(output: Any, call: Call) -> Any:
        return inverse.numpy(output, call.args[1])[0]

    transform = functools.partial(
        Operation,
        inputs=batch,
        elements=lambda dim: 2 * dim + 1,
        tolerance=allowed,
        rows=(0, None),
        parameters=parameters,
        weights=weights,
    )
    operations = (
        transform(
            "forward", depth=forward.depth, flops=forward.flops, exps=forward.exps,
            implementations=_transforms(forward), strategies=strategies,
        ),
        transform(
            "inverse", depth=inverse.depth, flops=inverse.flops, exps=inverse.exps,
            implementations=_transforms(inverse),
        ),
        Operation(
            "log_prob", batch, inverse.depth, lambda dim: inverse.flops(dim) + 2 * dim + 1,
            lambda dim: dim + 1, allowed,
            rows=(0, None), implementations={"numpy": direct(numpy_log_prob)} | _densities(inverse),
            parameters=parameters,
            exps=inverse.exps, written=lambda dim: 1, weights=weights,
        ),
        Operation(
            "sample", draw, forward.depth, lambda dim: forward.flops(dim) + NORMAL_FLOPS * dim,
            lambda dim: dim, allowed,
            rows=(COUNT, None, None), implementations={"numpy": numpy_sample} | _samplers(forward),
            noise=noise, parameters=parameters,
            exps=forward.exps, normals=lambda dim: dim, weights=weights,
        ),
        Operation(
            "random_params",
            lambda dim, count, dtype, seed: Call((dim, seed), {"dtype": dtype}),
            lambda dim: 1, lambda dim: 0, lambda dim: 0, allowed, timed=False,
        ),
        *more,
    )  # fmt: skip
    return Case(stem, operations, "forward", (("forward", matched),) if matched else ())


Finish: TypeAlias = Callable[[Library], Callable[..., Any]]


def _transforms(direction: Direction) -> dict[str, Setup]:
    ours = {"numpy-passes": direction.passes, "numpy": direction.numpy, "numba-plain": direction.plain}
    found = {name: direct(function) for name, function in ours.items() if function}
    return found | _peers(direction, scipy=_same, torch=_same, jax=_same)


def _peers(
    direction: Direction,
    draw: peers.Shape | None = None,
    **finish: Finish,
) -> dict[str, Setup]:
    """The other libraries' set-ups; finish[library](transform) is what the operation does with its result.

    draw: as in `peers.implementations`, for the batch.
    """
    first = 0 if draw is None else 1  # of the arguments, those after the batch

    def setups(functions: Mapping[str, Library | None], prepare: peers.Prepare) -> dict[str, Setup]:
        made = {library: finish[library](f) for library, f in functions.items() if f is not None}
        return peers.implementations(
            scipy=made.get("scipy"), torch=made.get("torch"), jax=made.get("jax"),
            prepare=lambda *cell: prepare(*cell)[first:], draw=draw, unrolled=direction.unrolled,
        )  # fmt: skip

    functions = {"scipy": direction.scipy, "torch": direction.torch, "jax": direction.jax}
    found = setups(functions, direction.prepare)
    for name, build in direction.models.items():
        library = peers.LIBRARY[name]
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
            "nll", scored, lambda dim: 1, flops, lambda dim: dim,
            rounding(lambda dim: dim + 16), timed=False, smallest_batch=1,
        ),
        Operation(
            "fit", fitted, lambda dim: steps, lambda dim: steps * flops(dim), lambda dim: dim,
            DIFFERENCES, timed=False, largest_dim=3, smallest_batch=5,
        ),
    )  # fmt: skip
