"""Networks in chains of steps, in NumPy, PyTorch and JAX, as users of those write them.

Everything that time adds is computed once: a bias of the first layer and two numbers for each step.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import NORMAL_FLOPS, Call, Cost, Dtype, Operation, Setup, Thunk
from seqgap.bench.peers.chains import DEPTH, DIM, WIDTH, held, operation, options_of, with_strategy
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.perceptron import Perceptron, biases_in

_UNROLLED = 10  # steps that torch.compile sees at once


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


def torch_network(torch: Any, x: Any, bias: Any, net: Tables) -> Any:
    """f(x, t) by products with their bias; bias: that of the first layer at t."""
    silu = torch.nn.functional.silu
    units = silu(torch.addmm(bias, x, net.weight_in))
    for weight, shift in zip(net.weight_hidden, net.bias_hidden, strict=True):
        units = silu(torch.addmm(shift, units, weight))
    return torch.addmm(net.bias_out, units, net.weight_out)


def in_torch(net: Tables) -> Tables:
    """The tables with their layers apart: to index a tensor costs as much as a small layer."""
    return net._replace(weight_hidden=net.weight_hidden.unbind(0), bias_hidden=net.bias_hidden.unbind(0))


def torch_run(torch: Any, x: Any, net: Tables) -> Any:
    """A fused multiply-add for each step."""
    net = in_torch(net)
    for bias, keep, push in zip(net.bias_in.unbind(0), net.keep.tolist(), net.push.tolist(), strict=True):
        x = torch.add(torch_network(torch, x, bias, net) * push, x, alpha=keep)
    return x


def torch_compiled(prepare: arrays.Prepare, call: Call, steps: int, dtype: Dtype) -> Thunk:
    """Ten steps compiled at once, in a loop of Python: a whole chain would be unrolled, for minutes.

    One step in each call took 2.6 times as long for one state, D = 64 and 64 units, on an Emerald Rapids.
    """
    import torch

    torch.compiler.reset()  # it compiles a function for 8 sizes only
    x, net = arrays.converted(prepare(call, steps, dtype), torch.tensor)
    net = in_torch(net)

    @torch.compile(dynamic=False, fullgraph=True)  # type: ignore[untyped-decorator]  # torch is not followed
    def several(x: Any, biases: Any, keep: Any, push: Any) -> Any:
        for t in range(len(keep)):
            x = keep[t] * x + push[t] * torch_network(torch, x, biases[t], net)
        return x

    parts = list(zip(*(table.split(_UNROLLED) for table in (net.bias_in, net.keep, net.push)), strict=True))

    def run() -> Any:
        state = x
        for part in parts:
            state = several(state, *part)
        return state

    return run


def jax_run(jax: Any, x: Any, net: Tables) -> Any:
    """A scan over the steps."""

    def step(x: Any, at: Any) -> tuple[Any, None]:
        bias, keep, push = at
        units = jax.nn.silu(x @ net.weight_in + bias)
        for weight, shift in zip(net.weight_hidden, net.bias_hidden, strict=True):
            units = jax.nn.silu(units @ weight + shift)
        return keep * x + push * (units @ net.weight_out + net.bias_out), None

    return jax.lax.scan(step, x, (net.bias_in, net.keep, net.push))[0]


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


def _sweep_cost(steps: int) -> Cost:
    """One sweep at least; how many more depends on the numbers."""
    return network_cost(steps)._replace(depth=DEPTH + 1)


def runs(
    inputs: Callable[..., Call],
    prepare: arrays.Prepare,
    **libraries: Setup,
) -> tuple[Operation, Operation]:
    """`run` of a network without noise: step by step, and by Picard's sweeps.

    prepare: the `tables` of a call. libraries: further implementations.
    """
    shared = functools.partial(operation, rows=(0, None, None), compiled=held("run"), largest_dim=10)
    own = arrays.implementations(
        numpy=numpy_run, torch=torch_run, jax=jax_run, prepare=prepare, unrolled=True
    ) | {"torch-compile": functools.partial(torch_compiled, prepare)}
    return (
        shared("run", inputs, network_cost, implementations=own | libraries),
        shared("picard", with_strategy("picard", inputs), _sweep_cost, function="run"),
    )
