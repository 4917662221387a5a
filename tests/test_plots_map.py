"""The gap map and the waterfall of the ladder: their numbers, the border, the same bytes, odd runs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from synthetic import SMALL, edit_rows, plausible, read_csv, write_run

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.run import Run, read_run
from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.options import Options
from seqgap.bench.report.plots import draw_ladder, gap_map, ladder
from seqgap.bench.report.plots.style import COLOURS, Picture, house_style, save

FIVE = ("python", "numpy-passes", "numpy", "numba-plain", "numba")
ALL = Options(case=("linear_ar", "ar_process"), impl=FIVE, dim=(8, 64), batch=(1, 64), map=())
LINEAR = Options(case=("linear_ar",), impl=("numba",), dim=(2, 8, 64, 256), batch=(1, 32), map=())
MODULES = (gap_map, ladder)


def planted(ratios: Callable[[Cell], float]) -> Callable[[Cell], float]:
    """A second for the parallel direction, `ratios` for the sequential one."""
    return lambda cell: ratios(cell) if cell.operation == "forward" else 1.0


def drawn(module: object, run: Run) -> Picture:
    with house_style():
        picture: Picture | None = module.picture(run)  # type: ignore[attr-defined]
    assert picture is not None
    return picture


def table(picture: Picture) -> list[list[str]]:
    return picture.table.read_back()


def texts(picture: Picture) -> list[str]:
    return [text.get_text() for axes in picture.figure.axes for text in axes.texts]


def thick_lines(picture: Picture) -> set[tuple[float, ...]]:
    """(x, x, y, y) of every piece of the border in the first panel."""
    lines = picture.figure.axes[0].lines
    return {(*map(float, line.get_xdata()), *map(float, line.get_ydata())) for line in lines}


def test_border_lies_between_the_cells_on_both_sides_of_the_ratio() -> None:
    ratios = np.array([[1.5, 1.1, 1.09], [1.5, 1.0, 0.5]])
    assert set(gap_map.border(ratios)) == {((2, 0), (2, 1)), ((1, 1), (1, 2)), ((1, 1), (2, 1))}


def test_border_encloses_an_island() -> None:
    ratios = np.ones((3, 3))
    ratios[1, 1] = 2.0
    sides = {((1, 1), (2, 1)), ((1, 2), (2, 2)), ((1, 1), (1, 2)), ((2, 1), (2, 2))}
    assert set(gap_map.border(ratios)) == sides


@pytest.mark.parametrize("ratios", [[[np.nan, 2.0], [1.0, np.nan]], [[2.0, 1.1]], [[1.0], [0.2]], [[3.0]]])
def test_no_border_beside_what_was_not_timed_nor_on_one_side(ratios: list[list[float]]) -> None:
    assert gap_map.border(np.array(ratios)) == []


def test_thick_line_is_drawn_where_the_planted_ratio_crosses(tmp_path: Path) -> None:
    seconds = planted(lambda cell: 1.3 if cell.dim < 64 and cell.batch == 1 else 1.02)
    picture = drawn(gap_map, read_run(write_run(tmp_path / "run", LINEAR, seconds=seconds, noise=0.001)))
    # D = 2, 8 | 64, 256 and N = 1 below 32: right of the second column, on top of the first row.
    assert thick_lines(picture) == {(2, 2, 0, 1), (0, 1, 1, 1), (1, 2, 1, 1)}


@pytest.mark.parametrize(("ratio", "answer"), [(1.5, "yes"), (1.1, "undecided"), (0.9, "no")])
def test_verdict_on_planted_ratios_and_its_star(ratio: float, answer: str, tmp_path: Path) -> None:
    options = replace(LINEAR, dim=(64,), batch=(32,))
    path = write_run(tmp_path / "run", options, seconds=planted(lambda _: ratio), noise=0.005)
    picture = drawn(gap_map, read_run(path))
    head, line = table(picture)
    assert line[head.index("above_1.1")] == answer
    assert texts(picture)[0].endswith("*") == (answer == "undecided")


def test_gap_map_table_is_the_gaps_of_the_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", replace(SMALL, threads=(1, 2), dtype=("float32", "float64"))))
    head, *lines = table(drawn(gap_map, run))
    wanted = [
        g for g in gaps(run) if (g.kind, g.cell.threads, g.cell.dtype) == ("matched", 1, "float64")
        and g.cell.impl in ("python", "numpy", "numba")
    ]  # fmt: skip
    sizes = [[*g.names, g.cell.impl, "float64", "1", str(g.cell.batch), str(g.cell.dim)] for g in wanted]
    assert [line[:7] for line in lines] == sizes
    assert [tuple(map(float, line[7:10])) for line in lines] == [g.ratio.columns for g in wanted]
    assert head[7:10] == ["ratio", "low", "high"]


def test_ladder_table_is_that_of_the_ladder_command(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", ALL))
    draw_ladder(run, tmp_path)
    assert table(drawn(ladder, run)) == read_csv(tmp_path / "ladder.csv")


def test_waterfall_starts_each_bar_at_the_rung_before_and_colours_by_direction(tmp_path: Path) -> None:
    times = dict(zip(FIVE, (8.0, 16.0, 4.0, 2.0, 1.0), strict=True))
    options = replace(ALL, case=("linear_ar",), dim=(64,), batch=(1,))
    slower = write_run(tmp_path / "run", options, seconds=lambda cell: times[cell.impl], noise=1e-6)
    axes = drawn(ladder, read_run(slower)).figure.axes[0]
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]  # type: ignore[attr-defined]
    assert np.allclose(ends[:4], [(8, 16), (4, 16), (2, 4), (1, 2)], rtol=1e-4)
    colours = [to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    faster, slower, left = COLOURS[:3]
    assert colours[:4] == [slower, faster, faster, faster]
    assert colours[-1] == left  # true data dependence


def test_rows_are_named_by_what_they_answer_and_those_of_the_map_by_number(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", replace(LINEAR, batch=(1, 64), map=(8,))))
    labels = [label.get_text() for label in drawn(gap_map, run).figure.axes[0].get_yticklabels()]
    assert labels == ["N = 1:\nlatency", "8", "64:\nthroughput"]


def test_one_process_has_neither_intervals_nor_stars(tmp_path: Path) -> None:
    picture = drawn(gap_map, read_run(write_run(tmp_path / "run", LINEAR, processes=1)))
    assert len(texts(picture)) == len(LINEAR.dim) * len(LINEAR.batch)
    assert not any("*" in text for text in texts(picture))
    head, *lines = table(picture)
    assert {(line[head.index("low")], line[-1]) for line in lines} == {("", "undecided")}


def test_fewest_threads_are_those_of_the_shown_dtype(tmp_path: Path) -> None:
    options = replace(LINEAR, dtype=("float32", "float64"), threads=(1, 2))
    path = write_run(tmp_path / "run", options)
    alone = {"dtype": "float64", "threads": 1}
    edit_rows(path, lambda row: None if alone.items() <= row["cell"].items() else row)
    _, *lines = table(drawn(gap_map, read_run(path)))
    assert {(line[3], line[4]) for line in lines} == {("float64", "2")}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_for_a_run_without_pairs(module: object, tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", Options(case=("affine_coupling",), dim=(8,), batch=(1,))))
    assert module.picture(run) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", MODULES)
def test_no_text_is_cut_off_as_saved(module: object, tmp_path: Path) -> None:
    picture = drawn(module, read_run(write_run(tmp_path / "run", ALL)))
    with house_style():
        save(picture, tmp_path)
    picture.figure.set_dpi(130)
    with house_style():
        picture.figure.draw_without_rendering()
    whole = picture.figure.bbox
    for axes in picture.figure.axes:
        for text in (*axes.texts, axes.title, *axes.get_yticklabels()):
            box = text.get_window_extent()
            assert whole.x0 <= box.x0
            assert box.x1 <= whole.x1, text.get_text()


def test_titles_name_the_other_family_of_a_pair(tmp_path: Path) -> None:
    options = replace(ALL, case=("linear_ar", "maf", "iaf"), impl=("numba",))
    run = read_run(write_run(tmp_path / "run", options))
    titles = [axes.get_title() for axes in drawn(gap_map, run).figure.axes]
    assert titles[:2] == ["linear_ar.forward / inverse, numba", "maf.forward / iaf.forward, numba"]


def test_no_ladder_of_one_implementation(tmp_path: Path) -> None:
    assert ladder.picture(read_run(write_run(tmp_path / "run", LINEAR))) is None


ONE = replace(ALL, case=("linear_ar",))
ODD = {
    "one N": (replace(ONE, batch=(32,)), {}),
    "one D": (replace(ONE, dim=(64,)), {}),
    "one process": (ONE, {"processes": 1}),
    "many sizes": (
        replace(
            ONE,
            impl=("numba-plain", "numba"),
            dim=tuple(2**k for k in range(1, 11)),
            batch=(1, 8, 64, 512, 4096),
        ),
        {},
    ),
    "two rungs and the parallel direction": (replace(ONE, impl=("numba-plain", "numba")), {}),
    "all equal": (ONE, {"seconds": lambda _: 1.0, "noise": 0.0}),
    "far apart": (ONE, {"seconds": planted(lambda cell: 1e5 if cell.dim > 8 else 1e-5)}),
    "much noise": (ONE, {"noise": 1.0}),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_runs_are_drawn(name: str, tmp_path: Path) -> None:
    options, how = ODD[name]
    run = read_run(write_run(tmp_path / "run", options, **({"seconds": plausible} | how)))  # type: ignore[arg-type]
    for module in MODULES:
        picture = drawn(module, run)
        with house_style():
            picture.figure.draw_without_rendering()


def test_a_cell_that_is_missing_is_hatched_and_bridged(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", ONE)
    edit_rows(path, lambda row: None if (row["cell"]["impl"], row["cell"]["dim"]) == ("numpy", 64) else row)
    run = read_run(path)
    axes = {axes.get_title(): axes for axes in drawn(gap_map, run).figure.axes}
    hatched = axes["linear_ar.forward / inverse, numpy"].collections
    assert sum(bool(part.get_hatch()) for part in hatched) == 2  # D = 64 for both N
    assert not any(part.get_hatch() for part in axes["linear_ar.forward / inverse, numba"].collections)
    assert "NumPy, step by step" not in [
        t.get_text() for t in drawn(ladder, run).figure.axes[0].get_yticklabels()
    ]
    assert any(text.endswith("redundant work + call overhead") for text in texts(drawn(ladder, run)))
