"""The generator of standard normals: what every sampler pays before its own work."""

from typing import Any

import numpy as np

from seqgap.bench.model import arrays
from seqgap.bench.model.case import (
    COUNT,
    EXACT,
    NORMAL_FLOPS,
    Call,
    Case,
    Cost,
    Dtype,
    Noise,
    Operation,
    Thunk,
    rounding,
)


def _normals(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    return Call((count, dim, seed), {"first_row": 0, "dtype": dtype})


def _numpy(call: Call, dim: int, dtype: Dtype) -> Thunk:
    draw = np.random.default_rng(call.args[2]).standard_normal
    return lambda: draw(call.args[:2], dtype=dtype)


def _as_drawn(library: Any, normals: Any) -> Any:
    return normals


_PEERS = arrays.implementations(
    torch=_as_drawn, jax=_as_drawn, prepare=lambda call, dim, dtype: (), draw=lambda call, dim: call.args[:2]
)


def _words(dim: int, count: int, dtype: Dtype, seed: int) -> Call:
    generator = np.random.default_rng(seed)
    words = generator.integers(0, 2**32, (count, 4), dtype=np.uint32)
    return Call((words, generator.integers(0, 2**32, 2, dtype=np.uint32)))


CASE = Case(
    "normal",
    (
        Operation(
            "standard_normal", _normals,
            lambda dim: Cost(flops=NORMAL_FLOPS * dim, elements=dim, written=dim, normals=dim),
            rounding(lambda dim: 16),
            rows=(COUNT, None, None), implementations={"numpy": _numpy} | _PEERS,
            noise=Noise(lambda output, call: output),
        ),
        Operation(
            "philox4x32", _words, lambda dim: Cost(elements=8, written=4), EXACT, rows=(0, None), timed=False,
        ),
    ),
)  # fmt: skip
