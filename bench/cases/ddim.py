"""DDIM: a network evaluated at S times one after the other, without noise; S is on the axis."""

from typing import Any

from seqgap.bench.model import arrays
from seqgap.bench.model.case import Call, Case, Dtype, Thunk
from seqgap.bench.peers import chains, network_steps
from seqgap.bench.peers.chains import DEPTH, DIM, LENGTHS, WIDTH
from seqgap.kernels import ddim
from seqgap.kernels._nets import denoise
from seqgap.kernels.normal import standard_normal

_STEPS = max(LENGTHS)  # of the schedule


def _params(seed: int, dtype: Dtype) -> ddim.Params:
    return ddim.random_params(DIM, seed, steps=_STEPS, depth=DEPTH, width=WIDTH, prediction="v", dtype=dtype)


def _run(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    x = standard_normal(count, DIM, seed, stream=2**31, dtype=dtype)
    return Call((x, _params(seed, dtype), seed), {"steps": steps})


def _sample(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    options = {"steps": steps, "eta": 0.5, "spacing": "trailing", "limit": 1.0, "first_row": 0}
    return Call((count, _params(seed, dtype), seed), options)


def _trajectory(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    call = _run(steps, count, dtype, seed)
    return Call(call.args, {"steps": steps, "eta": 1.0, "clip": "keep", "limit": 1.0, "first_row": 0})


def _tables(call: Call, steps: int, dtype: Dtype) -> tuple[Any, ...]:
    done = denoise.steps_of("leading", steps, _STEPS)
    return network_steps.tables(call, call.args[1].times[done - 1], dtype)


def _diffusers(call: Call, steps: int, dtype: Dtype) -> Thunk:
    """Its scheduler, with the network that the implementation torch has."""
    import torch
    from diffusers import DDIMScheduler

    x, net = arrays.converted(_tables(call, steps, dtype), torch.tensor)
    net, biases = network_steps.in_torch(net), net.bias_in.unbind(0)
    scheduler = DDIMScheduler(
        _STEPS, trained_betas=call.args[1].betas, clip_sample=False, prediction_type="v_prediction"
    )
    scheduler.set_timesteps(steps)

    def run() -> Any:
        state = x
        for t, bias in zip(scheduler.timesteps, biases, strict=True):
            predicted = network_steps.torch_network(torch, state, bias, net)
            state = scheduler.step(predicted, t, state, return_dict=False)[0]
        return state

    return run


CASE = Case(
    "ddim",
    (
        chains.sample(_sample),
        *network_steps.runs(_run, _tables, diffusers=_diffusers),
        chains.trajectory(_trajectory),
        chains.random_params(),
    ),
    sampler="run",
    matched=(("run", "picard"),),
    title="DDIM, network",
)  # fmt: skip
