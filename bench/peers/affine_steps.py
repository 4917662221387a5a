"""Chains whose model is a Gaussian: affine steps in NumPy, PyTorch and JAX, and the law of their states."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import COUNT, NORMAL_FLOPS, Call, Cost, Dtype, Noise, Operation, Setup
from seqgap.bench.peers.chains import DIM, LENGTHS, held, operation, options_of, with_strategy
from seqgap.kernels._nets.chain import Chain


class Affine(NamedTuple):
    """Steps x <- gain x + offset + noise eps of a linear model, for each feature."""

    gain: Any  # (T, D)
    offset: Any  # (T, D)
    noise: Any  # (T,)


def affine(call: Call) -> Affine:
    """The steps of a call whose model is a Gaussian, in float64."""
    chain = Chain(call.args[1], **options_of(call))
    keep, push, noise = chain.steps.table[:, [2, 4, 5]].T
    field = chain.field(np.dtype(np.float64))
    gain, offset = (np.asarray(table)[:, : chain.dim] for table in (field.gain, field.offset))
    return Affine(keep[:, None] + push[:, None] * gain, push[:, None] * offset, noise)


def _affine_in_dtype(call: Call, size: int, dtype: Dtype) -> tuple[Affine]:
    return (Affine(*(np.ascontiguousarray(table, dtype) for table in affine(call))),)


def _standardised(output: Any, call: Call) -> Any:
    """What is left of the exact mean and deviation of affine steps from standard normals: normals again."""
    mean, variance = np.zeros(output.shape[1]), np.ones(output.shape[1])
    for gain, offset, noise in zip(*affine(call), strict=True):
        mean, variance = gain * mean + offset, gain**2 * variance + noise**2
    return (output - mean) / np.sqrt(variance)


def numpy_affine(numpy: Any, normals: Any, steps: Affine) -> Any:
    """T array expressions from normals (T + 1, N, D), the first of which are the states."""
    x = normals[0]
    for eps, gain, offset, noise in zip(normals[1:], *steps, strict=True):
        x = gain * x + offset + noise * eps
    return x


def torch_affine(torch: Any, normals: Any, steps: Affine) -> Any:
    """Two fused multiply-adds for each step."""
    x = normals[0]
    columns = steps.gain.unbind(0), steps.offset.unbind(0), steps.noise.tolist()
    for eps, gain, offset, noise in zip(normals[1:].unbind(0), *columns, strict=True):
        x = torch.addcmul(offset, gain, x).add_(eps, alpha=noise)
    return x


def jax_affine(jax: Any, normals: Any, steps: Affine) -> Any:
    """A scan over the steps."""

    def step(x: Any, at: Any) -> tuple[Any, None]:
        eps, gain, offset, noise = at
        return gain * x + offset + noise * eps, None

    return jax.lax.scan(step, normals[0], (normals[1:], *steps))[0]


def _affine_cost(steps: int) -> Cost:
    normals = (steps + 1) * DIM
    return Cost(
        depth=steps, flops=normals * NORMAL_FLOPS + 4 * steps * DIM, elements=DIM, written=DIM,
        normals=normals, parameters=2 * steps * DIM,
    )  # fmt: skip


def _scan_cost(steps: int) -> Cost:
    """Every normal counts for the result, none waits for another."""
    normals, parameters = (steps + 1) * DIM, (steps + 2) * DIM
    return Cost(
        flops=normals * (NORMAL_FLOPS + 2), elements=DIM, written=DIM, normals=normals, parameters=parameters
    )


def samples(
    inputs: Callable[..., Call], strategies: tuple[str, ...] = (), longest: tuple[int, ...] = (),
    **libraries: Setup,
) -> tuple[Operation, Operation]:  # fmt: skip
    """`sample` of a chain whose model is a Gaussian, whose law is known: step by step, and as one scan.

    longest: numbers of steps beyond those of all chains.
    """
    shared = functools.partial(
        operation, rows=(COUNT, None, None), compiled=held("sample"), noise=Noise(_standardised),
        largest_dim=100, sizes=LENGTHS + longest,
    )  # fmt: skip
    own = arrays.implementations(
        numpy=numpy_affine, torch=torch_affine, jax=jax_affine, prepare=_affine_in_dtype,
        draw=lambda call, steps: (steps + 1, call.args[0], DIM), unrolled=True,
    )  # fmt: skip
    return (
        shared("sample", inputs, _affine_cost, implementations=own | libraries, strategies=strategies),
        shared("scan", with_strategy("scan", inputs), _scan_cost, function="sample"),
    )
