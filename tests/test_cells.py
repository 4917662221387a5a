"""Which cells a run has, what is left out, and their order."""

from dataclasses import replace

import pytest

from seqgap.bench.model.cell import Cell, matches
from seqgap.bench.model.registry import cases, comparisons, quick
from seqgap.bench.plan.cells import expected_seconds, plan, too_slow
from seqgap.bench.plan.options import Options, profile
from seqgap.bench.plan.order import blocks


def test_plan_is_every_combination_once() -> None:
    options = Options(
        case=("ar_process.forward", "diffusion"), dim=(2, 4), batch=(1,), map=(), threads=(1, 2)
    )
    cells = plan(options)
    assert len(cells) == len(set(cells))
    names = {cell.name for cell in cells}
    assert names == {
        "ar_process.forward", "diffusion.noise", "diffusion.sample_noisy", "diffusion.trajectory",
        "diffusion.reverse", "diffusion.reverse_naive",
    }  # fmt: skip
    per_size = {"python": 1, "numpy": 2, "numba": 2}  # plain Python has one thread
    for impl, threads in per_size.items():
        assert sum(cell.impl == impl for cell in cells) == 6 * 2 * threads


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [("linear_ar", True), ("linear_ar.*", True), ("*.forward", True), ("l*", True), ("forward", False)],
)
def test_case_globs(pattern: str, fits: bool) -> None:
    assert matches("linear_ar.forward", (pattern,)) is fits


def test_profiles_grow() -> None:
    counts = [len(plan(profile(name, 2))) for name in ("smoke", "quick", "full")]
    assert counts == sorted(set(counts))
    assert profile("quick", 2) == Options(case=quick(), ladder_threads=2)
    assert profile("full", 1).threads == (1,)


def test_quick_and_smoke_have_the_pairs_whose_cases_say_so_and_full_has_everything() -> None:
    names = {name: {cell.name for cell in plan(profile(name, 1))} for name in ("smoke", "quick", "full")}
    said = {
        name
        for c in comparisons()
        if c.kind == "matched" and cases()[c.sequential.split(".")[0]].quick
        for name in (c.sequential, c.parallel)
    }
    assert names["smoke"] == names["quick"] == set(quick()) == said
    controls = {name for c in comparisons() if c.kind == "control" for name in (c.sequential, c.parallel)}
    assert names["full"] > said | controls > said
    assert not said & controls


def test_a_rung_of_a_ladder_may_take_longer_than_other_cells() -> None:
    options = profile("quick", 2)
    rung = Cell("linear_ar", "forward", "python", "float64", 64, 1024, 1)
    assert too_slow(rung, options) is None
    assert too_slow(replace(rung, operation="inverse"), options) is not None
    assert too_slow(rung, replace(options, longest_rung=options.longest)) is not None


def test_the_map_has_further_batch_sizes_of_the_matched_pairs_alone() -> None:
    options = Options(batch=(1, 4), map=(2, 4), dim=(2,), impl=("numba",))
    names = {batch: {cell.name for cell in plan(options) if cell.batch == batch} for batch in (1, 2, 4)}
    pairs = [c for c in comparisons() if c.kind == "matched"]
    assert names[2] == {name for pair in pairs for name in (pair.sequential, pair.parallel)}
    assert names[1] == names[4] > names[2]
    assert len(plan(options)) == len(set(plan(options)))


def test_curves_have_further_sizes_of_the_matched_pairs_alone() -> None:
    options = Options(batch=(1,), dim=(4,), curve=(4, 8), impl=("numba",), case=("linear_ar", "affine"))
    sizes = {(cell.case, cell.dim) for cell in plan(options)}
    assert sizes == {("linear_ar", 4), ("linear_ar", 8), ("affine", 4)}
    assert len(plan(options)) == len(set(plan(options)))


def test_slow_and_large_cells_are_left_out_with_a_reason() -> None:
    options = Options()
    assert too_slow(Cell("linear_ar", "forward", "python", "float64", 1024, 1024, 1), options)
    assert too_slow(Cell("linear_ar", "forward", "python", "float64", 64, 1024, 1), options) is None
    wide = Cell("linear_ar", "inverse", "numba", "float64", 30_000, 1, 1)  # a weight of 7 GiB
    assert "GiB" in str(too_slow(wide, replace(options, longest=1e9)))
    large = Cell("diffusion", "trajectory", "numba", "float64", 4096, 4096, 1)
    assert "GiB" in str(too_slow(large, replace(options, longest=1e9)))


def test_the_estimate_counts_full_passes_and_pythons_normals() -> None:
    def expected(operation: str, impl: str, stem: str = "linear_ar") -> float:
        return expected_seconds(Cell(stem, operation, impl, "float64", 16, 4, 1))

    assert expected("sample", "python") - expected("forward", "python") > 16 * 4 * 1e-6
    assert expected("sample", "numpy") - expected("forward", "numpy") < 16 * 4 * 1e-7
    for stem, impl, once in (("linear_ar", "numpy-passes", "numpy"), ("maf", "numba-naive", "numba")):
        assert expected("forward", impl, stem) == pytest.approx(16 * expected("forward", once, stem))


ORDERED = Options(dim=(2, 8), batch=(1, 4), threads=(1, 2), impl=("numba",), case=("linear_ar",), map=())


def test_blocks_hold_every_cell_once_in_another_order_for_each_process() -> None:
    orders = [[cell for block in blocks(ORDERED, process) for cell in block] for process in range(4)]
    assert all(sorted(order, key=str) == sorted(plan(ORDERED), key=str) for order in orders)
    assert orders[1] == orders[0][::-1]
    assert orders[3] == orders[2][::-1]
    assert orders[0] not in (orders[2], orders[3], plan(ORDERED))
    assert orders == [[cell for block in blocks(ORDERED, p) for cell in block] for p in range(4)]


def test_the_cells_of_a_block_share_all_that_a_ratio_needs() -> None:
    found = blocks(ORDERED, 0)
    sizes = [{(c.dtype, c.dim, c.batch, c.threads) for c in block} for block in found]
    assert all(len(size) == 1 for size in sizes)
    assert len(set.union(*sizes)) == len(found) == 8
