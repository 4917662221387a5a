"""DDPM: T dependent steps with fresh noise; with the exact prediction of Gaussian data its law is known."""

import functools
from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    COUNT,
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Operation,
    rounding,
)
from seqgap.bench.peers import chains
from seqgap.bench.peers.chains import DEPTH, DIM, LENGTHS, WIDTH
from seqgap.kernels import ddpm
from seqgap.kernels._nets.chain import Chain
from seqgap.kernels._nets.schedule import linear_betas
from seqgap.kernels.normal import standard_normal


def _network(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    x = standard_normal(count, DIM, seed, stream=2**31, dtype=dtype)
    params = ddpm.random_params(DIM, seed, steps=steps, depth=DEPTH, width=WIDTH, dtype=dtype)
    return Call((x, params, seed), {"limit": 1.0, "variance": "beta", "first_row": 0})


def _gaussian(steps: int, count: int, dtype: Dtype, seed: int) -> Call:
    mean = 0.5 * standard_normal(1, DIM, seed, stream=1)[0]
    model = ddpm.Gaussian(mean.astype(dtype), np.linspace(0.2, 1.2, DIM).astype(dtype))
    betas = linear_betas(max(steps, 100))
    params = ddpm.Params(model, betas, np.arange(betas.size, dtype=float), "epsilon")
    return Call((count, params, seed), {"steps": steps, "first_row": 0})


def _affine(call: Call) -> chains.Affine:
    return chains.affine(Chain(call.args[1], steps=call.kwargs["steps"]))


def _tables(call: Call, steps: int, dtype: Dtype) -> tuple[Any, ...]:
    return (chains.in_dtype(_affine(call), dtype),)


def _noise(output: Any, call: Call) -> Any:
    return chains.standardised(output, _affine(call))


def _normals(call: Call, steps: int) -> tuple[int, ...]:
    return steps + 1, call.args[0], DIM


def _sample_cost(steps: int) -> Cost:
    normals = (steps + 1) * DIM
    return Cost(
        depth=steps, flops=normals * NORMAL_FLOPS + 4 * steps * DIM, elements=DIM, written=DIM,
        normals=normals, parameters=2 * steps * DIM,
    )  # fmt: skip


_operation = functools.partial(
    Operation, tolerance=rounding(lambda steps: 100 * steps + 500), axis="steps", sizes=LENGTHS
)

CASE = Case(
    "ddpm",
    (
        _operation(
            "sample", _gaussian, _sample_cost, rows=(COUNT, None, None), compiled=chains.held("sample"),
            noise=Noise(_noise), largest_dim=100,
            implementations=arrays.implementations(
                numpy=chains.numpy_affine, torch=chains.torch_affine, jax=chains.jax_affine,
                prepare=_tables, draw=_normals, unrolled=True,
            ),
        ),
        _operation(
            "run", _network, chains.drawing_cost, rows=(0, None, None), compiled=chains.held("run"),
            largest_dim=10,
        ),
        _operation(
            "trajectory", _network, chains.drawing_cost, rows=(0, None, None), output_axis=1, timed=False,
            largest_dim=10,
        ),
        _operation(
            "random_params", lambda steps, count, dtype, seed: Call((DIM, seed), {"dtype": dtype}),
            lambda steps: Cost(), timed=False,
        ),
    ),
    sampler="sample",
)  # fmt: skip
