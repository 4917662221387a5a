"""Flow matching: S evaluations of a velocity one after the other; S is on the axis."""

from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Case, Dtype, Thunk
from seqgap.bench.peers import chains, network_steps
from seqgap.bench.peers.chains import DEPTH, DIM, WIDTH
from seqgap.kernels import flow_matching, mixture
from seqgap.kernels.normal import standard_normal


def _run(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    x = standard_normal(count, DIM, seed, stream=2**31, dtype=dtype)
    params = flow_matching.random_params(DIM, seed, depth=DEPTH, width=WIDTH, dtype=dtype)
    return Call((x, params, seed), {"steps": steps})


def _sample(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    params = flow_matching.Params(mixture.random_params(DIM, seed, dtype=dtype), 1)
    return Call((count, params, seed), {"steps": steps, "method": "heun", "first_row": 0})


def _trajectory(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    call = _run(steps, count, dtype, seed)
    times = np.linspace(0, 1, steps + 1) ** 1.5
    return Call(call.args, {"times": times, "method": "rk4"})


def _tables(call: Call, steps: int, dtype: Dtype) -> tuple[Any, ...]:
    return network_steps.tables(call, np.arange(steps) / steps, dtype)


def _torchdiffeq(call: Call, steps: int, dtype: Dtype) -> Thunk:
    """Its Euler method, with the network that the implementation torch has, and t as one more input."""
    import torch
    from torchdiffeq import odeint

    x, net = arrays.converted(_tables(call, steps, dtype), torch.tensor)
    model, net = call.args[1].model, network_steps.in_torch(net)
    still, moving = (
        torch.tensor(row.astype(dtype)) for row in (model.bias_hidden[0], model.weight_in[:, DIM])
    )
    times = torch.linspace(0, 1, steps + 1, dtype=x.dtype)

    def velocity(t: Any, x: Any) -> Any:
        return network_steps.torch_network(torch, x, torch.addcmul(still, moving, t), net)

    return lambda: odeint(velocity, x, times, method="euler")[-1]


CASE = Case(
    "flow_matching",
    (
        chains.sample(_sample),
        *network_steps.runs(_run, _tables, torchdiffeq=_torchdiffeq),
        chains.trajectory(_trajectory),
        chains.random_params(),
    ),
    sampler="run",
    matched=(("run", "picard"),),
    title="flow matching, network",
)  # fmt: skip
