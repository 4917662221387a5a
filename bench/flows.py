"""The operations of a family with the four verbs, derived from its two directions."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.registry import (
    COUNT,
    DIFFERENCES,
    NORMAL_FLOPS,
    Call,
    Case,
    Dtype,
    Operation,
    Thunk,
    direct,
    rounding,
)
from seqgap.kernels.normal import standard_normal

_LOG_2_PI = float(np.log(2 * np.pi))


class Direction(NamedTuple):
    """Cost of one direction for each sample, and how a NumPy user would write it."""

    depth: Callable[[int], float]
    flops: Callable[[int], float]
    numpy: Callable[[Any, Any], tuple[Any, Any]]  # (batch, params) -> (batch, log_det)
    exps: Callable[[int], float] = lambda dim: 0  # exp evaluations among the flops


def flow(
    stem: str,
    random_params: Callable[..., Any],
    forward: Direction,
    inverse: Direction,
    *,
    takes_dim: bool = False,
    matched: bool = False,
    strategies: tuple[str, ...] = (),
    parameters: Callable[[int], float] = lambda dim: 4 * dim,
    weights: Callable[[int], float] = lambda dim: 0,
    more: tuple[Operation, ...] = (),
) -> Case:
    """A case with forward, inverse, log_prob, sample and random_params.

    random_params(dim, seed, dtype=...) is that of the kernels. takes_dim: `sample` needs dim, because
    Params do not fix it. matched: forward and inverse are one matched pair. strategies: of forward.
    parameters(dim): how many numbers Params hold, weights(dim): how many of them every call must read.
    """
    allowed = rounding(lambda dim: dim + 16)

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
            implementations={"numpy": direct(forward.numpy)}, strategies=strategies,
        ),
        transform(
            "inverse", depth=inverse.depth, flops=inverse.flops, exps=inverse.exps,
            implementations={"numpy": direct(inverse.numpy)},
        ),
        Operation(
            "log_prob", batch, inverse.depth, lambda dim: inverse.flops(dim) + 2 * dim + 1,
            lambda dim: dim + 1, allowed,
            rows=(0, None), implementations={"numpy": direct(numpy_log_prob)}, parameters=parameters,
            exps=inverse.exps, written=lambda dim: 1, weights=weights,
        ),
        Operation(
            "sample", draw, forward.depth, lambda dim: forward.flops(dim) + NORMAL_FLOPS * dim,
            lambda dim: dim, allowed,
            rows=(COUNT, None, None), implementations={"numpy": numpy_sample}, noise=noise,
            parameters=parameters, exps=forward.exps, normals=lambda dim: dim, weights=weights,
        ),
        Operation(
            "random_params",
            lambda dim, count, dtype, seed: Call((dim, seed), {"dtype": dtype}),
            lambda dim: 1, lambda dim: 0, lambda dim: 0, allowed, timed=False,
        ),
        *more,
    )  # fmt: skip
    return Case(stem, operations, "forward", (("forward", "inverse"),) if matched else ())


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
