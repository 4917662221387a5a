"""DDIM: a network evaluated at S times one after the other, without noise; S is on the axis."""

from typing import Any

from seqgap.bench.model.case import COUNT, Call, Case, Dtype
from seqgap.bench.peers import chains
from seqgap.bench.peers.chains import DEPTH, DIM, LENGTHS, WIDTH
from seqgap.kernels import ddim
from seqgap.kernels._nets import denoise
from seqgap.kernels.normal import standard_normal

_STEPS = max(LENGTHS)  # of the schedule


def _params(seed: int, dtype: Dtype) -> ddim.Params:
    return ddim.random_params(DIM, seed, steps=_STEPS, depth=DEPTH, width=WIDTH, dtype=dtype)


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
    return chains.tables(call, call.args[1].times[done - 1], dtype)


CASE = Case(
    "ddim",
    (
        chains.operation(
            "sample", _sample, chains.drawing_cost, rows=(COUNT, None, None), timed=False, largest_dim=10,
        ),
        chains.network_run(_run, _tables),
        chains.operation(
            "trajectory", _trajectory, chains.drawing_cost, rows=(0, None, None), output_axis=1, timed=False,
            largest_dim=10,
        ),
        chains.random_params(),
    ),
    sampler="run",
)  # fmt: skip
