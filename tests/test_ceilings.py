"""Ceilings: how a bound follows from them, and which stored ones are refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from synthetic import CEILINGS, run_of

from seqgap.bench.machine.ceilings import Ceilings, bound
from seqgap.bench.model.case import EXP_FLOPS, NORMAL_FLOPS, Cost
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.registry import cases
from seqgap.bench.results.rows import Row

NS = 1e-9
ALONE = replace(CEILINGS, shared=(), parallel_region=None, threads=1)
QUICK_CALL = replace(CEILINGS, call_arrays=100 * NS)
# As where another process holds a core.
DISTURBED = replace(CEILINGS, shared=(replace(CEILINGS.bandwidth[3], copy=1e6),))


def cell(dim: int = 1, batch: int = 1, threads: int = 1, dtype: str = "float64") -> Cell:
    return Cell("normal", "standard_normal", "numba", dtype, dim, batch, threads)


MIXED = {"exps": 20, "normals": 10, "flops": 10 * (2 * EXP_FLOPS + NORMAL_FLOPS + 1000)}
BOUNDS: list[tuple[str, dict[str, float], Cell, float]] = [
    # name, cost, cell, seconds by hand
    ("call", {}, cell(), 300 * NS),
    ("chain", {"depth": 400}, cell(400), 400 * NS),
    ("chain", {"depth": 400}, cell(400, dtype="float32"), 800 * NS),
    ("chain", {"depth": 400, "elements": 1}, cell(400, 100), 400 * NS),  # once for the batch
    ("arithmetic", {"flops": 1e4}, cell(10, 400), 4e6 / 1e12),
    ("arithmetic", {"flops": 1e4}, cell(10, 400, dtype="float32"), 4e6 / 2e12),
    ("exp", {"exps": 10, "flops": 10 * EXP_FLOPS}, cell(10, 100), 1000 * NS),
    ("normals", {"normals": 10, "flops": 10 * NORMAL_FLOPS}, cell(10, 100), 3000 * NS),
    # the parts share the units: 2000 exps, 1000 normals and 1e6 flops besides theirs
    ("normals", MIXED, cell(10, 100), (2000 + 3000 + 1000) * NS),
    ("bandwidth L2", {}, cell(10, 60), 9_600 / 2e9),  # triad is faster than copy here
    ("bandwidth L3", {}, cell(10, 600), 96_000 / 1e9),
    ("bandwidth L3", {"written": 0}, cell(10, 600), 96_000 / 2e9),
    ("bandwidth L3", {"written": 20}, cell(10, 600), 96_000 / 1.5e9),
    ("bandwidth L3", {}, cell(10, 600, dtype="float32"), 48_000 / 1e9),
    ("bandwidth DRAM", {}, cell(10, 6000), 960_000 / 0.25e9),
    ("bandwidth L3", {"weights": 1e4}, cell(10, 1), 80_000 / 2e9 + 160 / 1e9),
    # four threads: four times the arithmetic and four times the private caches
    ("arithmetic", {"flops": 1e7}, cell(10, 4000, 4), 1e10 / 1e12),
    ("exp", {"exps": 10}, cell(10, 4000, 4), 10_000 * NS),
    ("normals", {"normals": 10}, cell(10, 4000, 4), 30_000 * NS),
    ("bandwidth L2", {}, cell(10, 225, 4), 36_000 / 8e9),
    # a chain is not cut, a region need not be opened
    ("chain", {"depth": 1e4}, cell(10, 4, 4), 10_000 * NS),
    ("call", {}, cell(1, 1, 4), 300 * NS),
    # what cores share: at most what all threads reached together, 3e9 and 1e9
    ("bandwidth L3", {}, cell(10, 600, 2), 96_000 / 2e9),
    ("bandwidth L3", {}, cell(10, 600, 4), 96_000 / 3e9),
    ("bandwidth DRAM", {}, cell(10, 6000, 8), 960_000 / 1e9),
]


def cost_of(name: str, at: Cell, costs: dict[str, float]) -> Cost:
    """`costs`, and 2 D elements, half of them written; hardly any where the bandwidth is not to bind."""
    elements = 2 * at.dim if name.startswith("bandwidth") else 1e-6
    return Cost(**({"depth": 0, "elements": elements, "written": at.dim} | costs))


@pytest.mark.parametrize(("name", "costs", "at", "seconds"), BOUNDS)
def test_every_ceiling_may_bind(name: str, costs: dict[str, float], at: Cell, seconds: float) -> None:
    assert bound(at, cost_of(name, at, costs), CEILINGS) == (pytest.approx(seconds), name)


@pytest.mark.parametrize(
    ("ceilings", "name", "at", "seconds"),
    [
        (QUICK_CALL, "bandwidth L1", cell(50), 800 / 4e9),
        (ALONE, "bandwidth DRAM", cell(10, 6000, 8), 960_000 / 0.25e9),  # shared levels measured on one
        (DISTURBED, "bandwidth DRAM", cell(10, 6000, 2), 960_000 / 0.25e9),  # all together less than one
    ],
)
def test_bounds_of_other_ceilings(ceilings: Ceilings, name: str, at: Cell, seconds: float) -> None:
    assert bound(at, cost_of(name, at, {}), ceilings) == (pytest.approx(seconds), name)


def test_every_cost_of_every_timed_operation_fits_its_flops_and_elements() -> None:
    for case in cases().values():
        for op in case.operations:
            for dim in (1, 2, 7, 64):
                cost = op.cost(dim)
                assert EXP_FLOPS * cost.exps + NORMAL_FLOPS * cost.normals <= cost.flops
                assert cost.written <= cost.elements
                assert cost.weights <= cost.parameters


def declared(name: str, dim: int) -> tuple[float, float]:
    stem, verb = name.split(".")
    cost = cases()[stem].operation(verb).cost(dim)
    return cost.exps, cost.normals


def test_exps_and_normals_are_declared_where_they_are_drawn() -> None:
    assert declared("affine_coupling.inverse", 9) == (4, 0)
    assert declared("affine_coupling.sample", 9) == (4, 9)
    assert declared("mask_stack.log_prob", 9) == (4, 0)
    assert declared("linear_ar.forward", 9) == (0, 0)
    assert declared("ar_process.sample", 9) == (0, 9)
    assert declared("diffusion.sample_noisy", 9) == declared("normal.standard_normal", 9) == (0, 9)
    for case in cases().values():
        for op in case.operations:
            if op.timed:
                drawn = op.noise is not None and op.noise.law == "norm"
                assert op.cost(op.near([5])[0]).normals > 0 or not drawn


def test_bounds_are_of_the_timed_cells_and_none_without_ceilings() -> None:
    rows = [Row(cell(10, 100), "ok", (6e-6, 1e-6, 9e-6), 1), Row(cell(), "skipped", reason="slow")]
    bounds = run_of(rows, environment={"ceilings": CEILINGS.to_json()}).bounds
    assert bounds == {rows[0].cell: (pytest.approx(3.2e-6), "bandwidth L2")}  # 8000 bytes are written
    assert run_of(rows).bounds == {}


def test_json_round_trip() -> None:
    assert Ceilings.from_json(json.loads(json.dumps(CEILINGS.to_json()))) == CEILINGS


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), 3), ((), []), ((), {}),
        (("timer",), "fast"), (("timer",), -1.0), (("call_arrays",), float("nan")),
        (("parallel_region",), float("inf")), (("threads",), 0),
        (("exp",), 1.0), (("exp",), {"float64": 1.0}), (("fma_flops", "float32"), 0.0),
        (("bandwidth",), []), (("bandwidth",), [1]), (("bandwidth", 0), {"level": "L1"}),
        (("bandwidth", 0, "read"), 0.0), (("bandwidth", 0, "capacity"), "48K"),
        (("bandwidth", 0, "level"), 1), (("unknown",), 1.0),
    ],
)  # fmt: skip
def test_damaged_ceilings_are_refused(path: tuple[Any, ...], value: Any) -> None:
    stored = {"ceilings": json.loads(json.dumps(CEILINGS.to_json()))}
    *outer, last = ("ceilings", *path)
    inner: Any = stored
    for key in outer:
        inner = inner[key]
    inner[last] = value
    with pytest.raises((TypeError, KeyError, ValueError)):
        Ceilings.from_json(stored["ceilings"])
