"""Chains of steps in NumPy, PyTorch and JAX, as users of those write them: shared by the cases of chains.

Everything that time adds is computed once: a bias of the first layer and two or three numbers for each step.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    COUNT,
    NORMAL_FLOPS,
    Call,
    Cost,
    Dtype,
    Noise,
    Operation,
    Setup,
    Thunk,
    rounding,
)
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import Perceptron, biases_in

DIM, DEPTH, WIDTH = 16, 3, 32  # of the cases' networks
LENGTHS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # steps


class Tables(NamedTuple):
    """What users of the other libraries compute once for a network and its steps."""

    bias_in: Any  # (T, H)
    weight_in: Any  # (D, H)
    weight_hidden: Any  # (K - 1, H, H), inputs first
    bias_hidden: Any  # (K - 1, H)
    weight_out: Any  # (H, D)
    bias_out: Any  # (D,)
    keep: Any  # (T,): x <- keep x + push f
    push: Any  # (T,)


def tables(call: Call, times: Any, dtype: Dtype) -> tuple[Any, ...]:
    """(states, tables) of a call of `run` that draws nothing; times: those that the network is given."""
    x, params = call.args[:2]
    model: Perceptron = params.model
    steps = Chain(params, **options_of(call)).steps.table
    numbers = (
        biases_in(model, times, np.empty(0)), model.weight_in[:, : params.dim].T,
        model.weight_hidden.swapaxes(1, 2), model.bias_hidden[1:], model.weight_out.T, model.bias_out,
        steps[:, 2], steps[:, 4],
    )  # fmt: skip
    return x, Tables(*(np.ascontiguousarray(a, dtype) for a in numbers))


def numpy_run(numpy: Any, x: Any, net: Tables) -> Any:
    """T steps of four products for the whole batch."""
    for t, bias in enumerate(net.bias_in):
        units = _silu(x @ net.weight_in + bias)
        for weight, shift in zip(net.weight_hidden, net.bias_hidden, strict=True):
            units = _silu(units @ weight + shift)
        x = net.keep[t] * x + net.push[t] * (units @ net.weight_out + net.bias_out)
    return x


def _silu(u: Any) -> Any:
    return u / (1 + np.exp(-u))


def torch_run(torch: Any, x: Any, net: Tables) -> Any:
    """Products with their bias, and a fused multiply-add for the step."""
    silu, hidden = torch.nn.functional.silu, list(zip(net.weight_hidden, net.bias_hidden, strict=True))
    steps = zip(net.bias_in.unbind(0), net.keep.tolist(), net.push.tolist(), strict=True)
    for bias, keep, push in steps:
        units = silu(torch.addmm(bias, x, net.weight_in))
        for weight, shift in hidden:
            units = silu(torch.addmm(shift, units, weight))
        slope = torch.addmm(net.bias_out, units, net.weight_out)
        x = torch.add(slope * push, x, alpha=keep)
    return x


def jax_run(jax: Any, x: Any, net: Tables) -> Any:
    """A scan over the steps."""

    def step(x: Any, at: Any) -> tuple[Any, None]:
        bias, keep, push = at
        units = jax.nn.silu(x @ net.weight_in + bias)
        for weight, shift in zip(net.weight_hidden, net.bias_hidden, strict=True):
            units = jax.nn.silu(units @ weight + shift)
        return keep * x + push * (units @ net.weight_out + net.bias_out), None

    return jax.lax.scan(step, x, (net.bias_in, net.keep, net.push))[0]


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


def options_of(call: Call) -> dict[str, Any]:
    """The options of the chain of a call."""
    return {key: value for key, value in call.kwargs.items() if key != "first_row"}


def held(verb: str) -> Callable[..., Setup]:
    """A verb of a `Chain`, which is made in the set-up as the models of the peers are."""

    def compiled(**options: Any) -> Setup:
        def setup(call: Call, size: int, dtype: Dtype) -> Thunk:
            first, params, seed = call.args
            method = getattr(Chain(params, **options_of(call)), verb)
            row = {key: value for key, value in call.kwargs.items() if key == "first_row"}
            return lambda: method(first, seed, **row, **options)

        return setup

    return compiled


def drawing_cost(steps: int) -> Cost:
    """That of `network_cost` with the noise of every step."""
    cost, normals = network_cost(steps), steps * DIM
    return cost._replace(flops=cost.flops + NORMAL_FLOPS * normals, normals=normals)


def network_cost(steps: int) -> Cost:
    """Of one state through so many steps."""
    weights = 2 * DIM * WIDTH + (DEPTH - 1) * WIDTH * WIDTH
    exps, parameters = DEPTH * WIDTH, weights + DEPTH * WIDTH + DIM
    return Cost(
        depth=steps * (DEPTH + 1), flops=steps * (2 * weights + 10 * exps + 2 * DIM), exps=steps * exps,
        elements=2 * DIM, written=DIM, parameters=parameters + steps * WIDTH, weights=weights,
    )  # fmt: skip


def _affine_cost(steps: int) -> Cost:
    normals = (steps + 1) * DIM
    return Cost(
        depth=steps, flops=normals * NORMAL_FLOPS + 4 * steps * DIM, elements=DIM, written=DIM,
        normals=normals, parameters=2 * steps * DIM,
    )  # fmt: skip


operation = functools.partial(
    Operation, tolerance=rounding(lambda steps: 100 * steps + 500), axis="steps", sizes=LENGTHS
)


def affine_sample(inputs: Callable[..., Call]) -> Operation:
    """`sample` of a chain whose model is a Gaussian: the law of its states is known."""
    return operation(
        "sample", inputs, _affine_cost, rows=(COUNT, None, None), compiled=held("sample"),
        noise=Noise(_standardised), largest_dim=100,
        implementations=arrays.implementations(
            numpy=numpy_affine, torch=torch_affine, jax=jax_affine, prepare=_affine_in_dtype,
            draw=lambda call, steps: (steps + 1, call.args[0], DIM), unrolled=True,
        ),
    )  # fmt: skip


def network_run(inputs: Callable[..., Call], prepare: arrays.Prepare) -> Operation:
    """`run` of a network without noise, also by Picard's sweeps; prepare: the `tables` of a call."""
    return operation(
        "run", inputs, network_cost, rows=(0, None, None), compiled=held("run"), largest_dim=10,
        strategies=("steps", "picard"),
        implementations=arrays.implementations(
            numpy=numpy_run, torch=torch_run, jax=jax_run, prepare=prepare, unrolled=True
        ),
    )  # fmt: skip


def random_params() -> Operation:
    """That of every family, for D of the cases."""
    return operation(
        "random_params", lambda steps, count, dtype, seed: Call((DIM, seed), {"dtype": dtype}),
        lambda steps: Cost(), timed=False,
    )  # fmt: skip
